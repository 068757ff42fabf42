"""SEC buffer descriptor type 3, the SQE of the SEC engine (qm.md 3.8).

A BD with cipher COPY is for the data mover, an engine of our own: its `c_mode` is an `Operation`.

What is wrong with a BD is reported by the lowest `ErrorType` that applies; only then does the job
touch memory. Fields without a meaning for the job are ignored: the destination type where nothing
is written, source type where nothing is read, key and IV where none is used, `c_alg` and
`c_key_len` of the data mover.

Data: the source is `c_len` bytes at `data_src_addr`, after `cipher_src_offset` bytes that are
skipped. The destination is at `data_dst_addr` with `de` 1; with `de` 0 it is where the source is
(or would be), offset included.

Lists (qm.md 3.7): an address of type SGL is that of the first list. Entries 0 to
`entry_sum_in_sgl` - 1, then the list at `next_dma`, until skipped and moved bytes are reached. What
is reached before that and is not 64-byte aligned, null, without entries, or an entry with a null
buffer or a length of 0, ends the job with `ErrorType.SGL`.

Results: `result` (bytes 116 to 123) is the value of SUM and CRC32C, zero-extended; of a job that a
failed access ended (`ErrorType` from DATA_READ on) the address of one access of that kind which
failed, 16-byte aligned; 0 of every other job.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Self

from spec.fields import Field, Structure

BD3_TYPE = 3
STATUS_OFFSET = 112   # the device writes back bytes 112 to 127 only
STATUS_BYTES = 16
RESULT_OFFSET = 116
RESULT_BYTES = 8
CIPHER_LENGTH_MAX = 0xFF_FE00
AES_BLOCK = 16
IV_BYTES = 16


class Cipher(IntEnum):
    """BD3.cipher."""

    NONE = 0
    ENCRYPT = 1
    DECRYPT = 2
    COPY = 3


class Algorithm(IntEnum):
    """BD3.c_alg."""

    DES = 0
    DES3 = 1
    AES = 2
    SM4 = 3


class Mode(IntEnum):
    """BD3.c_mode."""

    ECB = 0
    CBC = 1
    CFB = 2
    OFB = 3
    CTR = 4
    CCM = 5
    GCM = 6
    XTS = 7
    CBC_CTS = 9


class Operation(IntEnum):
    """BD3.c_mode with cipher COPY. Words are little-endian."""

    COPY = 0
    FILL = 1      # no source; the 8 bytes of c_ivin_addr again and again
    RAND48 = 2    # no source; rand48 from the seed c_ivin_addr[47:0]: 4 bytes a step, X[47:16]
    SUM = 3       # no destination; sum of 8-byte words modulo 2^64, the last zero-padded
    CRC32C = 4    # no destination; Castagnoli, reflected, initial value and final xor all ones


RAND48_MULTIPLIER = 0x5_DEEC_E66D
RAND48_INCREMENT = 0xB
RAND48_BITS = 48


class KeyLength(IntEnum):
    """BD3.c_key_len of AES. XTS: two keys one behind the other, AES128 and AES256 only."""

    AES128 = 0
    AES192 = 1
    AES256 = 2


AES_KEY_BYTES: dict[int, int] = {KeyLength.AES128: 16, KeyLength.AES192: 24, KeyLength.AES256: 32}


class AddressType(IntEnum):
    """BD3.src_addr_type, dst_addr_type, mac_addr_type."""

    FLAT = 0
    SGL = 1
    PRP = 2


class Scene(IntEnum):
    """BD3.scene; NONE and IPSEC mean the same for a plain cipher."""

    NONE = 0
    IPSEC = 1
    STREAM = 7
    PBKDF2 = 8


class Auth(IntEnum):
    """BD3.auth."""

    NONE = 0
    CALCULATE = 1
    VERIFY = 2


class HashAlgorithm(IntEnum):
    """BD3.a_alg; + HMAC for the keyed form of the first eight."""

    SHA1 = 0x00
    SHA256 = 0x01
    MD5 = 0x02
    SHA224 = 0x03
    SHA384 = 0x04
    SHA512 = 0x05
    SHA512_224 = 0x06
    SHA512_256 = 0x07
    HMAC = 0x10
    XCBC = 0x20
    CMAC = 0x21
    GMAC = 0x22
    SM3 = 0x25
    HMAC_SM3 = 0x26


class DoneFlag(IntEnum):
    """BD3.flag of a request without error."""

    CIPHER = 2
    AEAD = 3


class ErrorType(IntEnum):
    """BD3.error_type: our own codes (qm.md 9); every code but OK fails the request."""

    OK = 0x00
    BD_FETCH = 0x01        # the SQE itself could not be read
    BD_TYPE = 0x02         # not type 3, or the invalid bit is set
    SCENE = 0x03
    CIPHER = 0x04          # nothing to do, or cipher and auth together
    ALGORITHM = 0x05
    MODE = 0x06
    KEY_LENGTH = 0x07
    LENGTH = 0x08          # 0, above the maximum, or not whole blocks where the mode needs them
    ADDRESS_TYPE = 0x09    # of what the job uses; only FLAT and SGL exist
    SGL = 0x0A             # the list ends before the length, or is malformed
    DATA_READ = 0x10       # aborted by the bus or the SMMU: `result` says where
    DATA_WRITE = 0x11
    KEY_READ = 0x12
    IV_READ = 0x13
    SGL_READ = 0x14


class BD3(Structure):
    """Buffer descriptor type 3."""

    BITS = 1024
    SECTION = "3.8"

    type = Field(3, 0, doc="3")
    invalid = Field(4, doc="1: error")
    scene = Field(8, 5, enum=Scene)
    de = Field(10, 9, doc="1: data_dst_addr is used; 0: in place")
    src_addr_type = Field(13, 11, enum=AddressType)
    dst_addr_type = Field(16, 14, enum=AddressType)
    mac_addr_type = Field(19, 17, enum=AddressType)
    cipher = Field(33, 32, enum=Cipher)
    iv_gen = Field(35, 34)
    c_icv_len = Field(41, 36)
    c_width = Field(44, 42)
    c_key_len = Field(47, 45, enum=KeyLength)
    c_mode = Field(51, 48, enum=Mode, doc="cipher COPY: Operation")
    c_alg = Field(55, 52, enum=Algorithm)
    nonce_len = Field(59, 56)
    huk = Field(60)
    cal_iv_addr_en = Field(61)
    seq = Field(62, doc="AEAD: 0 cipher first, 1 auth first")

    tag = Field(63, 0, dw=1, doc="opaque, preserved")
    data_src_addr = Field(63, 0, dw=2)
    a_key_addr = Field(63, 0, dw=3)
    a_ivin_addr = Field(63, 0, dw=4)
    c_key_addr = Field(63, 0, dw=6)

    auth = Field(1, 0, dw=7, enum=Auth)
    auth_iv_src = Field(3, 2, dw=7)
    mac_len = Field(8, 4, dw=7, doc="in words")
    a_key_len = Field(14, 9, dw=7, doc="in words")
    a_alg = Field(20, 15, dw=7, enum=HashAlgorithm)
    key_sel = Field(24, 21, dw=7)
    ctr_count_mode = Field(26, 25, dw=7, doc="all codes count 128 bits")
    sva_prefetch = Field(27, dw=7, doc="hint, ignored")
    key_wrap = Field(30, 28, dw=7)
    update_key = Field(31, dw=7)
    salt = Field(63, 32, dw=7)

    auth_src_offset = Field(15, 0, dw=8, doc="bytes into the source")
    cipher_src_offset = Field(31, 16, dw=8, doc="bytes into the source")
    a_len = Field(55, 32, dw=8, doc="bytes to authenticate")
    auth_key_offset = Field(63, 56, dw=8)
    c_len = Field(23, 0, dw=9, doc="bytes to encrypt or decrypt")
    auth_ivin_offset = Field(31, 24, dw=9)
    data_dst_addr = Field(95, 32, dw=9)
    mac_addr = Field(95, 32, dw=10)
    c_ivin_addr = Field(95, 32, dw=11)
    long_a_data_len = Field(95, 32, dw=12, doc="stream scene: total bits")
    stream_auth_pad = Field(33, 32, dw=13, doc="stream scene: 0 pad, 1 none")

    done = Field(0, dw=14)
    icv = Field(3, 1, dw=14)
    csum = Field(6, 4, dw=14)
    flag = Field(10, 7, dw=14, enum=DoneFlag)
    error_type = Field(23, 16, dw=14, enum=ErrorType)
    warning_type = Field(31, 24, dw=14)
    mac_i = Field(63, 32, dw=14)
    checksum = Field(31, 0, dw=15)
    counter = Field(63, 32, dw=15)

    @property
    def result(self) -> int:
        """Value or address that the device returned: `mac_i` and `checksum` as one number."""
        return self.mac_i | self.checksum << 32

    @classmethod
    def status(cls, error: int, result: int = 0) -> Self:
        """A BD with only the fields that the device writes back."""
        return cls.make(done=1, error_type=error, flag=0 if error else DoneFlag.CIPHER,
                        mac_i=result & 0xFFFF_FFFF, checksum=result >> 32)
