"""The round keys of AES."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from hdl.accel.engines.aes_bytes import BYTE_POLYNOMIAL, bytes_of, planes, substitute
from hdl.accel.streams import KEY_BYTES_MAX
from spec.sec import AES_BLOCK, KeyLength

BLOCK_BITS = 8 * AES_BLOCK
WORD_BITS = 32
PAIRS_MAX = 8       # of round keys

# Rounds, and 32-bit words of the key.
ROUNDS = {KeyLength.AES128: 10, KeyLength.AES192: 12, KeyLength.AES256: 14}
KEY_WORDS = {KeyLength.AES128: 4, KeyLength.AES192: 6, KeyLength.AES256: 8}


class RoundKeys(wiring.Component):
    """KeyExpansion (FIPS 197 section 5.2), two words per cycle: ready after 22 to 30 cycles.

    Members
    -------
    go, key, length
        Work; a key as it lies in memory. Reset before the next one.
    ready
        All round keys are there.
    even_row, odd_row, even, odd
        Round keys 2 * even_row and 2 * odd_row + 1, combinational, as planes one behind the other.
    """

    def __init__(self):
        super().__init__({
            "go": In(1), "key": In(8 * KEY_BYTES_MAX), "length": In(KeyLength), "ready": Out(1),
            "even_row": In(range(PAIRS_MAX)), "odd_row": In(range(PAIRS_MAX)),
            "even": Out(BLOCK_BITS), "odd": Out(BLOCK_BITS),
        })

    def elaborate(self, platform):
        m = Module()
        window = [Signal(WORD_BITS, name=f"word{n}") for n in range(max(KEY_WORDS.values()))]
        started, step = Signal(), Signal()
        number = Signal(range(4 * PAIRS_MAX))            # of the two words given
        old, new, half = Signal(2 * WORD_BITS), Signal(2 * WORD_BITS), Signal(2 * WORD_BITS)
        block = Signal(BLOCK_BITS)                       # a round key, in every other cycle
        for parity, (row, key) in enumerate(((self.even_row, self.even), (self.odd_row, self.odd))):
            m.submodules[f"store{parity}"] = store = memory.Memory(
                shape=BLOCK_BITS, depth=PAIRS_MAX, init=[])
            write, read = store.write_port(), store.read_port(domain="comb")
            m.d.comb += [
                write.addr.eq(number >> 2), write.data.eq(Cat(planes(block, AES_BLOCK))),
                write.en.eq(step & number[0] & (number[1] == parity)),
                read.addr.eq(row), key.eq(read.data),
            ]
        m.d.comb += [
            step.eq(started & ~self.ready), block.eq(Cat(half, old)),
            old.eq(self.choose(lambda length: Cat(window[-KEY_WORDS[length]],
                                                  window[1 - KEY_WORDS[length]]))),
            new.eq(self.next_words(m, window[-1], old, step)),
        ]
        with m.If(self.go & ~started):
            m.d.sync += [started.eq(1), *self.load(window)]
        with m.If(step):
            m.d.sync += [
                number.eq(number + 1), half.eq(old),
                self.ready.eq(number == self.choose(lambda length: 2 * ROUNDS[length] + 1)),
                Cat(window).eq(Cat(window[2:], new)),
            ]
        return m

    def choose(self, by_length):
        """The value for the key's length."""
        return Mux(self.length == KeyLength.AES128, by_length(KeyLength.AES128),
                   Mux(self.length == KeyLength.AES192, by_length(KeyLength.AES192),
                       by_length(KeyLength.AES256)))

    def load(self, window):
        """The key's words at the end of the window."""
        free = {length: len(window) - words for length, words in KEY_WORDS.items()}
        return [word.eq(self.choose(lambda length, n=n: self.key.word_select(
            max(0, n - free[length]), WORD_BITS))) for n, word in enumerate(window)]

    def next_words(self, m, last, old, step):
        """Words i and i + 1 from the one before and the two that are one key length behind them;
        i is even, so the second one is plain with every key length."""
        rcon, phase = Signal(8, init=1), Signal(range(4))
        turned, changed, first = (Signal(WORD_BITS, name=name)
                                  for name in ("turned", "changed", "first"))
        whole, half = phase == 0, (phase == 2) & (self.length == KeyLength.AES256)
        substituted = bytes_of(substitute(m, "key", planes(turned, 4), 0), 4)
        m.d.comb += [
            turned.eq(Mux(whole, last.rotate_right(8), last)),
            changed.eq(Mux(whole, substituted ^ rcon, Mux(half, substituted, last))),
            first.eq(old[:WORD_BITS] ^ changed),
        ]
        with m.If(step):                                 # phase: i modulo the key's words, halved
            m.d.sync += phase.eq(Mux(
                phase == self.choose(lambda length: KEY_WORDS[length] // 2 - 1), 0, phase + 1))
            with m.If(whole):
                m.d.sync += rcon.eq((rcon << 1) ^ Mux(rcon[7], BYTE_POLYNOMIAL, 0))
        return Cat(first, first ^ old[WORD_BITS:])
