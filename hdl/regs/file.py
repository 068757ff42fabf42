"""The SMMU's register file (reference 1)."""

from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.axi import AXI4Lite
from hdl.layouts import in_place, view
from hdl.regs.bank import RegisterBank
from hdl.regs.slave import RegisterSlave
from hdl.streams import QueueRegisters, SmmuState
from hdl.tcu import own
from hdl.tcu.queues.index import index
from spec import registers as r
from spec.fields import Register

ADDR_WIDTH = (r.SMMU.size - 1).bit_length()
VMW_MAX = 4   # most VMID bits that CR0.VMW can make ignored


class RegisterFile(wiring.Component):
    """Both register pages behind an AXI4-Lite slave.

    Which registers and bits exist, their reset values and guards come from `spec.registers` and
    `config.impl`; everything else reads 0 and ignores writes. The event queue's indices are in page
    1 only. A write has taken effect when it is answered.

    Members
    -------
    cfg
        The programming interface.
    state
        Values for the blocks that translate. An enable is 1 while CR0 and CR0ACK both show it.
    queues
        Connect to `QueueEngine.regs`. SMMUEN 1 -> 0 is acknowledged when the queues have
        synchronised all consumers, CMDQEN and EVENTQEN 1 -> 0 when those queues are at rest.
    """

    def __init__(self, config):
        self.impl = config.impl
        super().__init__({
            "cfg": In(AXI4Lite(addr_width=ADDR_WIDTH)),
            "state": Out(SmmuState()),
            "queues": Out(QueueRegisters()),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.slave = slave = RegisterSlave(addr_width=ADDR_WIDTH)
        connect(m, flipped(self.cfg), slave.bus)
        self._bank = bank = RegisterBank(self.impl, slave)
        bank.connect(m)
        self._bypass(m)
        self._enables(m)
        self._errors(m)
        self._state(m)
        bank.show(m, self._command_queue(m) | self._event_queue(m))
        self._interrupts(m)
        return m

    def _bypass(self, m: Module) -> None:
        """GBPA: a write with Update=1 applies at once; Update falls in the next cycle."""
        gbpa = self._bank[r.GBPA]
        with m.If(gbpa.Update):
            m.d.sync += gbpa.Update.eq(0)
        for _, hit, word in self._bank.written(r.GBPA):
            with m.If(hit & view(r.GBPA, word).Update & ~gbpa.Update):
                m.d.sync += gbpa.eq(word & self.impl.mask(r.GBPA))

    def _enables(self, m: Module) -> None:
        """CR0 and IRQ_CTRL: raised at once, lowered when what they enable is at rest."""
        queues, drained = self.queues, Signal()
        m.d.comb += [
            queues.drain.req.eq(self._bank[r.CR0ACK].SMMUEN & ~self._bank[r.CR0].SMMUEN),
            drained.eq(queues.drain.ack),
        ]
        self._acknowledge(m, r.CR0, r.CR0ACK, {
            "SMMUEN": drained, "CMDQEN": ~queues.cmdq.busy, "EVENTQEN": ~queues.evtq.busy})
        self._acknowledge(m, r.IRQ_CTRL, r.IRQ_CTRLACK, {
            "GERROR_IRQEN": ~queues.irq.gerror_busy, "EVENTQ_IRQEN": ~queues.irq.evtq_busy})

    def _acknowledge(self, m: Module, enable: type[Register], ack: type[Register],
                     rest: dict[str, Value]) -> None:
        """Update protocol, field by field; a field being updated keeps its value (reference 1.4).

        A field that is 1 is lowered when `rest` says so; any other change is acknowledged in the
        next cycle.
        """
        values, acks = self._bank[enable], self._bank[ack]
        (_, hit, word), = self._bank.written(enable)
        new = view(enable, word & self.impl.mask(enable))
        for name in enable.FIELDS:
            updating = values[name] != acks[name]
            if not self.impl.mask(enable) & enable.FIELDS[name].mask:
                continue
            with m.If(updating & (values[name].any() | rest.get(name, 1))):
                m.d.sync += acks[name].eq(values[name])
            with m.If(hit & ~updating):
                m.d.sync += values[name].eq(new[name])

    def _errors(self, m: Module) -> None:
        """GERROR: an event toggles its bit if the error is not active yet (reference 1.8)."""
        queues, events = self.queues, Signal(r.GERROR.BITS)
        seen = view(r.GERROR, events)
        gerror, gerrorn = (self._bank[x].as_value() for x in (r.GERROR, r.GERRORN))
        raised = Signal(r.GERROR.BITS)
        m.d.comb += [
            seen.CMDQ_ERR.eq(queues.cmdq.fail),
            seen.EVENTQ_ABT_ERR.eq(queues.evtq.abort),
            seen.MSI_CMDQ_ABT_ERR.eq(queues.irq.sync_abort),
            seen.MSI_EVENTQ_ABT_ERR.eq(queues.irq.evtq_abort),
            seen.MSI_GERROR_ABT_ERR.eq(queues.irq.gerror_abort),
            raised.eq(events & ~(gerror ^ gerrorn)),
        ]
        m.d.sync += [
            gerror.eq(gerror ^ raised),
            queues.irq.gerror.eq((raised & ~r.GERROR.MSI_GERROR_ABT_ERR.mask).any()),
        ]

    def _active(self, name: str) -> Value:
        """Whether an error is active."""
        return self._bank[r.GERROR][name] ^ self._bank[r.GERRORN][name]

    def _command_queue(self, m: Module) -> dict[type[Register], Value]:
        """CMDQ_CONS and the queue's inputs. Returns what software reads in CMDQ_CONS."""
        bank, port = self._bank, self.queues.cmdq
        base, cons = bank[r.CMDQ_BASE], bank[r.CMDQ_CONS]
        self._geometry(m, port, base, r.CMDQ_BASE, self.impl.CMDQS)
        m.d.comb += [
            port.run.eq(bank.on("CMDQEN") & ~self._active("CMDQ_ERR")),
            port.prod.eq(bank[r.CMDQ_PROD].WR),
            port.cons.eq(index(cons.RD, port.log2size)),
            port.e2h.eq(bank[r.CR2].E2H),
            port.mair.eq(own.by_register(bank[r.CR1].QUEUE_OC, base.RA, write=False)),
        ]
        wildcard = bank[r.CR0ACK].VMW
        with m.If(Cat(wildcard == bits for bits in range(VMW_MAX + 1)).any()):
            m.d.comb += port.vmw.eq(wildcard)   # reserved values act as 0
        with m.If(port.consume):
            m.d.sync += cons.RD.eq(index(port.cons + 1, port.log2size))
        with m.If(port.fail):
            m.d.sync += cons.ERR.eq(port.reason)
        shown = Signal(r.CMDQ_CONS.BITS, name="CMDQ_CONS_shown")
        m.d.comb += [shown.eq(cons), view(r.CMDQ_CONS, shown).RD.eq(port.cons)]
        return {r.CMDQ_CONS: shown}

    def _event_queue(self, m: Module) -> dict[type[Register], Value]:
        """EVENTQ_PROD and the queue's inputs. Returns what software reads in EVENTQ_PROD."""
        bank, port = self._bank, self.queues.evtq
        base, prod, cons = (bank[x] for x in (r.EVENTQ_BASE, r.EVENTQ_PROD, r.EVENTQ_CONS))
        self._geometry(m, port, base, r.EVENTQ_BASE, self.impl.EVENTQS)
        m.d.comb += [
            port.run.eq(bank.on("EVENTQEN") & ~self._active("EVENTQ_ABT_ERR")),
            port.prod.eq(index(prod.WR, port.log2size)),
            port.cons.eq(index(cons.RD, port.log2size)),
            port.overflow.eq(prod.OVFLG ^ cons.OVACKFLG),
            port.mair.eq(own.by_register(bank[r.CR1].QUEUE_OC, base.WA, write=True)),
        ]
        with m.If(port.advance):
            m.d.sync += prod.WR.eq(index(port.prod + 1, port.log2size))
        with m.If(port.overflowed):
            m.d.sync += prod.OVFLG.eq(~prod.OVFLG)
        shown = Signal(r.EVENTQ_PROD.BITS, name="EVENTQ_PROD_shown")
        m.d.comb += [shown.eq(prod), view(r.EVENTQ_PROD, shown).WR.eq(port.prod)]
        return {r.EVENTQ_PROD: shown}

    def _geometry(self, m: Module, port, base, register: type[Register], largest: int) -> None:
        """Base address and effective size of a queue (reference 1.10)."""
        fits = largest >= base.LOG2SIZE
        m.d.comb += [
            port.base.eq(in_place(register.FIELDS["ADDR"], base.ADDR)),
            port.log2size.eq(Mux(fits, base.LOG2SIZE, largest)),
        ]

    def _interrupts(self, m: Module) -> None:
        bank, port = self._bank, self.queues.irq
        m.d.comb += [
            port.gerror_enable.eq(bank.on("GERROR_IRQEN")),
            port.evtq_enable.eq(bank.on("EVENTQ_IRQEN")),
        ]
        for target, cfg0, cfg1, cfg2 in (
                (port.gerror_msi, r.GERROR_IRQ_CFG0, r.GERROR_IRQ_CFG1, r.GERROR_IRQ_CFG2),
                (port.evtq_msi, r.EVENTQ_IRQ_CFG0, r.EVENTQ_IRQ_CFG1, r.EVENTQ_IRQ_CFG2)):
            m.d.comb += [
                target.addr.eq(in_place(cfg0.FIELDS["ADDR"], bank[cfg0].ADDR)),
                target.data.eq(bank[cfg1].DATA),
                target.mair.eq(own.by_memattr(bank[cfg2].MemAttr)),
            ]

    def _state(self, m: Module) -> None:
        bank, state = self._bank, self.state
        config = bank[r.STRTAB_BASE_CFG]
        m.d.comb += [
            state.smmuen.eq(bank.on("SMMUEN")),
            state.evtqen.eq(bank.on("EVENTQEN")),
            state.cmdqen.eq(bank.on("CMDQEN")),
            state.strtab_base.eq(in_place(r.STRTAB_BASE.ADDR, bank[r.STRTAB_BASE].ADDR)),
            state.strtab_log2size.eq(config.LOG2SIZE),
            state.strtab_split.eq(config.SPLIT),
            state.strtab_fmt.eq(config.FMT),
            state.strtab_ra.eq(bank[r.STRTAB_BASE].RA),
            state.table_oc.eq(bank[r.CR1].TABLE_OC),
            state.cr2_e2h.eq(bank[r.CR2].E2H),
            state.cr2_recinvsid.eq(bank[r.CR2].RECINVSID),
            state.gbpa.eq(bank[r.GBPA].as_value()),
        ]
