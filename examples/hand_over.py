"""A domain handed over: A maps, B works in it, and nobody sees a PASID.

    .venv/bin/python -m examples.hand_over
"""

from driver.iommu.handle import Handles
from driver.iommu.pagetable import Prot
from driver.model_bus import ModelBus
from driver.run import run
from driver.vfio.host import Host
from spec.impl import PRESETS

SID, PAGE, IOVA = 0x18, 4096, 0x1_0000


async def main() -> None:
    bus = ModelBus(PRESETS["base"], sid=SID, queues=8)
    host = await Host.start(bus, SID)
    handles, page = Handles(host.qm), bus.pages.scatter()
    bus.memory.write(page, b"from A")

    handle = handles.create("A")
    handles.map("A", handle, IOVA, page, PAGE, Prot.READ | Prot.WRITE)
    try:
        await handles.open("B", handle)
    except PermissionError as error:
        print(f"B, before: {error}")
    handles.give("A", handle, "B")

    channel = await handles.open("B", handle)
    await channel.copy(IOVA, IOVA + 0x800, 6, tag=1)
    while not (done := await channel.receive()):
        await host.service(1000)
    print(f"B, after: {done[0].error.name}, {bus.memory.read(page + 0x800, 6).decode()!r}")
    await channel.close()
    handles.destroy("B", handle)


if __name__ == "__main__":
    run(main())
