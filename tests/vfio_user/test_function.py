"""The whole function over vfio-user: our own drivers as its client."""

import errno
import random

import pytest

from driver.iommu.pagetable import Prot
from driver.run import run
from driver.vfio.pci_uapi import PciIrq, PciRegion
from driver.vfio.uapi import DeviceFlag, RegionFlag
from driver.vfio_user.bus import ClientBus
from driver.vfio_user.client import Client, SharedPages
from pymodel.memory import PAGE
from sim.demo.scenario import SOURCE, TARGET, Scenario
from sim.serve.process import served
from spec.registers import SMMU
from spec.sec import BAR2, ErrorType
from tests.driver.rig import fails
from tests.vfio_user.test_channel import again

SID = 0x18


def story(path, data):
    """The demonstration's story through a socket."""
    bus = ClientBus(path)
    scenario = Scenario(bus, SID, data, lambda text: None)
    told = run(scenario.prepare())
    run(scenario.copy(told))
    assert told.copied
    run(scenario.intrude(told))
    assert told.intrusion.error is ErrorType.DATA_READ
    assert {type(event).__name__ for event in told.events} == {"F_TRANSLATION"}
    return bus, scenario, told


@pytest.mark.parametrize("args", [
    ("--dut", "model"), pytest.param(("--dut", "rtl"), marks=pytest.mark.verilator)],
    ids=["model", "rtl"])
def test_own_drivers(tmp_path, args):
    """One after the other; the second one begins with a device like new."""
    with served(tmp_path, "--function", *args):
        for n in range(2):
            bus, _, _ = story(tmp_path / "function.sock", bytes([n + 1]) * 9001)
            bus.close()


def test_dies_with_jobs_in_flight_and_stalled(tmp_path):
    with served(tmp_path, "--function", "--preset", "base"):
        for _ in range(3):
            bus, scenario, told = story(tmp_path / "function.sock", b"x" * 100)

            async def never(address, write):
                return False

            domain = scenario.qm.iommu.domain(handler=never)
            queue = run(scenario.qm.open(domain))
            run(queue.copy(SOURCE, TARGET, PAGE, tag=1))  # stalls
            for app in told.applications:
                run(app.queue.copy(SOURCE, TARGET, 100, tag=1))
            bus.close()


def test_as_pci(tmp_path):
    with served(tmp_path, "--function", "--preset", "tiny"), Client(
            tmp_path / "function.sock") as client:
        info = client.info()
        assert info.flags == DeviceFlag.RESET | DeviceFlag.PCI
        assert (info.regions, info.irqs) == (9, 5)
        sizes = [client.region(n).size_ for n in range(9)]
        assert [n for n, size in enumerate(sizes) if size] == [
            PciRegion.BAR0, PciRegion.BAR2, PciRegion.BAR4, PciRegion.CONFIG]
        assert sizes[PciRegion.BAR0] == 0x20000
        assert not any(client.region(n).flags & RegionFlag.MMAP for n in range(9))
        assert client.read(PciRegion.CONFIG, 0, 4) == bytes.fromhex("e51955a2")
        assert client.irq(PciIrq.MSI).count
        with fails(errno.EINVAL):
            client.region(9)
        with fails(errno.EINVAL):
            client.read(PciRegion.BAR1, 0, 4)


def test_nothing_but_the_clients_memory_is_there(tmp_path):
    """An IOVA whose page table leads outside: an external abort, and nobody else's memory."""
    with served(tmp_path, "--function", "--preset", "base"):
        bus, scenario, _ = story(tmp_path / "function.sock", b"x" * 100)
        domain = scenario.qm.iommu.domain()
        domain.map(SOURCE, 0x8000_0000, PAGE, Prot.READ)
        domain.map(TARGET, bus.pages.scatter(), PAGE, Prot.READ | Prot.WRITE)
        queue = run(scenario.qm.open(domain))
        run(queue.copy(SOURCE, TARGET, 16, tag=1))
        assert run(queue.receive())[0].error is ErrorType.DATA_READ
        pages = SharedPages(PAGE)
        pages.view[:4] = b"more"
        bus.client.map(pages.fd, 0, 0x8000_0000, PAGE)
        run(queue.copy(SOURCE, TARGET, 16, tag=1))
        assert run(queue.receive())[0].error is ErrorType.OK
        bus.client.unmap(0x8000_0000, PAGE)
        run(queue.copy(SOURCE, TARGET, 16, tag=1))
        assert run(queue.receive())[0].error is ErrorType.DATA_READ
        pages.close()
        bus.close()


def scribble(client, rng, writes):
    """Random values into random registers; what is refused is refused."""
    for _ in range(writes):
        region, registers = rng.choice([
            (PciRegion.BAR0, list(SMMU)), (PciRegion.BAR2, list(BAR2)),
            (PciRegion.CONFIG, None), (PciRegion.BAR4, None)])
        offset = (rng.choice(registers).OFFSET if registers else
                  rng.randrange(0, 0x1000 if region == PciRegion.CONFIG else 0x20000, 4))
        size = rng.choice((4, 8))
        value = rng.choice((0, 1, rng.getrandbits(16), rng.getrandbits(64), (1 << 64) - 1))
        try:
            client.write(region, offset, (value & (1 << 8 * size) - 1).to_bytes(size, "little"))
            client.read(region, offset, size)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.EIO):
                raise


@pytest.mark.parametrize("args", [
    ("--preset", "base"), pytest.param(("--dut", "rtl"), marks=pytest.mark.verilator)],
    ids=["model", "rtl"])
def test_scribbling_owners(tmp_path, args):
    """Owners who write anything anywhere and die; the next one finds a device like new."""
    rng = random.Random(7)
    path = tmp_path / "function.sock"
    with served(tmp_path, "--function", *args):
        for n in range(24):
            pages = SharedPages(1 << 20)
            client = again(lambda: Client(path))
            client.map(pages.fd, 0, rng.choice((0, 0x4000_0000)), 1 << 20)
            scribble(client, rng, 120)
            client.close()
            pages.close()
            if n % 4 == 3:
                bus, _, _ = again(lambda: story(path, b"like new" * 100))
                bus.close()
