"""Functional coverage: counts what the golden model says about each transaction, by the plan in
docs/testplan/coverage.toml."""

from __future__ import annotations

import itertools
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from spec.impl import Implementation
from spec.registers import TTENDIAN

PLAN = Path(__file__).parents[1] / "docs" / "testplan" / "coverage.toml"

Bin = tuple[str, ...]


class PlanError(ValueError):
    """A sample that the plan does not have, or says cannot be."""


@dataclass(frozen=True)
class Group:
    """The cross of some axes.

    Members
    -------
    axes
        Name to values.
    needs, excluded
        Rows of the plan: axis names to lists of values, with `field` or `why`.
    """

    name: str
    about: str
    axes: Mapping[str, list[str]]
    needs: list[dict[str, Any]]
    excluded: list[dict[str, Any]]

    def bins(self, impl: Implementation) -> Iterator[Bin]:
        """Bins that can be reached with what is implemented."""
        for values in itertools.product(*self.axes.values()):
            if self.why_not(impl, values) is None:
                yield values

    def why_not(self, impl: Implementation, values: Bin) -> str | None:
        """Why the bin cannot be reached, None if it can."""
        for row in self.excluded:
            if self._matches(row, values):
                return str(row["why"])
        for row in self.needs:
            if self._matches(row, values) and not implemented(impl, row["field"]):
                return f"{row['field']} is 0"
        return None

    def _matches(self, row: dict[str, Any], values: Bin) -> bool:
        named = dict(zip(self.axes, values, strict=True))
        return all(named[axis] in allowed for axis, allowed in row.items() if axis in named)


def implemented(impl: Implementation, name: str) -> bool:
    """An ID field that is not 0, or one of a few words for more than one field."""
    if name == "mixed_endian":
        return impl.TTENDIAN == TTENDIAN.MIXED
    if name == "translates":
        return bool(impl.S1P or impl.S2P)
    if name == "device_tables":  # stage 2 can make Device of what stage 1 reads
        return bool(impl.S2P and not impl.PTWNNC)
    return bool(getattr(impl, name))


@cache
def plan() -> dict[str, Group]:
    """The groups by name."""
    with PLAN.open("rb") as file:
        rows = tomllib.load(file)["group"]
    return {row["name"]: Group(row["name"], row["about"], row["axes"], row.get("needs", []),
                               row.get("excluded", [])) for row in rows}


@dataclass
class Counts:
    """How often each bin was hit, by group."""

    impl: Implementation
    hits: dict[str, Counter[Bin]] = field(default_factory=dict)

    def add(self, group: str, *values: str) -> None:
        """One hit. PlanError for what cannot be by the plan."""
        found = plan()[group]
        for (axis, allowed), value in zip(found.axes.items(), values, strict=True):
            if value not in allowed:
                raise PlanError(f"coverage group {group}: {axis} is never {value!r}")
        if (why := found.why_not(self.impl, values)) is not None:
            raise PlanError(f"coverage group {group}: {' '.join(values)} cannot be: {why}")
        self.hits.setdefault(group, Counter())[values] += 1

    def json(self) -> dict[str, dict[str, int]]:
        """{group: {values joined by "|": hits}}."""
        return {group: {"|".join(values): n for values, n in sorted(counter.items())}
                for group, counter in self.hits.items()}


def merged(found: Iterable[dict[str, dict[str, int]]]) -> dict[str, Counter[str]]:
    """The sum of several `Counts.json`."""
    out: dict[str, Counter[str]] = {}
    for one in found:
        for group, bins in one.items():
            out.setdefault(group, Counter()).update(bins)
    return out


def table(impl: Implementation, hits: dict[str, Counter[str]]) -> dict[str, list[int]]:
    """{group: [bins hit, bins there are]}."""
    missing = holes(impl, hits)
    return {name: [len(bins) - len(missing[name]), len(bins)]
            for name, bins in every_bin(impl).items()}


def holes(impl: Implementation, hits: dict[str, Counter[str]]) -> dict[str, list[str]]:
    """The bins of each group that nothing hit."""
    return {name: [b for b in bins if not hits.get(name, Counter())[b]]
            for name, bins in every_bin(impl).items()}


def every_bin(impl: Implementation) -> dict[str, list[str]]:
    """Bins that can be reached, by group."""
    return {name: ["|".join(values) for values in group.bins(impl)]
            for name, group in plan().items()}
