"""SEC engine: registers and buffer descriptor (qm.md 3.8, 5.2, 6).

Section numbers of this package are those of the QM reference.
"""

from spec.fields import RegisterMap
from spec.qm import BAR2_SIZE, QM
from spec.sec.bd import *  # noqa: F403
from spec.sec.registers import *  # noqa: F403
from spec.sec.registers import REGISTERS

SEC = RegisterMap("SEC", BAR2_SIZE, REGISTERS)
BAR2 = RegisterMap("BAR2", BAR2_SIZE, [*QM, *SEC])  # everything in the window
