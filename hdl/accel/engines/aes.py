"""The AES engine."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from hdl.accel.engines.aes_bytes import bytes_of, one_round, planes, planes_in
from hdl.accel.engines.aes_keys import BLOCK_BITS, ROUNDS, RoundKeys
from hdl.accel.streams import Engine
from spec.sec import AES_BLOCK, Mode


class AesEngine(wiring.Component):
    """AES in modes ECB, CBC and CTR, two rounds per cycle: a block takes 6, 7 or 8 cycles with a
    key of 128, 192 or 256 bits, in every mode and direction (2.7, 2.3 or 2 bytes per cycle).

    CTR counts all 128 bits, whatever `ctr_count_mode` says; its last block may be short.
    """

    def __init__(self):
        super().__init__({"port": In(Engine())})

    def elaborate(self, platform):
        m = Module()
        port, job = self.port, self.port.job
        source, result = port.source, port.result
        m.submodules.keys = self.keys = keys = RoundKeys()
        counts, chains = job.mode == Mode.CTR, job.mode == Mode.CBC
        self.inverse = inverse = Signal()
        m.d.comb += [
            inverse.eq(job.decrypt & ~counts),
            keys.go.eq(port.go), keys.key.eq(job.key), keys.length.eq(job.key_length),
        ]
        busy, last = Signal(), Signal()
        state, text = Signal(BLOCK_BITS), Signal(BLOCK_BITS)
        chain = Signal(BLOCK_BITS)        # CBC: ciphertext before; CTR: the counter
        start, done = Signal(BLOCK_BITS), Signal(BLOCK_BITS)
        after, final = self.two_rounds(m, busy, state)
        m.d.comb += [
            start.eq(Mux(counts, chain,
                         source.payload.data ^ Mux(chains & ~inverse, chain, 0))),
            done.eq(bytes_of(after, AES_BLOCK)
                    ^ Mux(counts, text, Mux(chains & inverse, chain, 0))),
            source.ready.eq(keys.ready & ~busy),
        ]
        with m.If(result.ready):
            m.d.sync += result.valid.eq(0)
        with m.If(~keys.ready):
            m.d.sync += chain.eq(job.iv)
        with m.Elif(~busy & source.valid):
            m.d.sync += [
                busy.eq(1), text.eq(source.payload.data), last.eq(source.payload.last),
                state.eq(Cat(planes(start, AES_BLOCK)) ^ keys.even),
            ]
        with m.Elif(busy & ~final):
            m.d.sync += state.eq(Cat(after))
        with m.Elif(busy & (~result.valid | result.ready)):
            m.d.sync += [
                busy.eq(0), result.valid.eq(1), result.payload.data.eq(done),
                result.payload.last.eq(last),
                chain.eq(Mux(counts, _next_counter(chain), Mux(inverse, text, done))),
            ]
        return m

    def two_rounds(self, m, busy, state):
        """The planes of the next state, and whether that is the last one."""
        keys, inverse = self.keys, self.inverse
        step, back = Signal(range(max(ROUNDS.values()) // 2)), Signal(3)
        final = Signal()
        half = keys.choose(lambda length: ROUNDS[length] // 2)
        m.d.comb += [
            final.eq(step == half - 1), back.eq(half - 1 - step),
            keys.odd_row.eq(Mux(inverse, back, step)),
            keys.even_row.eq(Mux(inverse, Mux(busy, back, half), Mux(busy, step + 1, 0))),
        ]
        m.d.sync += step.eq(Mux(busy & ~final, step + 1, Mux(busy, step, 0)))
        middle = one_round(m, "first", planes_in(state), planes_in(keys.odd), inverse, 0)
        return one_round(m, "second", middle, planes_in(keys.even), inverse, final), final


def _next_counter(block):
    """Plus 1, modulo 2^128; the first byte is the highest."""
    return _reverse((_reverse(block) + 1)[:BLOCK_BITS])


def _reverse(block):
    return Cat(block.word_select(n, 8) for n in reversed(range(AES_BLOCK)))
