"""Command decoder: legality, and what the command asks of the rest of the SMMU."""

from amaranth import Cat, Module, Mux, Value, unsigned
from amaranth.lib import data, enum, wiring
from amaranth.lib.wiring import In, Out

from hdl.layouts import in_place, view
from hdl.streams import PA_BITS, Invalidation, InvOp, StallAction, StallCommand
from hdl.tcu import own
from spec import commands
from spec.codes import TGCode
from spec.commands import COMMANDS, Command, Opcode, SyncCS
from spec.impl import Implementation


class CommandKind(enum.Enum, shape=3):
    """What the executor does with a command."""

    ILLEGAL = 0
    NOTHING = 1      # legal and without effect
    INVALIDATE = 2
    STALL = 3
    SYNC = 4


class SyncSignal(data.Struct):
    """Completion signals of a CMD_SYNC; `msi`: also a 4-byte write of `data` to `addr`, memory of
    type `mair` (a MAIR byte)."""

    irq: unsigned(1)
    sev: unsigned(1)
    msi: unsigned(1)
    addr: unsigned(PA_BITS)
    data: unsigned(32)
    mair: unsigned(8)


KINDS = {
    Opcode.PREFETCH_CONFIG: CommandKind.NOTHING,
    Opcode.PREFETCH_ADDR: CommandKind.NOTHING,
    Opcode.RESUME: CommandKind.STALL,
    Opcode.STALL_TERM: CommandKind.STALL,
    Opcode.SYNC: CommandKind.SYNC,
}

# Opcode to operation and world of the commands that are CommandKind.INVALIDATE.
OPERATIONS = {
    Opcode.CFGI_STE: (InvOp.CFGI_STE, 0),
    Opcode.CFGI_STE_RANGE: (InvOp.CFGI_STE, 0),
    Opcode.CFGI_CD: (InvOp.CFGI_CD, 0),
    Opcode.CFGI_CD_ALL: (InvOp.CFGI_CD_ALL, 0),
    Opcode.TLBI_NH_ALL: (InvOp.TLBI_VMALL, 0),
    Opcode.TLBI_NH_ASID: (InvOp.TLBI_ASID, 0),
    Opcode.TLBI_NH_VA: (InvOp.TLBI_VA, 0),
    Opcode.TLBI_NH_VAA: (InvOp.TLBI_VAA, 0),
    Opcode.TLBI_EL2_ALL: (InvOp.TLBI_EL2_ALL, 1),
    Opcode.TLBI_EL2_ASID: (InvOp.TLBI_ASID, 1),
    Opcode.TLBI_EL2_VA: (InvOp.TLBI_VA, 1),
    Opcode.TLBI_EL2_VAA: (InvOp.TLBI_VAA, 1),
    Opcode.TLBI_S12_VMALL: (InvOp.TLBI_S12_VMALL, 0),
    Opcode.TLBI_S2_IPA: (InvOp.TLBI_S2_IPA, 0),
    Opcode.TLBI_NSNH_ALL: (InvOp.TLBI_NSNH_ALL, 0),
}


