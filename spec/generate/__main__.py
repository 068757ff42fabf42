"""`python -m spec.generate [--check]`: write the generated files, or name those that are stale."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from spec.generate import header, markdown

DOCS = Path(__file__).resolve().parents[2] / "docs"
FILES = {"registers.md": markdown.text, "substream.h": header.text}


def stale(docs: Path = DOCS) -> list[str]:
    """Names of the generated files that are missing or differ from what spec/ says."""
    return [name for name, text in FILES.items()
            if not (docs / name).exists() or (docs / name).read_text() != text()]


def main() -> int:
    """Exit status: 1 if `--check` found a stale file."""
    parser = argparse.ArgumentParser(prog="python -m spec.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, name stale files")
    names = stale()
    if parser.parse_args().check:
        for name in names:
            print(f"docs/{name} is stale: run python -m spec.generate")
        return 1 if names else 0
    for name in names:
        (DOCS / name).write_text(FILES[name]())
        print(f"wrote docs/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
