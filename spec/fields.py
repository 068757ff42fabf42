"""Declaring bit layouts: fields, structures and registers, checked at import.

A structure is a class whose attributes are `Field`s::

    class L1STD(Structure):
        BITS = 64
        Span = Field(4, 0)
        L2Ptr = Field(51, 6, addr=True)

On the class, `L1STD.Span` is the `Field` (its position, width and helpers). On an instance it
is the decoded value: `L1STD(0x8000_4009).Span == 9`. Names are those of the architecture, letter
by letter. Integers and little-endian bytes only; standard library only.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from typing import Any, ClassVar, Self, overload


class SpecError(ValueError):
    """A layout that contradicts itself, or a value that does not fit its field."""


class Field:
    """One field of a structure.

    Parameters
    ----------
    hi, lo
        Bit positions, inclusive, inside doubleword `dw` (`lo` defaults to `hi`).
    dw
        Number of the 64-bit doubleword the positions count from.
    addr
        The field holds an address in place: values are the address itself, its bits below `lo`
        zero, instead of the shifted number.
    enum
        Names for the values.
    doc
        One line for generated documents.
    late
        The field belongs to a later architecture version or an out-of-scope extension.
    needs
        Name of the ID field (attribute of `spec.impl.Implementation`) that must be nonzero for
        the field to exist; it is RES0 otherwise. Empty: always.
    """

    def __init__(self, hi: int, lo: int | None = None, *, dw: int = 0, addr: bool = False,
                 enum: type[IntEnum] | None = None, doc: str = "", late: bool = False,
                 needs: str = ""):
        lo = hi if lo is None else lo
        if not hi >= lo >= 0:
            raise SpecError(f"bit range [{hi}:{lo}] is not a range")
        self.name = ""
        self.hi, self.lo, self.dw = hi, lo, dw
        self.lsb = 64 * dw + lo
        self.width = hi - lo + 1
        self.max = (1 << self.width) - 1
        self.mask = self.max << self.lsb
        self.addr, self.enum, self.doc, self.late, self.needs = addr, enum, doc, late, needs

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, obj: None, owner: type) -> Field: ...
    @overload
    def __get__(self, obj: Structure, owner: type) -> int: ...
    def __get__(self, obj: Structure | None, owner: type) -> Field | int:
        return self if obj is None else self.get(obj.value)

    def get(self, value: int) -> int:
        """The field's value inside the whole structure's integer `value`."""
        raw = (value >> self.lsb) & self.max
        return raw << self.lo if self.addr else raw

    def put(self, field_value: int) -> int:
        """The structure integer that has only this field set; SpecError if it does not fit."""
        raw = int(field_value)
        if self.addr:
            raw, rest = raw >> self.lo, raw & ((1 << self.lo) - 1)
            if rest:
                raise SpecError(f"{self.name}: {field_value:#x} is not aligned to bit {self.lo}")
        if not 0 <= raw <= self.max:
            raise SpecError(f"{self.name}: {int(field_value):#x} does not fit {self!r}")
        return raw << self.lsb

    def replace(self, value: int, field_value: int) -> int:
        """`value` with this field set to `field_value`."""
        return (value & ~self.mask) | self.put(field_value)

    def text(self, field_value: int) -> str:
        """`field_value` for people: the enum's name, or hexadecimal."""
        if self.enum is not None and field_value in self.enum._value2member_map_:
            return self.enum(field_value).name
        return hex(field_value) if field_value > 9 else str(field_value)

    def __repr__(self) -> str:
        return f"<{self.name} dw{self.dw}[{self.hi}:{self.lo}]>"


