"""The errno table of vfio.md 1, row by row, for both kernel generations and both versions of type1.

A row: condition, ioctl, its structure, errno on 5.10 and on 7.2 (0: success), then for unmap the
bytes unmapped. The state before: 2 pages mapped at IOVA 0x10000, 1 at 0x20000.
"""

import errno

import pytest

from driver.run import run
from driver.vfio.uapi import (
    Bitmap,
    ContainerIoctl,
    DirtyBitmap,
    DirtyFlag,
    DirtyRange,
    DmaMap,
    DmaUnmap,
    Extension,
    GroupIoctl,
    MapFlag,
    UnmapFlag,
)
from spec.impl import PRESETS
from tests.driver.rig import fails
from tests.driver.vfio_rig import GENERATIONS, RW, Host, uuid

PAGE = 4096
VADDR = 0x10_0000_0000  # 16 pages of the program's memory
TOP = 1 << 64
MAP, UNMAP, DIRTY = (ContainerIoctl.MAP_DMA, ContainerIoctl.UNMAP_DMA,
                     ContainerIoctl.DIRTY_PAGES)
E = errno


def dma_map(flags=RW, vaddr=VADDR, iova=0x50000, size=PAGE, argsz=32):
    return DmaMap(argsz, flags, vaddr, iova, size).encode()


def dma_unmap(iova=0, size=0, flags=0, argsz=24, tail=b""):
    return DmaUnmap(argsz, flags, iova, size).encode() + tail


def dirty(flags, iova=0x10000, size=2 * PAGE, pgsize=PAGE, room=8):
    ask = DirtyRange(iova, size).encode() + Bitmap(pgsize, room, VADDR + 15 * PAGE).encode()
    return DirtyBitmap(8, flags).encode() + ask


BITMAP = Bitmap(PAGE, 8, VADDR + 15 * PAGE).encode()
V = MapFlag.VADDR

