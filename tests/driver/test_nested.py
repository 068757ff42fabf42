"""Guests' stage 1 over a stage 2 of iommufd; the last row of the iommufd table of vfio.md 2."""

import errno
from types import SimpleNamespace

import pytest

from driver.iommu.ids import IdAllocator
from driver.iommu.pagetable import PageTable, Prot
from driver.run import run
from driver.vfio import iommufd_uapi as fd
from driver.vfio.iommufd_uapi import HwptFlag, IommufdIoctl
from driver.vfio.owner import ProgramMemory
from pymodel.memory import PAGE
from pymodel.transaction import Ending, Transaction
from spec.codes import SizeCode
from spec.commands import (
    ATC_INV,
    CFGI_CD,
    CFGI_CD_ALL,
    CFGI_STE,
    SYNC,
    TLBI_NH_ALL,
    TLBI_NH_ASID,
    TLBI_NH_VA,
    TLBI_NH_VAA,
    TLBI_NSNH_ALL,
    TLBI_S2_IPA,
    Command,
)
from spec.context import CD
from spec.stream_table import STE, SteConfig, SteEATS
from tests.driver.rig import SID, fails
from tests.driver.test_iommufd import detach, ioas, ioctl
from tests.driver.test_whole_function import attach, close, make

E = errno
RW = Prot.READ | Prot.WRITE
VSID = 0x77
GUEST = 64  # pages of guest memory, where a guest believes them to be: at the program's addresses
VA = 0x4000


class Guest:
    """A guest's memory and its IOMMU, under a virtual machine monitor that owns the function."""

    def __init__(self):
        self.owner = owner = make("base")
        self.space = ioas(owner)
        self.at = self.next = owner.mm.mmap(GUEST * PAGE)
        flags = fd.IoasMapFlag.FIXED_IOVA | fd.IoasMapFlag.READABLE | fd.IoasMapFlag.WRITEABLE
        ioctl(owner, IommufdIoctl.IOAS_MAP,
              fd.IoasMap(40, flags, self.space, 0, self.at, GUEST * PAGE, self.at))
        self.parent = self.alloc(HwptFlag.NEST_PARENT, self.space)
        ask = fd.ViommuAlloc(24, 0, fd.ViommuType.ARM_SMMUV3, owner.stream.devid, self.parent)
        self.viommu = ioctl(owner, IommufdIoctl.VIOMMU_ALLOC, ask).out_viommu_id
        ioctl(owner, IommufdIoctl.VDEVICE_ALLOC,
              fd.VdeviceAlloc(24, self.viommu, owner.stream.devid, virt_id=VSID))
        self.data = owner.mm.mmap(PAGE)  # of the monitor
        memory = ProgramMemory(owner.mm)
        self.table = PageTable(SimpleNamespace(
            memory=memory, pages=SimpleNamespace(contiguous=lambda size, align: self.page(),
                                                 give_back=lambda start, size: None)))
        self.cd = self.page()
        owner.mm.write(self.cd, CD.make(
            T0SZ=16, EPD1=1, V=1, AA64=1, IPS=SizeCode.B48, R=1, A=1, ASET=1, ASID=5,
            TTB0=self.table.root, MAIR0=0xFF).to_bytes())

    def page(self):
        """A page of guest memory."""
        self.next += PAGE
        return self.next - PAGE

    def alloc(self, flags, pt, **fields):
        ask = fd.HwptAlloc(48, flags, self.owner.stream.devid, pt).change(**fields)
        return ioctl(self.owner, IommufdIoctl.HWPT_ALLOC, ask).out_hwpt_id

    def nest(self, ste):
        """A page table from an STE that the guest wrote."""
        self.owner.mm.write(self.data, ste.to_bytes()[:16])
        return self.alloc(0, self.viommu, data_type=fd.DataType.ARM_SMMUV3, data_len=16,
                          data_uptr=self.data)

    def stage1(self):
        return STE.make(V=1, Config=SteConfig.S1, S1ContextPtr=self.cd, S1CIR=1, S1COR=1, S1CSH=3)

    def invalidate(self, *commands):
        """HWPT_INVALIDATE; how many were done."""
        self.owner.mm.write(self.data, b"".join(command.to_bytes() for command in commands))
        argument = bytearray(fd.HwptInvalidate(40, self.viommu, self.data,
                                               fd.ViommuType.ARM_SMMUV3, 16,
                                               len(commands)).encode())
        try:
            run(self.owner.iommufd.ioctl(IommufdIoctl.HWPT_INVALIDATE, argument))
        finally:
            self.done = fd.HwptInvalidate.decode(argument).entry_num
        return self.done

    def reaches(self, address):
        result = self.owner.bus.smmu.access(Transaction(sid=SID, addr=address, size=4))
        return result.pa if result.ending in (Ending.TRANSLATED, Ending.BYPASS) else None

    def physical(self, ipa):
        return self.owner.mm.touch(ipa, False) | ipa % PAGE


