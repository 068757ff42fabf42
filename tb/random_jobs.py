"""Random jobs for the accelerator: every operation, laid out in memory in every legal way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

from spec.qm import SGE, SGL, SGL_ALIGN
from spec.sec import (
    AES_BLOCK,
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

GUARD = 16   # bytes on each side of a place that belong to nobody
SLACK = 64   # by how much places are shifted, to have any alignment
Span = tuple[int, int]


class Bytes(Protocol):
    """Memory as a job names it."""

    def read(self, address: int, size: int) -> bytes: ...
    def write(self, address: int, data: bytes) -> None: ...


@dataclass(frozen=True)
class Kind:
    """One thing an engine can do.

    Members
    -------
    fields
        Of the BD, which choose it.
    block
        Lengths are multiples of it.
    """

    name: str
    fields: dict[str, int] = field(hash=False)
    reads: bool = True
    writes: bool = True
    block: int = 1
    keyed: bool = False


def _aes(mode: Mode, direction: Cipher, size: KeyLength) -> Kind:
    return Kind(f"{direction.name.lower()}_{mode.name.lower()}_{AES_KEY_BYTES[size] * 8}",
                {"cipher": direction, "c_alg": Algorithm.AES, "c_mode": mode, "c_key_len": size},
                block=1 if mode is Mode.CTR else AES_BLOCK, keyed=True)


DATA_MOVER = [Kind(operation.name.lower(), {"cipher": Cipher.COPY, "c_mode": operation},
                   reads=operation not in (Operation.FILL, Operation.RAND48),
                   writes=operation not in (Operation.SUM, Operation.CRC32C))
              for operation in Operation]
AES = [_aes(mode, direction, size) for mode in (Mode.ECB, Mode.CBC, Mode.CTR)
       for direction in (Cipher.ENCRYPT, Cipher.DECRYPT) for size in KeyLength]
KINDS = DATA_MOVER + AES


@dataclass
class Placed:
    """A descriptor, where its bytes lie, and the key and IV it names."""

    bd: BD3
    source: list[Span]
    target: list[Span]
    key: bytes = b""
    iv: bytes = b""


class RandomJobs:
    """Lays jobs out in `memory`.

    Parameters
    ----------
    take
        Gives so many bytes of memory that nothing else uses.
    """

    def __init__(self, memory: Bytes, rng: Random, take: Callable[[int], int]) -> None:
        self.memory, self.rng, self._take = memory, rng, take

    def place(self, size: int) -> int:
        """A place of any alignment, with random bytes in it and around it."""
        start = self._take(size + 2 * GUARD + SLACK)
        self.memory.write(start, self.rng.randbytes(size + 2 * GUARD + SLACK))
        return start + GUARD + self.rng.randrange(SLACK)

    def scatter(self, size: int, parts: int) -> list[Span]:
        """`size` bytes in so many places, in order."""
        cuts = sorted(self.rng.sample(range(1, size), min(parts, size) - 1))
        sizes = [b - a for a, b in zip([0, *cuts], [*cuts, size], strict=True)]
        return [(self.place(n), n) for n in sizes]

    def write_list(self, spans: list[Span]) -> int:
        """Scatter-gather lists for `spans`, chained at random; the address of the first."""
        following = 0
        while spans:
            count = self.rng.randrange(1, len(spans) + 1)
            spans, part = spans[:-count], spans[-count:]
            start = self._take(SGL.size() + SGE.size() * count + SGL_ALIGN)
            at = -(-start // SGL_ALIGN) * SGL_ALIGN
            head = SGL.make(next_dma=following, entry_sum_in_sgl=count,
                            entry_length_in_sgl=count + self.rng.randrange(3),
                            entry_sum_in_chain=self.rng.randrange(1 << 16))
            raw = bytearray(head.to_bytes())
            raw[16:] = self.rng.randbytes(48)      # software's own
            self.memory.write(at, bytes(raw) + b"".join(
                SGE.make(buffer=a, length=n).to_bytes() for a, n in part))
            following = at
        return following

    def job(self, kind: Kind, size: int, *, source_parts: int = 0, target_parts: int = 0,
            in_place: bool = False, offset: int = 0) -> Placed:
        """`kind` over `size` bytes; parts 0: flat. The source begins `offset` bytes late."""
        rng, memory = self.rng, self.memory
        fields = dict(kind.fields)
        key = iv = b""
        if kind.keyed:
            key, iv = rng.randbytes(AES_KEY_BYTES[fields["c_key_len"]]), rng.randbytes(AES_BLOCK)
            if rng.random() < 0.2:
                iv = b"\xff" * 15 + iv[15:]        # the counter wraps
            fields["c_key_addr"], fields["c_ivin_addr"] = self.place(32), self.place(16)
            memory.write(fields["c_key_addr"], key)
            memory.write(fields["c_ivin_addr"], iv)
        elif not kind.reads:
            fields["c_ivin_addr"] = rng.getrandbits(64)
        source = _skip(self._side("src", size + offset, source_parts, fields), offset)
        target = source
        if not in_place and kind.writes:
            target = self._side("dst", size, target_parts, fields)
            fields["de"] = 1
        bd = BD3.make(type=BD3_TYPE, scene=rng.randrange(2), tag=rng.getrandbits(64), c_len=size,
                      cipher_src_offset=offset, sva_prefetch=rng.randrange(2), **fields)
        return Placed(bd, source, target if kind.writes else [], key, iv)

    def _side(self, name: str, size: int, parts: int, fields: dict[str, int]) -> list[Span]:
        """Source or destination: where it lies, and the fields that say so."""
        spans = self.scatter(size, parts) if parts else [(self.place(size), size)]
        fields[f"{name}_addr_type"] = AddressType.SGL if parts else AddressType.FLAT
        fields[f"data_{name}_addr"] = self.write_list(spans) if parts else spans[0][0]
        return spans


def _skip(spans: list[Span], offset: int) -> list[Span]:
    """What is left of `spans` after their first `offset` bytes."""
    out = []
    for address, size in spans:
        skipped = min(offset, size)
        offset -= skipped
        if size > skipped:
            out.append((address + skipped, size - skipped))
    return out
