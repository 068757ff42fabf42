"""Enumerations, constants and table arithmetic of spec/ against the second table, both ways."""

import importlib
import inspect
import pkgutil
from enum import IntEnum

import pytest
from positions import qm_structures, smmu_codes

import spec
from spec import stream_table, vmsa
from spec.codes import output_bits
from spec.fields import Access
from spec.pmcg import evcntr_stride
from spec.qm.function import BAR4_BASE, doorbell_offset

SKIP = {"spec.fields", "spec.impl"}  # no numbers of the architecture; impl has its own tests
MODULES = [importlib.import_module(m.name) for m in pkgutil.walk_packages(spec.__path__, "spec.")
           if "generate" not in m.name and m.name not in SKIP]
ENUMS = {name: item for module in MODULES for name, item in vars(module).items()
         if inspect.isclass(item) and issubclass(item, IntEnum) and item is not IntEnum
         and item is not Access}
TYPED_ENUMS = smmu_codes.ENUMS | qm_structures.ENUMS
TYPED_CONSTANTS = smmu_codes.CONSTANTS | qm_structures.CONSTANTS
# Where the RTL's flat map puts what lies outside BAR2: not a fact of the reference.
LOCAL = {"BAR4_BASE", "CONFIG_BASE"}


def is_constant(name, item):
    if name.startswith("_"):
        return False
    if isinstance(item, dict):
        return not all(inspect.isclass(x) for x in item.values())
    if isinstance(item, (tuple, list, frozenset)):
        return not all(inspect.isclass(x) for x in item)
    return isinstance(item, int)


CONSTANTS = [(module, name, item) for module in MODULES for name, item in vars(module).items()
             if is_constant(name, item)]


def codes(text):
    return {name: int(value, 0) for name, _, value in (w.partition("=") for w in text.split())}


def test_every_enumeration_is_typed():
    assert set(ENUMS) == set(TYPED_ENUMS) | set(qm_structures.OWN_CODES)


@pytest.mark.parametrize("name", TYPED_ENUMS)
def test_enumerations(name):
    assert {key: int(value) for key, value in ENUMS[name].__members__.items()} == \
        codes(TYPED_ENUMS[name])


@pytest.mark.parametrize("name", qm_structures.OWN_CODES)
def test_own_codes_fit_and_zero_is_success(name):
    success, width = qm_structures.OWN_CODES[name]
    members = ENUMS[name].__members__
    assert members[success] == 0
    assert len({int(value) for value in members.values()}) == len(members)
    assert max(members.values()) < 1 << width


def test_every_constant_is_typed():
    assert {name for _, name, _ in CONSTANTS} == set(TYPED_CONSTANTS) | LOCAL


@pytest.mark.parametrize(("module", "name", "item"), [c for c in CONSTANTS if c[1] not in LOCAL],
                         ids=lambda item: item if isinstance(item, str) else "")
def test_constants(module, name, item):
    assert item == TYPED_CONSTANTS[name]


def test_split_other_than_6_8_10_behaves_as_6():
    for split in range(32):
        assert stream_table.effective_split(split) == (split if split in (6, 8, 10) else 6)


def test_output_sizes_are_capped():
    sizes = smmu_codes.CONSTANTS["SIZE_BITS"]
    for code in range(8):
        for oas in sizes.values():
            assert output_bits(code, oas) == min(sizes.get(code, 99), oas)


@pytest.mark.parametrize(("g", "ia"), smmu_codes.START_LEVELS)
def test_start_levels(g, ia):
    assert vmsa.start_level(g, ia) == smmu_codes.START_LEVELS[g, ia]


@pytest.mark.parametrize(("g", "level"), smmu_codes.SHIFTS)
def test_shifts(g, level):
    assert vmsa.shift(g, level) == smmu_codes.SHIFTS[g, level]
    assert vmsa.stride(g) == g - 3


def test_blocks_of_64k_at_level_1_need_52_bits():
    assert vmsa.block_levels(16, 48) == (2,)
    assert sorted(vmsa.block_levels(16, 52)) == [1, 2]
    assert [sorted(vmsa.block_levels(g, 52)) for g in (12, 14)] == [[1, 2], [2]]


@pytest.mark.parametrize(("g", "levels", "stt"), [
    (12, (2, 1, 0, None), False), (12, (2, 1, 0, 3), True),
    (14, (3, 2, 1, None), False), (14, (3, 2, 1, None), True),
    (16, (3, 2, 1, None), False), (16, (3, 2, 1, None), True),
])
def test_stage_2_start_levels(g, levels, stt):
    assert tuple(vmsa.s2_start_level(g, sl0, stt) for sl0 in range(4)) == levels


@pytest.mark.parametrize(("g", "level", "low", "high"), [
    (12, 0, 40, 52), (12, 1, 31, 43), (12, 2, 22, 34), (12, 3, 13, 25),
    (14, 1, 37, 51), (14, 2, 26, 40), (14, 3, 15, 29),
    (16, 1, 43, 59), (16, 2, 30, 46), (16, 3, 17, 33),
])
def test_stage_2_input_sizes_per_start_level(g, level, low, high):
    """shift + 1 up to shift + stride + 4: one table, doubled up to 16 times."""
    for ia in range(12, 60):
        assert vmsa.s2_start_fits(g, level, ia) == (low <= ia <= high), ia


@pytest.mark.parametrize("byte", smmu_codes.MAIR_BYTES, ids=hex)
def test_attribute_bytes(byte):
    used = smmu_codes.MAIR_BYTES[byte]
    assert vmsa.effective_mair(byte) == used
    assert vmsa.is_device(used) == (used < 0x10)


def test_counters_are_8_bytes_apart_above_32_bits():
    assert [evcntr_stride(size) for size in (31, 35, 39, 43, 47, 63)] == [4, 8, 8, 8, 8, 8]


def test_doorbell_pages():
    assert [doorbell_offset(queue) - BAR4_BASE for queue in (0, 1, 7)] == [0x1000, 0x11000, 0x71000]
