"""Accelerator, SMMU and driver together on the golden model."""

from pathlib import Path

import pytest

from driver.model_bus import ModelBus
from driver.run import run
from spec.impl import PRESETS
from tests.accel.attacks import ATTACKS, attack, table
from tests.accel.system_cases import SYSTEM_CASES, System, all_cases

SID = 0x18


@pytest.mark.parametrize("case", SYSTEM_CASES, ids=lambda case: case.__name__)
def test_case(case):
    bus = ModelBus(PRESETS["tiny-stall"], sid=SID, queues=8)
    run(case(run(System.start(bus, SID))))
    bus.lint.check()


def test_all_on_one_machine():
    run(all_cases(ModelBus(PRESETS["tiny-stall"], sid=SID, queues=8), SID))


def test_attacks():
    bus = ModelBus(PRESETS["tiny-stall"], sid=SID, queues=8)
    outcomes = run(attack(run(System.start(bus, SID))))
    assert outcomes == [(row.what, row.outcome) for row in ATTACKS]


def test_attacks_are_documented():
    assert table() in (Path(__file__).parents[3] / "docs/accelerator.md").read_text()
