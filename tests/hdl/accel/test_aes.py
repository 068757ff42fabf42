"""The AES engine against FIPS 197, SP 800-38A and the `cryptography` package."""

import random

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from hdl.accel.engines.aes import AesEngine
from spec.sec import AES_KEY_BYTES, Mode
from tests.hdl.accel.engine_bench import Work, run

KEY_LENGTH = {size: code for code, size in AES_KEY_BYTES.items()}


def number(data):
    return int.from_bytes(data, "little")


def aes(mode, key, data, iv=bytes(16), *, decrypt=False):
    return Work(len(data), data, job={
        "mode": mode, "decrypt": decrypt, "key_length": KEY_LENGTH[len(key)], "key": number(key),
        "iv": number(iv)})


def software(mode, key, data, iv, decrypt):
    made = {Mode.ECB: lambda: modes.ECB(), Mode.CBC: lambda: modes.CBC(iv),
            Mode.CTR: lambda: modes.CTR(iv)}[mode]()
    cipher = Cipher(algorithms.AES(key), made)
    context = cipher.decryptor() if decrypt else cipher.encryptor()
    return context.update(data) + context.finalize()


FIPS_197 = [   # appendix C: key bytes, ciphertext
    (16, "69c4e0d86a7b0430d8cdb78070b4c55a"), (24, "dda97ca4864cdfe06eaf70a0ec0d7191"),
    (32, "8ea2b7ca516745bfeafc49904b496089")]
PLAIN = bytes.fromhex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
                      "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710")
KEYS = {16: bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c"),
        24: bytes.fromhex("8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b"),
        32: bytes.fromhex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4")}
IV = bytes(range(16))
COUNTER = bytes(range(0xF0, 0x100))
SP_800_38A = [   # sections F.1, F.2, F.5: mode, key bytes, initial value, first and last block
    (Mode.ECB, 16, IV, "3ad77bb40d7a3660a89ecaf32466ef97", "7b0c785e27e8ad3f8223207104725dd4"),
    (Mode.ECB, 24, IV, "bd334f1d6e45f25ff712a214571fa5cc", "9a4b41ba738d6c72fb16691603c18e0e"),
    (Mode.ECB, 32, IV, "f3eed1bdb5d2a03c064b5a7e3db181f8", "23304b7a39f9f3ff067d8d8f9e24ecc7"),
    (Mode.CBC, 16, IV, "7649abac8119b246cee98e9b12e9197d", "3ff1caa1681fac09120eca307586e1a7"),
    (Mode.CBC, 24, IV, "4f021db243bc633d7178183a9fa071e8", "08b0e27988598881d920a9e64f5615cd"),
    (Mode.CBC, 32, IV, "f58c4c04d6e5f1ba779eabfb5f7bfbd6", "b2eb05e2c39be9fcda6c19078c6a9d1b"),
    (Mode.CTR, 16, COUNTER, "874d6191b620e3261bef6864990db6ce",
     "1e031dda2fbe03d1792170a0f3009cee"),
    (Mode.CTR, 24, COUNTER, "1abc932417521ca24f2b0459fe7e6e0b",
     "4f78a7f6d29809585a97daec58c6b050"),
    (Mode.CTR, 32, COUNTER, "601ec313775789a5b7a7f504bbf3d228",
     "dfc9c58db67aada613c2dd08457941a6"),
]


def test_published_vectors():
    """There and back."""
    plain = bytes.fromhex("00112233445566778899aabbccddeeff")
    works, expected = [], []
    for size, cipher in FIPS_197:
        key, block = bytes(range(size)), bytes.fromhex(cipher)
        works += [aes(Mode.ECB, key, plain), aes(Mode.ECB, key, block, decrypt=True)]
        expected += [block, plain]
    for mode, size, iv, first, last in SP_800_38A:
        cipher = software(mode, KEYS[size], PLAIN, iv, False)
        assert (cipher[:16].hex(), cipher[-16:].hex()) == (first, last)
        works += [aes(mode, KEYS[size], PLAIN, iv), aes(mode, KEYS[size], cipher, iv, decrypt=True)]
        expected += [cipher, PLAIN]
    run(AesEngine(), works)
    assert [work.result for work in works] == expected


def test_against_cryptography():
    """Random modes, lengths and waits; counters that wrap; CTR of any length."""
    rng = random.Random(1)
    works, expected = [], []
    for _ in range(24):
        mode, decrypt = rng.choice([Mode.ECB, Mode.CBC, Mode.CTR]), rng.random() < 0.5
        key, iv = rng.randbytes(rng.choice([16, 24, 32])), rng.randbytes(16)
        if rng.random() < 0.3:
            iv = b"\xff" * rng.randrange(12, 17)
            iv = bytes(16 - len(iv)) + iv
        data = rng.randbytes(rng.randrange(1, 80) if mode == Mode.CTR else 16 * rng.randrange(1, 6))
        works.append(aes(mode, key, data, iv, decrypt=decrypt))
        expected.append(software(mode, key, data, iv, decrypt))
    run(AesEngine(), works, stall=0.4)
    assert [work.result for work in works] == expected


def test_throughput():
    """At least 1.6 bytes per cycle in every mode and direction, with every key (issue 5)."""
    data = bytes(16 * 6)
    for work in run(AesEngine(), [aes(mode, bytes(size), data, decrypt=decrypt)
                                  for mode in (Mode.ECB, Mode.CBC, Mode.CTR)
                                  for size in (16, 24, 32) for decrypt in (False, True)]):
        assert len(data) / work.cycles >= 1.6
