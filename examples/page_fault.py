"""A page fault handled: the device touches what is not there, waits, and goes on.

    .venv/bin/python -m examples.page_fault
"""

from driver.iommu.pagetable import Prot
from driver.model_bus import ModelBus
from driver.run import run
from driver.vfio.host import Host
from spec.impl import PRESETS

SID, PAGE = 0x18, 4096
SOURCE, TARGET = 0x4000_0000, 0x5000_0000


async def main() -> None:
    bus = ModelBus(PRESETS["base"], sid=SID, queues=8)
    host = await Host.start(bus, SID)

    async def handler(address: int, write: bool) -> bool:
        """Map a page and try again; False would abort the access."""
        print(f"fault: {'write' if write else 'read'} of {address:#x}")
        page = bus.pages.scatter()
        bus.memory.write(page, b"brought on demand")
        domain.map(address // PAGE * PAGE, page, PAGE, Prot.READ | Prot.WRITE)
        return True

    domain = host.iommu.domain(handler=handler)
    queue = await host.qm.open(domain)
    await queue.copy(SOURCE, TARGET + 100, 17, tag=1)
    while not (done := await queue.receive()):
        await host.service(1000)  # answers stalled accesses with RESUME
    found = domain.table.lookup(TARGET)
    assert found is not None
    print(f"{done[0].error.name}: {bus.memory.read(found[1] + 100, 17).decode()!r}")


if __name__ == "__main__":
    run(main())
