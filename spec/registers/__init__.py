"""SMMU registers, Non-secure, two 64 KB pages (reference 1)."""

from spec.fields import RegisterMap
from spec.registers.control import *  # noqa: F403
from spec.registers.control import CONTROL
from spec.registers.gatos import *  # noqa: F403
from spec.registers.gatos import GATOS
from spec.registers.ident import *  # noqa: F403
from spec.registers.ident import IDENT
from spec.registers.queues import *  # noqa: F403
from spec.registers.queues import QUEUES

SMMU = RegisterMap("SMMU", 0x20000, [*IDENT, *CONTROL, *QUEUES, *GATOS])
