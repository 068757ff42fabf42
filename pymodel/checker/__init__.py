"""The set of what is allowed: which outcomes a transaction may have, whatever the caches did.

`Checker` keeps the history of structure writes, invalidations and register state, and answers for
each transaction every outcome that some combination of old and new structures gives
(`pymodel.checker.checker`). It never models a particular TLB.
"""

from pymodel.checker.checker import Checker
from pymodel.checker.judge import Observation, Verdict
from pymodel.checker.outcome import Outcome
from pymodel.checker.search import TooManyError

__all__ = ["Checker", "Observation", "Outcome", "TooManyError", "Verdict"]
