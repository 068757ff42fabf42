"""Commands against cached entries: what the golden model says must go, the caches' rules drop."""

import random

import pytest
from amaranth import Module, Signal
from amaranth.sim import Simulator

from hdl.config import Config
from hdl.tcu.config.cache import CdKey, SteKey, drops_cd, drops_ste
from hdl.tcu.queues.decode import CommandDecoder, CommandKind
from hdl.tcu.walk.cache import DescriptorKey, drops_stage1, drops_stage2
from hdl.tcu.walk.geometry import GRANULES
from pymodel.invalidation import ConfigEntry, Kind, Stage, TlbEntry, covers
from pymodel.invalidation import decode as model_decode
from pymodel.legality import illegal
from pymodel.reader import World
from spec import commands as c
from spec.codes import TGCode

IMPL = Config.preset("base").impl
LOW = 12  # place of a DescriptorKey
RULES = {  # name: (key, rule, kind, stage, level)
    **{f"{kind.value} {stage.name} {level}": (
        DescriptorKey, (drops_stage1 if stage is Stage.S1 else drops_stage2)(
            level, leaves=kind is Kind.LEAF), kind, stage, level)
       for stage in (Stage.S1, Stage.S2)
       for kind, levels in ((Kind.TABLE, range(3)), (Kind.LEAF, range(1, 4)))
       for level in levels},
    "STE": (SteKey, drops_ste, Kind.STE, None, 0),
    "CD": (CdKey, drops_cd, Kind.CD, None, 0),
}
BY_ADDRESS = (c.TLBI_NH_VA, c.TLBI_NH_VAA, c.TLBI_EL2_VA, c.TLBI_EL2_VAA, c.TLBI_S2_IPA)
TLBI = (*BY_ADDRESS, c.TLBI_NH_ALL, c.TLBI_NH_ASID, c.TLBI_EL2_ALL, c.TLBI_EL2_ASID,
        c.TLBI_S12_VMALL, c.TLBI_NSNH_ALL)
CFGI = (c.CFGI_STE, c.CFGI_STE_RANGE, c.CFGI_CD, c.CFGI_CD_ALL)
VMIDS, ASIDS = (1, 2, 3, 17, 0x8001), (1, 5, 0x105)
SIDS, SSIDS = (0, 1, 2, 7, 8, 0x1234, 0xFFFF), (0, 1, 2, 0x41)


def descriptor(rng, stage: Stage, kind: Kind, level: int, e2h: bool):
    """A key, and the same entry as the model sees it."""
    granule = rng.choice([g for g in GRANULES if g.shift(level) < 48])
    size = granule.shift(level)
    el2 = stage is Stage.S1 and rng.random() < 0.3
    half = int(stage is Stage.S1 and not (el2 and not e2h) and rng.random() < 0.4)
    bits = 48 if half or rng.random() < 0.9 else 52
    address = (rng.choice((0, 1, 3, 8, 9, rng.getrandbits(9))) << size) % (1 << bits)
    if half:
        address |= 0xF << 48
    vmid, asid = 0 if el2 else rng.choice(VMIDS), rng.choice(ASIDS)
    tagged = stage is Stage.S1 and not (el2 and not e2h)
    space = {"el2": int(el2), "vmid": vmid, "asid": asid if tagged else 0}
    key = {"space": space, "half": half, "granule": granule.value, "place": address >> LOW}
    world = (World.NS_EL2_E2H if e2h else World.NS_EL2) if el2 else World.NS_EL1
    return key, TlbEntry(
        kind=kind, stage=stage, world=world, vmid=vmid,
        asid=asid if tagged and (kind is Kind.TABLE or rng.random() < 0.6) else None,
        address=address | (0xFFF << 52 if half else 0), size=size, level=level,
        granule=granule.bits)


def configuration(rng, kind: Kind):
    sid, ssid = rng.choice(SIDS), rng.choice(SSIDS)
    if kind is Kind.STE:
        return {"sid": sid}, ConfigEntry(kind=kind, sid=sid)
    return ({"sid": sid, "index": ssid, "nested": rng.randrange(2)},
            ConfigEntry(kind=kind, sid=sid, ssid=ssid))


def tlbi(rng, entry: TlbEntry) -> c.Command:
    """A command that has much in common with the entry."""
    kind = rng.choice(BY_ADDRESS if rng.random() < 0.7 else TLBI)
    fields = {"VMID": rng.choice((entry.vmid, rng.choice(VMIDS))),
              "ASID": rng.choice((entry.asid or 0, rng.choice(ASIDS))),
              "Leaf": rng.randrange(2)}
    shift = rng.choice((12, 14, 16, entry.size))
    address = entry.address + (rng.choice((0, 0, 1, -1, 5, -7, -64, (1 << entry.size - shift) - 1
                                           if entry.size > shift else 0)) << shift)
    address &= (1 << 64) - (1 << 12)
    tg = rng.choice((TGCode.SINGLE, entry.granule // 2 - 5, rng.randrange(4)))
    fields |= {"VA": address, "IPA": address & (1 << 52) - 1, "TG": tg, "NUM": rng.randrange(32),
               "SCALE": rng.choice((0, 0, 1, 2, 5, 9, 18, 27, rng.randrange(64))),
               "TTL": rng.randrange(4)}
    return kind.make(**{name: value for name, value in fields.items() if name in kind.FIELDS})


def cfgi(rng) -> c.Command:
    kind = rng.choice(CFGI)
    fields = {"StreamID": rng.choice(SIDS) ^ rng.choice((0, 0, 1, 2, 4)), "Leaf": rng.randrange(2),
              "Range": rng.choice((0, 1, 2, 15, 16, 31, rng.randrange(32))),
              "SubstreamID": rng.choice(SSIDS), "SSV": 1}
    return kind.make(**{name: value for name, value in fields.items() if name in kind.FIELDS})


@pytest.mark.parametrize("name", RULES)
def test_what_must_go_is_dropped(name):
    """Neither always nor never: what stays is counted too."""
    layout, rule, kind, stage, level = RULES[name]
    m = Module()
    m.submodules.decoder = decoder = CommandDecoder(IMPL)
    key, gone = Signal(layout), Signal()
    m.d.comb += gone.eq(rule(m, decoder.inv)(key))
    rng = random.Random(name)
    must = stays = 0

    async def testbench(ctx):
        nonlocal must, stays
        for _ in range(2500):
            e2h, vmw = rng.random() < 0.5, rng.choice((0, 0, 1, 2, 4))
            if stage is None:
                place, entry = configuration(rng, kind)
                command = tlbi(rng, descriptor(rng, Stage.S1, Kind.LEAF, 3, e2h)[1]) \
                    if rng.random() < 0.1 else cfgi(rng)
            else:
                place, entry = descriptor(rng, stage, kind, level, e2h)
                command = tlbi(rng, entry)
            if illegal(IMPL, command.value) is not None:
                continue
            ctx.set(decoder.command, command.value)
            ctx.set(decoder.e2h, e2h)
            ctx.set(decoder.vmw, vmw)
            ctx.set(key, place)
            dropped = ctx.get(gone) and ctx.get(decoder.kind) == CommandKind.INVALIDATE
            inv = model_decode(IMPL, command, e2h=e2h, vmw=vmw)
            if inv is not None and covers(inv, entry):
                must += 1
                assert dropped, (command, entry, e2h, vmw)
            stays += not dropped

    sim = Simulator(m)
    sim.add_testbench(testbench)
    sim.run()
    assert must > 150
    assert stays > 300
