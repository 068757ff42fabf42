"""Reading a capture directory (`capture.json.gz`, `pages.bin.gz`), refusing what is malformed.

The format is described beside the fixtures. Nothing of it is trusted: every complaint is a
`CaptureError` that names the file and what is wrong with it.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pymodel.memory import PAGE
from spec.events import EventType
from spec.fields import SpecError
from spec.impl import Implementation

RAM_TOP = 1 << 38  # where RAM ends when a capture does not say: the format's largest, 256 GiB
RECORD = 8 + PAGE
PA_BITS = 52
EVENT_BYTES = 32
TRACE_KINDS = {"success": 4, "bypass": 1, "abort": 1}
OUTCOMES = ("success", "bypass", "abort", "fault")


class CaptureError(Exception):
    """A capture that cannot be replayed; the text names the file and the reason."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One recorded access and the recorded answer.

    Members
    -------
    number
        Position in the capture, from 0.
    trace
        ["success", PA, perm, stage], ["bypass"], ["abort"], or None for a fault.
    events
        Records it made; empty if none.
    oddities, field_oddities
        Names of documented deviations of the recorder from the architecture.
    model
        (outcome, event type or None, PA or None, record or None) where the recorder is known to
        deviate: what the architecture asks for.
    """

    number: int
    sid: int
    iova: int
    write: bool
    ssid: int | None
    pnu: bool
    ind: bool
    size: int
    trace: tuple[Any, ...] | None
    events: tuple[bytes, ...]
    oddities: tuple[str, ...]
    field_oddities: tuple[str, ...]
    model: tuple[str, str | None, int | None, bytes | None] | None
    weak: tuple[str, ...]
    resp: str | None
    pte_after: dict[int, int]
    labelled: bool  # the fixture labels oddities itself (it has a "dev")


@dataclass(frozen=True)
class Capture:
    """A whole capture, checked."""

    path: Path
    name: str
    qemu: bool  # answered by QEMU's model
    ram_base: int
    ram_size: int
    regs: dict[str, int]
    regs32: dict[int, int]
    ncmds: int
    structs: dict[int, dict[str, Any]]
    probes: tuple[Probe, ...]
    pages: dict[int, bytes] = field(repr=False)

    @property
    def impl(self) -> Implementation:
        """The implementation that the captured ID registers describe."""
        return Implementation.from_idrs(*(self.regs[n] for n in ID_REGISTERS))


ID_REGISTERS = ("IDR0", "IDR1", "IDR3", "IDR5", "AIDR")
STATE_REGISTERS = ("CR0", "CR1", "CR2", "STRTAB_BASE", "STRTAB_BASE_CFG", "CMDQ_BASE",
                   "CMDQ_PROD", "EVTQ_BASE", "EVTQ_PROD")


def load(directory: str | Path) -> Capture:
    """The capture in `directory`; `CaptureError` if it is not one."""
    path = Path(directory)
    if not path.is_dir():
        raise CaptureError(f"{path}: not a directory")
    file = path / "capture.json.gz"
    text = _inflate(file)
    try:
        raw = json.loads(text)
    except ValueError as error:
        raise CaptureError(f"{file}: not JSON: {error}") from None
    if not isinstance(raw, dict):
        raise CaptureError(f"{file}: the top level is a {type(raw).__name__}, not an object")
    reader = _Reader(file)
    ram_base = reader.number(raw, "ram_base")
    ram_size = reader.number(raw, "ram_size", RAM_TOP - ram_base)
    if ram_base % PAGE or ram_size <= 0 or ram_size > RAM_TOP:
        raise CaptureError(f"{file}: RAM [{ram_base:#x}, +{ram_size:#x}) is not a range of whole "
                           f"pages up to {RAM_TOP:#x} bytes")
    regs = {name: reader.number(reader.get(raw, "regs", dict), name)
            for name in ID_REGISTERS + STATE_REGISTERS}
    capture = Capture(
        path, str(raw.get("name", path.name)), raw.get("qemu", "none") != "none",
        ram_base, ram_size, regs, dict(reader.regs32(raw)), reader.number(raw, "ncmds"),
        dict(reader.structs(raw)),
        tuple(reader.probe(n, p) for n, p in enumerate(reader.get(raw, "probes", list))),
        dict(_pages(path / "pages.bin.gz", ram_base, ram_size)))
    try:
        _ = capture.impl
    except SpecError as error:
        raise CaptureError(f"{file}: ID registers: {error}") from None
    if not capture.probes:
        raise CaptureError(f"{file}: no probes")
    return capture


def _inflate(file: Path) -> bytes:
    try:
        with gzip.open(file) as stream:
            return stream.read()
    except FileNotFoundError:
        raise CaptureError(f"{file}: missing") from None
    except EOFError:
        raise CaptureError(f"{file}: truncated gzip data") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise CaptureError(f"{file}: not gzip data: {error}") from None
    except OSError as error:
        raise CaptureError(f"{file}: {error.strerror or error}") from None


def _pages(file: Path, ram_base: int, ram_size: int) -> Iterator[tuple[int, bytes]]:
    data = _inflate(file)
    if len(data) % RECORD:
        raise CaptureError(f"{file}: {len(data)} bytes, not a whole number of {RECORD}-byte "
                           f"records: record {len(data) // RECORD} is cut short")
    if not data:
        raise CaptureError(f"{file}: no pages")
    seen = set()
    for at in range(0, len(data), RECORD):
        address = int.from_bytes(data[at:at + 8], "little")
        where = f"{file}: record {at // RECORD}: page {address:#x}"
        if address % PAGE:
            raise CaptureError(f"{where} is not page aligned")
        if address >> PA_BITS:
            raise CaptureError(f"{where} lies beyond {PA_BITS} address bits")
        if address in seen:
            raise CaptureError(f"{where} appears twice")
        seen.add(address)
        if ram_base <= address < ram_base + ram_size:  # decoys elsewhere: every access aborts
            yield address, data[at + 8:at + RECORD]


class _Reader:
    """Typed access to the JSON, with the file's name in every complaint."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def fail(self, what: str) -> CaptureError:
        return CaptureError(f"{self.file}: {what}")

    def get(self, raw: dict, key: str, kind: type, where: str = "") -> Any:
        if key not in raw:
            raise self.fail(f"{where}no {key!r}")
        if not isinstance(raw[key], kind):
            raise self.fail(f"{where}{key!r} is a {type(raw[key]).__name__}, not a "
                            f"{kind.__name__}")
        return raw[key]

    def number(self, raw: dict, key: str, default: int | None = None, *, where: str = "",
               bits: int = 64) -> int:
        value = raw.get(key, default)
        if isinstance(value, str):
            try:
                value = int(value, 0)
            except ValueError:
                raise self.fail(f"{where}{key!r} is {value!r}, not a number") from None
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.fail(f"{where}no {key!r}" if value is None else
                            f"{where}{key!r} is {value!r}, not a number")
        if value < 0 or value >> bits:
            raise self.fail(f"{where}{key!r} is {value:#x}, not a {bits}-bit number")
        return value

    def regs32(self, raw: dict) -> Iterator[tuple[int, int]]:
        words = self.get(raw, "regs32", dict)
        for key in words:
            try:
                offset = int(key, 0)
            except ValueError:
                raise self.fail(f"regs32: offset {key!r} is not a number") from None
            yield offset, self.number(words, key, where="regs32: ", bits=32)

    def structs(self, raw: dict) -> Iterator[tuple[int, dict[str, Any]]]:
        for n, item in enumerate(self.get(raw, "structs", list)):
            if not isinstance(item, dict):
                raise self.fail(f"structs[{n}] is not an object")
            yield self.number(item, "sid", where=f"structs[{n}]: ", bits=32), item

    def flag(self, raw: dict, key: str, default: bool, where: str) -> bool:
        value = raw.get(key, default)
        if not isinstance(value, bool):
            raise self.fail(f"{where}{key!r} is {value!r}, not true or false")
        return value

    def probe(self, number: int, raw: Any) -> Probe:
        where = f"probes[{number}]: "
        if not isinstance(raw, dict):
            raise self.fail(f"probes[{number}] is not an object")
        events = raw.get("events") or []
        if not isinstance(events, list):
            raise self.fail(f"{where}'events' is not a list")
        return Probe(
            number=number,
            sid=self.number(raw, "sid", where=where, bits=32),
            iova=self.number(raw, "iova", where=where),
            write=self.flag(raw, "write", True, where),
            ssid=(self.number(raw, "ssid", where=where, bits=20)
                  if raw.get("ssid") is not None else None),
            pnu=self.flag(raw, "pnu", False, where), ind=self.flag(raw, "ind", False, where),
            size=self._size(raw, where),
            trace=self._trace(raw, where),
            events=tuple(self._record(e, where) for e in events),
            oddities=_names(raw.get("oddity")), field_oddities=_names(raw.get("field_oddity")),
            model=self._model(raw.get("model"), where), weak=_names(raw.get("weak")),
            resp=raw.get("resp"),
            pte_after={self._address(a, where): self.number(raw["pte_after"], a, where=where)
                       for a in raw.get("pte_after") or {}},
            labelled="dev" in raw)

    def _size(self, raw: dict, where: str) -> int:
        size = self.number(raw, "size", 4, where=where)
        if size not in (1, 2, 4, 8, 16):
            raise self.fail(f"{where}an access of {size} bytes")
        return size

    def _address(self, text: str, where: str) -> int:
        try:
            return int(text, 0)
        except ValueError:
            raise self.fail(f"{where}'pte_after' address {text!r} is not a number") from None

    def _trace(self, raw: dict, where: str) -> tuple[Any, ...] | None:
        if "trace" not in raw:
            raise self.fail(f"{where}no 'trace'")
        trace = raw["trace"]
        if trace is None:
            return None
        if not isinstance(trace, list) or not trace or not isinstance(trace[0], str) \
                or len(trace) != TRACE_KINDS.get(trace[0]) \
                or not all(isinstance(v, int) for v in trace[1:]):
            raise self.fail(f"{where}'trace' is {trace!r}")
        return tuple(trace)

    def _record(self, text: Any, where: str) -> bytes:
        try:
            record = bytes.fromhex(text)
        except (TypeError, ValueError):
            raise self.fail(f"{where}event {text!r} is not hexadecimal") from None
        if len(record) != EVENT_BYTES:
            raise self.fail(f"{where}event of {len(record)} bytes, not {EVENT_BYTES}")
        return record

    def _model(self, raw: Any, where: str) \
            -> tuple[str, str | None, int | None, bytes | None] | None:
        if raw is None:
            return None
        if not isinstance(raw, list) or len(raw) != 4 or raw[0] not in OUTCOMES:
            raise self.fail(f"{where}'model' is {raw!r}")
        outcome, event, pa, record = raw
        if event is not None and event not in EventType.__members__:
            raise self.fail(f"{where}'model' names the unknown event {event!r}")
        return outcome, event, pa, None if record is None else self._record(record, where)


def _names(text: Any) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",")) if isinstance(text, str) else ()
