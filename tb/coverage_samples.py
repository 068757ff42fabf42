"""What transactions, commands and queues add to the functional coverage."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from pymodel.invalidation import (
    ConfigEntry,
    Kind,
    Stage,
    TlbEntry,
    covers,
    decode,
    is_range,
)
from pymodel.reader import World
from pymodel.transaction import Ending, Result, Step, Transaction
from spec.codes import SIZE_BITS, TG0_SHIFT, TG1_SHIFT
from spec.commands import Command, Opcode
from spec.events import TRANSLATION_FAULTS, EventType
from spec.impl import Implementation
from spec.stream_table import STE, SteConfig, SteS1Fmt
from spec.vmsa import (
    BLOCK_LEVELS,
    LAST_LEVEL,
    S2_START_LEVEL,
    DescriptorType,
    S1Leaf,
    shift,
    stride,
)
from tb.coverage import Counts
from tb.machine import Machine

_GRANULE = {12: "4K", 14: "16K", 16: "64K"}
_CONFIG = {SteConfig.BYPASS: "bypass", SteConfig.S1: "s1", SteConfig.S2: "s2",
           SteConfig.NESTED: "nested"}
_WALK_FAULTS = (*TRANSLATION_FAULTS, EventType.F_WALK_EABT)
_SIGN = 1 << 55

Entry = ConfigEntry | TlbEntry


@dataclass
class Sampler:
    """Counts into `counts`, and remembers what a TLB or configuration cache may hold now.

    Members
    -------
    used
        Entries that transactions since the last `forget` have used.
    """

    counts: Counts
    impl: Implementation
    e2h: bool
    used: set[Entry] = field(default_factory=set)

    def forget(self) -> None:
        self.used.clear()

    def transaction(self, txn: Transaction, result: Result, hit: bool | None = None) -> None:
        """A transaction with its explained result; `hit`: of the RTL's micro TLB."""
        seen = Seen(txn, result, self.e2h)
        ending = result.ending.value
        if hit is not None and result.ending is not Ending.STALLED:
            # A hit that has not the right is asked about again and counts as a miss.
            self.counts.add("micro TLB", "hit" if hit else "miss", seen.access, ending)
        if seen.ste is not None and result.ending is not Ending.STALLED:
            self._configuration(seen, ending)
        self._fault(seen)
        self._walks(seen)
        self._features(seen)

    def _configuration(self, seen: Seen, ending: str) -> None:
        ste, txn = seen.ste, seen.txn
        assert ste is not None
        if not ste.V or seen.fault == "C_BAD_STE":
            return
        self.used.add(ConfigEntry(kind=Kind.STE, sid=txn.sid))
        self.counts.add("configuration", seen.config, seen.access, seen.privilege, ending)
        if seen.config not in ("s1", "nested"):
            return
        n = ste.S1CDMax if self.impl.SSIDSIZE else 0
        formats = {SteS1Fmt.L2_4K: "4K leaves", SteS1Fmt.L2_64K: "64K leaves"}
        table = "single" if not n else formats.get(SteS1Fmt(ste.S1Fmt), "linear") \
            if ste.S1Fmt < 3 else "linear"
        ssid = "none" if txn.ssid is None else "too large" if txn.ssid >> n \
            or not n else "0" if txn.ssid == 0 else "other"
        dss = ("terminate", "bypass", "ssid0", "reserved")[ste.S1DSS]
        self.counts.add("substream", seen.config, table, ssid, dss)
        if seen.cd is not None:
            self.used.add(ConfigEntry(kind=Kind.CD, sid=txn.sid, ssid=txn.ssid or 0))

    def _fault(self, seen: Seen) -> None:
        if seen.fault is None:
            return
        recorded = "recorded" if seen.recorded else "not recorded"
        if EventType[seen.fault] in _WALK_FAULTS:
            # An input of a bypassing stage that is too large is a stage-1 fault that is recorded.
            direction = "write" if seen.txn.write else "read"
            self.counts.add("fault", seen.fault, str(seen.fault_stage), seen.fault_class,
                            direction, recorded)
        else:
            self.counts.add("configuration fault", seen.fault, recorded)

    def _walks(self, seen: Seen) -> None:
        for walk in seen.walks:
            self.counts.add("descriptor", seen.config, str(walk.stage), _GRANULE[walk.granule],
                            str(walk.level), walk.kind)
            if walk.kind == "invalid":
                continue
            self.used.add(walk.entry)
            if walk.kind != "table" and walk.own:
                self.counts.add("leaf", seen.config, str(walk.stage), _GRANULE[walk.granule],
                                str(walk.level), seen.access, seen.privilege,
                                seen.verdict(walk.stage))

    def _features(self, seen: Seen) -> None:
        ending = "faulted" if seen.fault else "passed"
        for name in seen.features(self.impl):
            if self._possible(name, ending):
                self.counts.add("feature", name, ending)

    @staticmethod
    def _possible(name: str, ending: str) -> bool:
        return not (name.endswith(("set", "dirty")) and ending == "faulted") \
            and not (name == "EPD" and ending == "passed")

    # ---- commands and queues ----

    def commands(self, commands: Iterable[Command]) -> None:
        """Commands that were issued."""
        for command in commands:
            inv = decode(self.impl, command, e2h=self.e2h)
            used = inv is not None and any(covers(inv, entry) for entry in self.used)
            self.counts.add("command", Opcode(command.OPCODE).name, self._form(command),
                            "used" if used else "unused")
            if inv is not None:
                self.used = {e for e in self.used if not covers(inv, e)}

    def _form(self, command: Command) -> str:
        fields = dict(command.items())
        if "Leaf" not in fields:
            return "whole"
        return ("range, " if is_range(self.impl, fields) else "") \
            + ("leaf only" if fields["Leaf"] else "all levels")

    def queues(self, machine: Machine) -> None:
        """What a run has done to its queues."""
        if machine.posted:  # every batch ends with one
            self.counts.add("command", "SYNC", "whole", "unused")
        for name, log2, count, full in (
                ("command", machine.log2_cmdq, machine.posted, machine.full),
                ("event", machine.log2_evtq, machine.recorded, machine.overflows)):
            states = {"used": count, "wrapped": count >> log2, "full": full}
            for state, reached in states.items():
                if reached:
                    self.counts.add("queue", name, str(log2), state)


