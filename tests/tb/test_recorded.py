"""What a recorded memory tells of hardware updates, and when."""

from pymodel.memory import SparseMemory
from tb.recorded import RecordedMemory

BASE, TABLE, LEAF = 0x8000_0000, 0x8000_1000, 0x8000_2000


def test_an_update_is_told_before_software_changes_anything_else():
    """The leaf has its access flag while the table above it goes: it may be cached then."""
    plain = SparseMemory(BASE, 0x10000)
    memory = RecordedMemory(plain)
    memory.descriptors[LEAF] = 1
    told: list[tuple[int, int, int]] = []
    memory.watch = lambda address, old, new, ago: told.append(
        (address, int.from_bytes(new, "little"), ago))
    plain.write(LEAF, (5).to_bytes(8, "little"))  # the hardware
    memory.write(TABLE, bytes(8))
    assert told == [(LEAF, 5, 1), (TABLE, 0, 0)]
    memory.look()
    assert len(told) == 2
