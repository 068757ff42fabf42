"""Index arithmetic (reference 7.1, test vector 20)."""

import pytest

from pymodel.ring import Ring


@pytest.mark.parametrize(("log2size", "prod", "cons", "used", "empty", "full", "consistent"), [
    (3, 0x9, 0x1, 8, False, True, True),
    (3, 0x1, 0x1, 0, True, False, True),
    (3, 0x2, 0xF, 3, False, False, True),
    (3, 0x0, 0xF, 1, False, False, True),
    (3, 0xA, 0x1, 9, False, False, False),
    (0, 0x1, 0x0, 1, False, True, True),
    (0, 0x0, 0x1, 1, False, True, True),
    (0, 0x1, 0x1, 0, True, False, True),
    (3, 0x12, 0x02, 0, True, False, True),  # bits above the wrap bit have no effect
    (19, 0x80000, 0x00000, 1 << 19, False, True, True),
])
def test_predicates(log2size, prod, cons, used, empty, full, consistent):
    ring = Ring(0, log2size, 16)
    assert ring.used(prod, cons) == used
    assert (ring.empty(prod, cons), ring.full(prod, cons)) == (empty, full)
    assert ring.consistent(prod, cons) == consistent


@pytest.mark.parametrize(("log2size", "index", "following"), [
    (0, 0, 1), (0, 1, 0), (3, 7, 8), (3, 15, 0), (19, 0xFFFFF, 0)])
def test_next(log2size, index, following):
    assert Ring(0, log2size, 16).next(index) == following


@pytest.mark.parametrize(("address", "log2size", "limit", "entry", "base", "effective"), [
    (0x1230, 0, 19, 16, 0x1220, 0),       # at least 32 bytes of alignment
    (0x1FFE0, 8, 19, 16, 0x1F000, 8),     # aligned to the queue's bytes
    (0x1FFE0, 8, 4, 16, 0x1FF00, 4),      # the size is capped by IDR1
    (0x1FFE0, 8, 19, 32, 0x1E000, 8),
    (0x1FFE0, 31, 3, 32, 0x1FF00, 3),
])
def test_placement(address, log2size, limit, entry, base, effective):
    ring = Ring.at(address, log2size, limit, entry)
    assert (ring.base, ring.log2size) == (base, effective)


def test_the_wrap_bit_is_no_part_of_the_address():
    ring = Ring(0x1000, 2, 32)
    assert [ring.address(n) for n in (0, 3, 4, 7)] == [0x1000, 0x1060, 0x1000, 0x1060]