class Structure:
    """Base of all layouts: a class with `BITS` and `Field` attributes.

    Members
    -------
    value : int
        The whole structure as one little-endian integer of `BITS` bits.
    """

    BITS: ClassVar[int] = 64
    SECTION: ClassVar[str] = ""  # where the layout is described, e.g. "2.3" of the reference
    FIELDS: ClassVar[dict[str, Field]] = {}
    __slots__ = ("value",)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.FIELDS = {
            name: item for base in reversed(cls.__mro__)
            for name, item in vars(base).items() if isinstance(item, Field)
        }
        taken: dict[int, str] = {}
        for name, item in cls.FIELDS.items():
            if item.lsb + item.width > cls.BITS:
                raise SpecError(f"{cls.__name__}.{name} lies beyond bit {cls.BITS - 1}")
            for bit in range(item.lsb, item.lsb + item.width):
                if bit in taken:
                    raise SpecError(f"{cls.__name__}: {name} and {taken[bit]} share bit {bit}")
                taken[bit] = name

    def __init__(self, value: int = 0) -> None:
        if value >> self.BITS:
            raise SpecError(f"{type(self).__name__}: {value:#x} has more than {self.BITS} bits")
        self.value = value

    @classmethod
    def make(cls, **fields: int) -> Self:
        """A structure with the given fields, all others 0. SpecError names what does not fit."""
        return cls(cls.pack(**fields))

    @classmethod
    def pack(cls, **fields: int) -> int:
        """As `make`, but the bare integer."""
        value = 0
        for name, field_value in fields.items():
            field = cls.FIELDS.get(name)
            if field is None:
                raise SpecError(f"{cls.__name__} has no field {name!r}")
            value |= field.put(field_value)
        return value

    @classmethod
    def from_bytes(cls, data: bytes | bytearray | memoryview) -> Self:
        """From exactly `size()` little-endian bytes."""
        if len(data) != cls.size():
            raise SpecError(f"{cls.__name__}: {len(data)} bytes, expected {cls.size()}")
        return cls(int.from_bytes(data, "little"))

    @classmethod
    def from_words(cls, words: list[int] | tuple[int, ...]) -> Self:
        """From 64-bit doublewords, lowest first."""
        return cls(sum(word << (64 * n) for n, word in enumerate(words)))

    def to_bytes(self) -> bytes:
        return self.value.to_bytes(self.size(), "little")

    def words(self) -> list[int]:
        """The 64-bit doublewords, lowest first."""
        return [(self.value >> n) & (2**64 - 1) for n in range(0, self.BITS, 64)]

    def replace(self, **fields: int) -> Self:
        """A copy with the given fields changed."""
        value = self.value
        for name, field_value in fields.items():
            value = self.FIELDS[name].replace(value, field_value)
        return type(self)(value)

    @classmethod
    def size(cls) -> int:
        """Bytes."""
        return cls.BITS // 8

    def items(self) -> Iterator[tuple[str, int]]:
        """(name, value) of every field."""
        for name, field in self.FIELDS.items():
            yield name, field.get(self.value)

    def text(self) -> str:
        """The nonzero fields for people."""
        return " ".join(
            f"{name}={self.FIELDS[name].text(v)}" for name, v in self.items() if v) or "0"

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.value == self.value

    def __hash__(self) -> int:
        return hash((type(self), self.value))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.text()})"


class Access(IntEnum):
    """How software may use a register."""

    RO = 0
    RW = 1
    RWA = 2  # RW, effect acknowledged in another register
    W1C = 3
    WO = 4


class Register(Structure):
    """A memory-mapped register: a structure with an offset, an access and a reset value.

    `GUARD` says in words when a write takes effect; an empty guard means always. `NEEDS` names the
    ID fields (attributes of `spec.impl.Implementation`) that must all be nonzero for the register
    to exist; it is RES0 otherwise.
    """

    BITS = 32
    OFFSET: ClassVar[int] = 0
    ACCESS: ClassVar[Access] = Access.RW
    RESET: ClassVar[int] = 0
    GUARD: ClassVar[str] = ""
    NEEDS: ClassVar[tuple[str, ...]] = ()
    DOC: ClassVar[str] = ""


class RegisterMap:
    """Registers of one block, checked for overlap and alignment.

    Iterates in address order; `find(offset)` gives the register that covers a byte offset.
    """

    def __init__(self, name: str, size: int, registers: list[type[Register]]) -> None:
        self.name, self.size = name, size
        self.registers = sorted(registers, key=lambda r: r.OFFSET)
        self.by_name = {r.__name__: r for r in self.registers}
        self._cover: dict[int, type[Register]] = {}
        for register in self.registers:
            if register.OFFSET % register.size() or register.OFFSET + register.size() > size:
                raise SpecError(f"{name}.{register.__name__}: offset {register.OFFSET:#x}")
            for byte in range(register.OFFSET, register.OFFSET + register.size()):
                if byte in self._cover:
                    raise SpecError(f"{name}: {register.__name__} overlaps "
                                    f"{self._cover[byte].__name__} at {byte:#x}")
                self._cover[byte] = register

    def __iter__(self) -> Iterator[type[Register]]:
        return iter(self.registers)

    def __getitem__(self, name: str) -> type[Register]:
        return self.by_name[name]

    def find(self, offset: int) -> type[Register] | None:
        """The register that covers byte `offset`, or None."""
        return self._cover.get(offset)
