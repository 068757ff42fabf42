"""What a BD3 asks a lane to do (reference 3.8, `spec.sec.BD3`)."""

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.accel.jobs import job_layout
from spec.sec import (
    AES_BLOCK,
    BD3_TYPE,
    CIPHER_LENGTH_MAX,
    AddressType,
    Algorithm,
    Auth,
    Cipher,
    ErrorType,
    KeyLength,
    Mode,
    Operation,
    Scene,
)


class Check(wiring.Component):
    """Combinational.

    Members
    -------
    job
        What was fetched.
    error
        The first reason, in the order of the codes, why it cannot be done; else OK.
    is_cipher, operation
        AES, or what the data mover is to do.
    reads, writes, needs_key, needs_iv
        What it accesses: a source, a destination, a key, an IV.
    """

    def __init__(self, *, queues: int):
        super().__init__({
            "job": In(job_layout(queues)), "error": Out(ErrorType),
            "is_cipher": Out(1), "operation": Out(Operation),
            "reads": Out(1), "writes": Out(1), "needs_key": Out(1), "needs_iv": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        bd, operation = self.job.bd, self.operation
        m.d.comb += [
            self.is_cipher.eq((bd.cipher == Cipher.ENCRYPT) | (bd.cipher == Cipher.DECRYPT)),
            operation.eq(Mux(self.is_cipher, Operation.COPY, bd.c_mode)),
            self.reads.eq((operation != Operation.FILL) & (operation != Operation.RAND48)),
            self.writes.eq((operation != Operation.SUM) & (operation != Operation.CRC32C)),
            self.needs_key.eq(self.is_cipher),
            self.needs_iv.eq(self.is_cipher & (bd.c_mode != Mode.ECB)),
        ]
        cipher_error = self.cipher_error(m)
        mover_error = self.mover_error(m)
        with m.If(self.job.fetch_error):
            m.d.comb += self.error.eq(ErrorType.BD_FETCH)
        with m.Elif((bd.type != BD3_TYPE) | bd.invalid | bd.de[1]):
            m.d.comb += self.error.eq(ErrorType.BD_TYPE)
        with m.Elif((bd.scene != Scene.NONE) & (bd.scene != Scene.IPSEC)):
            m.d.comb += self.error.eq(ErrorType.SCENE)
        with m.Elif((bd.cipher == Cipher.NONE) | (bd.auth != Auth.NONE)):
            m.d.comb += self.error.eq(ErrorType.CIPHER)
        with m.Elif(self.is_cipher & (cipher_error != ErrorType.OK)):
            m.d.comb += self.error.eq(cipher_error)
        with m.Elif(~self.is_cipher & (mover_error != ErrorType.OK)):
            m.d.comb += self.error.eq(mover_error)
        with m.Elif(self.bad_address_type()):
            m.d.comb += self.error.eq(ErrorType.ADDRESS_TYPE)
        return m

    def bad_length(self):
        length = self.job.bd.c_len
        return (length == 0) | (length > CIPHER_LENGTH_MAX)

    def cipher_error(self, m):
        bd, error = self.job.bd, Signal(ErrorType, name="cipher_error")
        modes = (bd.c_mode == Mode.ECB) | (bd.c_mode == Mode.CBC) | (bd.c_mode == Mode.CTR)
        with m.If(bd.c_alg != Algorithm.AES):
            m.d.comb += error.eq(ErrorType.ALGORITHM)
        with m.Elif(~modes):
            m.d.comb += error.eq(ErrorType.MODE)
        with m.Elif(bd.c_key_len > KeyLength.AES256):
            m.d.comb += error.eq(ErrorType.KEY_LENGTH)
        with m.Elif(self.bad_length()
                    | ((bd.c_mode != Mode.CTR) & (bd.c_len % AES_BLOCK != 0))):
            m.d.comb += error.eq(ErrorType.LENGTH)
        return error

    def mover_error(self, m):
        error = Signal(ErrorType, name="mover_error")
        with m.If(self.job.bd.c_mode > max(Operation)):
            m.d.comb += error.eq(ErrorType.MODE)
        with m.Elif(self.bad_length()):
            m.d.comb += error.eq(ErrorType.LENGTH)
        return error

    def bad_address_type(self):
        bd = self.job.bd
        source = self.reads | (bd.de == 0)
        return ((source & (bd.src_addr_type > AddressType.SGL))
                | (self.writes & (bd.de != 0) & (bd.dst_addr_type > AddressType.SGL)))