class CommandDecoder(wiring.Component):
    """Combinational decoder of one 16-byte command (reference 6.1 to 6.4).

    A StreamID or SubstreamID beyond the implemented size makes the command NOTHING. ASID and VMID
    bits that are not implemented read 0, and so does the VMID without stage 2. TLBI_EL2_VA with
    E2H = 0 is decoded as TLBI_VAA, since EL2 entries have no ASID.

    Members
    -------
    command
        The command as read.
    e2h, vmw
        CR2.E2H, CR0ACK.VMW.
    kind
        Which of the payloads applies.
    inv, stall, sync
        Payloads for INVALIDATE, STALL and SYNC.
    """

    def __init__(self, impl: Implementation):
        self.impl = impl
        super().__init__({
            "command": In(128), "e2h": In(1), "vmw": In(3),
            "kind": Out(CommandKind), "inv": Out(Invalidation), "stall": Out(StallCommand),
            "sync": Out(SyncSignal),
        })

    def elaborate(self, platform):
        m = Module()
        m.d.comb += [self.kind.eq(CommandKind.ILLEGAL), self.inv.vmw.eq(self.vmw)]
        with m.Switch(view(Command, self.command).Opcode):
            for opcode, command in COMMANDS.items():
                if self.impl.legal(opcode) and (opcode in KINDS or opcode in OPERATIONS):
                    with m.Case(opcode):
                        self._kind(m, command)
                        self._operands(m, command)
        return m

    def _kind(self, m: Module, command: type[Command]) -> None:
        """Kind, with the reasons why a known command is illegal or has no effect."""
        word = view(command, self.command)
        kind = KINDS.get(command.OPCODE, CommandKind.INVALIDATE)
        m.d.comb += self.kind.eq(kind)
        if "StreamID" in command.FIELDS and command is not commands.CFGI_STE_RANGE:
            with m.If(word.StreamID[self.impl.SIDSIZE:].any()):
                m.d.comb += self.kind.eq(CommandKind.NOTHING)
        if command is commands.CFGI_CD:
            with m.If(word.SubstreamID[self.impl.SSIDSIZE:].any()):
                m.d.comb += self.kind.eq(CommandKind.NOTHING)
        illegal: list[Value] = []
        if "SSec" in command.FIELDS:
            illegal.append(word.SSec)
        if command is commands.SYNC:
            illegal.append(~Cat(signal == word.CS for signal in SyncCS).any())
        if "TG" in command.FIELDS and self.impl.RIL:
            illegal.append((word.TG != TGCode.SINGLE) & ~word.NUM.any() & ~word.SCALE.any()
                           & (self._level(word) == 0))
        for condition in illegal:
            with m.If(condition):
                m.d.comb += self.kind.eq(CommandKind.ILLEGAL)

    def _operands(self, m: Module, command: type[Command]) -> None:
        """The payload of one opcode, from the fields that its layout has."""
        if command.OPCODE in OPERATIONS:
            self._invalidation(m, command)
        elif command is commands.SYNC:
            self._sync(m)
        elif KINDS[command.OPCODE] is CommandKind.STALL:
            self._stall(m, command)

    def _invalidation(self, m: Module, command: type[Command]) -> None:
        word, inv, fields = view(command, self.command), self.inv, command.FIELDS
        operation, el2 = OPERATIONS[command.OPCODE]
        m.d.comb += [inv.op.eq(operation), inv.el2.eq(el2)]
        if command is commands.TLBI_EL2_VA:
            m.d.comb += inv.op.eq(Mux(self.e2h, InvOp.TLBI_VA, InvOp.TLBI_VAA))
        if command is commands.CFGI_STE_RANGE:
            m.d.comb += inv.mask.eq(word.Range + 1)
        for member, name in (("leaf", "Leaf"), ("sid", "StreamID"), ("ssid", "SubstreamID")):
            if name in fields:
                m.d.comb += inv[member].eq(word[name])
        if "VMID" in fields and self.impl.S2P:
            m.d.comb += inv.vmid.eq(word.VMID[:self.impl.vmid_bits])
        if "ASID" in fields:
            m.d.comb += inv.asid.eq(word.ASID[:self.impl.asid_bits])
        for name in ("VA", "IPA"):
            if name in fields:
                m.d.comb += inv.addr.eq(in_place(fields[name], word[name]))
        if "TG" in fields and self.impl.RIL:
            with m.If(word.TG != TGCode.SINGLE):
                m.d.comb += [inv.tg.eq(word.TG), inv.num.eq(word.NUM), inv.scale.eq(word.SCALE),
                             inv.ttl.eq(self._level(word))]

    def _level(self, word: data.View) -> Value:
        """TTL, with the reserved level 1 of the 16 KB granule read as unknown."""
        return Mux((word.TG == TGCode.G16K) & (word.TTL == 1), 0, word.TTL)

    def _stall(self, m: Module, command: type[Command]) -> None:
        word, stall = view(command, self.command), self.stall
        m.d.comb += stall.sid.eq(word.StreamID)
        if command is commands.STALL_TERM:
            m.d.comb += stall.action.eq(StallAction.TERM)
            return
        m.d.comb += stall.stag.eq(word.STAG)
        with m.If(word.Ac):
            m.d.comb += stall.action.eq(StallAction.RETRY)
        with m.Elif(word.Ab | bool(self.impl.TERM_MODEL)):
            m.d.comb += stall.action.eq(StallAction.ABORT)
        with m.Else():
            m.d.comb += stall.action.eq(StallAction.RAZWI)

    def _sync(self, m: Module) -> None:
        word, sync = view(commands.SYNC, self.command), self.sync
        target = in_place(commands.SYNC.MSIAddr, word.MSIAddr)
        m.d.comb += [
            sync.irq.eq(word.CS == SyncCS.IRQ),
            sync.sev.eq((word.CS == SyncCS.SEV) & bool(self.impl.SEV)),
            sync.msi.eq((word.CS == SyncCS.IRQ) & bool(self.impl.MSI) & target.any()),
            sync.addr.eq(target[:self.impl.oas_bits]),
            sync.data.eq(word.MSIData), sync.mair.eq(own.by_memattr(word.MSIAttr)),
        ]
