"""The AES engine: ECB, CBC and CTR (FIPS 197, SP 800-38A)."""

from __future__ import annotations

from functools import lru_cache

from pymodel.accel.engines.engine import Engine
from spec.sec import AES_BLOCK, BD3, Cipher, Mode

GF_POLYNOMIAL = 0x11B
Columns = tuple[int, int, int, int]   # the state: big-endian words, one a column


def _times(a: int, b: int) -> int:
    """Product in GF(2^8)."""
    product = 0
    while b:
        if b & 1:
            product ^= a
        a = a << 1 ^ (GF_POLYNOMIAL if a & 0x80 else 0)
        b >>= 1
    return product


def _inverses() -> list[int]:
    """Inverses in GF(2^8), of 0 too, from the powers of a generator."""
    powers = [1]
    while len(powers) < 255:
        powers.append(_times(powers[-1], 3))
    inverse = dict(zip(powers, [1, *reversed(powers[1:])], strict=True))
    return [inverse.get(byte, 0) for byte in range(256)]


def _affine(byte: int) -> int:
    out = 0x63
    for turn in range(5):
        out ^= (byte << turn | byte >> 8 - turn) & 0xFF
    return out


def _mixing(box: list[int], column: tuple[int, int, int, int]) -> list[list[int]]:
    """For each row, a byte of the state to what it adds to its mixed column."""
    words = [int.from_bytes(bytes(_times(box[byte], c) for c in column), "big")
             for byte in range(256)]
    return [[word >> 8 * row | word << 32 - 8 * row & 0xFFFF_FFFF for word in words]
            for row in range(4)]


SBOX = [_affine(byte) for byte in _inverses()]
INVERSE_SBOX = [SBOX.index(byte) for byte in range(256)]
ENCRYPT = _mixing(SBOX, (2, 1, 1, 3))
DECRYPT = _mixing(INVERSE_SBOX, (14, 9, 13, 11))
UNMIX = _mixing(list(range(256)), (14, 9, 13, 11))


def _byte(word: int, row: int) -> int:
    return word >> 24 - 8 * row & 0xFF


@lru_cache(64)
def expand(key: bytes) -> list[Columns]:
    """The round keys, first one first."""
    length = len(key) // 4
    words = [int.from_bytes(key[n:n + 4], "big") for n in range(0, len(key), 4)]
    constant = 1
    for n in range(length, 4 * (length + 7)):
        word = words[-1]
        if n % length == 0:
            word = (word << 8 | word >> 24) & 0xFFFF_FFFF
        if n % length == 0 or (length == 8 and n % length == 4):
            word = int.from_bytes(bytes(SBOX[byte] for byte in word.to_bytes(4, "big")), "big")
        if n % length == 0:
            word ^= constant << 24
            constant = _times(constant, 2)
        words.append(words[n - length] ^ word)
    return [(words[n], words[n + 1], words[n + 2], words[n + 3]) for n in range(0, len(words), 4)]


@lru_cache(64)
def _inverse_keys(key: bytes) -> list[Columns]:
    """Round keys of the equivalent inverse cipher, in the order of use."""
    first, *middle, last = reversed(expand(key))
    mixed: list[Columns] = []
    for words in middle:
        a, b, c, d = (UNMIX[0][_byte(w, 0)] ^ UNMIX[1][_byte(w, 1)] ^ UNMIX[2][_byte(w, 2)]
                      ^ UNMIX[3][_byte(w, 3)] for w in words)
        mixed.append((a, b, c, d))
    return [first, *mixed, last]


def _rounds(block: bytes, keys: list[Columns], mixing: list[list[int]], box: list[int],
            shift: int) -> bytes:
    """Both directions: row r of column c comes from column c + `shift` x r."""
    state = [int.from_bytes(block[4 * c:4 * c + 4], "big") ^ keys[0][c] for c in range(4)]
    one, two, three = shift % 4, 2, 3 * shift % 4
    t0, t1, t2, t3 = mixing
    for key in keys[1:-1]:
        state = [t0[state[c] >> 24] ^ t1[state[(c + one) % 4] >> 16 & 0xFF]
                 ^ t2[state[(c + two) % 4] >> 8 & 0xFF] ^ t3[state[(c + three) % 4] & 0xFF]
                 ^ key[c] for c in range(4)]
    out = bytearray()
    for c in range(4):
        word = (box[state[c] >> 24] << 24 | box[state[(c + one) % 4] >> 16 & 0xFF] << 16
                | box[state[(c + two) % 4] >> 8 & 0xFF] << 8 | box[state[(c + three) % 4] & 0xFF])
        out += (word ^ keys[-1][c]).to_bytes(4, "big")
    return bytes(out)


def encrypt(key: bytes, block: bytes) -> bytes:
    """One block."""
    return _rounds(block, expand(key), ENCRYPT, SBOX, 1)


def decrypt(key: bytes, block: bytes) -> bytes:
    """One block."""
    return _rounds(block, _inverse_keys(key), DECRYPT, INVERSE_SBOX, -1)


def _xor(a: bytes, b: bytes) -> bytes:
    return bytes(x ^ y for x, y in zip(a, b, strict=False))


class AesEngine(Engine):
    """One mode of AES; the counter of CTR has 128 bits, big-endian, whatever `ctr_count_mode`."""

    BLOCK = AES_BLOCK

    def __init__(self, bd: BD3, key: bytes = b"", iv: bytes = b"") -> None:
        self._key, self._chain = key, iv
        self._encrypts, self._mode = bd.cipher == Cipher.ENCRYPT, bd.c_mode

    def work(self, data: bytes) -> bytes:
        return b"".join(self._block(data[at:at + AES_BLOCK])
                        for at in range(0, len(data), AES_BLOCK))

    def _block(self, block: bytes) -> bytes:
        key, chain = self._key, self._chain
        if self._mode == Mode.CTR:
            following = (int.from_bytes(chain, "big") + 1) % (1 << 8 * AES_BLOCK)
            self._chain = following.to_bytes(AES_BLOCK, "big")
            return _xor(block, encrypt(key, chain))
        if self._mode == Mode.ECB:
            return encrypt(key, block) if self._encrypts else decrypt(key, block)
        if self._encrypts:
            self._chain = encrypt(key, _xor(block, chain))
            return self._chain
        self._chain = block
        return _xor(decrypt(key, block), chain)
