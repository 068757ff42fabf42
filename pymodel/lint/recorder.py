"""A reader that tells the lint what transactions read, and so what caches may hold."""

from __future__ import annotations

from pymodel.cd import Cd, decode_cd
from pymodel.invalidation import Kind
from pymodel.lint.contexts import stage1_walk, stage2_walk, world_of
from pymodel.lint.tracker import Tracker
from pymodel.lint.walks import Walk
from pymodel.reader import Context, Reader
from pymodel.ste import Ste, decode_ste

_UPPER_HALF = 1 << 55  # the address bit that chooses TT1


class Recorder:
    """Passes every read on to `reader` and reports it."""

    def __init__(self, reader: Reader, tracker: Tracker) -> None:
        self.reader, self.tracker = reader, tracker
        self._ste: Ste | None = None
        self._cd: Cd | None = None

    def l1std(self, address: int, sid: int) -> int:
        value = self.reader.l1std(address, sid)
        self.tracker.structure(Kind.L1STD, address, sid, 0, value.to_bytes(8, "little"))
        return value

    def ste(self, address: int, sid: int) -> bytes:
        raw = self.reader.ste(address, sid)
        self._ste = decode_ste(self.tracker.rules, raw)
        self.tracker.walks.begin()
        self.tracker.structure(Kind.STE, address, sid, 0, raw)
        return raw

    def l1cd(self, address: int, sid: int, ssid: int) -> int:
        value = self.reader.l1cd(address, sid, ssid)
        self.tracker.structure(Kind.L1CD, address, sid, ssid, value.to_bytes(8, "little"))
        return value

    def cd(self, address: int, sid: int, ssid: int) -> bytes:
        raw = self.reader.cd(address, sid, ssid)
        ste = self._ste
        assert ste is not None  # no CD is read before its STE
        self._cd = decode_cd(self.tracker.rules, raw, world_of(ste, self.tracker.e2h), ste.stalld)
        self.tracker.structure(Kind.CD, address, sid, ssid, raw)
        return raw

    def descriptor(self, address: int, stage: int, level: int, context: Context) -> int:
        value = self.reader.descriptor(address, stage, level, context)
        self.tracker.descriptor(address, value, stage, level, context, self._walk(stage, context))
        return value

    def _walk(self, stage: int, context: Context) -> Walk:
        if stage == 2:
            assert self._ste is not None
            return stage2_walk(self._ste)
        cd = self._cd
        assert cd is not None
        region = cd.upper if context.addr & _UPPER_HALF and not cd.single else cd.lower
        assert region is not None
        return stage1_walk(cd, region)

    def update(self, address: int, old: int, new: int, stage: int, level: int,
               context: Context) -> bool:
        with self.tracker.own():
            return self.reader.update(address, old, new, stage, level, context)