@dataclass(frozen=True)
class Walk:
    """A descriptor that was read. `own`: for the transaction itself, not for a table or CD."""

    stage: int
    granule: int
    level: int
    kind: str
    entry: TlbEntry
    own: bool


class Seen:
    """The steps of an explained result, by what they say."""

    def __init__(self, txn: Transaction, result: Result, e2h: bool) -> None:
        self.txn, self.result, self._e2h = txn, result, e2h
        self.ste: STE | None = None
        self.cd: dict[str, int] | None = None
        self.region = ""
        self.fault: str | None = None
        self.fault_stage, self.fault_class, self.recorded = 0, "", False
        self.world = World.NS_EL1
        self.walks: list[Walk] = []
        self._raw: list[Step] = result.steps
        self.updated: set[int] = set()
        for step in result.steps:
            self._take(step)
        self._own_leaves()

    def _take(self, step: Step) -> None:
        fields = step.fields
        if step.step == "find_ste" and "Config" in fields:
            self.ste = STE(sum(word << 64 * n for n, word in enumerate(step.words)))
        elif step.step == "find_cd" and "ASID" in fields:
            self.cd = fields
        elif step.step == "check_cd":
            self.world = World(fields["world"])
        elif step.step == "select_table":
            self.region = fields["region"] or "disabled"
        elif step.step == "fault":
            self.fault, self.fault_stage = fields["type"], fields["stage"]
            self.fault_class, self.recorded = fields["CLASS"], fields["recorded"]
        elif step.step in ("walk_stage1", "walk_stage2"):
            self._walk(step, 1 if step.step == "walk_stage1" else 2)

    def _walk(self, step: Step, stage: int) -> None:
        fields, level = step.fields, step.fields["level"]
        if fields.get("update"):
            self.updated.add(stage)
            return
        assert self.ste is not None
        g = self._granule(stage)
        kind = _kind(step.words[0], level, g)
        size = shift(g, level)
        vmid = self.ste.S2VMID if self.world is World.NS_EL1 or stage == 2 else 0
        address = self.txn.addr if stage == 1 else fields["IPA"]
        if stage == 1:
            low = address & (1 << 56) - 1
            address = low | (0xFF << 56 if self.region == "TT1" else 0)
        shared = kind != "table" and not step.words[0] & S1Leaf.nG.mask
        asid = None if stage == 2 or shared or self.world is World.NS_EL2 or self.cd is None \
            else self.cd["ASID"]
        entry = TlbEntry(
            kind=Kind.TABLE if kind == "table" else Kind.LEAF, stage=Stage(stage),
            world=self.world if stage == 1 else World.NS_EL1, vmid=vmid, asid=asid,
            address=address >> size << size, size=size, level=level, granule=g)
        self.walks.append(Walk(stage, g, level, kind, entry, False))

    def _granule(self, stage: int) -> int:
        assert self.ste is not None
        if stage == 2:
            return TG0_SHIFT[self.ste.S2TG]
        assert self.cd is not None
        return TG1_SHIFT[self.cd["TG1"]] if self.region == "TT1" else TG0_SHIFT[self.cd["TG0"]]

    def _own_leaves(self) -> None:
        """The last leaf of each stage is the transaction's own: of stage 2, once stage 1 is
        through; if class CD or TT stopped it, none is."""
        stages = {1} | ({2} if self._stage2_is_own() else set())
        for stage in stages:
            for number in reversed(range(len(self.walks))):
                walk = self.walks[number]
                if walk.stage == stage:
                    if walk.kind in ("block", "page"):
                        self.walks[number] = Walk(stage, walk.granule, walk.level, walk.kind,
                                                  walk.entry, True)
                    break

    def _stage2_is_own(self) -> bool:
        if self.fault is None:
            return True
        return self.fault_stage == 2 and self.fault_class == "IN"

    def verdict(self, stage: int) -> str:
        """What this stage's own leaf said."""
        if self.fault and self.fault_stage == stage and self.fault in (
                "F_ADDR_SIZE", "F_ACCESS", "F_PERMISSION"):
            return self.fault
        return "allowed"

    @property
    def config(self) -> str:
        assert self.ste is not None
        return _CONFIG.get(SteConfig(self.ste.Config), "abort") if self.ste.Config >= 4 \
            else "abort"

    @property
    def access(self) -> str:
        return "write" if self.txn.write else "execute" if self.txn.ind else "read"

    @property
    def privilege(self) -> str:
        return "privileged" if self.txn.pnu else "unprivileged"

    def features(self, impl: Implementation) -> set[str]:
        """What was in force for a transaction that reached a walk."""
        ste, cd = self.ste, self.cd
        if ste is None or self.config == "abort" or not ste.V:
            return set()
        out = set()
        if impl.ATTR_PERMS_OVR:
            out |= {n for n in ("PRIVCFG", "INSTCFG") if getattr(ste, n) >= 2}
        if ste.MTCFG and impl.ATTR_TYPES_OVR:
            out.add("MTCFG")
        if self.region and cd is not None:
            out |= self._stage1_features(impl, cd)
        if any(walk.stage == 2 for walk in self.walks):
            out |= self._stage2_features(impl, ste)
        return out

    def _stage1_features(self, impl: Implementation, cd: dict[str, int]) -> set[str]:
        n = "1" if self.region == "TT1" else "0"
        single = self.world is World.NS_EL2
        out = {"EPD"} if self.region == "disabled" else set()
        out |= {"TT1"} if n == "1" else set()
        if cd["TBI" + n]:
            out.add("TBI" + n)
            if self.txn.addr >> 56 not in (0, 0xFF):
                out.add("tagged address")
        out |= {"HAD"} if cd["HAD" + n] and impl.HAD else set()
        out |= {"E0PD"} if cd["E0PD" + n] and impl.E0PD and not single else set()
        out |= {name for name in ("WXN", "PAN", "AFFD") if cd[name]}
        out |= {"ENDI"} if cd["ENDI"] and impl.TTENDIAN == 0 else set()
        out |= {"IPS below OAS"} if SIZE_BITS.get(cd["IPS"], 64) < impl.oas_bits else set()
        out |= {"EL2"} if single else set()
        out |= {"EL2-E2H"} if self.world is World.NS_EL2_E2H else set()
        tables = [s.fields for s in self._raw if s.step == "walk_stage1" and "APTable" in s.fields]
        out |= {"APTable"} if any(f["APTable"] for f in tables) else set()
        out |= {"XNTable"} if any(f["UXNTable"] or f["PXNTable"] for f in tables) else set()
        leaves = [s.fields for s in self._raw if s.step == "walk_stage1" and "nG" in s.fields]
        if leaves and not leaves[-1]["nG"] and leaves[-1]["Type"] & 1 and impl.S2P:
            out.add("global")
        if 1 in self.updated:
            out.add("made dirty" if self.txn.write else "access flag set")
        return out

    def _stage2_features(self, impl: Implementation, ste: STE) -> set[str]:
        out = {name for name in ("S2AFFD", "S2PTW", "S2FWB") if getattr(ste, name)}
        out |= {"S2ENDI"} if ste.S2ENDI and impl.TTENDIAN == 0 else set()
        out |= {"S2PS below OAS"} if SIZE_BITS.get(ste.S2PS, 64) < impl.oas_bits else set()
        out |= {"XNX"} if self.txn.ind and impl.XNX else set()
        g = TG0_SHIFT[ste.S2TG]
        start = S2_START_LEVEL[g][min(ste.S2SL0, 2)]
        if 64 - ste.S2T0SZ > shift(g, start) + stride(g):
            out.add("concatenated")
        if 2 in self.updated:
            out.add("S2 made dirty" if self.txn.write else "S2 access flag set")
        return out


def _kind(word: int, level: int, granule: int) -> str:
    kind = word & 3
    if kind == DescriptorType.TABLE_OR_PAGE:
        return "page" if level == LAST_LEVEL else "table"
    block = kind == DescriptorType.BLOCK and level in BLOCK_LEVELS[granule]
    return "block" if block else "invalid"