@pytest.fixture
def guest():
    guest = Guest()
    yield guest
    close(guest.owner)


def test_both_stages(guest):
    """A guest maps and unmaps in its own tables; the monitor takes guest memory away."""
    page = guest.page()
    guest.table.map(VA, page, PAGE, RW)
    attach(guest.owner, guest.nest(guest.stage1()), None)
    assert guest.reaches(VA + 8) == guest.physical(page) + 8
    assert guest.reaches(VA + PAGE) is None
    guest.table.unmap(VA, PAGE)
    assert guest.invalidate(TLBI_NH_VA.make(ASID=5, VA=VA)) == 1
    assert guest.reaches(VA) is None
    guest.table.map(VA, page, PAGE, RW)
    assert guest.reaches(VA) == guest.physical(page)
    ioctl(guest.owner, IommufdIoctl.IOAS_UNMAP,
          fd.IoasUnmap(24, guest.space, guest.at, GUEST * PAGE))
    assert guest.reaches(VA) is None


def test_merged_entries_go_after_those_of_stage_2(guest):
    """An entry that merged both stages is not covered by an IPA (reference 6.3)."""
    attach(guest.owner, guest.nest(guest.stage1()), None)
    cmdq, sent = guest.owner.smmu.cmdq, []
    issue = cmdq.issue

    async def recorded(*commands):
        sent.append([type(command) for command in commands])
        await issue(*commands)

    cmdq.issue = recorded
    ioctl(guest.owner, IommufdIoctl.IOAS_UNMAP,
          fd.IoasUnmap(24, guest.space, guest.at, GUEST * PAGE))
    assert set(sent[0]) == {TLBI_S2_IPA}
    assert sent[1:] == [[TLBI_NH_ALL]]


def test_what_a_guest_may_attach(guest):
    """Abort, bypass (its own addresses are IPAs), stage 1; each replaces the one before."""
    page = guest.page()
    guest.table.map(VA, page, PAGE, RW)
    attach(guest.owner, guest.parent, None)
    assert guest.reaches(page) == guest.physical(page)
    for ste, reached in ((STE.make(V=1, Config=SteConfig.BYPASS), page), (guest.stage1(), VA),
                         (STE(0), None), (guest.stage1(), VA),
                         (STE.make(V=1, Config=SteConfig.ABORT), None)):
        attach(guest.owner, guest.nest(ste), None)
        for address in (page, VA):
            expected = guest.physical(page) if address == reached else None
            assert guest.reaches(address) == expected
    detach(guest.owner, 0, 8, 0)
    assert guest.reaches(page) is None


def test_nested_and_plain_replace_each_other(guest):
    page = guest.page()
    guest.table.map(VA, page, PAGE, RW)
    for _ in range(2):
        attach(guest.owner, guest.nest(guest.stage1()), None)
        assert guest.reaches(VA) == guest.physical(page)
        attach(guest.owner, guest.space, None)
        assert guest.reaches(page) == guest.physical(page)
        assert guest.reaches(VA) is None


@pytest.mark.parametrize("command", [
    TLBI_NSNH_ALL.make(), TLBI_NH_ALL.make(VMID=0x55), TLBI_NH_ASID.make(ASID=5, VMID=0x55),
    TLBI_NH_VA.make(ASID=5, VA=VA), TLBI_NH_VAA.make(VA=VA),
    CFGI_CD.make(StreamID=VSID, Leaf=1), CFGI_CD_ALL.make(StreamID=VSID)],
    ids=lambda command: type(command).__name__)
def test_invalidations_that_are_taken(guest, command):
    attach(guest.owner, guest.nest(guest.stage1()), None)
    assert guest.invalidate(command, command) == 2


BAD_STES = [
    ("bad vSTE: stage 2", STE.make(V=1, Config=SteConfig.S2)),
    ("bad vSTE: both stages", STE.make(V=1, Config=SteConfig.NESTED)),
    ("bad vSTE: a field of the host", STE.make(V=1, Config=SteConfig.S1, STRW=2)),
    ("bad vSTE: overrides", STE.make(V=1, Config=SteConfig.BYPASS, PRIVCFG=2)),
    ("bad vSTE: ATS", STE.make(V=1, Config=SteConfig.S1, EATS=SteEATS.SPLIT))]


