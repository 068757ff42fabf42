"""What a driver meets before its first job: identity and bring-up; on the RTL and on the golden
model.
"""

from __future__ import annotations

from spec.qm import (
    ABNORMAL_INT_MASK,
    ABNORMAL_INT_SOURCE,
    ABNORMAL_INT_STATUS,
    ABNORMAL_IRQ_CAP,
    ACC_FINISH_CNT,
    AEQ_IRQ_CAP,
    ARUSER_M_CFG_1,
    ARUSER_M_CFG_ENABLE,
    AWUSER_M_CFG_1,
    AWUSER_M_CFG_ENABLE,
    AXI_M_CFG,
    AXI_M_CFG_ENABLE,
    BAR2_SIZE,
    CACHE_CTL,
    CFG_SINGLE_PORT_MAX_TRANS,
    CONFIG,
    CONFIG_BASE,
    CQE_CNT,
    CQE_ERR_CNT,
    DB_CNT,
    DB_TIMEOUT_CFG,
    DFX_CNT_CLR_CE,
    DOORBELL_PAGE,
    EQ_AEQ_DEPTH_CAP,
    EQ_IRQ_CAP,
    FUN_CAP,
    MB_CNT,
    MEM_INIT_DONE,
    MEM_START_INIT,
    MSI_CONTROL,
    OOO_SHUTDOWN_SEL,
    PASID_CAP,
    PCI_BAR2,
    PCI_BAR3,
    PCI_BAR4,
    PCI_BAR5,
    PCI_CAPABILITIES,
    PCI_CLASS,
    PCI_ID,
    PCIE_CAP,
    PCIE_DEVCAP,
    PCIE_DEVCTL,
    PEH_AXUSER_CFG,
    PEH_AXUSER_CFG_ENABLE,
    PEH_DFX_INFO0,
    PEH_DFX_INFO1,
    PF2VF_IRQ_CAP,
    PM_CTRL,
    QUE_ISO_CFG,
    RAS_CE_ENABLE,
    RAS_CE_THRESHOLD,
    RAS_FE_ENABLE,
    RAS_NFE_ENABLE,
    SQE_CNT,
    SUB_VERSION_ID,
    VECTOR_NUM_CAP,
    WUSER_M_CFG_ENABLE,
    event_depths,
)
from spec.sec import (
    CORE_EN_CAP,
    QM_CE_MASK_CAP,
    QM_NFE_MASK_CAP,
    QM_RESET_MASK_CAP,
    SEC_CE_MASK_CAP,
    SEC_CONTROL,
    SEC_CORE_AUTO_GATE,
    SEC_CORE_INT_SOURCE,
    SEC_CORE_INT_STATUS,
    SEC_DYNAMIC_GATE,
    SEC_INTERFACE_USER_CTRL0_V3,
    SEC_INTERFACE_USER_CTRL1_V3,
    SEC_MEM_INIT_DONE,
    SEC_MEM_START_INIT,
    SEC_NFE_MASK_CAP,
    SEC_RESET_MASK_CAP,
    SEC_SAA_EN,
    ErrorType,
)
from tests.accel.bench import Bench, Case
from tests.accel.qm_driver import DATA, copy_bd


async def identity(b: Bench) -> None:
    """The configuration space as a bus driver reads it: ids, BAR sizes, lists of capabilities."""
    d = b.driver
    ident = PCI_ID(await d.get_config(PCI_ID))
    assert (ident.VENDOR, ident.DEVICE) == (0x19E5, 0xA255)
    assert PCI_CLASS(await d.get_config(PCI_CLASS)).REVISION == 0x30
    for low, high, size in ((PCI_BAR2, PCI_BAR3, BAR2_SIZE),
                            (PCI_BAR4, PCI_BAR5, b.queues * DOORBELL_PAGE)):
        for register in (low, high):
            await d.set_config(register, 0xFFFF_FFFF)
        word = await d.get_config(low) | await d.get_config(high) << 32
        assert word & 0xF == 4
        assert 2**64 - (word & ~0xF) == size
    found, at = [], PCI_CAPABILITIES(await d.get_config(PCI_CAPABILITIES)).POINTER
    while at:
        header = PCIE_CAP(await b.bus.read(CONFIG_BASE + at))
        found.append((header.ID, at))
        at = header.NEXT
    assert found == [(0x10, PCIE_CAP.OFFSET), (0x05, MSI_CONTROL.OFFSET)]
    assert PCIE_DEVCAP(await d.get_config(PCIE_DEVCAP)).FLR
    assert PASID_CAP(await d.get_config(PASID_CAP)).ID == 0x1B
    control = MSI_CONTROL(await d.get_config(MSI_CONTROL))
    assert (control.ENABLE, control.ASKED, control.ADDR64, control.MASKING) == (0, 2, 1, 1)
    for register in CONFIG:                      # read-only bits keep their value
        before = await d.get_config(register)
        if register is not PCIE_DEVCTL:
            await d.set_config(register, 0)
            writable = 0 if register is PCI_BAR4 else register.WRITABLE
            assert (await d.get_config(register) ^ before) & ~(writable or 2**32 - 1) == 0
    for offset in (0x0C, 0x10, 0x3C, 0x94, 0x200, 0xFFC):
        await b.bus.write(CONFIG_BASE + offset, 4, 0xFFFF_FFFF)
        assert await b.bus.read(CONFIG_BASE + offset) == 0
    eq, aeq = event_depths(b.queues)
    depths = EQ_AEQ_DEPTH_CAP(await d.get(EQ_AEQ_DEPTH_CAP))
    assert (depths.EQ_DEPTH, depths.AEQ_DEPTH) == (eq, aeq)


