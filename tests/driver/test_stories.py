"""The stories on the golden model."""

import os

import pytest

from driver.model_bus import ModelBus
from driver.run import run
from spec.impl import PRESETS
from tests.driver.rig import SID
from tests.driver.stories import STALLING, STORIES


@pytest.mark.parametrize("preset", ["tiny", "tiny-stall", "base"])
@pytest.mark.parametrize("name", STORIES)
def test_on_the_model(name, preset):
    impl = PRESETS[preset]
    if name in STALLING and not impl.stalls:
        pytest.skip("needs the stall model")
    before = len(os.listdir("/proc/self/fd"))
    bus = ModelBus(impl, sid=SID, queues=8)
    run(STORIES[name](bus, SID))
    assert not bus.smmu.stalls
    if name == "commands":
        assert {finding.rule for finding in bus.lint.findings} == {"cmd.illegal"}
        bus.lint.findings.clear()
    assert len(os.listdir("/proc/self/fd")) == before
