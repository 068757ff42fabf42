"""Every operation through the driver, in an application's own address space."""

import random

import pytest
from rig import Machine

from driver.accel import jobs
from driver.accel.queue import Completion
from driver.accel.sgl import pack_sgl, sgl_bytes
from driver.iommu.pagetable import Prot
from driver.run import run
from pymodel.memory import PAGE
from spec.impl import PRESETS
from spec.sec import BD3, ErrorType, Mode
from tests.accel.software import crc32c, expected, rand48, sum64

BASE = 0x4000_0000
PAGES = 16


class Application:
    """A queue in a domain of scattered pages at BASE."""

    def __init__(self) -> None:
        self.machine = machine = Machine(PRESETS["base"])
        self.domain = machine.iommu.domain()
        self.pages = [machine.bus.pages.scatter() for _ in range(PAGES)]
        for n, page in enumerate(self.pages):
            self.domain.map(BASE + n * PAGE, page, PAGE, Prot.READ | Prot.WRITE)
        self.queue = run(machine.qm.open(self.domain))

    def _pieces(self, address, size):
        while size:
            take = min(size, PAGE - address % PAGE)
            yield self.pages[(address - BASE) // PAGE] + address % PAGE, take
            address, size = address + take, size - take

    def write(self, address, data):
        for at, size in self._pieces(address, len(data)):
            self.machine.bus.memory.write(at, data[:size])
            data = data[size:]

    def read(self, address, size):
        return b"".join(self.machine.bus.memory.read(*piece)
                        for piece in self._pieces(address, size))

    def do(self, job: BD3) -> Completion:
        run(self.queue.send(job))
        done = run(self.queue.receive())
        assert len(done) == 1
        assert done[0].tag == job.tag
        return done[0]


@pytest.fixture
def app():
    application = Application()
    yield application
    application.machine.check()


SOURCE, TARGET, KEY, IV, LIST = BASE + 0x123, BASE + 0x4FF7, BASE + 0x9FF0, BASE + 0xA0FF, BASE + \
    0xB000
SIZE = 5000


def test_every_operation(app):
    data = random.Random(1).randbytes(SIZE)
    app.write(SOURCE, data)
    assert app.do(jobs.copy(SOURCE, TARGET, SIZE, 1)) == Completion(1, ErrorType.OK)
    assert app.read(TARGET, SIZE) == data
    assert app.do(jobs.sum64(SOURCE, SIZE, 2)).result == sum64(data)
    assert app.do(jobs.crc32c(SOURCE, SIZE, 3)).result == crc32c(data)
    app.do(jobs.rand48(TARGET, SIZE, 99, 4))
    assert app.read(TARGET, SIZE) == rand48(99, SIZE)
    app.do(jobs.fill(TARGET, SIZE, 0x0102_0304_0506_0708, 5))
    assert app.read(TARGET, 9) == bytes((8, 7, 6, 5, 4, 3, 2, 1, 8))


@pytest.mark.parametrize("mode", [Mode.ECB, Mode.CBC, Mode.CTR])
@pytest.mark.parametrize("key_bytes", [16, 24, 32])
def test_aes_in_place(app, mode, key_bytes):
    rng = random.Random(2)
    data, key, iv = rng.randbytes(4096), rng.randbytes(key_bytes), rng.randbytes(16)
    app.write(SOURCE, data)
    app.write(KEY, key)
    app.write(IV, iv)
    job = jobs.aes(mode, SOURCE, None, 4096, key=KEY, key_bytes=key_bytes, encrypt=True, iv=IV)
    assert app.do(job).error is ErrorType.OK
    assert app.read(SOURCE, 4096) == expected(job, data, key, iv)[0]
    app.do(jobs.aes(mode, SOURCE, None, 4096, key=KEY, key_bytes=key_bytes, encrypt=False, iv=IV))
    assert app.read(SOURCE, 4096) == data


@pytest.mark.parametrize("capacity", [1, 3, 255])
def test_lists(app, capacity):
    data = random.Random(3).randbytes(1000)
    app.write(SOURCE, data)
    spans = [(SOURCE + at, 100) for at in range(0, 1000, 100)]
    packed = pack_sgl(LIST, spans, capacity)
    assert len(packed) == sgl_bytes(len(spans), capacity)
    app.write(LIST, packed)
    other = LIST + 0x800
    app.write(other, pack_sgl(other, [(TARGET + 2000, 1), (TARGET, 999)]))
    assert app.do(jobs.copy(jobs.Sgl(LIST), jobs.Sgl(other), 1000)).error is ErrorType.OK
    assert app.read(TARGET + 2000, 1) + app.read(TARGET, 999) == data


@pytest.mark.parametrize(("at", "spans"), [
    (LIST + 32, [(SOURCE, 1)]), (LIST, []), (LIST, [(0, 1)]), (LIST, [(SOURCE, 0)])])
def test_lists_that_the_device_would_refuse(at, spans):
    with pytest.raises(ValueError, match="list"):
        pack_sgl(at, spans)


def test_a_failed_access_names_its_address(app):
    end = BASE + PAGES * PAGE
    done = app.do(jobs.copy(end - 10, TARGET, 20, 7))
    assert (done.error, done.fault) == (ErrorType.DATA_READ, end)
    done = app.do(jobs.copy(SOURCE, end - 1, 20))
    assert (done.error, done.fault) == (ErrorType.DATA_WRITE, end)
    done = app.do(jobs.aes(Mode.ECB, SOURCE, TARGET, 16, key=end, key_bytes=16, encrypt=True))
    assert (done.error, done.fault) == (ErrorType.KEY_READ, end)
    done = app.do(jobs.copy(jobs.Sgl(LIST), TARGET, 16))
    assert (done.error, done.fault) == (ErrorType.SGL, None)
