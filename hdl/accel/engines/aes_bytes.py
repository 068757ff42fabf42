"""AES on many bytes at once (FIPS 197).

A `Planes` value is the bit planes of some bytes: plane i holds bit i of each of them, byte n at
bit n. So one gate of the S-box is one operation on a whole plane, in simulators too.

The S-box's inverse is calculated in GF((2^4)^2), whose elements are h*y + l with h, l in GF(2^4)
and y^2 = y + NORM.
"""

from functools import reduce
from operator import and_, xor

from amaranth import Cat, Signal, Value

BYTE_POLYNOMIAL = 0x11B       # x^8 + x^4 + x^3 + x + 1
NIBBLE_POLYNOMIAL = 0x13      # x^4 + x + 1
AFFINE_CONSTANT = 0x63
ROWS = COLUMNS = 4

Planes = list[Value]          # lowest bit first


def planes(value, count: int) -> Planes:
    """Of `count` bytes that lie one behind the other in `value`."""
    return [Cat(value[8 * n + bit] for n in range(count)) for bit in range(8)]


def bytes_of(bits: Planes, count: int) -> Value:
    """The reverse of `planes`."""
    return Cat(bits[bit][n] for n in range(count) for bit in range(8))


def planes_in(value) -> Planes:
    """Planes that lie one behind the other in `value`."""
    size = len(value) // 8
    return [value[size * bit:size * (bit + 1)] for bit in range(8)]


def _multiply(a: int, b: int, polynomial: int) -> int:
    """In GF(2^n)."""
    product = reduce(xor, (a << bit for bit in range(8) if b >> bit & 1), 0)
    for bit in reversed(range(16)):
        if product >> bit & 1 and bit >= polynomial.bit_length() - 1:
            product ^= polynomial << bit - polynomial.bit_length() + 1
    return product


def _nibbles(a: int, b: int) -> int:
    return _multiply(a, b, NIBBLE_POLYNOMIAL)


# The least NORM for which y^2 + y + NORM has no root.
NORM = next(n for n in range(16) if all(_nibbles(y, y) ^ y != n for y in range(16)))


def _multiply_tower(a: int, b: int) -> int:
    ah, al, bh, bl = a >> 4, a & 15, b >> 4, b & 15
    high = _nibbles(ah, bh)
    return ((high ^ _nibbles(ah, bl) ^ _nibbles(al, bh)) << 4
            | _nibbles(al, bl) ^ _nibbles(high, NORM))


def _isomorphism() -> list[int]:
    """Column i: what x^i is in GF((2^4)^2): a root of the byte polynomial to the power i."""
    for root in range(2, 256):
        powers = [1]
        for _ in range(8):
            powers.append(_multiply_tower(powers[-1], root))
        if reduce(xor, (powers[i] for i in range(9) if BYTE_POLYNOMIAL >> i & 1)) == 0:
            return powers[:8]
    raise AssertionError


def _apply(columns: list[int], value: int) -> int:
    return reduce(xor, (column for i, column in enumerate(columns) if value >> i & 1), 0)


def _inverse(columns: list[int]) -> list[int]:
    return [next(v for v in range(256) if _apply(columns, v) == 1 << i) for i in range(8)]


TO_TOWER = _isomorphism()
FROM_TOWER = _inverse(TO_TOWER)
# S-box = AFFINE * inverse + constant: bit i of the result is the sum of bits i, i+4 .. i+7
AFFINE = [sum(1 << (bit + shift) % 8 for shift in range(5)) for bit in range(8)]
FROM_AFFINE = _inverse(AFFINE)


def _matrix(columns: list[int], bits: Planes, constant: int = 0) -> Planes:
    """Multiply each byte by a matrix over GF(2), and add a constant."""
    out = []
    for row in range(8):
        plane = reduce(xor, (bits[i] for i in range(8) if columns[i] >> row & 1))
        out.append(~plane if constant >> row & 1 else plane)
    return out


def _named(m, name: str, bits: Planes) -> Planes:
    """Give the planes signals, so that they are calculated once."""
    signals = [Signal(len(plane), name=f"{name}{i}") for i, plane in enumerate(bits)]
    m.d.comb += [signal.eq(plane) for signal, plane in zip(signals, bits, strict=True)]
    return signals


def _choose(m, name: str, condition, yes: Planes, no: Planes) -> Planes:
    signals = [Signal(len(plane), name=f"{name}{i}") for i, plane in enumerate(yes)]
    for case, bits in ((m.If(condition), yes), (m.Else(), no)):
        with case:
            m.d.comb += [signal.eq(plane) for signal, plane in zip(signals, bits, strict=True)]
    return signals


