"""Bugs that reached silicon or users elsewhere, on the golden model and on the RTL."""

import asyncio

import pytest

from hdl.config import Config
from sim.dut import build_dut
from sim.runner import run
from spec.impl import PRESETS
from tests.field.bugs import BUGS
from tests.field.duts import ModelRig
from tests.rtl.simulators import ICARUS, VERILATOR

NAMES = [bug.name for bug in BUGS]
WHOLE = "base:sizes=tiny"  # every feature, built for other tests too
RTL = {WHOLE: VERILATOR, "tiny": VERILATOR}


@pytest.mark.parametrize("preset", ["base", "tiny", "qemu"])
@pytest.mark.parametrize("name", NAMES)
def test_model(name, preset):
    bug, impl = BUGS[NAMES.index(name)], PRESETS[preset]
    if not bug.applies(impl):
        assert preset != "base", "base has every feature"
        return
    asyncio.run(bug.test(ModelRig(impl)))


def _rtl(preset, sim):
    build = build_dut(Config.preset(preset), sim)
    found = run(build, "tests.field.duts:every_bug", preset=preset).check().value
    impl = Config.preset(preset).impl
    assert set(found) == {bug.name for bug in BUGS if bug.applies(impl)}
    wrong = {name: text for name, text in found.items() if text}
    assert not wrong, "\n".join(f"{name}\n{text}" for name, text in wrong.items())


@pytest.mark.parametrize("sim", [VERILATOR])
@pytest.mark.parametrize("preset", [WHOLE, "tiny"])
def test_rtl(preset, sim):
    _rtl(preset, sim)


@pytest.mark.parametrize("sim", [ICARUS])
def test_rtl_on_icarus(sim):
    _rtl("tiny", sim)
