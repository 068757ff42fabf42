"""The test plan agrees with what there is."""

import tomllib
from pathlib import Path

import pytest

from spec.impl import PRESETS
from tb.coverage import PLAN, Counts, PlanError, holes, merged, plan, table
from tb.testplan import PAGE, bugs, page
from tests.field.bugs import BUGS

ROOT = Path(__file__).parents[2]


def test_the_page_is_current():
    assert PAGE.read_text() == page(), "run python -m tb.testplan"


def test_every_bug_is_in_the_list_and_every_test_exists():
    named = {name for row in bugs() for name in row["tests"]}
    fields = {name for name in named if "/" not in name}
    assert fields == {bug.name for bug in BUGS}
    assert all((ROOT / name).exists() for name in named - fields)
    assert all(row["tests"] or row.get("why") for row in bugs())


@pytest.mark.parametrize("name", plan())
def test_rows_name_axes_and_values_that_there_are(name):
    group = plan()[name]
    for row in [*group.needs, *group.excluded]:
        axes = {key: values for key, values in row.items() if isinstance(values, list)}
        assert axes, row
        for axis, values in axes.items():
            assert set(values) <= set(group.axes[axis]), row
    assert all(row["why"] for row in group.excluded)
    assert any(True for _ in group.bins(PRESETS["base"]))


def test_no_other_keys():
    with PLAN.open("rb") as file:
        for row in tomllib.load(file)["group"]:
            assert set(row) <= {"name", "about", "axes", "needs", "excluded"}


def test_counting_and_holes():
    impl = PRESETS["tiny"]
    counts = Counts(impl)
    counts.add("queue", "event", "3", "wrapped")
    hits = merged([counts.json(), counts.json()])
    assert hits["queue"]["event|3|wrapped"] == 2
    total = len(list(plan()["queue"].bins(impl)))
    assert table(impl, hits)["queue"] == [1, total]
    assert "event|3|wrapped" not in holes(impl, hits)["queue"]
    assert len(holes(impl, hits)["queue"]) == total - 1


@pytest.mark.parametrize(("group", "values"), [
    ("queue", ("event", "99", "wrapped")),                           # no such bin
    ("configuration", ("abort", "read", "privileged", "translated")),  # excluded
    ("configuration", ("s2", "read", "privileged", "translated")),   # not implemented
])
def test_what_cannot_be_is_an_error(group, values):
    with pytest.raises(PlanError):
        Counts(PRESETS["tiny"]).add(group, *values)