def _add(a: Planes, b: Planes) -> Planes:
    return [x ^ y for x, y in zip(a, b, strict=True)]


def _times(a: Planes, b: Planes) -> Planes:
    """Product in GF(2^4)."""
    out: list[list[Value]] = [[] for _ in range(4)]
    for i in range(4):
        for j in range(4):
            for bit in range(4):
                if _nibbles(1 << i, 1 << j) >> bit & 1:
                    out[bit].append(a[i] & b[j])
    return [reduce(xor, terms) for terms in out]


def _nibble_table(a: Planes, table: list[int]) -> Planes:
    """`table` of each nibble, with table[0] = 0, as its algebraic normal form."""
    out = []
    for bit in range(4):
        form = [entry >> bit & 1 for entry in table]
        for i in range(4):                               # Moebius transform
            for n in range(16):
                if n >> i & 1:
                    form[n] ^= form[n ^ 1 << i]
        out.append(reduce(xor, (reduce(and_, (a[i] for i in range(4) if n >> i & 1))
                                for n in range(1, 16) if form[n])))
    return out


INVERSE_TABLE = [0] + [next(b for b in range(16) if _nibbles(a, b) == 1) for a in range(1, 16)]
NORM_TABLE = [_nibbles(_nibbles(a, a), NORM) for a in range(16)]   # NORM * a^2


def substitute(m, name: str, bits: Planes, decrypt) -> Planes:
    """SubBytes, or InvSubBytes if `decrypt`."""
    inward = _matrix(TO_TOWER, bits)
    outward = _matrix(TO_TOWER, _matrix(FROM_AFFINE, bits, _apply(FROM_AFFINE, AFFINE_CONSTANT)))
    tower = _choose(m, f"{name}_in", decrypt, outward, inward)
    low, high = tower[:4], tower[4:]
    both = _named(m, f"{name}_sum", _add(low, high))
    norm = _named(m, f"{name}_norm", _add(_times(low, both), _nibble_table(high, NORM_TABLE)))
    over = _named(m, f"{name}_over", _nibble_table(norm, INVERSE_TABLE))
    found = _named(m, f"{name}_inverse", _matrix(FROM_TOWER, _times(both, over)
                                                 + _times(high, over)))
    return _choose(m, f"{name}_box", decrypt, found, _matrix(AFFINE, found, AFFINE_CONSTANT))


def _move(plane, source) -> Value:
    """Byte (row, column) of the state, which is byte row + 4 * column, comes from there."""
    return Cat(plane[row + ROWS * column] for column, row in (
        source(column, row) for column in range(COLUMNS) for row in range(ROWS)))


def shift_rows(m, name: str, bits: Planes, decrypt) -> Planes:
    """ShiftRows, or InvShiftRows if `decrypt`, of 16 bytes."""
    right = [_move(plane, lambda column, row: ((column - row) % COLUMNS, row)) for plane in bits]
    left = [_move(plane, lambda column, row: ((column + row) % COLUMNS, row)) for plane in bits]
    return _choose(m, f"{name}_moved", decrypt, right, left)


def _below(bits: Planes, count: int) -> Planes:
    """For each byte the one `count` rows below."""
    return [_move(plane, lambda column, row: (column, (row + count) % ROWS)) for plane in bits]


def _double(bits: Planes) -> Planes:
    """Each byte times x."""
    return [bits[bit - 1] ^ bits[7] if bit and BYTE_POLYNOMIAL >> bit & 1 else bits[bit - 1]
            for bit in range(8)]


def mix_columns(m, name: str, bits: Planes, decrypt) -> Planes:
    """MixColumns, or InvMixColumns if `decrypt`, which is the same after a multiplication of each
    column by 4x^2 + 5."""
    far = _double(_double(_add(bits, _below(bits, 2))))
    a = _choose(m, f"{name}_mix", decrypt, _add(bits, far), bits)
    pair = _named(m, f"{name}_pair", _add(a, _below(a, 1)))
    rest = _add(_below(a, 1), _below(pair, 2))           # of the column, without the byte itself
    return _add(_double(pair), rest)


def one_round(m, name: str, bits: Planes, key: Planes, decrypt, last) -> Planes:
    """A round of Cipher, or of InvCipher if `decrypt`, with its round key; the `last` one does
    not mix columns."""
    moved = shift_rows(m, name, substitute(m, name, bits, decrypt), decrypt)
    added = _named(m, f"{name}_added", _add(moved, key))
    mixed = mix_columns(m, name, _choose(m, f"{name}_from", decrypt, added, moved), decrypt)
    whole = _choose(m, f"{name}_whole", decrypt, mixed, _add(mixed, key))
    return _choose(m, f"{name}_out", last, added, whole)
