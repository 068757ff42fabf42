"""The engines of the golden model against published vectors and independent software."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pymodel.accel.engines import engine_for
from pymodel.accel.engines.aes import decrypt, encrypt
from spec.sec import BD3, Algorithm, Cipher, Mode, Operation
from tests.accel.jobs import KINDS, Maker
from tests.accel.software import expected
from tests.pymodel.accel.bench import Bench

KEYS = {128: "2b7e151628aed2a6abf7158809cf4f3c",
        192: "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
        256: "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4"}
TEXT = bytes.fromhex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
                     "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710")
IVS = {Mode.ECB: "", Mode.CBC: "000102030405060708090a0b0c0d0e0f",
       Mode.CTR: "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"}
CIPHERTEXTS = {  # SP 800-38A, F.1, F.2, F.5
    (Mode.ECB, 128): "3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf"
                     "43b1cd7f598ece23881b00e3ed0306887b0c785e27e8ad3f8223207104725dd4",
    (Mode.ECB, 192): "bd334f1d6e45f25ff712a214571fa5cc974104846d0ad3ad7734ecb3ecee4eef"
                     "ef7afd2270e2e60adce0ba2face6444e9a4b41ba738d6c72fb16691603c18e0e",
    (Mode.ECB, 256): "f3eed1bdb5d2a03c064b5a7e3db181f8591ccb10d410ed26dc5ba74a31362870"
                     "b6ed21b99ca6f4f9f153e7b1beafed1d23304b7a39f9f3ff067d8d8f9e24ecc7",
    (Mode.CBC, 128): "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2"
                     "73bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7",
    (Mode.CBC, 192): "4f021db243bc633d7178183a9fa071e8b4d9ada9ad7dedf4e5e738763f69145a"
                     "571b242012fb7ae07fa9baac3df102e008b0e27988598881d920a9e64f5615cd",
    (Mode.CBC, 256): "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d"
                     "39f23369a9d9bacfa530e26304231461b2eb05e2c39be9fcda6c19078c6a9d1b",
    (Mode.CTR, 128): "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff"
                     "5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee",
    (Mode.CTR, 192): "1abc932417521ca24f2b0459fe7e6e0b090339ec0aa6faefd5ccc2c6f4ce8e94"
                     "1e36b26bd1ebc670d1bd1d665620abf74f78a7f6d29809585a97daec58c6b050",
    (Mode.CTR, 256): "601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c5"
                     "2b0930daa23de94ce87017ba2d84988ddfc9c58db67aada613c2dd08457941a6",
}
BY_NAME = {kind.name: kind for kind in KINDS}


def run(bd, data, key=b"", iv=b"", step=1 << 20):
    """(bytes out, result) of the engine, fed in pieces."""
    engine = engine_for(bd)(bd, key, iv)
    out = b"".join(engine.work(data[at:at + step]) for at in range(0, len(data), step))
    return (out if engine.WRITES else b""), engine.result()


def check_jobs(seed, jobs):
    """Run the jobs that `jobs` makes of a Maker, one after the other."""
    async def case(b):
        await b.driver.bring_up()
        await b.driver.start(0, pasid=1)
        for job in jobs(Maker(b.memory, random.Random(seed), 0x80000)):
            await b.driver.submit(0, job.bd)
            job.check(b.memory, await b.driver.complete(0))
    Bench().run(case)


@pytest.mark.parametrize(("key", "cipher"), [
    ("000102030405060708090a0b0c0d0e0f", "69c4e0d86a7b0430d8cdb78070b4c55a"),
    ("000102030405060708090a0b0c0d0e0f1011121314151617", "dda97ca4864cdfe06eaf70a0ec0d7191"),
    ("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
     "8ea2b7ca516745bfeafc49904b496089")], ids=["128", "192", "256"])
def test_fips_197(key, cipher):
    block = bytes.fromhex("00112233445566778899aabbccddeeff")
    assert encrypt(bytes.fromhex(key), block).hex() == cipher
    assert decrypt(bytes.fromhex(key), bytes.fromhex(cipher)) == block


@pytest.mark.parametrize(("mode", "bits"), CIPHERTEXTS, ids=str)
def test_sp_800_38a(mode, bits):
    cipher = bytes.fromhex(CIPHERTEXTS[mode, bits])
    key, iv = bytes.fromhex(KEYS[bits]), bytes.fromhex(IVS[mode])
    for direction, source, result in ((Cipher.ENCRYPT, TEXT, cipher),
                                      (Cipher.DECRYPT, cipher, TEXT)):
        bd = BD3.make(cipher=direction, c_alg=Algorithm.AES, c_mode=mode, c_len=len(TEXT))
        assert run(bd, source, key, iv, step=16) == (result, 0)


@pytest.mark.parametrize(("data", "crc"), [   # RFC 3720, B.4, and the check value of the catalogue
    (bytes(32), 0x8A91_36AA), (b"\xff" * 32, 0x62A8_AB43), (bytes(range(32)), 0x46DD_794E),
    (bytes(range(31, -1, -1)), 0x113F_DB5C), (b"123456789", 0xE306_9283)])
def test_crc32c_vectors(data, crc):
    bd = BD3.make(cipher=Cipher.COPY, c_mode=Operation.CRC32C, c_len=len(data))
    assert run(bd, data) == (b"", crc)


@settings(max_examples=300, deadline=None)
@given(kind=st.sampled_from(KINDS), blocks=st.integers(1, 80), seed=st.integers(0, 1 << 32),
       step=st.sampled_from((16, 32, 4096)))
def test_engines_agree_with_other_software_however_they_are_fed(kind, blocks, seed, step):
    rng = random.Random(seed)
    size = blocks * kind.block
    data = rng.randbytes(size) if kind.reads else bytes(size)
    key = rng.randbytes((16, 24, 32)[kind.fields.get("c_key_len", 0)])
    iv = rng.choice((rng.randbytes(16), b"\xff" * 16))
    bd = BD3.make(c_len=size, c_ivin_addr=rng.getrandbits(64), **kind.fields)
    assert run(bd, data, key, iv, step) == expected(bd, data, key, iv)


@settings(max_examples=60, deadline=None)
@given(kind=st.sampled_from(KINDS), blocks=st.integers(1, 300), seed=st.integers(0, 1 << 32),
       source=st.integers(0, 8), target=st.integers(0, 8), in_place=st.booleans(),
       offset=st.sampled_from((0, 1, 16, 5000)))
def test_jobs_wherever_their_bytes_lie(kind, blocks, seed, source, target, in_place, offset):
    """Any split into lists, any alignment: the same result, and not a byte beside it."""
    check_jobs(seed, lambda maker: [
        maker.make(kind, blocks * kind.block, source_parts=source, target_parts=target,
                   in_place=in_place, offset=offset)])


@pytest.mark.parametrize("name", ["copy", "crc32c", "encrypt_ctr_128"])
def test_every_length_up_to_4k(name):
    check_jobs(5, lambda maker: (
        maker.make(BY_NAME[name], size)
        for size in [*range(1, 70), *range(250, 260), *range(4085, 4097)]))
