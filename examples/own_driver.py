"""Bring your own driver: registers and memory, and nothing in between.

    .venv/bin/substream serve /tmp/sockets --function &        # or --dut rtl
    .venv/bin/python -m examples.own_driver /tmp/sockets/function.sock

The whole function is behind the socket: BAR0 is the SMMU, BAR2 the accelerator, BAR4 its doorbells.
This driver turns the SMMU on with an empty stream table, has it work off one command, and reads
what became of it.
"""

import sys

from driver.bus import Region
from driver.run import run
from driver.vfio_user.bus import ClientBus
from spec.commands import COMMAND_BYTES, SYNC
from spec.registers import CMDQ_BASE, CMDQ_CONS, CMDQ_PROD, CR0, CR0ACK, IDR0

LOG2_ENTRIES = 4


async def main(path: str) -> None:
    bus = ClientBus(path)
    print(IDR0(await bus.read(Region.SMMU, IDR0.OFFSET)))
    queue = bus.pages.contiguous(COMMAND_BYTES << LOG2_ENTRIES, COMMAND_BYTES << LOG2_ENTRIES)
    base = CMDQ_BASE.pack(LOG2SIZE=LOG2_ENTRIES, ADDR=queue)
    await bus.write(Region.SMMU, CMDQ_BASE.OFFSET, base, 8)
    await bus.write(Region.SMMU, CMDQ_PROD.OFFSET, 0)
    await bus.write(Region.SMMU, CMDQ_CONS.OFFSET, 0)
    await bus.set_and_acknowledge(Region.SMMU, CR0.OFFSET, CR0ACK.OFFSET, CR0.pack(CMDQEN=1))
    bus.memory.write(queue, SYNC.make().to_bytes())
    await bus.write(Region.SMMU, CMDQ_PROD.OFFSET, 1)

    async def consumed() -> bool:
        return CMDQ_CONS(await bus.read(Region.SMMU, CMDQ_CONS.OFFSET)).RD == 1

    await bus.poll(consumed, "CMD_SYNC")
    print(f"CMD_SYNC is complete: {CMDQ_CONS(await bus.read(Region.SMMU, CMDQ_CONS.OFFSET))}")
    bus.close()


if __name__ == "__main__":
    run(main(sys.argv[1]))