async def mainline_bring_up(b: Bench) -> None:
    """Every access of a probe, in its order, with its values (reference 4.1, 4.2, 6.1): polls end,
    what is read again has what was written, no error is pending; then a queue works."""
    d = b.driver

    async def rmw(register, clear: int, put: int) -> None:
        word = await d.get(register) & ~clear & 0xFFFF_FFFF | put
        await d.set(register, word)
        assert await d.get(register) == word

    assert await d.get(SUB_VERSION_ID) == 0
    assert QUE_ISO_CFG(await d.get(QUE_ISO_CFG)).ISOLATED
    caps = FUN_CAP(await d.get(FUN_CAP))
    assert (caps.VERSION, caps.STOP_QP, caps.STOP_FUNC, caps.RPM_PF, caps.MB_COMMAND) == (
        1, 1, 1, 0, 0)
    vectors = {}
    for name, register in (("eq", EQ_IRQ_CAP), ("aeq", AEQ_IRQ_CAP),
                           ("abnormal", ABNORMAL_IRQ_CAP)):
        cap = register(await d.get(register))
        assert cap.TYPE
        vectors[name] = cap.VECTOR
    assert len(set(vectors.values())) == 3
    assert max(vectors.values()) < VECTOR_NUM_CAP(await d.get(VECTOR_NUM_CAP)).PF
    assert await d.get(PF2VF_IRQ_CAP) == 0
    for register in (QM_CE_MASK_CAP, QM_NFE_MASK_CAP, QM_RESET_MASK_CAP, SEC_CE_MASK_CAP,
                     SEC_NFE_MASK_CAP, SEC_RESET_MASK_CAP):
        assert await d.get(register) == 0
    await d.set(DB_TIMEOUT_CFG, 0x1FFFFF)
    await rmw(PM_CTRL, 0, 1 << 9)
    await d.set(MEM_START_INIT, 1)
    await d.until(lambda: d.get(MEM_INIT_DONE))
    for register, value in (
            (ARUSER_M_CFG_1, 0x4000_1070), (ARUSER_M_CFG_ENABLE, 0xFFFF_FFFE),
            (AWUSER_M_CFG_1, 0x4000_1070), (AWUSER_M_CFG_ENABLE, 0xFFFF_FFFE),
            (WUSER_M_CFG_ENABLE, 0xFFFF_FFFF), (AXI_M_CFG, 0xFFFF),
            (AXI_M_CFG_ENABLE, 0xFFFF_FFFF), (PEH_AXUSER_CFG, 0x40_1001),
            (PEH_AXUSER_CFG_ENABLE, 0xFFFF_FFFF), (CACHE_CTL, 0x1833)):
        await d.set(register, value)
        assert await d.get(register) == value
    await rmw(SEC_CONTROL, 1 << 3, 0)
    await d.set(SEC_MEM_START_INIT, 1)
    await d.until(lambda: d.get(SEC_MEM_INIT_DONE))
    await rmw(SEC_CONTROL, 0, 1 << 8)
    await rmw(SEC_INTERFACE_USER_CTRL0_V3, 0, 0x80_8000)
    await rmw(SEC_INTERFACE_USER_CTRL1_V3, ~0xFF79_E79E, 0x82_0820)
    await d.set(CFG_SINGLE_PORT_MAX_TRANS, 0x2060)
    await d.set(SEC_SAA_EN, await d.get(CORE_EN_CAP))
    await rmw(SEC_CONTROL, 3, 1 << 3)
    await rmw(SEC_DYNAMIC_GATE, 0, 0x7FFF)
    await rmw(SEC_CORE_AUTO_GATE, 0, 0xF)
    for register, value in ((ABNORMAL_INT_SOURCE, 0x7FFF), (RAS_CE_ENABLE, 0),
                            (RAS_CE_THRESHOLD, 1), (RAS_NFE_ENABLE, 0), (RAS_FE_ENABLE, 0),
                            (OOO_SHUTDOWN_SEL, 0), (ABNORMAL_INT_MASK, 0xFFFF_FFFF)):
        await d.set(register, value)
    for register in (ABNORMAL_INT_SOURCE, ABNORMAL_INT_STATUS, SEC_CORE_INT_STATUS,
                     SEC_CORE_INT_SOURCE, PEH_DFX_INFO0, PEH_DFX_INFO1):
        assert await d.get(register) == 0
    await rmw(SEC_CONTROL, 0, 1 << 12)
    await d.set(DFX_CNT_CLR_CE, 1)
    for register in (SQE_CNT, CQE_CNT, MB_CNT, DB_CNT, ACC_FINISH_CNT, CQE_ERR_CNT):
        await d.get(register)
    await d.set(DFX_CNT_CLR_CE, 0)
    await d.bring_up()                       # 4.2
    for first, last in ((0, 0x308), (0x10_0000, 0x10_0164), (0x10_4000, 0x10_4108)):
        for offset in range(first, last + 1, 16):     # 2.9: dumps disturb nothing
            await b.bus.read(offset)
    await d.start(0, pasid=3)
    await d.submit(0, copy_bd(DATA, DATA + 64, 8))
    assert (await d.complete(0)).error_type == ErrorType.OK
    assert await d.get(ABNORMAL_INT_SOURCE) == 0


PROBE_CASES: dict[Case, int] = {identity: 8, mainline_bring_up: 8}
