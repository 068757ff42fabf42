"""Command queue: executes commands in order (reference 6, 7.2)."""

from amaranth import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.streams import CommandQueueControl, Invalidation, MemRead, StallCommand, Sync
from hdl.tcu.queues.decode import CommandDecoder, CommandKind, SyncSignal
from hdl.tcu.queues.fetch import CommandFetch
from hdl.tcu.queues.index import distance, entries
from spec.commands import CommandError
from spec.impl import Implementation


class CommandQueue(wiring.Component):
    """Fetches, decodes and executes commands; one is executed at a time, the next one in the cycle
    after it.

    CONS moves past a command when all consumers have accepted it, past a CMD_SYNC when `sync` has
    acknowledged and the MSI of the CMD_SYNC before it has been answered; the signal of a CMD_SYNC
    follows CONS. An illegal command or an aborted fetch leaves CONS at the command, and nothing is
    executed until `run` has fallen and risen; the command is then fetched again.

    Parameters
    ----------
    impl
        Says which commands exist.
    log2depth
        Log2 of the commands that may be read ahead.

    Members
    -------
    regs
        The queue's registers.
    read
        Memory port for commands.
    inv, stall_cmd
        Invalidations and stall commands to their consumers.
    sync
        Request for a synchronisation.
    signal_valid, signal
        One-cycle pulse: the completion signal of a CMD_SYNC.
    signal_busy
        The last MSI has not been answered.
    sev
        Pulse: wake-up event (CMD_SYNC, or the full queue has become non-full), with IDR0.SEV.
    """

    def __init__(self, impl: Implementation, *, log2depth: int):
        self.impl, self.log2depth = impl, log2depth
        super().__init__({
            "regs": In(CommandQueueControl()), "read": Out(MemRead()),
            "inv": Out(stream.Signature(Invalidation)),
            "stall_cmd": Out(stream.Signature(StallCommand)),
            "sync": Out(Sync()),
            "signal_valid": Out(1), "signal": Out(SyncSignal), "signal_busy": In(1),
            "sev": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.fetch = fetch = CommandFetch(log2depth=self.log2depth)
        m.submodules.decoder = decoder = CommandDecoder(self.impl)
        connect(m, fetch.read, flipped(self.read))
        regs = self.regs
        m.d.comb += [
            fetch.base.eq(regs.base), fetch.log2size.eq(regs.log2size),
            fetch.mair.eq(regs.mair),
            fetch.prod.eq(regs.prod), fetch.cons.eq(regs.cons), fetch.run.eq(regs.run),
            decoder.e2h.eq(regs.e2h), decoder.vmw.eq(regs.vmw),
            self.inv.payload.eq(decoder.inv), self.stall_cmd.payload.eq(decoder.stall),
        ]

        m.d.sync += self.signal_valid.eq(0)
        waiting = Signal()       # no command is being executed
        m.d.comb += [regs.busy.eq(~waiting | fetch.busy), fetch.executing.eq(~waiting)]
        with m.FSM():
            with m.State("TAKE"):
                m.d.comb += waiting.eq(1)
                self._take(m, fetch, decoder)
            with m.State("EXECUTE"):
                self._execute(m, fetch, decoder)
            with m.State("SYNC"):
                m.d.comb += self.sync.req.eq(1)
                with m.If(self.sync.ack & ~self.signal_busy):
                    self._signal(m, fetch, decoder)
                with m.Elif(self.sync.ack):
                    m.next = "SIGNAL"
            with m.State("SIGNAL"), m.If(~self.signal_busy):
                self._signal(m, fetch, decoder)
            with m.State("FAIL"):
                m.d.comb += [regs.fail.eq(1), fetch.run.eq(0)]   # drop what was read after it
                m.next = "STOPPED"
            with m.State("STOPPED"):
                # The register file has seen the failure: `run` is down until it is acknowledged.
                m.d.comb += waiting.eq(1)
                with m.If(regs.run):
                    m.next = "TAKE"
        self._wake(m)
        return m

    def _take(self, m: Module, fetch: CommandFetch, decoder: CommandDecoder) -> None:
        """The next command, if there is one, is executed from the next cycle on."""
        commands = fetch.commands
        m.next = "TAKE"
        m.d.comb += commands.ready.eq(1)
        m.d.sync += decoder.command.eq(commands.payload.words)
        with m.If(commands.valid):
            with m.If(~commands.payload.error):
                m.next = "EXECUTE"
            with m.Elif(commands.payload.burst):
                m.d.comb += fetch.retry.eq(1)   # which of the commands is not known
            with m.Else():
                self._fail(m, CommandError.CERROR_ABT)

    def _execute(self, m: Module, fetch: CommandFetch, decoder: CommandDecoder) -> None:
        """One cycle or more of the command in the decoder."""
        done = Signal()
        with m.Switch(decoder.kind):
            with m.Case(CommandKind.NOTHING):
                m.d.comb += done.eq(1)
            with m.Case(CommandKind.INVALIDATE):
                m.d.comb += [self.inv.valid.eq(1), done.eq(self.inv.ready)]
            with m.Case(CommandKind.STALL):
                m.d.comb += [self.stall_cmd.valid.eq(1), done.eq(self.stall_cmd.ready)]
        with m.If(done):
            m.d.comb += self.regs.consume.eq(1)
            self._take(m, fetch, decoder)
        with m.Elif(decoder.kind == CommandKind.SYNC):
            # The CMD_SYNC just before this one may still be acknowledged.
            m.d.comb += self.sync.req.eq(~self.sync.ack)
            with m.If(~self.sync.ack):
                m.next = "SYNC"
        with m.Elif(decoder.kind == CommandKind.ILLEGAL):
            self._fail(m, CommandError.CERROR_ILL)

    def _signal(self, m: Module, fetch: CommandFetch, decoder: CommandDecoder) -> None:
        """The CMD_SYNC in the decoder is complete."""
        m.d.comb += self.regs.consume.eq(1)
        m.d.sync += [self.signal_valid.eq(1), self.signal.eq(decoder.sync)]
        self._take(m, fetch, decoder)

    def _fail(self, m: Module, reason: CommandError) -> None:
        """Stop at the command at CONS."""
        m.d.sync += self.regs.reason.eq(reason)
        m.next = "FAIL"

    def _wake(self, m: Module) -> None:
        """The wake-up event."""
        full = Signal()
        regs = self.regs
        m.d.comb += full.eq(distance(regs.prod, regs.cons, regs.log2size)
                            == entries(regs.log2size))
        m.d.sync += self.sev.eq(bool(self.impl.SEV) & regs.consume & full)
        with m.If(self.signal_valid & self.signal.sev):
            m.d.sync += self.sev.eq(1)
