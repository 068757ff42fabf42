"""The random configurations of the regression keep software's side of the architecture."""

from random import Random

from pymodel.memory import SparseMemory
from spec.impl import PRESETS
from spec.stream_table import SteConfig
from spec.vmsa import shift
from tb.random_spaces import Layout
from tb.random_world import World

SEEDS = 120


def worlds():
    layout = Layout()
    for seed in range(SEEDS):
        memory = SparseMemory(layout.base, layout.end - layout.base)
        world = World(Random(seed), PRESETS["base"], memory, layout)
        world.build()
        yield seed, world


def test_entries_that_share_a_tag_agree():
    """Whatever is wrong with a structure, STEs of one VMID say the same of stage 2, and CDs of one
    ASID are the same: else what one caches would be wrong for the other, by software's fault."""
    spoiled = 0
    for seed, world in worlds():
        contexts = {}
        for stream in world.streams:
            spoiled += stream.garbage
            if stream.vm:
                fields = {name: getattr(stream.ste, name) for name in stream.vm.fields}
                if stream.garbage:  # written without hardware updates
                    fields |= {name: stream.vm.fields[name] for name in ("S2HA", "S2HD")}
                assert fields == stream.vm.fields, f"seed {seed}, StreamID {stream.sid:#x}"
                assert stream.ste.Config in (SteConfig.S2, SteConfig.NESTED)
            for context in stream.contexts:
                owner = (stream.vm, stream.el2, 0 if stream.el2 else stream.ste.S2VMID,
                         context.cd.ASID)
                other = contexts.setdefault(owner, context.cd)
                assert context.cd == other, f"seed {seed}, StreamID {stream.sid:#x}"
    assert spoiled > SEEDS


def test_hits_need_what_the_target_needs():
    """Of the accesses before and after a change, most concern the stream that it may be about, and
    some of them not the leaf itself."""
    inside = outside = 0
    for _, world in worlds():
        for _ in range(20):
            world.access()
        world.aim()
        use = world.target
        if use is None:
            continue
        hits = [txn for txn in (world.hit(use) for _ in range(20)) if txn.sid == use.stream.sid]
        assert len(hits) > 10
        size = shift(use.table.g, use.leaf.level)
        near = sum((txn.addr ^ use.leaf.iova) & (1 << 56) - 1 < 1 << size for txn in hits)
        inside, outside = inside + near, outside + len(hits) - near
    assert inside > SEEDS
    assert outside > SEEDS
