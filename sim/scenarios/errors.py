"""Scenario 11: what is refused, and with which errno (vfio.md 1 and 2)."""

from __future__ import annotations

import errno
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager

from driver.iommu.mm import Mm
from driver.iommu.process import Process
from driver.vfio.cdev import CdevFile
from driver.vfio.container import Container
from driver.vfio.host import DRIVER, SEC
from driver.vfio.iommufd import Iommufd
from driver.vfio.iommufd_uapi import IoasAlloc, IoasMap, IoasMapFlag, IoasUnmap, IommufdIoctl
from driver.vfio.kernel import Kernel
from driver.vfio.uacce_uapi import QueueFileRegion, UacceIoctl
from driver.vfio.uapi import (
    Bitmap,
    ContainerIoctl,
    DeviceIoctl,
    DirtyBitmap,
    DirtyFlag,
    DirtyRange,
    DmaMap,
    DmaUnmap,
    Extension,
    GroupIoctl,
    IrqSet,
    IrqSetFlag,
    MapFlag,
    UnmapFlag,
)
from driver.wd.request import MdevProvider
from pymodel.memory import PAGE
from sim.scenarios.world import World

TOP = 1 << 64
BASE = 0x10000  # where two pages are mapped
SPARE = b"00000000-0000-0000-0000-0000000000cc"  # of a device for some rows
RW = MapFlag.READ | MapFlag.WRITE


@contextmanager
def fails(code: int) -> Iterator[None]:
    """An OSError with this errno, or AssertionError."""
    try:
        yield
    except OSError as error:
        if error.errno != code:
            raise AssertionError(f"{error}, not {errno.errorcode[code]}") from None
    else:
        raise AssertionError(f"no error where {errno.errorcode[code]} is due")


def _map(at: int, flags: int = RW, iova: int = 0x50000, size: int = PAGE,
         argsz: int = 32) -> bytes:
    return DmaMap(argsz, flags, at, iova, size).encode()


def type1_rows(at: int) -> list[tuple[str, int, bytes, int]]:
    """(condition, ioctl, structure, errno); `at` is an address of the program."""
    m, u, d = (ContainerIoctl.MAP_DMA, ContainerIoctl.UNMAP_DMA, ContainerIoctl.DIRTY_PAGES)
    bitmap = DirtyRange(BASE, 2 * PAGE).encode() + Bitmap(PAGE, 8, at).encode()
    return [
        ("misaligned iova", m, _map(at, iova=0x50800), errno.EINVAL),
        ("misaligned vaddr", m, _map(at + 1), errno.EINVAL),
        ("misaligned size", m, _map(at, size=100), errno.EINVAL),
        ("size 0", m, _map(at, size=0), errno.EINVAL),
        ("neither R nor W", m, _map(at, flags=0), errno.EINVAL),
        ("outside the IOVA ranges", m, _map(at, iova=1 << 48), errno.EINVAL),
        ("bad flags", m, _map(at, flags=RW | 8), errno.EINVAL),
        ("bad argsz", m, _map(at, argsz=31), errno.EINVAL),
        ("overlap", m, _map(at, iova=BASE + PAGE, size=2 * PAGE), errno.EEXIST),
        ("wrap-around", m, _map(at, iova=TOP - PAGE, size=2 * PAGE), errno.EOVERFLOW),
        ("VADDR remap of the unknown", m, _map(at, flags=MapFlag.VADDR), errno.ENOENT),
        ("unmap that bisects", u, DmaUnmap(24, 0, BASE, PAGE).encode(), errno.EINVAL),
        ("unmap of an empty range", u, DmaUnmap(24, 0, 0x70000, PAGE).encode(), 0),
        ("unmap-VADDR with an mdev", u, DmaUnmap(24, UnmapFlag.VADDR, BASE, 2 * PAGE).encode(),
         errno.EBUSY),
        ("bitmap while tracking is off", d,
         DirtyBitmap(48, DirtyFlag.GET_BITMAP).encode() + bitmap, errno.EINVAL)]


def irq_rows() -> list[tuple[str, IrqSet, bytes, int]]:
    """(condition, request, data, errno) of SET_IRQS."""
    trigger, none = IrqSetFlag.ACTION_TRIGGER, IrqSetFlag.DATA_NONE
    return [
        ("bad index", IrqSet(20, none | trigger, 9, 0, 1), b"", errno.EINVAL),
        ("bad range", IrqSet(20, none | trigger, 0, 1, 1), b"", errno.EINVAL),
        ("bad flags", IrqSet(20, none | trigger | 64, 0, 0, 1), b"", errno.EINVAL),
        ("two actions", IrqSet(20, none | trigger | IrqSetFlag.ACTION_MASK, 0, 0, 1), b"",
         errno.EINVAL),
        ("short data", IrqSet(20, IrqSetFlag.DATA_EVENTFD | trigger, 0, 0, 1), b"", errno.EINVAL)]


