"""Queue index arithmetic (reference 7.1). `n` is the effective LOG2SIZE, 0 to 19.

An index has n position bits and the wrap bit above them; bits above those are 0. All functions
are combinational and return unsigned values of 20 bits.
"""

from amaranth import Cat, Value

INDEX_BITS = 20


def index(value, n) -> Value:
    """Position and wrap bits of `value`."""
    value = Value.cast(value)
    return Cat(value[0], *(value[bit] & (n >= bit) for bit in range(1, INDEX_BITS)))


def position(value, n) -> Value:
    """Position bits of `value`: the number of the entry."""
    return Cat(Value.cast(value)[bit] & (n > bit) for bit in range(INDEX_BITS))


def distance(ahead, behind, n) -> Value:
    """Entries from `behind` to `ahead`, modulo 2^(n+1)."""
    return index((ahead - behind)[:INDEX_BITS], n)


def entries(n) -> Value:
    """Number of entries of the queue, 2^n."""
    return Cat(n == bit for bit in range(INDEX_BITS))


def aligned(base, n, log2entry: int) -> Value:
    """`base` aligned to a queue of 2^n entries of 2^log2entry bytes."""
    base = Value.cast(base)
    low, top = log2entry, log2entry + INDEX_BITS - 1
    return Cat(base[:low], *(base[bit] & (n <= bit - low) for bit in range(low, top)), base[top:])
