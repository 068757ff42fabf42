"""Small combinational helpers: one-hot selection, encoding, size masks.

Each returns an expression; nothing here has state. An empty selection gives 0. Operands appear
several times in the result: pass signals, not long expressions, or the Verilog grows.
"""

from functools import reduce
from operator import or_

from amaranth import Cat, Const, Mux, Value

PAGE_BITS = 12   # log2 of the smallest page
BLOCK_BITS = 52  # log2 of the largest block


def index_shape(count: int) -> range:
    """Shape of a number below `count`; at least one bit, since Verilog has no empty signals."""
    return range(max(count, 2))


def any_of(values) -> Value:
    """OR of a possibly empty iterable of values."""
    return reduce(or_, values, Const(0))


def first_one(bits) -> Value:
    """The lowest set bit of `bits`, alone."""
    bits = Value.cast(bits)
    return (bits & (~bits + 1))[:len(bits)]


def round_robin(bits, after) -> Value:
    """The lowest set bit of `bits` above the one-hot or zero `after`, else the lowest set bit."""
    bits = Value.cast(bits)
    above = (bits & ~(after | (after - 1)))[:len(bits)]
    return Mux((above != 0) & (after != 0), first_one(above), first_one(bits))


def encode(one_hot) -> Value:
    """Number of the set bit of `one_hot`."""
    one_hot = Value.cast(one_hot)
    width = max(1, (len(one_hot) - 1).bit_length())
    return Cat(any_of(one_hot[i] for i in range(len(one_hot)) if i >> b & 1)
               for b in range(width))


def decode(index, count: int) -> Value:
    """One-hot of `count` bits with bit `index` set."""
    return Cat(index == i for i in range(count))


def select(one_hot, values) -> Value:
    """The value whose bit in `one_hot` is set."""
    values = [Value.cast(v) for v in values]
    return any_of(v & one_hot[i].replicate(len(v)) for i, v in enumerate(values))


def page_mask(size) -> Value:
    """Address bits 51:12 that lie inside a page of 2^size bytes, as 40 bits (12 <= size <= 52)."""
    return Cat(size > b for b in range(PAGE_BITS, BLOCK_BITS))
