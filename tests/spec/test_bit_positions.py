"""Every field, register, command and event of spec/ against the second table, both ways."""

import importlib
import inspect
import pkgutil
import re

import pytest
from positions import (
    grammar,
    qm_registers,
    qm_structures,
    smmu_messages,
    smmu_registers,
    smmu_structures,
)

import spec
from spec.commands import COMMANDS, Command
from spec.events import EVENTS, Event
from spec.fields import Register, Structure
from spec.impl import PRESETS
from spec.pmcg import PMCG
from spec.qm import CONFIG
from spec.registers import SMMU
from spec.sec import BAR2

TABLES = (smmu_registers, smmu_structures, smmu_messages, qm_registers, qm_structures)
TYPED = {(module, name): layout for table in TABLES
         for module, text in table.LAYOUTS.items() for name, layout in grammar.parse(text).items()}
MODULES = {m.name: importlib.import_module(m.name) for m in pkgutil.walk_packages(
    spec.__path__, "spec.") if "generate" not in m.name}
SPEC = {(module, name): item for module, content in MODULES.items()
        for name, item in vars(content).items()
        if inspect.isclass(item) and issubclass(item, Structure)
        and item.__module__ == module and not name.startswith("_")}

BASES = {  # not layouts of their own
    ("spec.fields", "Structure"), ("spec.fields", "Register"),
    ("spec.qm.function", "Word"), ("spec.qm.function", "ReadOnlyWord"),
    ("spec.qm.config", "ConfigWord"),
}
NEEDS_BEYOND_REFERENCE = {"GERROR", "GERRORN"}  # errors of a feature that is absent cannot occur


def by_name(key):
    return f"{key[0].removeprefix('spec.')}.{key[1]}"


def test_everything_is_typed():
    assert set(SPEC) - BASES == set(TYPED)


@pytest.mark.parametrize("key", TYPED, ids=by_name)
def test_fields(key):
    layout, real = TYPED[key], SPEC[key]
    assert layout.bits == real.BITS
    assert {row.name for row in layout.rows} == set(real.FIELDS)
    for row in layout.rows:
        field = real.FIELDS[row.name]
        if row.lo is None:
            assert field.lsb // 64 == row.base // 64, row.name
        else:
            assert (field.lsb, field.width) == (row.base + row.lo, row.hi - row.lo + 1), row.name
        assert field.lsb == 64 * field.dw + field.lo, row.name
        assert field.addr == row.addr, row.name
        if field.addr and row.lo is not None:
            assert field.lo == row.lo, f"{row.name} is not in place"
        assert (field.enum.__name__ if field.enum else "") == row.enum, row.name
        if key[1] not in NEEDS_BEYOND_REFERENCE:
            assert field.needs == row.needs, row.name


@pytest.mark.parametrize("key", [key for key in TYPED if issubclass(SPEC[key], Register)],
                         ids=by_name)
def test_registers(key):
    layout, real = TYPED[key], SPEC[key]
    if layout.number is None:
        return  # one of an array: its base and stride are constants
    assert layout.number == real.OFFSET, f"{real.OFFSET:#x}"
    assert real.ACCESS.name == layout.access
    if layout.keys.get("reset") != "?":
        assert int(layout.keys.get("reset", "0"), 16) == real.RESET, f"{real.RESET:#x}"
    assert set(real.NEEDS) == layout.listed("needs")
    preset = {"TABLES_PRESET=0", "QUEUES_PRESET=0"}  # never offered, see below
    guard = re.sub(r"(\w+)=(\w+)=(\w+)=(\d)", r"\1=\4 \2=\4 \3=\4", real.GUARD)
    assert set(re.findall(r"\b[A-Z]\w*=\d", guard)) - {"Update=1"} == \
        layout.listed("guard") - preset


def test_presets_of_bases_are_never_offered():
    assert not any(p.TABLES_PRESET or p.QUEUES_PRESET or p.REL for p in PRESETS.values())


@pytest.mark.parametrize(("block", "modules"), [
    (SMMU, [m for m in smmu_registers.LAYOUTS if m != "spec.pmcg"]),
    (PMCG, ["spec.pmcg"]),
    (BAR2, [m for m in qm_registers.LAYOUTS if m != "spec.qm.config"]),
    (CONFIG, ["spec.qm.config"]),
], ids=lambda item: getattr(item, "name", ""))
def test_register_blocks_hold_what_is_typed(block, modules):
    typed = {(layout.number, name) for (module, name), layout in TYPED.items()
             if module in modules and layout.number is not None}
    assert {(r.OFFSET, r.__name__) for r in block} == typed


@pytest.mark.parametrize("offset", qm_registers.READS_ZERO, ids=hex)
def test_left_out_registers_stay_out(offset):
    assert BAR2.find(offset) is None


def test_secure_registers_and_page_zero_copies_stay_out():
    for offset in (0x8000, 0x803C, 0x0A8, 0x0AC, 0x0C8, 0x0CC, 0x10008, 0xE00, 0x1000):
        assert SMMU.find(offset) is None, hex(offset)


@pytest.mark.parametrize(("found", "base", "module"), [
    (COMMANDS, Command, "spec.commands"), (EVENTS, Event, "spec.events"),
], ids=["commands", "events"])
def test_numbers(found, base, module):
    typed = {layout.number: name for (where, name), layout in TYPED.items()
             if where == module and layout.number is not None}
    assert {int(number): item.__name__ for number, item in found.items()} == typed
    assert all(issubclass(item, base) for item in found.values())


@pytest.mark.parametrize("opcode", COMMANDS, ids=lambda opcode: opcode.name)
def test_commands_need_what_makes_them_legal(opcode):
    command = COMMANDS[opcode]
    layout = TYPED["spec.commands", command.__name__]
    needs = {command.NEEDS} if isinstance(command.NEEDS, str) else set(command.NEEDS)
    assert needs - {""} == layout.listed("needs")
    assert bool(command.SECURE) == ("secure" in layout.keys)


def test_the_accelerator_describes_itself():
    for name, values in qm_registers.OUR_ENGINE.items():
        real = SPEC["spec.sec.registers", name]
        assert dict(real(real.RESET).items()) == values, name
