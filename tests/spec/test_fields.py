"""Layouts that contradict themselves are refused; values that do not fit are refused."""

import pytest

from spec.fields import Access, Field, Register, RegisterMap, SpecError, Structure


class Entry(Structure):
    BITS = 128
    A = Field(3, 0)
    B = Field(4)
    Ptr = Field(51, 12, addr=True)
    C = Field(7, 4, dw=1)
    Wide = Field(63, 32, dw=1)


def test_positions():
    assert (Entry.A.lsb, Entry.A.width, Entry.A.mask) == (0, 4, 0xF)
    assert (Entry.C.lsb, Entry.C.width) == (68, 4)
    assert list(Entry.FIELDS) == ["A", "B", "Ptr", "C", "Wide"]
    assert Entry.size() == 16


def test_round_trip():
    entry = Entry.make(A=5, B=1, Ptr=0x8000_1000, C=9)
    assert (entry.A, entry.B, entry.Ptr, entry.C, entry.Wide) == (5, 1, 0x8000_1000, 9, 0)
    assert entry.words() == [0x8000_1015, 0x90]
    assert Entry.from_words(entry.words()) == entry
    assert Entry.from_bytes(entry.to_bytes()) == entry
    assert entry.replace(A=0, C=1).words() == [0x8000_1010, 0x10]
    assert entry.text() == "A=5 B=1 Ptr=0x80001000 C=9"


def test_a_field_may_cross_doublewords():
    class Crossing(Structure):
        BITS = 128
        Address = Field(95, 32)

    assert Crossing.make(Address=2**64 - 1).words() == [0xFFFF_FFFF_0000_0000, 0xFFFF_FFFF]


def test_overlap_is_named():
    with pytest.raises(SpecError, match=r"Bad: B and A share bit 3"):
        type("Bad", (Structure,), {"A": Field(3, 0), "B": Field(5, 3)})


def test_overlap_with_an_inherited_field():
    with pytest.raises(SpecError, match=r"share bit 4"):
        type("Bad", (Entry,), {"D": Field(4)})


def test_beyond_the_end():
    with pytest.raises(SpecError, match=r"Bad\.A lies beyond bit 31"):
        type("Bad", (Structure,), {"BITS": 32, "A": Field(32)})


def test_not_a_range():
    with pytest.raises(SpecError, match="not a range"):
        Field(0, 3)


@pytest.mark.parametrize(("fields", "message"), [
    ({"A": 16}, "A: 0x10 does not fit"),
    ({"A": -1}, "A: -0x1 does not fit"),
    ({"Ptr": 0x8000_1800}, "Ptr: 0x80001800 is not aligned to bit 12"),
    ({"Ptr": 1 << 52}, "does not fit"),
    ({"Z": 1}, "Entry has no field 'Z'"),
])
def test_values_that_do_not_fit(fields, message):
    with pytest.raises(SpecError, match=message):
        Entry.make(**fields)


def test_whole_values_that_do_not_fit():
    with pytest.raises(SpecError, match="more than 128 bits"):
        Entry(1 << 128)
    with pytest.raises(SpecError, match="8 bytes, expected 16"):
        Entry.from_bytes(bytes(8))


class First(Register):
    OFFSET = 0x10
    BITS = 64


class Second(Register):
    OFFSET = 0x14
    ACCESS = Access.RO


def test_register_map_finds_by_byte():
    space = RegisterMap("M", 0x20, [First])
    assert space.find(0x17) is First
    assert space.find(0x18) is None
    assert space["First"] is First


def test_register_map_refuses_overlap():
    with pytest.raises(SpecError, match="Second overlaps First at 0x14"):
        RegisterMap("M", 0x20, [First, Second])


@pytest.mark.parametrize(("offset", "bits"), [(0x14, 64), (0x20, 32), (0x2, 32)])
def test_register_map_refuses_bad_offsets(offset, bits):
    register = type("Bad", (Register,), {"OFFSET": offset, "BITS": bits})
    with pytest.raises(SpecError, match=r"M\.Bad: offset"):
        RegisterMap("M", 0x20, [register])
