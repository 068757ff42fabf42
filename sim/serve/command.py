"""`substream serve DIRECTORY`: the device behind vfio-user sockets until SIGTERM."""

from __future__ import annotations

import os
import resource
import signal
import socket
import sys
import tempfile
import threading
from pathlib import Path

import click

from hdl.config import Config
from sim.toolchain import SIMULATORS

CASE = "tb.cases.serve:serve"
FOREVER = 1e8  # seconds
PRESETS = {"model": "base", "rtl": "tiny"}


@click.command(name="serve")
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@click.option("--dut", type=click.Choice(["model", "rtl"]), default="model", show_default=True)
@click.option("--function", is_flag=True, help="The whole function instead of its channels.")
@click.option("--channels", type=click.IntRange(2, 64), help="A power of two.  [default: as many "
              "queues as the preset has]")
@click.option("--preset", help="Configuration.  [default: base for the model, tiny for the RTL]")
@click.option("--sim", type=click.Choice(SIMULATORS), default="verilator", show_default=True)
@click.option("--seed", default=1, show_default=True)
def command(directory: Path, dut: str, function: bool, channels: int | None, preset: str | None,
            sim: str, seed: int) -> None:
    """Put sockets into DIRECTORY: channel0.sock, channel1.sock, ... one for each mediated channel,
    or function.sock for the whole function. Prints a line when clients can connect.

    Exit status: 0 ended by SIGTERM or SIGINT, 1 the simulation failed.
    """
    directory.mkdir(parents=True, exist_ok=True)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # clients send descriptors
    name = preset or PRESETS[dut]
    config = Config.preset(name)
    if channels:
        if channels & (channels - 1):
            raise click.BadParameter(f"{channels} is not a power of two", param_hint="--channels")
        config = config.with_(queues=channels)
    _forget(directory)
    what = "the function" if function else f"{config.queues} channels"
    if dut == "model":
        _model(directory, config, function, what, seed)
    else:
        _rtl(directory, config, function, what, name, sim, seed)


def _forget(directory: Path) -> None:
    """Remove the sockets of a server that was killed. UsageError if one still serves."""
    for path in (*directory.glob("channel*.sock"), *directory.glob("function.sock")):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            try:
                probe.connect(str(path))
            except OSError:
                path.unlink()
            else:
                raise click.UsageError(f"{path} is being served")


def announce(directory: Path, dut: str, what: str) -> None:
    """The line that says that clients can connect."""
    click.echo(f"ready: {what} on {dut} in {directory}")


def _model(directory: Path, config: Config, function: bool, what: str, seed: int) -> None:
    from driver.run import run
    from sim.serve.machines import channel_server, function_server
    from sim.serve.model import model_board
    board = model_board(config, function=function, seed=seed)
    server = (function_server(directory, board) if function else
              run(channel_server(directory, board)))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: server.stop())
    announce(directory, "model", what)
    run(server.run())


def _rtl(directory: Path, config: Config, function: bool, what: str, preset: str, sim: str,
         seed: int) -> None:
    from sim.dut import build_dut
    from sim.runner import run
    build = build_dut(config, sim)
    with tempfile.TemporaryDirectory(prefix="substream-serve-") as private:
        path = os.path.join(private, "ready")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
            listening.bind(path)
            listening.listen()
            waiting = threading.Thread(target=_announce_later, daemon=True,
                                       args=(listening, directory, sim, what))
            waiting.start()
            result = run(build, CASE, seed=seed, preset=preset, timeout=FOREVER, ends=True, params={
                "directory": str(directory.resolve()), "function": function, "ready": path,
                "sid": config.accel_sid, "queues": config.queues})
            listening.shutdown(socket.SHUT_RDWR)
            waiting.join()
    if not result.ok:
        click.echo(f"{result.error}\n{result.traceback}", err=True)
        sys.exit(1)


def _announce_later(listening: socket.socket, directory: Path, sim: str, what: str) -> None:
    """Wait for the simulator to connect."""
    try:
        listening.accept()[0].close()
    except OSError:  # it never came up
        return
    announce(directory, sim, what)
