"""All caches of the translator: what they are asked, what they learn, what they forget."""

from amaranth import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.streams import Invalidation
from hdl.tcu.config.cache import CdKey, CdLookup, SteKey, SteLookup, cd_cache, ste_cache
from hdl.tcu.context import MEMORY_BITS, Found, KeptCD, KeptLeaf, KeptSTE, Phase
from hdl.tcu.walk.cache import Known, Table, Want, ipa_cache, table_cache
from hdl.tcu.walk.tlb import MainTlb


class Caches(wiring.Component):
    """STE cache, CD cache, main TLB, and the descriptor caches of the walk (reference 4.3, 6.3).

    The step of a cycle teaches them what it accepts, and only if `fill`. Lookups see the entries
    of the cycle's begin. A cache that the configuration gives no entries never hits.

    Members
    -------
    ste, ste_used; cd, cd_used
        What the intake asks, answered in the same cycle; strobe: it takes the answer.
    look, look_for, found
        Strobe: ask the main TLB, which answers in the cycle after it.
    structure
        What the step has read.
    ste_key, ste_accept, ste_kept; cd_key, cd_accept, cd_kept
        What the structure would be found by, whether it is such a one and passed its checks, and
        what a context and the cache keep of it (whether accepted or not).
    phase, level, level2, takes_place
        The step's phase and levels; strobe: it takes place.
    want1, want2; table1, leaf1, table2, leaf2
        What the step's translations are found by; what the caches have for them, in the same
        cycle, and what the step accepts for them. `leaf1` of the main TLB is `known`.
    known
        What the main TLB has answered for the context of the step.
    fill
        What the step accepts may be kept. Not together with `drop` or `flush`.
    drop, invalidation
        Strobe: apply `invalidation`, from the next cycle on.
    flush
        Drop everything.
    """

    def __init__(self, config):
        self.config, self.impl = config, config.impl
        super().__init__({
            "ste": In(SteLookup()), "ste_used": In(1), "cd": In(CdLookup()), "cd_used": In(1),
            "look": In(1), "look_for": In(Want), "found": Out(Found),
            "structure": In(MEMORY_BITS),
            "ste_key": In(SteKey), "ste_accept": In(1), "ste_kept": Out(KeptSTE.layout),
            "cd_key": In(CdKey), "cd_accept": In(1), "cd_kept": Out(KeptCD.layout),
            "phase": In(Phase), "level": In(2), "level2": In(2), "takes_place": In(1),
            "want1": In(Want), "table1": In(Known(Table)), "leaf1": In(Known(KeptLeaf)),
            "want2": In(Want), "table2": In(Known(Table)), "leaf2": In(Known(KeptLeaf)),
            "known": In(Found), "fill": In(1),
            "drop": In(1), "invalidation": In(Invalidation), "flush": In(1),
        })

    def elaborate(self, platform):
        m = Module()
        self._configuration(m)
        self._main_tlb(m)
        self._tables(m)
        return m

    def _configuration(self, m: Module) -> None:
        m.submodules.ste_cache = stes = ste_cache(self.config.ste_entries)
        m.submodules.cd_cache = cds = cd_cache(self.config.cd_entries)
        m.d.comb += [
            stes.lookup.sid.eq(self.ste.sid), stes.place.eq(self.ste_key),
            cds.lookup.eq(self.cd.key), cds.place.eq(self.cd_key),
        ]
        for cache, lookup, used, accept, layout, kept in (
                (stes, self.ste, self.ste_used, self.ste_accept, KeptSTE, self.ste_kept),
                (cds, self.cd, self.cd_used, self.cd_accept, KeptCD, self.cd_kept)):
            m.d.comb += [
                lookup.hit.eq(cache.hit), lookup.found.eq(cache.found), cache.use.eq(used),
                kept.eq(layout.pack(self.structure)), cache.content.eq(kept),
                cache.fill.eq(self.fill & accept),
            ]
            self._maintain(m, cache)

    def _main_tlb(self, m: Module) -> None:
        m.submodules.tlb = tlb = MainTlb(self.config.tlb_entries)
        leaf, known = self.leaf1, self.known
        m.d.comb += [
            tlb.look.eq(self.look), tlb.want.eq(self.look_for), self.found.eq(tlb.found),
            leaf.hit.eq(known.hit), leaf.level.eq(known.level), leaf.found.eq(known.leaf),
            tlb.fill.eq(self.fill & leaf.accept), tlb.learn.eq(self.want1),
            tlb.level.eq(self.level), tlb.content.eq(leaf.content), tlb.known.eq(known),
        ]
        self._maintain(m, tlb)

    def _tables(self, m: Module) -> None:
        config = self.config
        caches = [("table1", table_cache(config.walk_entries, 1), self.want1, self.level,
                   Phase.SELECT)]
        if self.impl.S2P:
            caches += [(name, cache, self.want2, self.level2, Phase.S2START)
                       for name, cache in (("table2", table_cache(config.walk_entries, 2)),
                                           ("leaf2", ipa_cache(config.ipa_entries)))]
        for name, cache, want, level, phase in caches:
            m.submodules[name] = cache
            known = getattr(self, name)
            m.d.comb += [
                cache.want.eq(want), cache.learn.eq(want), cache.fill_level.eq(level),
                known.hit.eq(cache.hit), known.level.eq(cache.level), known.found.eq(cache.found),
                cache.use.eq(self.takes_place & (self.phase == phase)),
                cache.fill.eq(self.fill & known.accept), cache.content.eq(known.content),
            ]
            self._maintain(m, cache)

    def _maintain(self, m: Module, cache) -> None:
        m.d.comb += [cache.drop.eq(self.drop), cache.invalidation.eq(self.invalidation),
                     cache.flush.eq(self.flush)]
