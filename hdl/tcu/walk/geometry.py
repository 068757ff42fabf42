"""Granules, levels and the shifts between them (reference 4.6), as multiplexers of constants.

Arguments are used many times over: pass signals, not expressions.
"""

from typing import NamedTuple

from amaranth import Cat, Const, Module, Mux, Value

from hdl.streams import ADDR_BITS, PA_BITS
from hdl.tcu.bits import below, choose
from spec import vmsa
from spec.codes import SIZE_BITS, SizeCode

LEVELS = range(4)
DESCRIPTOR_SHIFT = vmsa.DESCRIPTOR_BYTES.bit_length() - 1


class Granule(NamedTuple):
    """A granule: its code inside the walker (2 bits) and log2 of its bytes, the name that
    `spec.vmsa` has for it."""

    value: int
    bits: int

    @property
    def stride(self) -> int:
        """Address bits resolved per level."""
        return vmsa.stride(self.bits)

    def shift(self, level: int) -> int:
        """log2 of the bytes that a descriptor of `level` maps."""
        return vmsa.shift(self.bits, level)


GRANULES = tuple(Granule(code, bits) for code, bits in enumerate(vmsa.GRANULES))
BY_BITS = {granule.bits: granule for granule in GRANULES}


def granule_of(code: Value, shifts: dict[int, int], impl) -> Value:
    """A TG code to `Granule`; `shifts` says which TG (TG0_SHIFT, TG1_SHIFT). Codes that are
    reserved or not implemented have been refused."""
    return choose(code, {c: BY_BITS[bits].value for c, bits in shifts.items()
                         if bits in impl.granules})[:2]


def granule_legal(code: Value, shifts: dict[int, int], impl) -> Value:
    """The TG code is neither reserved nor unimplemented."""
    return choose(code, {c: 1 for c, bits in shifts.items() if bits in impl.granules})


def output_bits(code: Value, impl) -> Value:
    """Effective output size of an IPS or S2PS code: capped at OAS, the reserved code 7 acts as 6
    (reference 2.5, 4.5)."""
    sizes = {c: bits for c, bits in SIZE_BITS.items() if bits < impl.oas_bits}
    return choose(code, sizes, impl.oas_bits)[:6]


def wide(impl) -> bool:
    """Output addresses have 52 bits, which descriptors of the 64 KB granule can hold."""
    return impl.OAS == SizeCode.B52


def table_base(base: Value, code: Value, impl) -> Value:
    """The base of a start table, at least 64 bytes aligned where IPS or S2PS (`code`) is 52 bits
    (reference 4.6)."""
    if not wide(impl):
        return base
    least = output_bits(code, impl) == SIZE_BITS[SizeCode.B52]
    return base & ~Mux(least, Const(vmsa.WIDE_TABLE_BYTES - 1, PA_BITS), 0)


def base_beyond(base: Value, granule: Value) -> Value:
    """The base of a start table has bits that only the 64 KB granule may have (reference 2.7 row
    16, 3.3 row 13)."""
    return base[vmsa.S1Leaf.Address.hi + 1:].any() & (granule != BY_BITS[16].value)


def input_bits(tnsz: Value) -> Value:
    """IA = 64 - TnSZ of a legal TnSZ, 6 bits."""
    return (64 - tnsz)[:6]


def at(granule: Value, level: Value, case) -> Value:
    """`case(granule, level)` for the granule and level at hand."""
    return choose(Cat(level, granule), {g.value * 4 + n: case(g, n) for g in GRANULES
                                        for n in LEVELS})


def shift(granule: Value, level: Value) -> Value:
    """log2 of the bytes that a descriptor maps, 6 bits."""
    return at(granule, level, lambda g, n: g.shift(n))[:6]


def input_mask(m: Module, tnsz: Value, width: int) -> Value:
    """The `width` low bits of the mask of the address bits that are translated, IA-1 to 0, for a
    legal TnSZ."""
    return ~below(m, tnsz, ADDR_BITS)[::-1][:width]


def start_level(granule: Value, translated: Value) -> Value:
    """Stage-1 start level: the lowest one whose shift is below IA, 2 bits."""
    per_granule = {}
    for g in GRANULES:
        level = Value.cast(3)
        for n in (2, 1, 0):
            level = Mux(translated[g.shift(n)], n, level)
        per_granule[g.value] = level
    return choose(granule, per_granule)[:2]


def index_offset(address: Value, granule: Value, level: Value) -> Value:
    """Byte offset of the descriptor for `address` inside a table of `level` that is not the start
    table."""
    def case(g: Granule, n: int) -> Value:
        return Cat(0, 0, 0, address[g.shift(n):g.shift(n) + g.stride])
    return at(granule, level, case)


def start_descriptor(base: Value, offset: Value, translated: Value, granule: Value,
                     level: Value) -> Value:
    """Address of the descriptor in the start table at `base`, whose bits below the size of the
    table, 8 * 2^(IA - shift) bytes, count as 0. `translated` is the `input_mask`, `offset` the
    translated bits of the address."""
    inside = Const(0, PA_BITS) | Cat(Const(-1, DESCRIPTOR_SHIFT),
                                     _start_index(translated, granule, level))
    return base & ~inside | Cat(Const(0, DESCRIPTOR_SHIFT), _start_index(offset, granule, level))


def _start_index(bits: Value, granule: Value, level: Value) -> Value:
    """Those of `bits` that tell the descriptors of a start table of `level`."""
    return at(granule, level, lambda g, n: bits[
        g.shift(n):g.shift(n) + g.stride + vmsa.S2_CONCAT_BITS])
