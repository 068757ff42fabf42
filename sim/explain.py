"""`substream explain`: every step of one translation, and the rule that decides it."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from pymodel.transaction import Result, Transaction
from sim.replay.capture import Capture, CaptureError, load
from sim.replay.dut_model import machine
from sim.replay.expect import decode
from sim.text import steps_text
from sim.toolchain import SIMULATORS


class Number(click.ParamType):
    """A decimal or 0x number of at most `bits` bits."""

    name = "number"

    def __init__(self, bits: int) -> None:
        self.bits = bits

    def convert(self, value: Any, param: click.Parameter | None,
                ctx: click.Context | None) -> int:
        try:
            number = int(str(value), 0)
        except ValueError:
            self.fail(f"{value!r} is not a number", param, ctx)
        if not 0 <= number < 1 << self.bits:
            self.fail(f"{value} does not fit {self.bits} bits", param, ctx)
        return number


@click.command(name="explain")
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--sid", type=Number(32), required=True, help="StreamID.")
@click.option("--ssid", type=Number(20), help="SubstreamID; without it SSV=0.")
@click.option("--iova", type=Number(64), required=True, help="Input address.")
@click.option("--write/--read", default=False, help="Kind of access.  [default: read]")
@click.option("--pnu", is_flag=True, help="A privileged access.")
@click.option("--ind", is_flag=True, help="An instruction read.")
@click.option("--dut", type=click.Choice(["model", "rtl"]), default="model", show_default=True,
              help="rtl: also what the RTL reads and answers, beside the model.")
@click.option("--sim", type=click.Choice(SIMULATORS), default="verilator", show_default=True,
              help="Simulator, with --dut rtl.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(directory: Path, sid: int, ssid: int | None, iova: int, write: bool, pnu: bool,
            ind: bool, dut: str, sim: str, as_json: bool) -> None:
    """Explain one access on the frozen machine in DIRECTORY.

    Exit status: 0 explained, whatever the outcome; 2 the capture cannot be read.
    """
    try:
        capture = load(directory)
    except CaptureError as error:
        click.echo(f"explain: {error}", err=True)
        sys.exit(2)
    smmu, _ = machine(capture)
    txn = Transaction(sid=sid, ssid=ssid, addr=iova, write=write, pnu=pnu, ind=ind)
    result = smmu.explain(txn)
    seen = on_rtl(capture, txn, sim) if dut == "rtl" else None
    if as_json:
        click.echo(json.dumps(as_dict(txn, result) | ({"rtl": seen} if seen else {}), indent=1))
        return
    console = Console()
    console.print(f"[bold]{access(txn)}[/bold]", highlight=False)
    console.print(steps_text(result.steps), highlight=False, soft_wrap=True, end="")
    console.print(f"[bold]{outcome(result)}[/bold]", highlight=False, soft_wrap=True)
    if seen:
        console.print(rtl_text(seen, result), highlight=False, soft_wrap=True)


def on_rtl(capture: Capture, txn: Transaction, sim: str) -> dict[str, Any]:
    """What the RTL does with `txn`; see `tb.cases.explain`. Caches are empty."""
    from hdl.config import Config
    from sim.dut import build_dut
    from sim.runner import run
    build = build_dut(Config.preset("tiny").with_(impl=capture.impl), sim)
    access = {"sid": txn.sid, "ssid": txn.ssid, "iova": txn.addr, "write": txn.write,
              "pnu": txn.pnu, "ind": txn.ind}
    found: dict[str, Any] = run(build, "tb.cases.explain:explain", preset="tiny", params={
        "capture": str(capture.path.resolve()), "access": access, "pnu": [txn.pnu]}).check().value
    return found


def rtl_text(seen: dict[str, Any], result: Result) -> str:
    """The RTL's accesses, each with the model's step at the same address, and its answer."""
    steps = {step.address: step.step for step in result.steps if step.address is not None}
    lines = ["the RTL, with the memory access of each step and its cycle:"]
    for item in seen["accesses"]:
        words = " ".join(f"{word:016x}" for word in item["words"])
        kind = "write" if item["write"] else "read"
        unknown = "record event" if item["write"] else "(not in the model)"
        lines.append(f"  {steps.get(item['address'], unknown):<18} "
                     f"@{item['address']:#x} +{item['cycle']} {kind} [{words}]"
                     + ("" if item["ok"] else " bus error"))
    where = "" if seen["pa"] is None else f"output address {seen['pa']:#x}"
    event = seen["event"] and decode(bytes.fromhex(seen["event"]))
    lines.append(f"{seen['ending']}: {where or f'event {event}'}")
    return "\n".join(lines)


def access(txn: Transaction) -> str:
    """A transaction in words."""
    ssid = "no SubstreamID" if txn.ssid is None else f"SubstreamID {txn.ssid:#x}"
    kind = "write" if txn.write else "instruction read" if txn.ind else "read"
    return (f"{'privileged' if txn.pnu else 'unprivileged'} {kind} of {txn.addr:#x} by StreamID "
            f"{txn.sid:#x}, {ssid}")


def outcome(result: Result) -> str:
    """A result in words."""
    if result.pa is not None:
        attrs = result.attrs
        memory = "" if attrs is None else f", attributes {attrs.mair:#04x}, shareability {attrs.sh}"
        return f"{result.ending.value}: output address {result.pa:#x}{memory}"
    return f"{result.ending.value}: event {decode(result.event)}"


def as_dict(txn: Transaction, result: Result) -> dict[str, Any]:
    """The JSON form, with the keys that the design fixes."""
    return {"sid": txn.sid, "ssid": txn.ssid, "iova": txn.addr,
            "access": {"write": txn.write, "pnu": txn.pnu, "ind": txn.ind},
            "steps": [asdict(step) for step in result.steps],
            "outcome": {"ending": result.ending.value, "pa": result.pa, "size": result.size,
                        "attrs": asdict(result.attrs) if result.attrs else None,
                        "event": result.event.hex() if result.event else None,
                        "decoded": decode(result.event)}}