MAP_ROWS = [
    ("maps", dma_map(), 0, 0),
    ("misaligned iova", dma_map(iova=0x50800), E.EINVAL, E.EINVAL),
    ("misaligned vaddr", dma_map(vaddr=VADDR + 1), E.EINVAL, E.EINVAL),
    ("misaligned size", dma_map(size=100), E.EINVAL, E.EINVAL),
    ("size 0", dma_map(size=0), E.EINVAL, E.EINVAL),
    ("neither R nor W", dma_map(flags=0), E.EINVAL, E.EINVAL),
    ("R alone", dma_map(flags=1), 0, 0),
    ("W alone", dma_map(flags=2), 0, 0),
    ("outside the IOVA ranges", dma_map(iova=1 << 48), E.EINVAL, E.EINVAL),
    ("half outside", dma_map(iova=(1 << 48) - PAGE, size=2 * PAGE), E.EINVAL, E.EINVAL),
    ("unknown flag", dma_map(flags=RW | 8), E.EINVAL, E.EINVAL),
    ("argsz too small", dma_map(argsz=31), E.EINVAL, E.EINVAL),
    ("argument too short", dma_map()[:31], E.EINVAL, E.EINVAL),
    ("overlap, same", dma_map(iova=0x10000), E.EEXIST, E.EEXIST),
    ("overlap, end", dma_map(iova=0xF000, size=2 * PAGE), E.EEXIST, E.EEXIST),
    ("overlap, around", dma_map(iova=0x8000, size=16 * PAGE), E.EEXIST, E.EEXIST),
    ("iova wraps around", dma_map(iova=TOP - PAGE, size=2 * PAGE), E.EINVAL, E.EOVERFLOW),
    ("vaddr wraps around", dma_map(vaddr=TOP - PAGE, size=2 * PAGE), E.EINVAL, E.EOVERFLOW),
    ("nothing at vaddr", dma_map(vaddr=0x1000), E.EFAULT, E.EFAULT),
    ("VADDR remap of the unknown", dma_map(flags=V), E.EINVAL, E.ENOENT),
    ("VADDR remap with R", dma_map(flags=V | 1, iova=0x20000), E.EINVAL, E.EINVAL),
    ("VADDR remap of a valid one", dma_map(flags=V, iova=0x20000), E.EINVAL, E.EINVAL),
]
UNMAP_ROWS = [
    ("exactly", dma_unmap(0x10000, 2 * PAGE), 0, 0, 2 * PAGE),
    ("two and the hole", dma_unmap(0x10000, 0x11000), 0, 0, 3 * PAGE),
    ("empty range", dma_unmap(0x70000, PAGE), 0, 0, 0),
    ("bisects, front", dma_unmap(0x10000, PAGE), E.EINVAL, E.EINVAL, 0),
    ("bisects, back", dma_unmap(0x11000, PAGE), E.EINVAL, E.EINVAL, 0),
    ("misaligned", dma_unmap(0x10800, PAGE), E.EINVAL, E.EINVAL, 0),
    ("size 0", dma_unmap(0x10000, 0), E.EINVAL, E.EINVAL, 0),
    ("argsz too small", dma_unmap(0x10000, 2 * PAGE, argsz=23), E.EINVAL, E.EINVAL, 0),
    ("unknown flag", dma_unmap(0x10000, 2 * PAGE, 8), E.EINVAL, E.EINVAL, 0),
    ("wraps around", dma_unmap(TOP - PAGE, 2 * PAGE), E.EINVAL, E.EOVERFLOW, 0),
    ("ALL", dma_unmap(flags=UnmapFlag.ALL), E.EINVAL, 0, 3 * PAGE),
    ("ALL with a range", dma_unmap(0x10000, PAGE, UnmapFlag.ALL), E.EINVAL, E.EINVAL, 0),
    ("VADDR", dma_unmap(0x20000, PAGE, UnmapFlag.VADDR), E.EINVAL, 0, PAGE),
    ("GET_DIRTY without tracking", dma_unmap(0x20000, PAGE, UnmapFlag.GET_DIRTY, tail=BITMAP),
     E.EINVAL, E.EINVAL, 0),
    ("GET_DIRTY with ALL", dma_unmap(flags=UnmapFlag.GET_DIRTY | UnmapFlag.ALL, tail=BITMAP),
     E.EINVAL, E.EINVAL, 0),
]
DIRTY_ROWS = [  # with tracking off, then on
    ("start", dirty(DirtyFlag.START), 0, 0), ("stop", dirty(DirtyFlag.STOP), 0, 0),
    ("two at once", dirty(3), E.EINVAL, E.EINVAL), ("none", dirty(0), E.EINVAL, E.EINVAL),
    ("bitmap", dirty(DirtyFlag.GET_BITMAP), E.EINVAL, 0),
    ("wrong page size", dirty(DirtyFlag.GET_BITMAP, pgsize=8192), E.EINVAL, E.EINVAL),
    ("bitmap too small", dirty(DirtyFlag.GET_BITMAP, room=7), E.EINVAL, E.EINVAL),
    ("misaligned range", dirty(DirtyFlag.GET_BITMAP, iova=0x10001), E.EINVAL, E.EINVAL),
    ("bisects", dirty(DirtyFlag.GET_BITMAP, size=PAGE), E.EINVAL, E.EINVAL),
    ("wraps around", dirty(DirtyFlag.GET_BITMAP, iova=TOP - PAGE), E.EINVAL, E.EOVERFLOW),
]


def prepare(generation="7.2", kind=Extension.TYPE1v2, mediated=False, **kernel):
    """A container in the state that the rows presume; its device is taken for a whole one unless
    `mediated`."""
    host = Host(PRESETS["tiny"], generation=GENERATIONS[generation], **kernel)
    host.create(0)
    container = host.container()
    container._mm.mmap(16 * PAGE)
    host.parent.devices[uuid(0)].mediated = mediated
    run(host.parent.devices[uuid(0)].group.open().ioctl(GroupIoctl.SET_CONTAINER, container))
    run(container.ioctl(ContainerIoctl.SET_IOMMU, kind))
    for iova, size in ((0x10000, 2 * PAGE), (0x20000, PAGE)):
        run(container.ioctl(MAP, bytearray(dma_map(iova=iova, size=size))))
    return container


