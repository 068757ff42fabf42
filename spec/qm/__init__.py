"""HiSilicon queue manager V3: configuration space, registers and in-memory structures (qm.md 1 to
3).

Section numbers of this package are those of the QM reference.
"""

from spec.fields import RegisterMap
from spec.qm.config import *  # noqa: F403
from spec.qm.device import *  # noqa: F403
from spec.qm.device import DEVICE
from spec.qm.function import *  # noqa: F403
from spec.qm.function import BAR2_SIZE, FUNCTION
from spec.qm.storage import *  # noqa: F403
from spec.qm.storage import STORAGE
from spec.qm.structures import *  # noqa: F403

QM = RegisterMap("QM", BAR2_SIZE, [*FUNCTION, *DEVICE, *STORAGE])
