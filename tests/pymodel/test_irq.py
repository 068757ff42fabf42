"""GERROR, GERRORN and MSIs that abort (reference 1.8, 7.5)."""

from __future__ import annotations

import pytest
from smmu_rig import MSI, OUTSIDE, Rig, implementation

from spec import registers as r

BAD = 0  # an illegal command


def armed(gerror_msi: int = 0, eventq_msi: int = 0, **kwargs) -> Rig:
    rig = Rig(**kwargs)
    rig.stream(1, stall=False)
    rig.wr(r.GERROR_IRQ_CFG0, gerror_msi)
    rig.wr(r.GERROR_IRQ_CFG1, 0x55)
    rig.wr(r.EVENTQ_IRQ_CFG0, eventq_msi)
    rig.wr(r.EVENTQ_IRQ_CFG1, 0x66)
    rig.wr(r.IRQ_CTRL, r.IRQ_CTRL.pack(GERROR_IRQEN=1, EVENTQ_IRQEN=1))
    rig.enable(SMMUEN=1)
    return rig


def test_gerror_msi_and_wire():
    rig = armed(MSI)
    rig.issue(BAD)
    assert (rig.memory.read64(MSI), rig.irqs) == (0x55, ["gerror"])


def test_without_wires_the_msi_is_still_sent():
    rig = armed(MSI, wired=False)
    rig.issue(BAD)
    assert rig.memory.read64(MSI) == 0x55


def test_msi_is_four_bytes():
    rig = armed(MSI + 4)
    rig.memory.write(MSI, b"\xFF" * 16)
    rig.issue(BAD)
    assert rig.memory.read(MSI, 16) == b"\xFF" * 4 + b"\x55\0\0\0" + b"\xFF" * 8


def test_the_error_is_visible_before_its_interrupt():
    rig = armed()
    seen = []
    rig.smmu.interrupts.wire = lambda _: seen.append(
        (rig.active(r.GERROR.CMDQ_ERR), rig.rd(r.CMDQ_CONS).ERR))
    rig.issue(BAD)
    assert seen == [(True, 1)]


def test_gerror_off_means_no_interrupt_but_the_error_is_there():
    rig = armed(MSI)
    rig.wr(r.IRQ_CTRL, 0)
    rig.issue(BAD)
    assert (rig.memory.read64(MSI), rig.irqs) == (0, [])
    assert rig.active(r.GERROR.CMDQ_ERR)


def test_aborted_gerror_msi_raises_no_further_interrupt():
    rig = armed(OUTSIDE)
    rig.issue(BAD)
    assert rig.active(r.GERROR.MSI_GERROR_ABT_ERR)
    assert rig.irqs == ["gerror"]


def test_aborted_eventq_msi():
    rig = armed(MSI, OUTSIDE)
    rig.access(1)
    assert rig.active(r.GERROR.MSI_EVENTQ_ABT_ERR)
    assert rig.used() == 1
    assert rig.irqs == ["gerror", "evtq"]
    assert rig.memory.read64(MSI) == 0x55


def test_an_active_msi_error_does_not_stop_later_msis():
    rig = armed(eventq_msi=OUTSIDE)
    rig.access(1)
    rig.drain()
    rig.wr(r.IRQ_CTRL, 0)
    rig.wr(r.EVENTQ_IRQ_CFG0, MSI)
    rig.wr(r.IRQ_CTRL, r.IRQ_CTRL.pack(EVENTQ_IRQEN=1))
    rig.access(1)
    assert rig.active(r.GERROR.MSI_EVENTQ_ABT_ERR)
    assert rig.memory.read64(MSI) == 0x66


def test_an_active_error_is_not_logged_again():
    rig = armed(eventq_msi=OUTSIDE)
    for _ in range(3):
        rig.access(1)
        rig.drain()
    assert rig.rd(r.GERROR).MSI_EVENTQ_ABT_ERR == 1
    assert rig.irqs.count("gerror") == 1
    rig.acknowledge()
    rig.access(1)
    assert rig.rd(r.GERROR).MSI_EVENTQ_ABT_ERR == 0   # toggled
    assert rig.active(r.GERROR.MSI_EVENTQ_ABT_ERR)
    assert rig.irqs.count("gerror") == 2


@pytest.mark.parametrize("field", ["CMDQ_ERR", "EVENTQ_ABT_ERR", "SFM_ERR"])
def test_toggling_an_inactive_bit_just_stores_it(field):
    rig = armed()
    rig.wr(r.GERRORN, r.GERRORN.pack(**{field: 1}))
    assert rig.rd(r.GERRORN) == r.GERRORN.make(**{field: 1})
    assert rig.rd(r.GERROR).value == 0
    assert rig.irqs == []


def test_gerrorn_has_no_reserved_bits():
    rig = Rig(implementation(MSI=0))
    rig.wr(r.GERRORN, 0xFFFF_FFFF)
    assert rig.rd(r.GERRORN) == r.GERRORN.make(CMDQ_ERR=1, EVENTQ_ABT_ERR=1, SFM_ERR=1)
