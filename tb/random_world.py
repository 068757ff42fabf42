"""A random SMMU configuration: streams, contexts, tables, and the accesses to try on them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from random import Random

from driver.dma import PageAllocator
from pymodel.memory import Memory
from pymodel.transaction import Transaction
from spec.impl import Implementation
from spec.registers import CR2, STRTAB_BASE, STRTAB_BASE_CFG
from spec.stream_table import (
    L1STD,
    L1STD_BYTES,
    SPLITS,
    STE_BYTES,
    SteS1DSS,
    StrtabFmt,
    effective_split,
)
from spec.vmsa import S1Leaf, shift
from tb.random_spaces import Layout, Vm
from tb.random_streams import Context, Stream, Streams
from tb.random_tables import Leaf, StageTable

STREAMS = 10
LOG2_STREAMS = 9
RECENT = 12


@dataclass(frozen=True)
class Use:
    """A leaf that accesses found: of stage 1 through a context, of stage 2 without one."""

    stream: Stream
    context: Context | None
    table: StageTable
    leaf: Leaf

    @property
    def reached(self) -> bool:
        """Whether client addresses are what `table` translates."""
        stream = self.stream
        return (self.context is not None or not stream.stage1
                or stream.ste.S1DSS == SteS1DSS.BYPASS)


class World:
    """Random structures in `memory`, reproducible from `rng`.

    `build` writes them; `registers` says where the stream table is; `access` draws a transaction
    of at most `beat` bytes.

    Members
    -------
    streams, vms
        What there is.
    recent
        Leaves that accesses were drawn for lately.
    target
        What the next change should concern, if anything.
    e2h, split
        CR2.E2H and STRTAB_BASE_CFG.SPLIT.
    l1stds
        (physical address, descriptor, first StreamID) of the first-level stream table.
    """

    def __init__(self, rng: Random, impl: Implementation, memory: Memory,
                 layout: Layout, beat: int = 16) -> None:
        self.rng, self.impl, self.memory, self.layout = rng, impl, memory, layout
        self._beat = beat
        self.pages = PageAllocator(memory, layout.base, 2 * (layout.data - layout.base))
        self.streams: list[Stream] = []
        self.vms: list[Vm] = []
        self.recent: deque[Use] = deque(maxlen=RECENT)
        self.target: Use | None = None
        self.l1stds: list[tuple[int, L1STD, int]] = []

    # ---- structures ----

    def build(self) -> None:
        """Write the stream table and everything below it."""
        rng = self.rng
        self.e2h = bool(self.impl.HYP and rng.random() < 0.5)
        self._two_level = bool(self.impl.ST_LEVEL) and rng.random() < 0.7
        self.split = rng.choice(SPLITS) if rng.random() < 0.9 else rng.randrange(32)
        self._strtab = self.pages.contiguous(STE_BYTES << LOG2_STREAMS, STE_BYTES << LOG2_STREAMS)
        self._l2: dict[int, int] = {}
        streams = Streams(rng, self.impl, self.memory, self.pages, self.layout, self.e2h)
        self.vms = streams.vms
        for sid in rng.sample(range(1 << LOG2_STREAMS), STREAMS):
            stream = streams.make(sid, self._ste_address(sid))
            self.memory.write(stream.address, stream.ste.to_bytes())
            self.streams.append(stream)

    def registers(self) -> list[tuple[type, int]]:
        """(register, value) to program while the SMMU is disabled."""
        fmt = StrtabFmt.TWO_LEVEL if self._two_level else StrtabFmt.LINEAR
        return [(STRTAB_BASE, STRTAB_BASE.pack(ADDR=self._strtab,
                                             RA=self.rng.randrange(2))),
                (STRTAB_BASE_CFG, STRTAB_BASE_CFG.pack(
                    FMT=fmt, SPLIT=self.split if self._two_level else 0,
                    LOG2SIZE=LOG2_STREAMS)),
                (CR2, CR2.pack(RECINVSID=self.rng.randrange(2), E2H=self.e2h))]

    def _ste_address(self, sid: int) -> int:
        if not self._two_level:
            return self._strtab + STE_BYTES * sid
        split = effective_split(self.split)
        number, low = sid >> split, sid & ((1 << split) - 1)
        if number not in self._l2:
            span = split + 1 if self.rng.random() < 0.9 else self.rng.randrange(16)
            table = self.pages.contiguous(STE_BYTES << split, STE_BYTES << split)
            pointer = table if self.rng.random() < 0.97 else self.layout.base - table % (1 << 20)
            l1std = L1STD.make(Span=span, L2Ptr=pointer & -STE_BYTES)
            place = self._strtab + L1STD_BYTES * number
            self.memory.write(place, l1std.to_bytes())
            self.l1stds.append((place, l1std, number << split))
            self._l2[number] = table
        return self._l2[number] + STE_BYTES * low

    def tables(self) -> list[StageTable]:
        """All translation tables, each once."""
        found = [half for stream in self.streams for context in stream.contexts
                 for half in context.halves] + [vm.table for vm in self.vms]
        return list({id(table): table for table in found}.values())

    def descriptors(self) -> dict[int, int]:
        """Every descriptor that was written: physical address to what memory holds."""
        return {slot: self.memory.read64(slot)
                for table in self.tables() for slot in sorted(table.slots())}

    # ---- traffic ----

    def access(self) -> Transaction:
        """One access of 1 to 16 aligned bytes, more often than not to something mapped, and now
        and then to what was accessed lately (so that caches matter)."""
        rng = self.rng
        useful = [s for s in self.streams if (s.contexts or s.vm) and s.ste.V]
        stream = rng.choice(useful if useful and rng.random() < 0.8 else self.streams)
        context = rng.choice(stream.contexts) if stream.contexts else None
        bypass = stream.stage1 and stream.ste.S1DSS == SteS1DSS.BYPASS and rng.random() < 0.2
        recent = self._reached()
        if recent and rng.random() < 0.3:
            use = rng.choice(recent)
            stream, context, bypass = use.stream, use.context, use.context is None
            address = self._inside(use)
        else:
            address = self._address(stream, None if bypass else context)
        return self._access(stream, None if bypass else context, address)

    def aim(self) -> None:
        """Choose the target among what was accessed lately."""
        recent = self._reached()
        self.target = self.rng.choice(recent) if recent else None

    def _reached(self) -> list[Use]:
        return [use for use in self.recent if use.reached]

    def hit(self, use: Use) -> Transaction:
        """An access that needs what `use` needs: inside its leaf, or elsewhere in its context, so
        that more than a TLB entry is read."""
        near = self.rng.random() < 0.5
        address = self._inside(use) if near else self._address(use.stream, use.context)
        return self._access(use.stream, use.context, address)

    def _access(self, stream: Stream, context: Context | None, address: int) -> Transaction:
        """Through `context`, or to a stage 2 alone or nothing; now and then with other IDs."""
        rng = self.rng
        sid = stream.sid if rng.random() < 0.97 else rng.getrandbits(LOG2_STREAMS + 1)
        ssid = None if context is None or not stream.ste.S1CDMax else context.ssid
        draw = rng.random()
        if draw < 0.07:
            ssid = None
        elif draw < 0.12:
            ssid = rng.getrandbits(rng.choice((3, 6, 20)))
        size = min(rng.choice((1, 2, 4, 8, 8, self._beat, self._beat)), self._beat)
        write = rng.random() < 0.4 and not stream.garbage
        txn = Transaction(sid=sid, ssid=ssid, addr=address & ~(size - 1) & (1 << 64) - 1,
                          write=write, size=size, pnu=rng.random() < 0.4,
                          ind=not write and rng.random() < 0.25)
        return self.harmless(txn)

    def harmless(self, txn: Transaction) -> Transaction:
        """The access, or a read in its place where it could overwrite structures: those of a
        stream whose addresses are not translated by a stage 1."""
        if not txn.write:
            return txn
        stream = next((s for s in self.streams if s.sid == txn.sid), None)
        low = txn.addr & (1 << self.impl.oas_bits) - 1
        structures = self.layout.base <= low < self.layout.data
        if stream is not None and stream.vm is not None:
            structures |= stream.vm.structures(txn.addr)
        return Transaction(sid=txn.sid, ssid=txn.ssid, addr=txn.addr, size=txn.size,
                           pnu=txn.pnu) if structures else txn

    def _address(self, stream: Stream, context: Context | None) -> int:
        rng = self.rng
        table = rng.choice(context.halves) if context else stream.vm.table if stream.vm else None
        if table is None or rng.random() < 0.03:
            return rng.getrandbits(rng.choice((32, 48, 64)))
        draw = rng.random()
        if table.leaves and draw < 0.6:
            use = Use(stream, context, table, rng.choice(table.leaves))
            self.recent.append(use)
            address = self._inside(use)
        elif table.interesting and draw < 0.85:
            address = rng.choice(table.interesting) | rng.randrange(16)
        else:
            address = table.prefix | table.random_iova()
        if rng.random() < 0.1:  # a tag in the top byte
            address = address & (1 << 56) - 1 | rng.getrandbits(8) << 56
        return address

    def _inside(self, use: Use) -> int:
        """An address that the leaf maps: most often in its first page, or, nested, in one that
        stage 2 maps."""
        rng, leaf, vm = self.rng, use.leaf, use.stream.vm
        size = shift(use.table.g, leaf.level)
        if use.context is not None and vm is not None and rng.random() < 0.7:
            output = self._output(use)
            below = [other.iova for other in vm.leaves if not (other.iova ^ output) >> size]
            if below:
                return leaf.iova + (rng.choice(below) & (1 << size) - 1) + rng.getrandbits(12)
        return leaf.iova + rng.getrandbits(size if rng.random() < 0.2 else 12)

    @staticmethod
    def _output(use: Use) -> int:
        size = shift(use.table.g, use.leaf.level)
        return use.leaf.value & S1Leaf.Address.mask & -(1 << size)

    def focus(self, accesses: list[Transaction]) -> None:
        """Let changes and accesses concern what `accesses` use, of stage 2 too."""
        found = []
        for txn in accesses:
            for stream in self.streams:
                if stream.sid == txn.sid:
                    found += self._uses(stream, txn)
        if found:
            self.recent = deque(found, RECENT)

    def _uses(self, stream: Stream, txn: Transaction) -> list[Use]:
        out, ipas = [], [txn.addr]
        for context in stream.contexts:
            for half in context.halves if (txn.ssid or 0) == context.ssid else ():
                for leaf in half.leaves:
                    if not (txn.addr ^ leaf.iova) >> shift(half.g, leaf.level):
                        use = Use(stream, context, half, leaf)
                        out.append(use)
                        low = (1 << shift(half.g, leaf.level)) - 1
                        ipas = [self._output(use) | txn.addr & low]
        if stream.vm is not None:
            below = stream.vm.leaf_of(ipas[0])
            out += [Use(stream, None, stream.vm.table, below)] if below else []
        return out
