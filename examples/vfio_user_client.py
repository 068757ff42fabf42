"""A vfio-user client in twenty lines.

    .venv/bin/substream serve /tmp/sockets &        # or --dut rtl
    .venv/bin/python -m examples.vfio_user_client /tmp/sockets
"""

import sys
from pathlib import Path

from driver.run import run
from driver.wd.queue import copy_job
from driver.wd.request import request
from driver.wd.vfio_user import VfioUserProvider


async def main(directory: Path) -> None:
    queue = await request([VfioUserProvider(directory)])  # any channel that is free
    source, target = await queue.reserve(4096), await queue.reserve(4096)  # memfds of ours
    source.write(0, b"through a socket")
    done = await queue.run(copy_job(source.address, target.address, 16))
    print(f"{done.error.name}: {target.read(0, 16).decode()!r}")
    await queue.release()


if __name__ == "__main__":
    run(main(Path(sys.argv[1])))