def perform(container, number, data, code):
    """One ioctl that must end with errno `code`; what it answered."""
    argument = bytearray(data)
    if code:
        with fails(code):
            run(container.ioctl(number, argument))
    else:
        assert run(container.ioctl(number, argument)) == 0
    return argument


def each(rows):
    return pytest.mark.parametrize("row", rows, ids=[row[0] for row in rows])


@pytest.mark.parametrize("generation", ["5.10", "7.2"])
@each(MAP_ROWS)
def test_map(row, generation):
    container = prepare(generation)
    perform(container, MAP, row[1], row[2 if generation == "5.10" else 3])
    container._iommu.smmu.bus.lint.check()


@pytest.mark.parametrize("generation", ["5.10", "7.2"])
@each(UNMAP_ROWS)
def test_unmap(row, generation):
    code = row[2 if generation == "5.10" else 3]
    container = prepare(generation)
    answer = perform(container, UNMAP, row[1], code)
    if not code:
        assert DmaUnmap.decode(answer).size_ == row[4]


@pytest.mark.parametrize("tracking", [False, True])
@each(DIRTY_ROWS)
def test_dirty(row, tracking):
    container = prepare()
    if tracking:
        perform(container, DIRTY, dirty(DirtyFlag.START), 0)
    code = row[3] if tracking else row[2]
    perform(container, DIRTY, row[1], code)
    if row[0] == "bitmap" and tracking:
        assert container._mm.read(VADDR + 15 * PAGE, 8) == b"\3" + bytes(7)


@pytest.mark.parametrize("flags", list(DirtyFlag))
def test_dirty_on_v1(flags):
    perform(prepare(kind=Extension.TYPE1), DIRTY, dirty(flags), E.EACCES)


@pytest.mark.parametrize(("iova", "size", "unmapped"), [
    (0x10000, PAGE, 2 * PAGE), (0x11000, PAGE, 0), (0x10000, 2 * PAGE, 2 * PAGE)])
def test_unmap_on_v1(iova, size, unmapped):
    answer = perform(prepare(kind=Extension.TYPE1), UNMAP, dma_unmap(iova, size), 0)
    assert DmaUnmap.decode(answer).size_ == unmapped


def test_unmap_with_bitmap():
    container = prepare()
    perform(container, DIRTY, dirty(DirtyFlag.START), 0)
    ask = dma_unmap(0x10000, 2 * PAGE, UnmapFlag.GET_DIRTY, tail=BITMAP)
    perform(container, UNMAP, ask, 0)
    assert container._mm.read(VADDR + 15 * PAGE, 1) == b"\3"
    perform(container, MAP, dma_map(iova=0x10000), 0)


def test_dma_avail():
    container = prepare(dma_entry_limit=3)
    perform(container, MAP, dma_map(), 0)
    perform(container, MAP, dma_map(iova=0x60000), E.ENOSPC)
    perform(container, UNMAP, dma_unmap(0x50000, PAGE), 0)
    perform(container, MAP, dma_map(iova=0x60000), 0)


def test_addresses_come_back():
    container = prepare()
    perform(container, UNMAP, dma_unmap(0x20000, PAGE, UnmapFlag.VADDR), 0)
    perform(container, UNMAP, dma_unmap(0x20000, PAGE, UnmapFlag.VADDR), E.EINVAL)
    perform(container, MAP, dma_map(flags=V, iova=0x10000, size=PAGE), E.EINVAL)
    perform(container, MAP, dma_map(flags=V, iova=0x20000), 0)


def test_unmap_vaddr_with_an_mdev_present():
    container = prepare(mediated=True)
    perform(container, UNMAP, dma_unmap(0x20000, PAGE, UnmapFlag.VADDR), E.EBUSY)
