"""`substream regress`: many random seeds, RTL against the golden model, in parallel."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn
from rich.table import Table

from hdl.config import Config, ConfigError
from pymodel.transaction import Ending
from sim import rtl_coverage
from sim.build import Build
from sim.dut import build_dut
from sim.regress_state import State
from sim.runner import RunResult, run
from sim.toolchain import SIMULATORS
from spec.events import EventType
from spec.registers import StallModel
from spec.sec import ErrorType
from tb import coverage as functional
from tb.random_jobs import KINDS

CASE = "tb.cases.random_translation:random_translation"
CASES = {"translation": CASE, "concurrent": "tb.cases.concurrent:concurrent",
         "stalls": "tb.cases.stalls:stalls", "accel": "tb.cases.accel_random:accel_random"}
SHOWN = 3

# Events that need what these tests do not have: ATS, PRI, conflicts.
_REACHABLE = (EventType.C_BAD_STREAMID, EventType.F_STE_FETCH, EventType.C_BAD_STE,
              EventType.F_STREAM_DISABLED, EventType.C_BAD_SUBSTREAMID, EventType.F_CD_FETCH,
              EventType.C_BAD_CD, EventType.F_WALK_EABT, EventType.F_TRANSLATION,
              EventType.F_ADDR_SIZE, EventType.F_ACCESS, EventType.F_PERMISSION)

Work = list[tuple[int, str]]  # seeds and names of their cases


@click.command(name="regress")
@click.option("--sim", type=click.Choice(SIMULATORS), default="verilator", show_default=True)
@click.option("--preset", default="tiny", show_default=True,
              help="A preset, or preset:parameter=value,... (base:sizes=tiny,clients=2).")
@click.option("--seeds", default=200, show_default=True, help="How many, from 1 on.")
@click.option("--seed", type=int, help="Only this one.")
@click.option("--case", "case", type=click.Choice(list(CASES)),
              help="translation: tables change between batches of traffic; concurrent: under it; "
                   "stalls: under traffic that stalls; accel: queues work on the accelerator. "
                   "Without it the seeds take turns.")
@click.option("--jobs", default=2, show_default=True, help="Simulations at a time.")
@click.option("--fresh", is_flag=True, help="Run seeds again that have finished before.")
@click.option("--holes", is_flag=True, help="Name the bins of the coverage that nothing hit.")
@click.option("--rtl-coverage", "lines", is_flag=True,
              help="Line and toggle coverage of the RTL (Verilator; a build of its own).")
@click.option("--waves", is_flag=True, help="Write FST files.")
@click.option("--timeout", default=1200.0, show_default=True, help="Seconds for one seed.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(sim: str, preset: str, seeds: int, seed: int | None, case: str | None, jobs: int,
            fresh: bool, holes: bool, lines: bool, waves: bool, timeout: float,
            as_json: bool) -> None:
    """Constrained-random translations and jobs on the RTL, each judged by the golden model.

    Finished seeds of the same design and benches are not run again. Exit status: 0 every seed
    passed, 1 otherwise.
    """
    try:
        config = Config.preset(preset)
    except ConfigError as error:
        raise click.BadParameter(str(error), param_hint="--preset") from None
    if case not in (None, *turns(config)) and not config.clients:
        raise click.BadParameter(f"{case} needs clients, of which {preset} has none",
                                 param_hint="--case")
    if lines and sim != "verilator":
        raise click.BadParameter("only Verilator counts lines", param_hint="--rtl-coverage")
    start = time.monotonic()
    # The counters are most of the C++: optimised, it compiles for longer than the seeds run.
    build = build_dut(config, sim, waves=waves, coverage=lines, optimize="-O0" if lines else "-O2")
    numbers = [seed] if seed is not None else list(range(1, seeds + 1))
    kinds = [case] if case else turns(config)
    work = [(number, kinds[(number - 1) % len(kinds)]) for number in numbers]
    state = State(build, preset)
    stored = {} if fresh or waves or lines else _stored(state, work)
    left = [item for item in work if item[0] not in stored]
    if stored and not as_json:
        click.echo(f"{len(stored)} of {len(work)} seeds have run before (--fresh repeats them)",
                   err=True)
    new = {}
    for item, result in _run(build, left, preset, jobs, waves, timeout, lines, quiet=as_json):
        new[item[0]] = result
        if not (waves or lines):
            state.put(item[1], item[0], result)
    results = stored | new
    report = summary(results, config, time.monotonic() - start) | {"resumed": len(stored)}
    if lines:
        report["rtl_coverage"] = rtl_coverage.summary(rtl_coverage.merge(
            result.directory / rtl_coverage.FILE for result in results.values()
            if result.ok and result.directory))
    if holes:
        report["holes"] = unseen([r.value for r in results.values() if r.ok], config) \
            | functional.holes(config.impl, _hits(results))
    if as_json:
        click.echo(json.dumps(report, indent=1))
    else:
        _show(report, results, sim, preset)
    sys.exit(1 if report["failed"] else 0)


def turns(config: Config) -> list[str]:
    """The cases that seeds take turns at; without clients only the accelerator is there to work."""
    if not config.clients:
        return ["accel"]
    return [name for name in CASES if name != "stalls" or can_stall(config)]


def _stored(state: State, work: Work) -> dict[int, RunResult]:
    found = {seed: state.get(case, seed) for seed, case in work}
    return {seed: result for seed, result in found.items() if result is not None}


def _run(build: Build, work: Work, preset: str, jobs: int, waves: bool, timeout: float,
         keep: bool, quiet: bool) -> Iterator[tuple[tuple[int, str], RunResult]]:
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with ThreadPoolExecutor(jobs) as pool, Progress(
            *columns, console=console, transient=True,
            disable=quiet or not sys.stderr.isatty()) as progress:
        task = progress.add_task("", total=len(work))
        pending = {pool.submit(run, build, CASES[case], seed=seed, preset=preset, waves=waves,
                               timeout=timeout, keep=keep): (seed, case) for seed, case in work}
        for future in as_completed(pending):
            result = future.result()
            if not result.ok:
                console.print(f"seed {pending[future][0]} failed: "
                              f"{result.error.splitlines()[0]}", highlight=False, markup=False)
            progress.advance(task)
            yield pending[future], result


def summary(results: dict[int, RunResult], config: Config, seconds: float) -> dict[str, Any]:
    """The JSON form, with the keys that the design fixes."""
    failed = [{"seed": seed, "why": result.error, "reproduce": result.reproduce}
              for seed, result in sorted(results.items()) if not result.ok]
    return {"seeds": len(results), "passed": len(results) - len(failed), "failed": failed,
            "coverage": coverage([r.value for r in results.values() if r.ok], config)
            | functional.table(config.impl, _hits(results)),
            "seconds": round(seconds, 1), "cycles": sum(r.cycles for r in results.values()),
            "transactions": sum(r.value["transactions"] for r in results.values() if r.ok),
            "activity": activity([r.value for r in results.values() if r.ok])}


def activity(values: list[dict[str, Any]]) -> dict[str, int]:
    """What the RTL did in all passed seeds, by the names of `tb.samplers.Activity`."""
    total: Counter[str] = Counter()
    for value in values:
        total.update(value.get("activity", {}))
    return dict(sorted(total.items()))


def can_stall(config: Config) -> bool:
    """Whether transactions may stall at all."""
    return config.impl.STALL_MODEL != StallModel.TERMINATE


def _hits(results: dict[int, RunResult]) -> dict[str, Counter[str]]:
    return functional.merged(r.value.get("coverage", {}) for r in results.values() if r.ok)


def coverage(values: list[dict[str, Any]], config: Config) -> dict[str, list[int]]:
    """Endings, events and jobs, {group: [hit, total]} over all passed seeds."""
    return {group: [sum(bins.values()), len(bins)]
            for group, bins in _named(values, config).items()}


def unseen(values: list[dict[str, Any]], config: Config) -> dict[str, list[str]]:
    """The bins of these groups that nothing hit."""
    return {group: [name for name, hit in bins.items() if not hit]
            for group, bins in _named(values, config).items()}


def _named(values: list[dict[str, Any]], config: Config) -> dict[str, dict[str, bool]]:
    """Whether something hit it, of each bin of each group."""
    endings: Counter[str] = Counter()
    events: Counter[str] = Counter()
    jobs: Counter[str] = Counter()
    for value in values:
        endings.update(value["outcomes"])
        events.update(value["events"])
        jobs.update(value.get("jobs", {}))
    possible = [e.value for e in Ending if e is not Ending.STALLED or can_stall(config)]
    found = {"ending": {name: bool(endings[name]) for name in possible},
             "event": {event.name: bool(events[event.name]) for event in _REACHABLE}}
    if jobs:
        found |= {"job": {kind.name: bool(jobs[kind.name]) for kind in KINDS},
                  "error": {error.name: bool(jobs[error.name]) for error in ErrorType}}
    return found


def _show(report: dict[str, Any], results: dict[int, RunResult], sim: str, preset: str) -> None:
    for failure in report["failed"][:SHOWN]:
        click.echo(f"seed {failure['seed']}: {failure['why']}\n"
                   f"reproduce with waves: {failure['reproduce']}")
    for failure in report["failed"][SHOWN:]:
        click.echo(f"seed {failure['seed']}: {failure['why'].splitlines()[0]}\n"
                   f"reproduce with waves: {failure['reproduce']}")
    for seed, result in sorted(results.items()):
        if result.ok and result.directory and "rtl_coverage" not in report:
            click.echo(f"seed {seed}: waves in {result.directory}")
    console = Console(highlight=False, markup=False, soft_wrap=True)
    console.print(_table(report["coverage"]))
    for group, names in report.get("holes", {}).items():
        console.print(f"holes of {group}: {len(names)}")
        console.print(*_indented(names), sep="\n")
    if "rtl_coverage" in report:
        console.print(rtl_coverage.table(report["rtl_coverage"]))
    console.print(f"{report['passed']} of {report['seeds']} seeds passed on {sim} ({preset}): "
                  f"{report['transactions']} transactions, {report['cycles']} cycles, "
                  f"{report['seconds']} s")


def _table(groups: dict[str, list[int]]) -> Table:
    out = Table("coverage", "bins hit", "of", "")
    for name, (hit, total) in groups.items():
        out.add_row(name, str(hit), str(total), f"{100 * hit / total:.0f} %" if total else "")
    return out


def _indented(names: Iterable[str]) -> list[str]:
    return [f"  {name.replace('|', ', ')}" for name in names]
