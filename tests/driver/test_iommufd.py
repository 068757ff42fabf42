"""iommufd beyond maps (those: test_cdev): the PASID and accessor rows of vfio.md 2, objects and
their users, what the hardware is."""

import errno

import pytest

from driver.run import run
from driver.vfio import iommufd_uapi as fd
from driver.vfio import uapi
from driver.vfio.iommufd_uapi import HwptFlag, IommufdIoctl
from driver.vfio.uapi import AttachFlag, DeviceIoctl
from pymodel.memory import PAGE
from spec.impl import PRESETS
from tests.driver.rig import SID, fails
from tests.driver.stories import PASIDS
from tests.driver.test_cdev import Program
from tests.driver.test_whole_function import attach, close, fault_queue, make

E = errno


@pytest.fixture(params=["tiny", "base"])
def owner(request):
    owner = make(request.param)
    yield owner
    close(owner)


def ioctl(owner, number, value):
    argument = bytearray(value.encode())
    run(owner.iommufd.ioctl(number, argument))
    return type(value).decode(argument)


def ioas(owner):
    return ioctl(owner, IommufdIoctl.IOAS_ALLOC, fd.IoasAlloc(12)).out_ioas_id


def hwpt(owner, flags, **fields):
    ask = fd.HwptAlloc(48, flags, owner.stream.devid, fields.pop("pt_id", 0) or ioas(owner))
    return ioctl(owner, IommufdIoctl.HWPT_ALLOC, ask.change(**fields)).out_hwpt_id


# Row of vfio.md 2, page table, PASID, errno.
PASID_ROWS = [
    ("PASID attach with a non-PASID hwpt", lambda o: hwpt(o, 0), 3, E.EINVAL),
    ("PASID attach with an address space", ioas, 3, E.EINVAL),
    ("PASID attach with pasid 0", lambda o: hwpt(o, HwptFlag.PASID), 0, E.EINVAL),
    ("PASID attach with pasid = max", lambda o: hwpt(o, HwptFlag.PASID), PASIDS, E.EINVAL),
    ("PASID attach with pasid > max", lambda o: hwpt(o, HwptFlag.PASID), 1 << 31, E.EINVAL),
    ("PASID attach with pasid = max - 1", lambda o: hwpt(o, HwptFlag.PASID), PASIDS - 1, 0),
    ("no such page table", lambda o: 99, 3, E.ENOENT)]


@pytest.mark.parametrize("row", PASID_ROWS, ids=[row[0] for row in PASID_ROWS])
def test_pasid_attach(owner, row):
    _, table, pasid, code = row
    if not code:
        attach(owner, table(owner), pasid)
        return
    with fails(code):
        attach(owner, table(owner), pasid)


def test_pasid_already_attached(owner):
    """The core refuses, the VFIO ioctl replaces."""
    tables = [owner.iommufd.table(hwpt(owner, HwptFlag.PASID)) for _ in range(2)]
    bound = owner.file._bound
    run(bound.attach(5, tables[0]))
    with fails(E.EBUSY):
        run(bound.attach(5, tables[1]))
    number = next(n for n, o in owner.iommufd._objects.items() if o is tables[1])
    attach(owner, number, 5)
    assert bound.attached[5] is tables[1]
    attach(owner, number, 5)  # the same again
    assert tables[1].bound == [bound]
    assert not tables[0].bound


@pytest.mark.parametrize("pasid", [None, 3])
def test_no_asid_for_another_page_table(owner, pasid, monkeypatch):
    """The old one stays."""
    tables = [hwpt(owner, HwptFlag.PASID) for _ in range(2)]
    attach(owner, tables[0], pasid)
    asids = owner.iommu.asids
    monkeypatch.setattr(asids, "_limit", asids._fresh)
    monkeypatch.setattr(asids, "_free", [])
    with fails(E.ENOSPC):
        attach(owner, tables[1], pasid)
    found = owner.iommufd.table(tables[0]).domain
    assert owner.iommu.streams[SID].domain(pasid or 0) is found