@pytest.mark.parametrize("row", BAD_STES, ids=[row[0] for row in BAD_STES])
def test_bad_ste(guest, row):
    with fails(E.EIO):
        guest.nest(row[1])


BAD_COMMANDS = [
    ("unsupported invalidation: CFGI_STE", CFGI_STE.make(StreamID=VSID)),
    ("unsupported invalidation: SYNC", SYNC.make()),
    ("unsupported invalidation: foreign stream", CFGI_CD.make(StreamID=SID)),
    ("unsupported invalidation: ATC_INV without ATS", ATC_INV.make(StreamID=VSID)),
    ("unsupported invalidation: no command", Command(0xEE))]


@pytest.mark.parametrize("row", BAD_COMMANDS, ids=[row[0] for row in BAD_COMMANDS])
def test_bad_invalidation(guest, row):
    """Those before it are done, and counted."""
    with fails(E.EIO):
        guest.invalidate(TLBI_NSNH_ALL.make(), row[1], TLBI_NSNH_ALL.make())
    assert guest.done == 1


def test_refused(guest):
    owner, devid = guest.owner, guest.owner.stream.devid
    plain = guest.alloc(0, guest.space)
    for number, value, code in (
            (IommufdIoctl.VIOMMU_ALLOC, fd.ViommuAlloc(24, 0, 1, devid, plain), E.EINVAL),
            (IommufdIoctl.VIOMMU_ALLOC, fd.ViommuAlloc(24, 0, 2, devid, guest.parent),
             E.EOPNOTSUPP),
            (IommufdIoctl.VDEVICE_ALLOC, fd.VdeviceAlloc(24, guest.viommu, devid, virt_id=VSID),
             E.EEXIST),
            (IommufdIoctl.HWPT_INVALIDATE, fd.HwptInvalidate(40, guest.viommu, 0, 2, 16, 0),
             E.EINVAL),
            (IommufdIoctl.HWPT_INVALIDATE, fd.HwptInvalidate(40, plain, 0, 1, 16, 0), E.ENOENT),
            (IommufdIoctl.HWPT_ALLOC, fd.HwptAlloc(48, 5, devid, guest.space), E.ENOENT),
            (IommufdIoctl.HWPT_ALLOC, fd.HwptAlloc(48, 9, devid, guest.space), E.EOPNOTSUPP),
            (IommufdIoctl.HWPT_ALLOC, fd.HwptAlloc(48, 0, devid, guest.viommu), E.EOPNOTSUPP),
            (IommufdIoctl.HWPT_ALLOC,
             fd.HwptAlloc(48, 0, devid, guest.viommu, data_type=2, data_len=8), E.EINVAL)):
        with fails(code):
            ioctl(owner, number, value)
    nested = guest.nest(guest.stage1())
    with fails(E.EINVAL):
        attach(owner, nested, 3)  # a guest's stage 1 has the guest's own PASIDs
    for number in (guest.parent, guest.space, guest.viommu):
        with fails(E.EBUSY):
            ioctl(owner, IommufdIoctl.DESTROY, fd.Destroy(8, number))
    for number in (nested, guest.viommu, guest.parent):
        ioctl(owner, IommufdIoctl.DESTROY, fd.Destroy(8, number))


def test_closed_while_a_guests_transaction_waits(guest):
    """The guest's CD stalls; nobody answers; the monitor closes the device."""
    owner = guest.owner
    cd = CD.from_bytes(owner.mm.read(guest.cd, 64))
    owner.mm.write(guest.cd, cd.replace(S=1).to_bytes())
    attach(owner, guest.nest(guest.stage1()), None)
    assert guest.reaches(VA) is None
    assert owner.bus.smmu.stalls
    run(owner.file.close())
    assert not owner.bus.smmu.stalls
    owner.device.close()
    owner.open()


def test_vmids_run_out(guest, monkeypatch):
    with monkeypatch.context() as patch, fails(E.ENOSPC):
        patch.setattr(guest.owner.iommu, "vmids", IdAllocator("VMID", 1, 1))
        guest.alloc(HwptFlag.NEST_PARENT, guest.space)


def test_one_stage_is_not_enough():
    owner = make("tiny")
    with fails(E.EOPNOTSUPP):
        ioctl(owner, IommufdIoctl.HWPT_ALLOC,
              fd.HwptAlloc(48, HwptFlag.NEST_PARENT, owner.stream.devid, ioas(owner)))
    close(owner)
