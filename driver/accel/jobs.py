"""Descriptors of jobs: what each engine is asked for (qm.md 3.8).

A place is an address of the queue's address space, or a `Sgl` at one. `target` None means in
place: the result goes where the source is.
"""

from __future__ import annotations

from dataclasses import dataclass

from spec.sec import (
    AES_KEY_BYTES,
    BD3,
    BD3_TYPE,
    AddressType,
    Algorithm,
    Cipher,
    KeyLength,
    Mode,
    Operation,
)


@dataclass(frozen=True)
class Sgl:
    """A scatter-gather list at this address (`driver.accel.sgl`)."""

    address: int


Place = int | Sgl
_KEY_LENGTHS = {size: KeyLength(code) for code, size in AES_KEY_BYTES.items()}


def copy(source: Place, target: Place, size: int, tag: int = 0) -> BD3:
    """Copy `size` bytes."""
    return _move(Operation.COPY, size, tag, source, target)


def fill(target: Place, size: int, pattern: int, tag: int = 0) -> BD3:
    """Fill with the 8 bytes of `pattern`, the lowest first, from the first byte on."""
    return _move(Operation.FILL, size, tag, None, target, pattern)


def rand48(target: Place, size: int, seed: int, tag: int = 0) -> BD3:
    """Fill with the rand48 sequence from a 48-bit seed, 4 bytes a step."""
    return _move(Operation.RAND48, size, tag, None, target, seed)


def sum64(source: Place, size: int, tag: int = 0) -> BD3:
    """Add the 8-byte words modulo 2^64: `Completion.result`."""
    return _move(Operation.SUM, size, tag, source, None)


def crc32c(source: Place, size: int, tag: int = 0) -> BD3:
    """The CRC32C: `Completion.result`."""
    return _move(Operation.CRC32C, size, tag, source, None)


def aes(mode: Mode, source: Place, target: Place | None, size: int, *, key: int, key_bytes: int,
        encrypt: bool, iv: int = 0, tag: int = 0) -> BD3:
    """Encrypt or decrypt with AES: `key` and `iv` are addresses of 16, 24 or 32 bytes and of 16.

    ECB and CBC take whole blocks; ECB needs no IV. KeyError: no such key.
    """
    return BD3.make(
        type=BD3_TYPE, cipher=Cipher.ENCRYPT if encrypt else Cipher.DECRYPT, c_alg=Algorithm.AES,
        c_mode=mode, c_key_len=_KEY_LENGTHS[key_bytes], c_key_addr=key, c_ivin_addr=iv,
        c_len=size, tag=tag, **_source(source), **_target(target))


def _move(operation: Operation, size: int, tag: int, source: Place | None, target: Place | None,
          word: int = 0) -> BD3:
    return BD3.make(type=BD3_TYPE, cipher=Cipher.COPY, c_mode=operation, c_len=size, tag=tag,
                    c_ivin_addr=word, **_source(source), **_target(target))


def _source(place: Place | None) -> dict[str, int]:
    if place is None:
        return {}
    kind, address = _split(place)
    return {"src_addr_type": kind, "data_src_addr": address}


def _target(place: Place | None) -> dict[str, int]:
    if place is None:
        return {}
    kind, address = _split(place)
    return {"de": 1, "dst_addr_type": kind, "data_dst_addr": address}


def _split(place: Place) -> tuple[AddressType, int]:
    if isinstance(place, Sgl):
        return AddressType.SGL, place.address
    return AddressType.FLAT, place
