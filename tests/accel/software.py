"""What the engines must compute, by software that is not ours."""

from __future__ import annotations

import ctypes

import google_crc32c
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from spec.sec import BD3, Mode, Operation
from spec.sec import Cipher as Direction

_LIBC = ctypes.CDLL(None)
_LIBC.jrand48.restype = ctypes.c_long


def aes(bd: BD3, data: bytes, key: bytes, iv: bytes) -> bytes:
    mode = {Mode.ECB: modes.ECB, Mode.CBC: lambda: modes.CBC(iv),
            Mode.CTR: lambda: modes.CTR(iv)}[Mode(bd.c_mode)]()
    cipher = Cipher(algorithms.AES(key), mode)
    way = cipher.encryptor() if bd.cipher == Direction.ENCRYPT else cipher.decryptor()
    return way.update(data) + way.finalize()


def rand48(seed: int, size: int) -> bytes:
    """The C library's jrand48, which gives the upper 32 bits of each step."""
    state = (ctypes.c_ushort * 3)(*(seed >> n & 0xFFFF for n in (0, 16, 32)))
    out = b""
    while len(out) < size:
        out += (_LIBC.jrand48(state) & 0xFFFF_FFFF).to_bytes(4, "little")
    return out[:size]


def crc32c(data: bytes) -> int:
    return google_crc32c.value(data)


def sum64(data: bytes) -> int:
    """With a C integer that overflows, not Python's."""
    words = (ctypes.c_uint64 * (-(-len(data) // 8)))()
    ctypes.memmove(words, data, len(data))
    total = ctypes.c_uint64(0)
    for word in words:
        total.value += word
    return total.value


def expected(bd: BD3, data: bytes, key: bytes = b"", iv: bytes = b"") -> tuple[bytes, int]:
    """(bytes of the destination, value returned) of a job with this source."""
    if bd.cipher != Direction.COPY:
        return aes(bd, data, key, iv), 0
    fill = bd.c_ivin_addr.to_bytes(8, "little") * (bd.c_len // 8 + 1)
    match Operation(bd.c_mode):
        case Operation.COPY:
            return data, 0
        case Operation.FILL:
            return fill[:bd.c_len], 0
        case Operation.RAND48:
            return rand48(bd.c_ivin_addr & (1 << 48) - 1, bd.c_len), 0
        case Operation.SUM:
            return b"", sum64(data)
        case Operation.CRC32C:
            return b"", crc32c(data)
    raise AssertionError
