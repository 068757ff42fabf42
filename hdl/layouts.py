"""Structures of spec/ as Amaranth layouts."""

from amaranth import Cat, Const, Value
from amaranth.lib import data

from spec.fields import Field, Structure


def layout(structure: type[Structure]) -> data.FlexibleLayout:
    """The bits of `structure` as a layout of the same size with the same field names.

    Every field is its raw bits; `in_place` makes an address of the raw bits of an `addr` field.
    """
    return data.FlexibleLayout(structure.BITS, {
        name: data.Field(field.width, field.lsb) for name, field in structure.FIELDS.items()})


def view(structure: type[Structure], word: Value) -> data.View:
    """`word`, the whole structure as one value of `structure.BITS` bits, seen by its fields."""
    return data.View(layout(structure), word)


def in_place(field: Field, raw: Value) -> Value:
    """The address that the raw bits of an `addr` field stand for: `field.hi + 1` bits, the ones
    below `field.lo` zero."""
    return Cat(Const(0, field.lo), Value.cast(raw))
