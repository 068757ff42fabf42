"""The test plan for people: docs/testplan/README.md from the data files beside it.

    python -m tb.testplan            # write the page
    python -m tb.testplan --check    # exit 1 if it is not current
"""

from __future__ import annotations

import sys
import tomllib
from math import prod
from typing import Any

from spec.impl import PRESETS
from tb.coverage import PLAN, Group, plan

FOLDER = PLAN.parent
PAGE = FOLDER / "README.md"
_SHOWN = ("tiny", "base")


def bugs() -> list[dict[str, Any]]:
    """Rows of bugs.toml."""
    with (FOLDER / "bugs.toml").open("rb") as file:
        return list(tomllib.load(file)["bug"])


def page() -> str:
    """The whole page."""
    lines = [
        "# Test plan", "",
        "Generated from coverage.toml and bugs.toml by `python -m tb.testplan`.", "",
        "## Functional coverage", "",
        "What the random regression has to reach; `substream regress --holes` names what it has",
        "not. A group is the cross of its axes; some bins cannot be.", ""]
    for group in plan().values():
        lines += _group(group)
    lines += ["## Known bugs", "", "Names without a folder are those of tests/field, run on the",
              "golden model and on the RTL.", "", "| of | bug | noticed by |", "|---|---|---|"]
    for row in bugs():
        notes = [f"`{name}`" for name in row["tests"]] + ([row["why"]] if "why" in row else [])
        lines.append(f"| {row['of']} | {row['what']} | {'; '.join(notes)} |")
    return "\n".join(lines) + "\n"


def _group(group: Group) -> list[str]:
    sizes = ", ".join(f"{sum(1 for _ in group.bins(PRESETS[name]))} in `{name}`"
                      for name in _SHOWN)
    total = prod(len(values) for values in group.axes.values())
    lines = [f"### {group.name}", "", f"{group.about[0].upper()}{group.about[1:]}. "
             f"{total} bins, {sizes}.", ""]
    lines += [f"- **{name}**: {', '.join(values)}" for name, values in group.axes.items()]
    for row in group.excluded:
        lines.append(f"- not {_named(row)}: {row['why']}")
    for row in group.needs:
        lines.append(f"- {_named(row)}: only with {row['field']}")
    return [*lines, ""]


def _named(row: dict[str, Any]) -> str:
    return " with ".join(f"{axis} {' or '.join(values)}" for axis, values in row.items()
                         if isinstance(values, list))


def main(arguments: list[str]) -> int:
    if "--check" in arguments:
        return int(PAGE.read_text() != page())
    PAGE.write_text(page())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
