"""Two applications share the accelerator: a queue each, the same addresses, different memory.

    .venv/bin/python -m examples.two_applications
"""

from driver.model_bus import ModelBus
from driver.run import run
from driver.vfio.host import Host
from driver.wd.queue import copy_job
from driver.wd.request import MdevProvider, request
from spec.impl import PRESETS

SID = 0x18  # StreamID of the accelerator


async def application(host: Host, text: bytes) -> None:
    """What one application does. It never sees a PASID."""
    queue = await request([MdevProvider(host)])
    source, target = await queue.reserve(4096), await queue.reserve(4096)
    source.write(0, text)
    done = await queue.run(copy_job(source.address, target.address, len(text)))
    print(f"{source.address:#x} -> {target.address:#x}: {done.error.name}, "
          f"{target.read(0, len(text)).decode()!r}")


async def main() -> None:
    bus = ModelBus(PRESETS["base"], sid=SID, queues=8)  # the golden model; or tb.bus.CocotbBus
    host = await Host.start(bus, SID)
    await application(host, b"hello from one")
    await application(host, b"and from another")


if __name__ == "__main__":
    run(main())
