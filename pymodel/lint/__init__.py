"""Software lint: names what a driver does wrong and which rule it breaks.

    lint = Lint(smmu, memory)
    ...                       # the driver runs
    lint.check()              # raises LintError that lists the findings
"""

from pymodel.lint.findings import RULES, Finding, LintError
from pymodel.lint.lint import Lint
from pymodel.lint.watched import WatchedMemory

__all__ = ["RULES", "Finding", "Lint", "LintError", "WatchedMemory"]