def test_with_pasids_all_page_tables_are_made_for_them(owner):
    plain, made = hwpt(owner, 0), hwpt(owner, HwptFlag.PASID)
    attach(owner, plain, None)
    with fails(E.EINVAL):
        attach(owner, made, 3)
    attach(owner, made, None)
    attach(owner, made, 3)
    with fails(E.EINVAL):
        attach(owner, plain, None)


def detach(owner, pasid, argsz=16, flags=AttachFlag.PASID):
    request = uapi.Detach(argsz, flags, pasid).encode().ljust(16, b"\0")
    run(owner.file.ioctl(DeviceIoctl.DETACH_PT, bytearray(request)))


def test_detach(owner):
    table = hwpt(owner, HwptFlag.PASID)
    for _ in range(2):
        attach(owner, table, 3)
        detach(owner, 3)
        detach(owner, 3)  # nothing there is no error
    for pasid, argsz, flags in ((0, 16, 1), (PASIDS, 16, 1), (3, 11, 1), (3, 12, 3), (3, 7, 0)):
        with fails(E.EINVAL):
            detach(owner, pasid, argsz, flags)


def test_mdev_has_no_pasids_of_its_owner():
    program = Program(PRESETS["base"])
    space = program.alloc()
    program.device(DeviceIoctl.BIND_IOMMUFD, uapi.Bind(24, 0, 7))
    with fails(E.EOPNOTSUPP):
        program.device(DeviceIoctl.ATTACH_PT, uapi.Attach(16, 1, space, 5))
    bound = program.file._bound
    ask = fd.HwptAlloc(48, HwptFlag.PASID, bound.id, space)
    with fails(E.EOPNOTSUPP):
        run(program.iommufd.ioctl(IommufdIoctl.HWPT_ALLOC, bytearray(ask.encode())))
    run(program.file.close())
    run(program.iommufd.close())


def test_accessor_holds_it():
    program = Program(PRESETS["base"])
    space = program.alloc()
    program.map(space, 0x4000, 2 * PAGE)
    access = program.iommufd.access(space)
    pages = access.pin(0x5000, 16, False)
    assert pages == [program.mm.touch(program.at + PAGE, False)]
    with fails(E.EBUSY):
        program.unmap(space, 0x4000, 2 * PAGE)
    with fails(E.EBUSY):
        program.unmap(space, 0, (1 << 64) - 1)
    with fails(E.ENOENT):
        access.pin(0x6000, 16, False)
    access.unpin(0x5000)
    assert program.unmap(space, 0x4000, 2 * PAGE) == 2 * PAGE
    program.map(space, 0x4000, flags=fd.IoasMapFlag.FIXED_IOVA | fd.IoasMapFlag.READABLE)
    with fails(E.EPERM):
        access.pin(0x4000, 16, True)
    run(program.file.close())
    run(program.iommufd.close())


# Condition, flags and fields of HWPT_ALLOC, errno.
HWPT_ROWS = [
    ("no such device", 0, {"dev_id": 99}, E.ENOENT),
    ("no such address space", 0, {"pt_id": 99}, E.ENOENT),
    ("a device for an address space", 0, {"pt_id": "devid"}, E.ENOENT),
    ("no such fault queue", HwptFlag.FAULT, {"fault_id": 99}, E.ENOENT),
    ("dirty tracking", HwptFlag.DIRTY, {}, E.EOPNOTSUPP),
    ("unknown flag", 0x10, {}, E.EOPNOTSUPP), ("reserved field", 0, {"reserved": 1}, E.EOPNOTSUPP),
    ("foreign data", 0, {"data_type": fd.DataType.VTD_S1, "data_len": 8}, E.EOPNOTSUPP),
    ("size", 0, {"argsz": 47}, E.EINVAL)]


@pytest.mark.parametrize("row", HWPT_ROWS, ids=[row[0] for row in HWPT_ROWS])
def test_hwpt_alloc(owner, row):
    _, flags, fields, code = row
    fields = {name: owner.stream.devid if value == "devid" else value
              for name, value in fields.items()}
    with fails(code):
        hwpt(owner, flags, **fields)


def test_faults_need_stalls():
    owner = make("tiny")
    number, _ = fault_queue(owner)
    with fails(E.EOPNOTSUPP):
        hwpt(owner, HwptFlag.FAULT, fault_id=number)
    close(owner)


