"""spec structures as Amaranth layouts."""

import pytest
from amaranth.hdl import Const, Signal

from hdl.layouts import in_place, layout, view
from spec.commands import COMMANDS
from spec.context import CD
from spec.events import EVENTS
from spec.fields import Structure
from spec.registers import SMMU
from spec.stream_table import L1STD, STE

STRUCTURES = [L1STD, STE, CD, *COMMANDS.values(), *EVENTS.values(), *SMMU]


@pytest.mark.parametrize("structure", STRUCTURES, ids=lambda s: s.__name__)
def test_layout_has_the_positions_of_the_structure(structure: type[Structure]):
    shape = layout(structure)
    assert shape.size == structure.BITS
    assert {name: (field.offset, field.width) for name, field in shape} == {
        name: (field.lsb, field.width) for name, field in structure.FIELDS.items()}


def test_constants_read_back():
    ste = STE.make(V=1, Config=5, S1ContextPtr=0x8000_1000, S1CDMax=16, S2VMID=3)
    const = layout(STE).from_bits(ste.value)
    assert [const[name] for name in STE.FIELDS] == [
        value >> (field.lo if field.addr else 0)
        for field, (_, value) in zip(STE.FIELDS.values(), ste.items(), strict=True)]


def test_addresses_in_place():
    descriptor = L1STD.make(Span=9, L2Ptr=0x8000_4000)
    raw = layout(L1STD).from_bits(descriptor.value).L2Ptr
    address = in_place(L1STD.L2Ptr, Const(raw, L1STD.L2Ptr.width))
    assert len(address) == 52
    assert (raw << L1STD.L2Ptr.lo) == descriptor.L2Ptr


def test_view_of_a_signal():
    word = Signal(512)
    assert len(view(STE, word).S2TTB) == 48
