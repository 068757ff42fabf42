"""Structures that cross the boundary between a program and the kernel, byte for byte."""

from __future__ import annotations

import errno
import os
import struct
from dataclasses import astuple, dataclass, fields, replace
from typing import Any, ClassVar, Self, dataclass_transform


def fail(code: int, why: str) -> OSError:
    """An `OSError` with `code` as its errno; `why` says which rule was broken."""
    return OSError(code, f"{os.strerror(code)}: {why}")


@dataclass_transform()
class Packed:
    """Base of the structures. A subclass gives `CODES`, one code of `struct` a field, in order;
    little-endian, no padding that is not a field. Fields are integers, 0 by default.
    """

    CODES: ClassVar[str] = ""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        dataclass(cls)
        if len(fields(cls)) != len(cls.CODES):  # type: ignore[arg-type]
            raise TypeError(f"{cls.__name__}: codes and fields differ in number")

    @classmethod
    def size(cls) -> int:
        """Bytes."""
        return struct.calcsize("<" + cls.CODES)

    def encode(self) -> bytes:
        """The bytes; `struct.error` if a value does not fit its field."""
        return struct.pack("<" + self.CODES, *astuple(self))  # type: ignore[call-overload]

    @classmethod
    def decode(cls, data: bytes | bytearray | memoryview, offset: int = 0) -> Self:
        """From the bytes at `offset`; EINVAL if they end too early."""
        if offset < 0 or len(data) < offset + cls.size():
            raise fail(errno.EINVAL, f"{len(data)} bytes are too few for {cls.__name__}")
        return cls(*struct.unpack_from("<" + cls.CODES, data, offset))

    @classmethod
    def receive(cls, data: bytes | bytearray | memoryview) -> Self:
        """As `decode`, for a structure that begins with argsz; EINVAL if argsz is too small."""
        value = cls.decode(data)
        if value.argsz < cls.size():  # type: ignore[attr-defined]
            raise fail(errno.EINVAL, f"argsz below the {cls.size()} bytes of {cls.__name__}")
        return value

    def change(self, **values: int) -> Self:
        """A copy with some fields changed."""
        return replace(self, **values)  # type: ignore[type-var]
