"""Configuration: presets are valid, errors name the parameter."""

import pytest
from amaranth.hdl import Fragment

from hdl.config import Config, ConfigError
from hdl.top import Substream
from spec.impl import PRESETS
from tests.hdl.odd_sizes import ODD


@pytest.mark.parametrize("name", PRESETS)
def test_presets(name):
    config = Config.preset(name)
    assert config.impl == PRESETS[name]
    assert config.port_widths == [128] * config.tbus


def test_sizes_grow():
    tiny, base, full = map(Config.preset, ("tiny", "base", "full"))
    for name in ("utlb_entries", "tbu_slots", "tbu_threads", "walks", "memory_reads"):
        sizes = [getattr(config, name) for config in (tiny, base, full)]
        assert sizes == sorted(sizes)
    assert base.walks >= 16
    assert full.walks >= 32


@pytest.mark.parametrize(
    ("change", "name"),
    [({"clients": 15}, "clients=15"), ({"utlb_entries": 3}, "utlb_entries=3"),
     ({"tbu_slots": 65}, "tbu_slots=65"), ({"queues": 12}, "queues=12"),
    ({"tlb_entries": 24}, "tlb_entries=24"), ({"tlb_entries": 8192}, "tlb_entries=8192"),
     ({"data_width": 48}, "data_width=48"), ({"walks": 0}, "walks=0"),
     ({"memory_reads": 1000}, "memory_reads=1000"), ({"tbu_threads": 2.5}, "tbu_threads=2.5"),
     ({"queues": 2048}, "queues=2048"), ({"depth": 1}, "depth=1"),
     ({"lanes": 3}, "lanes=3: at most write_blocks=2"), ({"impl": None}, "impl=None")])
def test_errors_name_the_parameter(change, name):
    with pytest.raises(ConfigError, match=name):
        Config.preset("tiny").with_(**change)


def test_unknown_preset_lists_the_known_ones():
    with pytest.raises(ConfigError, match=r"preset='huge'.*tiny.*base.*full"):
        Config.preset("huge")


def test_for_idrs_keeps_the_registers():
    impl = PRESETS["qemu"]
    config = Config.for_idrs(impl.idr0, impl.idr1, impl.idr3, impl.idr5, impl.aidr)
    assert config.impl == impl


def test_a_preset_with_other_parameters():
    base, tiny = Config.preset("base"), Config.preset("tiny")
    both = Config.preset("base:sizes=tiny,clients=3")
    assert both.impl == base.impl
    assert (both.clients, both.walks, both.utlb_entries) == (3, tiny.walks, tiny.utlb_entries)
    assert Config.preset("tiny:ste_entries=0") == tiny.with_(ste_entries=0)


@pytest.mark.parametrize("name", ["tiny:walks", "tiny:walks=x", "tiny:sizes=huge",
                                  "tiny:impl=1", "tiny:walks=99999", "huge:walks=1"])
def test_a_preset_with_parameters_that_are_none(name):
    with pytest.raises(ConfigError):
        Config.preset(name)


@pytest.mark.parametrize("preset", ODD.values(), ids=list(ODD))
def test_odd_sizes_can_be_built(preset):
    Fragment.get(Substream(Config.preset(preset)), None)
