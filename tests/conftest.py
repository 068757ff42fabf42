"""What all tests share: the software lint is on wherever a driver runs on the golden model."""

from __future__ import annotations

import sys

import pytest

from pymodel.lint import Lint
from pymodel.smmu import Smmu


@pytest.fixture(autouse=True)
def driver_lint(monkeypatch):
    """Every `ModelBus` of a test must end without a finding.

    A test that breaks rules on purpose looks at `bus.lint.findings` and clears them.
    """
    module = sys.modules.get("driver.model_bus")
    if module is None:
        yield
        return
    buses = []
    start = module.ModelBus.__init__

    def recorded(self, *args, **kwargs):
        start(self, *args, **kwargs)
        buses.append(self)

    monkeypatch.setattr(module.ModelBus, "__init__", recorded)
    yield
    for bus in buses:
        bus.lint.check()


@pytest.fixture
def linted_smmu():
    """Makes a model with a lint that must find nothing: `linted_smmu(impl, memory, irq=None)`."""
    lints = []

    def make(impl, memory, irq=None):
        smmu = Smmu(impl, memory, irq)
        lints.append(Lint(smmu, memory))
        return smmu

    yield make
    for lint in lints:
        lint.check()
