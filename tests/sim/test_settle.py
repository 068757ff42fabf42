"""Rewriting of combinational blocks for Icarus: same function, no glitches."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from sim.settle import settle
from sim.toolchain import find

# Two blocks that read each other's signals; no bit depends on itself.
LOOP = r"""module top(a, sel, x, \y$1 );
  input a;
  input [1:0] sel;
  output [3:0] x;
  output [3:0] \y$1 ;
  reg [3:0] x;
  reg [3:0] \y$1 ;
  always_comb begin
    { x[3:2], x[0] } = 3'h0;
    x[1] = 1'h0;
    if (a) begin
      x[0] = 1'h1;
      x[1] = \y$1 [0];
      x[3:2] = sel;
    end
  end
  always_comb begin
    \y$1  = 4'h0;
    casez (sel)
      2'h2:
        begin
          \y$1 [0] = x[0];
          \y$1 [3:1] = 3'h5;
        end
    endcase
  end
endmodule
"""
# Blocks without `begin`: one that nothing ever changes, and one that follows part of a signal.
SHORT = r"""module top(a, sel, x, \y$1 );
  input a;
  input [1:0] sel;
  output [3:0] x;
  output [3:0] \y$1 ;
  reg [3:0] x;
  reg [3:0] \y$1 ;
  always_comb
    x[3:1] = 3'h5;
  always_comb
    x[0] = a;
  always_comb
    \y$1  = { sel, x[0], 1'h1 };
endmodule
"""
BENCH = r"""module bench;
  reg a = 0; reg [1:0] sel = 0; wire [3:0] x, y;
  top t(.a(a), .sel(sel), .x(x), .\y$1 (y));
  integer i;
  initial begin
    for (i = 0; i < 8; i = i + 1) begin
      {a, sel} = i[2:0]; #1 $display("%b %b", x, y);
    end
    $finish;
  end
endmodule
"""


def _values(design: str, tmp_path: Path) -> list[str]:
    """`x y` for a = 0, 1 and, within, sel = 0 to 3."""
    (tmp_path / "top.sv").write_text(settle(design))
    (tmp_path / "bench.sv").write_text(BENCH)
    subprocess.run([find("iverilog"), "-g2012", "-o", "top.vvp", "bench.sv", "top.sv"],
                   cwd=tmp_path, check=True, capture_output=True)
    done = subprocess.run([find("vvp"), "-n", "top.vvp"], cwd=tmp_path, check=True, text=True,
                          capture_output=True, timeout=20)
    return done.stdout.splitlines()[:8]


@pytest.mark.icarus
def test_settles_with_the_right_values(tmp_path: Path) -> None:
    expected = []
    for a in (0, 1):
        for sel in range(4):
            y0 = int(sel == 2 and a)
            x = (sel << 2 | y0 << 1 | 1) if a else 0
            y = (0b1010 | y0) if sel == 2 else 0
            expected.append(f"{x:04b} {y:04b}")
    assert _values(LOOP, tmp_path) == expected


@pytest.mark.icarus
def test_short_blocks_run_at_time_zero_and_on_changes(tmp_path: Path) -> None:
    assert _values(SHORT, tmp_path) == [f"101{a} {sel:02b}{a}1" for a in (0, 1)
                                        for sel in range(4)]


def test_blocks_wait_for_their_inputs_only() -> None:
    text = settle(LOOP)
    assert "always_comb" not in text + settle(SHORT)
    assert r"@(a  or \y$1  or sel );" in text
    assert r"@(sel  or x );" in text


def test_blocks_written_in_parts_stay_apart() -> None:
    text = settle(LOOP)
    assert r"    \y$1 " in text
    assert "settle_0" in text
    assert settle(text.replace("always_comb", "always_ff @(posedge c)")).count("settle_0") == (
        text.count("settle_0"))