def destroy(owner, number):
    ioctl(owner, IommufdIoctl.DESTROY, fd.Destroy(8, number))


def test_objects_in_use_are_kept():
    owner = make("base")
    space, (queue, _) = ioas(owner), fault_queue(owner)
    table = hwpt(owner, HwptFlag.FAULT, pt_id=space, fault_id=queue)
    attach(owner, table, None)
    for number in (space, queue, table, owner.stream.devid):
        with fails(E.EBUSY):
            destroy(owner, number)
    detach(owner, 0, 8, 0)
    for number in (table, space, queue):
        destroy(owner, number)
        with fails(E.ENOENT):
            destroy(owner, number)
    close(owner)


def test_an_address_space_is_attached_by_itself(owner):
    """The page table that is made for it goes with the last device."""
    space = ioas(owner)
    for _ in range(2):
        attach(owner, space, None)
        with fails(E.EBUSY):
            destroy(owner, space)
        attach(owner, space, None)
        detach(owner, 0, 8, 0)
    destroy(owner, space)


def test_maps_show_in_every_page_table(owner):
    space = ioas(owner)
    at = owner.mm.mmap(2 * PAGE)
    flags = fd.IoasMapFlag.READABLE | fd.IoasMapFlag.FIXED_IOVA
    first = hwpt(owner, 0, pt_id=space)
    ioctl(owner, IommufdIoctl.IOAS_MAP, fd.IoasMap(40, flags, space, 0, at, PAGE, 0x4000))
    second = hwpt(owner, 0, pt_id=space)
    tables = [owner.iommufd.table(n).domain.table for n in (first, second)]
    assert [t.lookup(0x4000)[1] for t in tables] == [owner.mm.touch(at, False)] * 2
    ioctl(owner, IommufdIoctl.IOAS_UNMAP, fd.IoasUnmap(24, space, 0x4000, PAGE))
    assert [t.lookup(0x4000) for t in tables] == [None, None]


def test_iova_is_chosen(owner):
    """The lowest one that is free and has room."""
    space, at = ioas(owner), owner.mm.mmap(8 * PAGE)

    def place(pages, iova=None):
        flags = fd.IoasMapFlag.READABLE | (fd.IoasMapFlag.FIXED_IOVA if iova else 0)
        ask = fd.IoasMap(40, flags, space, 0, at, pages * PAGE, iova or 0)
        return ioctl(owner, IommufdIoctl.IOAS_MAP, ask).iova

    assert place(1, 0x12000) == 0x12000
    assert [place(2), place(2), place(1)] == [0x10000, 0x13000, 0x15000]


@pytest.mark.parametrize("room", [0, 8, 40, 64])
def test_hw_info(owner, room):
    at = owner.mm.mmap(PAGE)
    owner.mm.write(at, b"\xff" * 80)
    ask = fd.HwInfo(40, 0, owner.stream.devid, room, at)
    info = ioctl(owner, IommufdIoctl.GET_HW_INFO, ask)
    assert (info.data_len, info.out_data_type, info.out_max_pasid_log2) == (40, 2, 4)
    impl = owner.smmu.impl
    whole = fd.ArmSmmuInfo(idr0=impl.idr0, idr1=impl.idr1, idr3=impl.idr3, idr5=impl.idr5,
                           iidr=impl.iidr, aidr=impl.aidr).encode()
    assert owner.mm.read(at, room) == whole[:room].ljust(room, b"\0")
    assert owner.mm.read(at + room, 4) == b"\xff" * 4
    with fails(E.ENOENT):
        ioctl(owner, IommufdIoctl.GET_HW_INFO, ask.change(dev_id=99))
    with fails(E.EOPNOTSUPP):
        ioctl(owner, IommufdIoctl.GET_HW_INFO, ask.change(flags=1))


def test_ioctls_that_are_not_offered(owner):
    with fails(E.EOPNOTSUPP):
        run(owner.iommufd.ioctl(IommufdIoctl.VEVENTQ_ALLOC, bytearray(64)))
    with fails(E.ENOTTY):
        run(owner.iommufd.ioctl(0x1234, bytearray(64)))
