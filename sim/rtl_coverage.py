"""Line and toggle coverage that Verilator counted, by module of the design."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from rich.table import Table

FILE = "coverage.dat"  # what a build with coverage leaves in the directory of a run
KINDS = {"v_line": "line", "v_branch": "line", "v_toggle": "toggle"}

# One point: fields by name, then how often it was reached.
_POINT = re.compile(rb"^C '(.*)' (\d+)$", re.M)
_FIELD = re.compile(rb"\x01([^\x02]*)\x02([^\x01]*)")

Point = tuple[str, str, str]  # module, kind, place


def points(path: Path) -> Counter[Point]:
    """The points of one run. The harness is no part of the design."""
    out: Counter[Point] = Counter()
    for text, count in _POINT.findall(path.read_bytes()):
        fields = {name.decode(): value.decode() for name, value in _FIELD.findall(text)}
        page, _, module = fields.get("page", "").partition("/")
        if page in KINDS and module not in ("", "tb_top"):
            place = f"{fields.get('l')}:{fields.get('n')}:{fields.get('o')}"
            out[block(module), KINDS[page], f"{module} {place}"] += int(count)
    return out


def block(module: str) -> str:
    """The part of the design that a generated module belongs to: the first names of its path,
    without numbers of instances."""
    names = [re.sub(r"\d+$", "", name) for name in module.strip("\\ ").split(".")]
    return ".".join(names[1:4]) or names[0]


def merge(runs: Iterable[Path]) -> Counter[Point]:
    """The sum over runs."""
    out: Counter[Point] = Counter()
    for path in runs:
        out.update(points(path))
    return out


def summary(found: Counter[Point]) -> dict[str, dict[str, list[int]]]:
    """{block: {"line": [reached, total], "toggle": [reached, total]}}."""
    out: dict[str, dict[str, list[int]]] = {}
    for (name, kind, _), count in found.items():
        pair = out.setdefault(name, {"line": [0, 0], "toggle": [0, 0]})[kind]
        pair[0] += count > 0
        pair[1] += 1
    return dict(sorted(out.items()))


def table(blocks: dict[str, dict[str, list[int]]]) -> Table:
    """For people."""
    out = Table("block", "lines", "", "toggles", "", title="Verilator coverage of the RTL")
    for name, kinds in blocks.items():
        cells = [cell for kind in ("line", "toggle") for cell in _cells(kinds[kind])]
        out.add_row(name, *cells)
    return out


def _cells(pair: list[int]) -> tuple[str, str]:
    hit, total = pair
    return f"{hit}/{total}", f"{100 * hit / total:.0f} %" if total else ""