def ioas_rows(at: int, ioas: int) -> list[tuple[str, int, bytes, int]]:
    """(condition, ioctl, structure, errno) of an IOAS with 2 pages at BASE."""
    m, u = IommufdIoctl.IOAS_MAP, IommufdIoctl.IOAS_UNMAP

    def ask(iova: int, size: int = PAGE, va: int = at) -> bytes:
        flags = IoasMapFlag.FIXED_IOVA | IoasMapFlag.WRITEABLE | IoasMapFlag.READABLE
        return IoasMap(40, flags, ioas, 0, va, size, iova).encode()

    return [
        ("map overlap", m, ask(BASE), errno.EEXIST),
        ("misaligned", m, ask(0x50800), errno.EINVAL),
        ("reserved", m, ask(1 << 48), errno.EINVAL),
        ("overflow", m, ask(TOP - PAGE, 2 * PAGE), errno.EOVERFLOW),
        ("unmap splits an area", u, IoasUnmap(24, ioas, BASE, PAGE).encode(), errno.ENOENT)]


async def error_tables(world: World) -> None:
    """11. The error tables, exact errno, and the device untouched by them."""
    channel = await MdevProvider(world).open()
    at = channel._mm.mmap(4 * PAGE)
    await channel.map(at, BASE, 2 * PAGE)
    rows = 0
    for condition, number, structure, code in type1_rows(at):
        await _expect(condition, channel.container.ioctl(number, bytearray(structure)), code)
        rows += 1
    for condition, irq, data, code in irq_rows():
        await _expect(condition, channel.file.ioctl(
            DeviceIoctl.SET_IRQS, bytearray(irq.encode() + data)), code)
        rows += 1
    mm = Mm(world.bus)
    iommufd, at = Iommufd(world.iommu, mm), mm.mmap(4 * PAGE)
    answer = bytearray(IoasAlloc(12).encode())
    await iommufd.ioctl(IommufdIoctl.IOAS_ALLOC, answer)
    ioas = IoasAlloc.decode(answer).out_ioas_id
    flags = IoasMapFlag.FIXED_IOVA | IoasMapFlag.READABLE
    await iommufd.ioctl(IommufdIoctl.IOAS_MAP, bytearray(
        IoasMap(40, flags, ioas, 0, at, 2 * PAGE, BASE).encode()))
    for condition, number, structure, code in ioas_rows(at, ioas):
        await _expect(condition, iommufd.ioctl(number, bytearray(structure)), code)
        rows += 1
    access = iommufd.access(ioas)
    access.pin(BASE, PAGE, False)
    await _expect("accessor holds it", iommufd.ioctl(IommufdIoctl.IOAS_UNMAP, bytearray(
        IoasUnmap(24, ioas, BASE, 2 * PAGE).encode())), errno.EBUSY)
    access.unpin(BASE)
    await iommufd.close()
    rows += 1 + await _container_rows(world, mm, at) + await _uacce_rows(world)
    for text, code in ((b"short", errno.EINVAL), (channel.mdev.name.encode(), errno.EEXIST)):
        with fails(code):
            world.sysfs.write(f"mdev_supported_types/{DRIVER}-{SEC.name}/create", text)
        rows += 1
    world.watcher.counts["rows"] = rows
    assert await channel.unmap(BASE, 2 * PAGE) == 2 * PAGE
    await channel.close()
    assert not await world.settle()


async def _container_rows(world: World, mm: Mm, at: int) -> int:
    """What wants a device and a container of its own; how many rows."""
    mdev = world.parent.create(f"{DRIVER}-{SEC.name}", SPARE)
    file = CdevFile(mdev, {})
    await _expect("cdev use before BIND", file.ioctl(DeviceIoctl.RESET), errno.EINVAL)
    await file.close()
    rows = [
        ("dirty ops on v1", Extension.TYPE1, ContainerIoctl.DIRTY_PAGES,
         DirtyBitmap(8, DirtyFlag.START).encode(), errno.EACCES),
        ("dma_avail exhausted", Extension.TYPE1v2, ContainerIoctl.MAP_DMA, _map(at),
         errno.ENOSPC)]
    for condition, kind, number, structure, code in rows:
        container = Container(world.iommu, mm, Kernel(dma_entry_limit=1))
        group = mdev.group.open()
        await group.ioctl(GroupIoctl.SET_CONTAINER, container)
        await container.ioctl(ContainerIoctl.SET_IOMMU, kind)
        await container.ioctl(ContainerIoctl.MAP_DMA, bytearray(_map(at, iova=BASE)))
        await _expect(condition, container.ioctl(number, bytearray(structure)), code)
        await group.close()
    world.parent.remove(mdev.name)
    return 1 + len(rows)


async def _uacce_rows(world: World) -> int:
    """A queue from INIT to ZOMBIE; how many rows."""
    process = Process(world.iommu)
    file, size = await world.uacce.open(process), world.uacce.dus_size
    mapping = file.mmap(QueueFileRegion.DUS, size)
    with fails(errno.EEXIST):
        file.mmap(QueueFileRegion.DUS, size)
    with fails(errno.EPERM):
        mapping.mremap(2 * size)
    await file.ioctl(UacceIoctl.START_Q)
    await _expect("START when not INIT", file.ioctl(UacceIoctl.START_Q), errno.EINVAL)
    await file.ioctl(UacceIoctl.PUT_Q)
    await _expect("ioctl on a zombie", file.ioctl(UacceIoctl.START_Q), errno.ENXIO)
    with fails(errno.ENXIO):
        file.mmap(QueueFileRegion.MMIO, PAGE)
    await file.close()
    await process.exit()
    return 5


async def _expect(condition: str, call: Awaitable[object], code: int) -> None:
    try:
        await call
        got = 0
    except OSError as error:
        got = error.errno or 0
    assert got == code, f"{condition}: errno {got}, not {code}"
