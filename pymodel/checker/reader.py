"""A reader that answers each read with any version that some cache or walk may still hold."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import NamedTuple, TypeVar

from pymodel.cd import decode_cd, stream_world
from pymodel.checker.choices import Choices
from pymodel.checker.history import History, Version
from pymodel.checker.lifetime import ALWAYS, NEVER, CommandLog, Life, Window, both
from pymodel.checker.reads import Place, Read, combined, config_entry, place, region_of
from pymodel.checker.registry import Registry, Tags
from pymodel.checker.shares import User, borrow_cd, borrow_ste
from pymodel.invalidation import Kind
from pymodel.job import Job
from pymodel.memory import BusError
from pymodel.reader import Context
from pymodel.ste import decode_ste
from pymodel.walk import swap64
from spec.context import CD_BYTES, L1CD_BYTES
from spec.stream_table import L1STD_BYTES, STE_BYTES, effective_split

T = TypeVar("T")


class ImpossibleError(Exception):
    """This combination of versions cannot have happened."""


class Descriptor(NamedTuple):
    """A descriptor that was read; `value` is in byte order."""

    read: Read
    place: Place
    value: int


class Records(NamedTuple):
    """Everything that is known, whoever asks."""

    history: History
    log: CommandLog
    registry: Registry


class BranchingReader:
    """The reader of one run. Set `job` before the run.

    Parameters
    ----------
    root
        The life of the register state through which the stream table is read.
    user
        None: STE and CD are the transaction's own and must be usable by it. Otherwise the walk is
        somebody's whose TLB entries the user may hit; STE and CD take from the user's what a hit
        takes from them.

    Members
    -------
    l1std, ste, l1cd, cd : Read or None
        What was read of the configuration.
    stage1, stage2
        The walk of stage 1, and the latest of stage 2.
    updated
        What a hardware update was made of.
    shared
        There is a `user`.
    failed
        The last read ended in a bus error.
    skipped
        A version of STE or CD was left out because the transaction itself cannot use it.
    """

    job: Job

    def __init__(self, records: Records, choices: Choices, window: Window, root: Life,
                 user: User | None) -> None:
        self._records, self._choices, self._window = records, choices, window
        self._root, self._user = root, user
        self.shared = user is not None
        self._overlay: dict[int, int] = {}
        self._last: dict[int, Descriptor] = {}
        self.l1std_read: Read | None = None
        self.ste_read: Read | None = None
        self.l1cd_read: Read | None = None
        self.cd_read: Read | None = None
        self.stage1: list[Descriptor] = []
        self.stage2: list[Descriptor] = []
        self.updated: list[Read] = []
        self.failed = self.skipped = False
        self._walks = 0

    # Configuration

    def l1std(self, address: int, sid: int) -> int:
        span = effective_split(self.job.state.strtab_split)
        self.l1std_read = self._l1("L1STD", Kind.L1STD, address, self._root, sid, 0, span)
        self._records.registry.config(Kind.L1STD, address, 0, sid, L1STD_BYTES, span)
        assert isinstance(self.l1std_read.value, int)
        return self.l1std_read.value

    def ste(self, address: int, sid: int) -> bytes:
        feed = self.l1std_read.life if self.l1std_read else self._root
        read, value = self._structure("STE", Kind.STE, address, STE_BYTES, feed, sid, 0)
        self._records.registry.config(Kind.STE, address, 0, sid, STE_BYTES, 0)
        self.ste_read = read
        return value if self._user is None else self._borrowed_ste(value, self._user)

    def l1cd(self, address: int, sid: int, ssid: int) -> int:
        span = self.job.ste.leaf_bits
        self.l1cd_read = self._l1("L1CD", Kind.L1CD, address, self._cd_feed(), sid, ssid, span)
        self._records.registry.config(Kind.L1CD, address, sid, ssid, L1CD_BYTES, span)
        assert isinstance(self.l1cd_read.value, int)
        return self.l1cd_read.value

    def cd(self, address: int, sid: int, ssid: int) -> bytes:
        read, value = self._structure("CD", Kind.CD, address, CD_BYTES, self._cd_feed(), sid,
                                      ssid)
        self._records.registry.config(Kind.CD, address, sid, ssid, CD_BYTES, 0)
        self.cd_read = read
        return value if self._user is None else self._borrowed_cd(value, self._user)

    def _cd_feed(self) -> Life:
        """The way to a CD or L1CD: the structure before it, and stage 2's word for its address."""
        before = self.l1cd_read or self.ste_read
        assert before is not None
        return both(before.life, self.stage2[-1].read.life) if self.stage2 else before.life

    def _l1(self, role: str, kind: Kind, address: int, feed: Life, sid: int, ssid: int,
            span: int) -> Read:
        life = self._records.log.life
        return self._pick([
            Read(role, address, v.value, v.written, v.overwritten, feed,
                 life(feed, v.written, v.overwritten,
                      lambda: config_entry(kind, sid, ssid, span)))
            for v in self._get(lambda: self._records.history.word(address))
            if self._reachable(v.written, v.overwritten, feed)])

    def _structure(self, role: str, kind: Kind, address: int, size: int, feed: Life, sid: int,
                   ssid: int) -> tuple[Read, bytes]:
        def life(written: float, overwritten: float) -> Life:
            return self._records.log.life(feed, written, overwritten,
                                          lambda: config_entry(kind, sid, ssid))

        def keep(written: float, overwritten: float) -> bool:
            if not self._reachable(written, overwritten, feed):
                return False
            lasts = life(written, overwritten)
            if self._user is not None or self._window.usable(lasts):
                return lasts.possible
            self.skipped |= lasts.possible
            return False

        copies = self._get(lambda: self._records.history.structure(address, size, keep))
        read = self._pick([Read(role, address, c.value, c.written, c.overwritten, feed,
                                life(c.written, c.overwritten)) for c in copies])
        assert isinstance(read.value, bytes)
        return read, read.value

    def _borrowed_ste(self, raw: bytes, user: User) -> bytes:
        ste = decode_ste(self.job.rules, raw)
        if ste.illegal or ste.abort or not (ste.s2on if user.cd is None else ste.s1):
            raise ImpossibleError
        if (ste.s2.vmid if user.cd is None else ste.vmid) != user.tags.vmid:
            raise ImpossibleError
        return borrow_ste(user, raw)

    def _borrowed_cd(self, raw: bytes, user: User) -> bytes:
        job = self.job
        assert user.cd is not None
        world = stream_world(job)
        cd = decode_cd(job.rules, raw, world, job.ste.stalld)
        if cd.illegal or world is not user.tags.world or (
                cd.asid != user.tags.asid and cd.aset != user.tags.aset):
            raise ImpossibleError
        return borrow_cd(user.cd, raw)

    # Descriptors

    def descriptor(self, address: int, stage: int, level: int, context: Context) -> int:
        where = place(self.job, stage, level, context)
        walk = self._walk(stage, level)
        feed = self._feed1() if stage == 1 else self._feed2()
        self._records.registry.table(address, where, self.job.ste.s1 and self.job.ste.s2on)
        if address in self._overlay:
            read = self._last[address].read._replace(value=self._overlay[address], feed=feed)
        else:
            read = self._descriptor(address, where, feed)
        assert isinstance(read.value, int)
        value = swap64(read.value) if where.big else read.value
        if stage == 1 and where.leaf(value) and value & 1 and where.entry(value).asid is None:
            self._records.registry.globals.add((where.world, where.vmid))
        self._last[address] = Descriptor(read, where, value)
        walk.append(self._last[address])
        return read.value

    def _walk(self, stage: int, level: int) -> list[Descriptor]:
        """The list that the descriptor belongs to; a walk starts with an empty one."""
        if stage == 1:
            if level == region_of(self.job).start:
                self.stage1 = []
                self._walks += 1
            return self.stage1
        if level == self.job.ste.s2.start:
            self.stage2 = []
            self._walks += 1
        return self.stage2

    def _descriptor(self, address: int, where: Place, feed: Life) -> Read:
        reads = [self._version(address, where, feed, version)
                 for version in self._get(lambda: self._records.history.word(address))
                 if self._reachable(version.written, version.overwritten, feed)]
        return self._pick([read for read in reads if read.life.possible])

    def _version(self, address: int, where: Place, feed: Life, version: Version) -> Read:
        value = swap64(version.value) if where.big else version.value
        life = self._records.log.life(feed, version.written, version.overwritten,
                                      lambda: where.entry(value))
        return Read(f"stage-{where.stage.value} descriptor, level {where.level}", address,
                    version.value, version.written, version.overwritten, feed, life)

    def _feed1(self) -> Life:
        """The way to a stage-1 descriptor: the one before it, or the CD. With stage 2 on also the
        translation of its address, which a walk cache may have kept with the one before it."""
        if not self.stage1:
            assert self.cd_read is not None
            before = self.cd_read.life
        else:
            before = self.stage1[-1].read.life
        if not self.job.ste.s2on:
            return before
        apart = both(before, self.stage2[-1].read.life)
        if apart is ALWAYS or not self.stage1:
            return apart
        table = self.stage1[-1]
        kept = self._records.log.life(apart, apart.start, NEVER,
                                      lambda: combined(table.place, table.value, None))
        return self._records.log.either(apart, kept)

    def _feed2(self) -> Life:
        if self.stage2:
            return self.stage2[-1].read.life
        assert self.ste_read is not None
        return self.ste_read.life

    def combined_life(self) -> Life:
        """The life of the entry that merges the leaves of both stages."""
        one, two = self.stage1[-1], self.stage2[-1]
        source = both(one.read.life, two.read.life)
        return self._records.log.life(source, source.start, NEVER,
                                      lambda: combined(one.place, one.value, two.place))

    def update(self, address: int, old: int, new: int, stage: int, level: int,
               context: Context) -> bool:
        """A swap takes if memory held `old` while the transaction was under way; if it does not,
        the walk starts again, and other runs choose what it then finds."""
        read = self._last[address].read
        if read.value != old or not read.fetched(self._window):
            raise ImpossibleError
        self._overlay[address] = new
        self.updated.append(read)
        return True

    def tags(self) -> Tags:
        """The tags of the transaction's translations, once it has a CD or is stage-2 only."""
        job = self.job
        if self.cd_read is None:
            return Tags(stream_world(job), job.ste.s2.vmid, None, False)
        return Tags(job.world, job.ste.vmid, job.cd.asid, job.cd.aset)

    # Choice

    def _reachable(self, written: float, overwritten: float, feed: Life) -> bool:
        """Whether a fetch by way of `feed`, before the decision, can have seen it."""
        return (written <= self._window.decided and written <= feed.dead
                and overwritten >= feed.start and feed.start <= self._window.decided)

    def _state(self, read: Read) -> Hashable:
        """All that decides what can still come of this run: where it is, what it has, and how
        long each thing and the way here last."""
        had = [(r.value, r.life) for r in (self.ste_read, self.cd_read, self.l1cd_read) if r]
        table = self.stage1[-1] if self.stage1 else None
        return (read.role, read.address, read.feed, self._walks, *had,
                (table.value, table.read.life) if table else None)

    def _get(self, get: Callable[[], T]) -> T:
        try:
            return get()
        except BusError:
            self.failed = True
            raise

    def _pick(self, reads: list[Read]) -> Read:
        """Choose; but not where other choices have led to the same place, by as good a way."""
        if not reads or not (self._overlay or self._choices.new(self._state(reads[0]))):
            raise ImpossibleError
        return reads[self._choices.pick(len(reads))]

