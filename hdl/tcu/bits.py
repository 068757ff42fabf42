"""Small combinational helpers over spec fields and addresses."""

from collections.abc import Mapping

from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data

from spec.fields import Field, Structure


def pick(raw: Value, field: Field) -> Value:
    """`field` of the raw structure bits `raw`; an address field comes in place."""
    bits = raw[field.lsb:field.lsb + field.width]
    return Cat(Const(0, field.lo), bits) if field.addr else bits


def below(m: Module, count: Value, width: int) -> Value:
    """`width` bits with the `count` low ones set. Each is a term of the bits of `count`; a
    subtraction would be a carry through all of them."""
    first, *others = bind(m, "count", count)
    mask = first  # by the bits of `count` so far
    for bit in others:
        every = bit.replicate(len(mask))
        mask = bind(m, "below", Cat(mask | every, bit, mask & every))
    return (Const(0, width) | mask)[:width]


def bind(m: Module, name: str, value) -> Signal:
    """`value` as a signal, for values used more than once: expressions are not shared."""
    value = Value.cast(value)
    signal = Signal(len(value), name=name)
    m.d.comb += signal.eq(value)
    return signal


def choose(selector: Value, cases: Mapping[int, object], default: object = 0) -> Value:
    """The case whose key `selector` has, else `default`."""
    result = Value.cast(default)
    for key, value in cases.items():
        result = Mux(selector == key, value, result)
    return result


def byte_swap(word: Value) -> Value:
    """The bytes of `word` in reverse order."""
    return Cat(word[bit:bit + 8] for bit in reversed(range(0, len(word), 8)))


class Kept:
    """The fields of a structure that a context keeps after the checks.

    Members
    -------
    layout : data.StructLayout
        One unsigned member per kept field, named as in the structure.
    """

    def __init__(self, structure: type[Structure], names: tuple[str, ...]):
        self.structure, self.names = structure, names
        self.layout = data.StructLayout({n: structure.FIELDS[n].width for n in names})

    def pack(self, raw: Value) -> data.View:
        """The kept fields of the raw structure bits."""
        fields = (self.structure.FIELDS[n] for n in self.names)
        return data.View(self.layout, Cat(raw[f.lsb:f.lsb + f.width] for f in fields))

    def address(self, kept: data.View, name: str) -> Value:
        """Address field `name` in place."""
        return Cat(Const(0, self.structure.FIELDS[name].lo), kept[name])
