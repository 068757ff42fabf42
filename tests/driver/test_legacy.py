"""The interfaces of 2017 and 2018 on mediated devices."""

import errno
from functools import partial

import pytest

from driver.iommu.process import Process
from driver.run import run
from driver.vfio.legacy import Form, LegacyMdev
from driver.vfio.mdev import INFO, MdevType, QueueInfo
from driver.vfio.uacce_uapi import SdmdevIoctl, SpimdevFlag, WdevIoctl
from driver.vfio.uapi import ContainerIoctl, DeviceIoctl, Extension, GroupIoctl
from pymodel.memory import PAGE
from spec.impl import PRESETS
from spec.sec import ErrorType
from tests.driver.rig import fails
from tests.driver.vfio_rig import KIND, Host, uuid

E = errno
W = WdevIoctl


class Rig:
    """A program that has opened a device of one form."""

    def __init__(self, form, preset="base"):
        self.host = Host(PRESETS[preset])
        self.host.parent.types[KIND] = MdevType("sec", make=partial(LegacyMdev, form=form))
        self.host.create(0)
        self.mdev = self.host.parent.devices[uuid(0)]
        self.stream = self.host.machine.stream
        self.container = self.host.container()
        self.group = self.mdev.group.open()
        run(self.group.ioctl(GroupIoctl.SET_CONTAINER, self.container))
        run(self.container.ioctl(ContainerIoctl.SET_IOMMU, Extension.TYPE1v2))
        self.file = run(self.group.device_fd(uuid(0)))
        self.file.patience = 1000
        self.caller = Process(self.host.machine.iommu)
        self.file.caller = self.caller
        self.source = self.caller.mmap(2 * PAGE)

    def pasid(self):
        """The caller's own, once it is bound to the device's stream."""
        return run(self.caller.bind(self.stream)).pasid

    def job(self):
        """A copy at the caller's addresses; how it went."""
        queue = self.mdev.queue
        run(queue.copy(self.source, self.source + PAGE, 64, 1))
        run(self.host.machine.iommu.faults.service())
        return run(queue.receive())[0].error

    def close(self):
        run(self.group.close())
        assert not self.host.machine.qm.queues
        self.host.machine.check()


@pytest.fixture(params=list(Form), ids=[form.value for form in Form])
def rig(request):
    rig = Rig(request.param)
    yield rig
    rig.close()


@pytest.fixture(params=["tiny", "base"])
def wdev(request):
    rig = Rig(Form.WDEV, request.param)
    yield rig
    rig.close()


def test_queue_is_taken_and_given_back(wdev):
    assert wdev.mdev.queue is None
    with fails(E.EINVAL):
        run(wdev.file.pread(QueueInfo.size(), INFO << 40))
    for _ in range(2):
        with fails(E.EINVAL):
            run(wdev.file.ioctl(W.PUT_Q, 0))
        run(wdev.file.ioctl(W.GET_Q, 0))
        with fails(E.EBUSY):
            run(wdev.file.ioctl(W.GET_Q, 0))
        info = QueueInfo.decode(run(wdev.file.pread(QueueInfo.size(), INFO << 40)))
        assert info.number == wdev.mdev.queue.number
        run(wdev.file.ioctl(W.PUT_Q, 0))


def test_pasid_is_set_and_cleared(wdev):
    run(wdev.file.ioctl(W.GET_Q, 0))
    with fails(E.EINVAL):
        run(wdev.file.ioctl(W.CLR_PASID, 0))
    assert wdev.job() is not ErrorType.OK  # the container has nothing mapped
    pasid = wdev.pasid()
    run(wdev.file.ioctl(W.SET_PASID, pasid))
    with fails(E.EBUSY):
        run(wdev.file.ioctl(W.SET_PASID, pasid))
    assert wdev.mdev.queue.pasid == pasid
    assert wdev.job() is ErrorType.OK
    run(wdev.file.ioctl(W.CLR_PASID, 0))
    assert wdev.mdev.queue.pasid != pasid
    assert wdev.job() is not ErrorType.OK


def test_bind_to_ones_own_pasid_only():
    rig = Rig(Form.SDMDEV)
    bind = SdmdevIoctl.BIND_PASID
    for wrong in (1, 0):
        with fails(E.EINVAL):
            run(rig.file.ioctl(bind, wrong))  # not bound to the stream at all
    other = Process(rig.host.machine.iommu)
    foreign = run(other.bind(rig.stream)).pasid
    own = rig.pasid()
    for wrong in (foreign, own + 1, 0):
        with fails(E.EINVAL):
            run(rig.file.ioctl(bind, wrong))
    rig.file.caller = None
    with fails(E.EINVAL):
        run(rig.file.ioctl(bind, own))
    rig.file.caller = rig.caller
    run(rig.file.ioctl(bind, own))
    assert rig.job() is ErrorType.OK
    rig.close()


def test_wait(rig):
    if rig.mdev.form is Form.WDEV:
        with fails(E.EINVAL):
            run(rig.file.ioctl(W.WAIT, 0))
        run(rig.file.ioctl(W.GET_Q, 0))
    wait = W.WAIT if rig.mdev.form is Form.WDEV else SdmdevIoctl.WAIT
    with fails(E.ETIME):
        run(rig.file.ioctl(wait, 0))
    queue = rig.mdev.queue
    run(queue.copy(0x4000, 0x8000, 64, 1))
    run(rig.file.ioctl(wait, 0))
    assert run(queue.receive())[0].error is not ErrorType.OK
    with fails(E.ETIME):
        run(rig.file.ioctl(wait, 0))


def test_the_bound_program_ends(wdev):
    run(wdev.file.ioctl(W.GET_Q, 0))
    run(wdev.file.ioctl(W.SET_PASID, wdev.pasid()))
    run(wdev.mdev.queue.copy(wdev.source, wdev.source + PAGE, 64, 1))
    run(wdev.caller.exit())
    assert wdev.mdev.queue is None
    assert not wdev.host.machine.bus.smmu.stalls
    run(wdev.file.ioctl(W.GET_Q, 0))


def test_each_form_has_its_own_ioctls(rig):
    numbers = {Form.WDEV: set(W), Form.SDMDEV: set(SdmdevIoctl),
               Form.SPIMDEV: {SdmdevIoctl.WAIT}}[rig.mdev.form]
    for number in {*W, *SdmdevIoctl} - numbers:
        with fails(E.ENOTTY):
            run(rig.file.ioctl(number, 0))
    run(rig.file.ioctl(DeviceIoctl.RESET if rig.mdev.queue else DeviceIoctl.GET_IRQ_INFO,
                       bytearray(b"\x10" + bytes(15))))


@pytest.mark.parametrize("preset", ["tiny", "base"])
def test_flags_of_spimdev(preset):
    rig = Rig(Form.SPIMDEV, preset)
    flags = SpimdevFlag.MULTI_PROC | SpimdevFlag.SVM
    if preset == "tiny":
        flags |= SpimdevFlag.SVM_NO_FAULT
    assert rig.mdev.sharing == flags
    rig.close()


def test_closed_while_bound():
    rig = Rig(Form.SDMDEV)
    pasid = rig.pasid()
    run(rig.file.ioctl(SdmdevIoctl.BIND_PASID, pasid))
    run(rig.mdev.queue.copy(rig.source, rig.source + PAGE, 64, 1))
    rig.close()
    assert rig.stream.domain(pasid) is rig.caller.domain  # the caller's own binding stays
