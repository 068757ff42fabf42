"""Random changes of a world, and the commands that make them certain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from spec.codes import TG_CODE
from spec.commands import (
    CFGI_CD,
    CFGI_CD_ALL,
    CFGI_STE,
    CFGI_STE_RANGE,
    PREFETCH_ADDR,
    PREFETCH_CONFIG,
    RESUME,
    STALL_TERM,
    STE_RANGE_ALL,
    TLBI_EL2_ALL,
    TLBI_EL2_ASID,
    TLBI_EL2_VA,
    TLBI_EL2_VAA,
    TLBI_NH_ALL,
    TLBI_NH_ASID,
    TLBI_NH_VA,
    TLBI_NH_VAA,
    TLBI_NSNH_ALL,
    TLBI_S2_IPA,
    TLBI_S12_VMALL,
    Command,
)
from spec.context import CD, CD_BYTES, L1CD_BYTES
from spec.stream_table import L1STD, L1STD_BYTES, STE, STE_BYTES, SteConfig, effective_split
from spec.vmsa import DESCRIPTOR_BYTES, LAST_LEVEL, DescriptorType, S1Leaf, shift
from tb.random_streams import Context, Stream
from tb.random_tables import StageTable
from tb.random_world import Use, World

TARGET = 0.4  # changes of the world's target

# Commands in batches: each is complete (CMD_SYNC) before the next is issued.
Batches = list[list[Command]]


@dataclass(frozen=True)
class Change:
    """Something to change: where it lies, and what does it."""

    address: int
    length: int
    make: Callable[[], Batches]


class Changes:
    """Draws changes of what was used lately.

    With `complete` the commands leave nothing behind; otherwise fewer may be issued, and what the
    architecture lets caches keep stays.
    """

    def __init__(self, world: World, *, complete: bool) -> None:
        self._world, self._rng, self._complete = world, world.rng, complete
        self._unlinked: dict[int, int] = {}  # descriptors that were cleared, by address
        self._hidden: dict[int, L1STD] = {}  # first-level stream descriptors, the same

    def change(self) -> Batches:
        """Change one thing in memory; the commands that make it certain."""
        found = self.draw()
        return found.make() if found else []

    def draw(self) -> Change | None:
        """A change to make."""
        world, rng = self._world, self._rng
        kind = rng.choices(("leaf", "table", "cd", "ste", "asid", "l1"), (8, 4, 4, 2, 2, 1))[0]
        if kind == "l1":
            return self._first_level()
        use = self._use()
        if kind == "ste" or use is None:
            stream = use.stream if use else rng.choice(world.streams)
            return Change(stream.address, STE_BYTES, lambda: self._ste(stream))
        if kind == "table" and (found := self._table(use)):
            return found
        context = use.context
        if kind in ("leaf", "table") or context is None:
            return Change(use.leaf.slot, DESCRIPTOR_BYTES, lambda: self._leaf(use))
        make = self._cd if kind == "cd" else self._asid
        return Change(context.address, CD_BYTES, lambda: make(use.stream, context))

    def _use(self) -> Use | None:
        """The target, a leaf in use, or any."""
        world, rng = self._world, self._rng
        if world.target is not None and rng.random() < TARGET:
            return world.target
        if world.recent and rng.random() < 0.8:
            return rng.choice(world.recent)
        places: list[tuple[Stream, Context | None, StageTable]] = [
            (stream, context, half) for stream in world.streams
            for context in stream.contexts for half in context.halves if half.leaves]
        places += [(stream, None, stream.vm.table) for stream in world.streams
                   if stream.vm is not None and stream.vm.leaves]
        if not places:
            return None
        stream, context, table = rng.choice(places)
        leaves = table.leaves if context or stream.vm is None else stream.vm.leaves
        return Use(stream, context, table, rng.choice(leaves))

    # ---- tables ----

    def _leaf(self, use: Use) -> Batches:
        rng, world, table, leaf = self._rng, self._world, use.table, use.leaf
        old = leaf.value
        if leaf.level != LAST_LEVEL or rng.random() < 0.5:
            leaf.present = not leaf.present
        else:
            vm = use.stream.vm
            output = vm.output() if vm and use.context else \
                world.layout.output(rng, world.impl.oas_bits)
            leaf.value = table.random_leaf().value | DescriptorType.TABLE_OR_PAGE \
                | table.address(output & -(1 << table.g))
            leaf.present = True
        table.put(leaf.slot, leaf.value if leaf.present else 0)
        return self._gone(use, leaf.level, single=True, shared=not old & S1Leaf.nG.mask)

    def _table(self, use: Use) -> Change | None:
        """Take a table above the leaf away, or put it back."""
        rng, table, leaf = self._rng, use.table, use.leaf
        if leaf.level == table.start:
            return None
        level = rng.randrange(table.start, leaf.level)
        slot = table.slot(leaf.iova, level)
        assert slot is not None

        def make() -> Batches:
            if slot in self._unlinked:
                table.put(slot, self._unlinked.pop(slot))
            else:
                self._unlinked[slot] = table.get(slot)
                table.put(slot, 0)
            return self._gone(use, level, single=not self._complete, shared=table.shared)

        return Change(slot, DESCRIPTOR_BYTES, make)

    def _gone(self, use: Use, level: int, *, single: bool, shared: bool) -> Batches:
        """What makes the change of a descriptor of `level` certain. `single`: only the leaf of
        `use` matters. `shared`: entries may be global."""
        rng, stream = self._rng, use.stream
        vmid = self._vmid(stream)
        if use.context is None:
            first: list[Command] = [
                self._by_address(use, level, single, TLBI_S2_IPA, VMID=vmid),
                TLBI_S12_VMALL.make(VMID=vmid), TLBI_NSNH_ALL.make()]
            both: list[Command] = [TLBI_NH_ALL.make(VMID=vmid), TLBI_S12_VMALL.make(VMID=vmid),
                                   TLBI_NSNH_ALL.make()]
            return [[rng.choice(first)], [rng.choice(both)]] if self._world.impl.S1P \
                else [[rng.choice(first)]]
        asid = use.context.cd.ASID
        if stream.el2:
            choices: list[Command] = [
                self._by_address(use, level, single, TLBI_EL2_VA, ASID=asid),
                self._by_address(use, level, single, TLBI_EL2_VAA), TLBI_EL2_ALL.make()]
            if self._world.e2h and not shared:
                choices.append(TLBI_EL2_ASID.make(ASID=asid))
            return [[rng.choice(choices)]]
        choices = [self._by_address(use, level, single, TLBI_NH_VA, VMID=vmid, ASID=asid),
                   self._by_address(use, level, single, TLBI_NH_VAA, VMID=vmid),
                   TLBI_NH_ALL.make(VMID=vmid), TLBI_NSNH_ALL.make()]
        if not shared:
            choices.append(TLBI_NH_ASID.make(VMID=vmid, ASID=asid))
        return [[rng.choice(choices)]]

    def _by_address(self, use: Use, level: int, single: bool, command: type[Command],
                    **fields: int) -> Command:
        """An invalidation by address; the range form where there is one, or must be."""
        rng, table, leaf = self._rng, use.table, use.leaf
        name = "IPA" if command is TLBI_S2_IPA else "VA"
        leaf_only = int(level == leaf.level and rng.random() < 0.5)
        if not self._world.impl.RIL or (single and rng.random() < 0.5):
            if not single:  # what lies under a table takes more than one address
                return TLBI_NSNH_ALL.make() if not use.stream.el2 else TLBI_EL2_ALL.make()
            return command.make(**fields, **{name: leaf.iova}, Leaf=leaf_only)
        size = shift(table.g, level)
        form = {"TG": TG_CODE[table.g]}
        if single and rng.random() < 0.6:
            # Some granules from somewhat before the leaf on.
            scale, number = rng.randrange(3), rng.randrange(1, 32)
            before = rng.randrange(number + 1) << scale + table.g
            start = max(leaf.iova - before, leaf.iova & ~((1 << table.ia) - 1))
            form |= {"SCALE": scale, "NUM": number}
        else:
            start = leaf.iova & -(1 << size)
            form |= {"SCALE": size - table.g, "TTL": leaf.level if single else 0}
            if not form["SCALE"] and not form["TTL"]:
                form["NUM"] = 1
        if name == "IPA":
            start &= TLBI_S2_IPA.IPA.mask >> 64
        return command.make(**fields, **{name: start}, Leaf=leaf_only, **form)

    # ---- configuration ----

    def _cd(self, stream: Stream, context: Context) -> Batches:
        cd, rng = context.cd, self._rng
        names = ["V", "EPD0", "WXN", "TBI0", "TBI1", "R", "PAN", "AFFD", "E0PD0"]
        # What the hierarchical bits allow is kept for an ASID: its CDs agree about HAD.
        if sum(other.halves is context.halves for other in self._contexts()) == 1:
            names.append("HAD0")
        name = rng.choice(names)
        self._write_cd(context, cd.replace(**{name: 1 - getattr(cd, name)}))
        # What the TLB has may stay, with the effects that this has.
        flush = [self._context_gone(stream, context, cd.ASID)]
        return [[self._cd_gone(stream, context)], *(
            [flush] if self._complete or rng.random() < 0.5 else [])]

    def _asid(self, stream: Stream, context: Context) -> Batches:
        """Give the address space another ASID; the old one is free afterwards."""
        world, old = self._world, context.cd.ASID
        if stream.el2 and not world.e2h:
            return []
        used = {other.cd.ASID for other in self._contexts()}
        asid = self._rng.choice([n for n in range(1, 1 << 8) if n not in used])
        self._write_cd(context, context.cd.replace(ASID=asid))
        return [[self._cd_gone(stream, context)], [self._context_gone(stream, context, old)]]

    def _contexts(self) -> list[Context]:
        return [context for stream in self._world.streams for context in stream.contexts]

    def _write_cd(self, context: Context, cd: CD) -> None:
        context.cd = cd
        self._world.memory.write(context.address, cd.to_bytes())

    def _cd_gone(self, stream: Stream, context: Context) -> Command:
        return self._rng.choice((
            CFGI_CD.make(StreamID=stream.sid, SSV=1, SubstreamID=context.ssid,
                         Leaf=self._rng.randrange(2)),
            CFGI_CD_ALL.make(StreamID=stream.sid)))

    def _context_gone(self, stream: Stream, context: Context, asid: int) -> Command:
        vmid = self._vmid(stream)
        if stream.el2:
            return TLBI_EL2_ASID.make(ASID=asid) if self._world.e2h else TLBI_EL2_ALL.make()
        if any(half.shared for half in context.halves):
            return TLBI_NH_ALL.make(VMID=vmid)
        return TLBI_NH_ASID.make(VMID=vmid, ASID=asid)

    def _ste(self, stream: Stream) -> Batches:
        rng, ste = self._rng, stream.ste
        config = ste.Config
        choices: list[dict[str, int]] = [
            {"V": 1 - ste.V}, {"S1DSS": rng.randrange(4)}, {"PRIVCFG": rng.randrange(4)},
            {"INSTCFG": rng.randrange(4)}, {"S2R": 1 - ste.S2R},
            {"MTCFG": 1 - ste.MTCFG}, {"S1CDMax": max(ste.S1CDMax - 1, 0)},
            {"Config": config ^ SteConfig.BYPASS}]
        # What S2AFFD lets pass is kept for a VMID: its STEs agree about it.
        if stream.vm is None or sum(s.vm is stream.vm for s in self._world.streams) == 1:
            choices.append({"S2AFFD": 1 - ste.S2AFFD})
        stream.ste = STE(ste.replace(**rng.choice(choices)).value)
        self._world.memory.write(stream.address, stream.ste.to_bytes())
        every = rng.random() < 0.3
        config_gone: Command = CFGI_STE_RANGE.make(Range=STE_RANGE_ALL) if every else \
            CFGI_STE.make(StreamID=stream.sid, Leaf=rng.randrange(2))
        return [[config_gone], self._all()]

    def _first_level(self) -> Change | None:
        """A first-level descriptor goes away or comes back: of CDs or of the stream table."""
        rng, world = self._rng, self._world
        streams = [s for s in world.streams if s.table]
        if streams and rng.random() < 0.6:
            stream = rng.choice(streams)
            return self._l1cd(stream, rng.randrange(len(stream.table)))
        if not world.l1stds:
            return None
        place, l1std, first = rng.choice(world.l1stds)

        def make() -> Batches:
            shown = self._hidden.pop(place, None)
            if shown is None:
                self._hidden[place] = l1std
            new = shown or l1std.replace(Span=0)
            world.memory.write(place, new.to_bytes())
            below = effective_split(world.split) - 1
            return [[CFGI_STE_RANGE.make(StreamID=first, Range=rng.choice((below, 31)))]]

        return Change(place, L1STD_BYTES, make)

    def _l1cd(self, stream: Stream, number: int) -> Change:
        place, ssid, l1cd = stream.table[number]

        def make() -> Batches:
            new = l1cd.replace(V=1 - l1cd.V)
            stream.table[number] = place, ssid, new
            self._world.memory.write(place, new.to_bytes())
            return [[self._rng.choice((
                CFGI_CD_ALL.make(StreamID=stream.sid), CFGI_STE.make(StreamID=stream.sid)))]]

        return Change(place, L1CD_BYTES, make)

    def _all(self) -> list[Command]:
        found: list[Command] = [TLBI_NSNH_ALL.make()]
        return [*found, TLBI_EL2_ALL.make()] if self._world.impl.HYP else found

    def _vmid(self, stream: Stream) -> int:
        return stream.ste.S2VMID if self._world.impl.S2P else 0

    # ---- what changes nothing ----

    def everything(self) -> list[Command]:
        """Commands after which all is read again."""
        return [CFGI_STE_RANGE.make(Range=STE_RANGE_ALL), *self._all()]

    def noise(self) -> list[Command]:
        """Legal commands that nothing asks for."""
        rng, impl = self._rng, self._world.impl
        sid = rng.choice((rng.choice(self._world.streams).sid, rng.getrandbits(32)))
        va, ssid = rng.getrandbits(64) & -4096, rng.getrandbits(20)
        ids = {"VMID": rng.choice((1, 2, rng.getrandbits(16))) if impl.S2P else 0}
        asid = {"ASID": rng.getrandbits(8)}
        unknown = rng.getrandbits(16) << 16 | 0xFFFF  # no stream that is used
        choices: list[Command] = [
            PREFETCH_CONFIG.make(StreamID=sid, SSV=1, SubstreamID=ssid),
            PREFETCH_ADDR.make(StreamID=sid, Addr=va, Size=rng.randrange(32)),
            CFGI_STE.make(StreamID=sid), CFGI_STE_RANGE.make(StreamID=sid, Range=rng.randrange(32)),
            TLBI_NSNH_ALL.make()]
        if impl.S1P:
            choices += [
                CFGI_CD.make(StreamID=sid, SSV=1, SubstreamID=ssid), TLBI_NH_ALL.make(**ids),
                CFGI_CD_ALL.make(StreamID=sid), TLBI_NH_ASID.make(**ids, **asid),
                TLBI_NH_VA.make(**ids, **asid, VA=va), TLBI_NH_VAA.make(**ids, VA=va)]
        if impl.S2P:
            choices += [TLBI_S12_VMALL.make(**ids),
                        TLBI_S2_IPA.make(**ids, IPA=va & (1 << impl.ias_bits) - 1)]
        if impl.HYP:
            choices += [TLBI_EL2_ALL.make(), TLBI_EL2_ASID.make(**asid),
                        TLBI_EL2_VA.make(**asid, VA=va), TLBI_EL2_VAA.make(VA=va)]
        if impl.stalls:
            choices += [RESUME.make(StreamID=unknown, Ac=1), STALL_TERM.make(StreamID=unknown)]
        return [rng.choice(choices) for _ in range(rng.randrange(4))]
