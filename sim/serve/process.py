"""`substream serve` as a child process, for tests and benches."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

GRACE = 60.0  # seconds to end in


@contextmanager
def served(directory: Path, *args: str) -> Iterator[str]:
    """A server with these arguments, ended with SIGTERM; the line it says when it is ready.

    RuntimeError if it does not come up, or does not end cleanly: status 0, silently, its sockets
    removed.
    """
    process = subprocess.Popen([sys.executable, "-m", "sim", "serve", str(directory), *args],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        line = process.stdout.readline()
        if not line.startswith("ready"):
            raise RuntimeError(f"the server does not come up: {process.stderr.read()}")
        yield line
        process.send_signal(signal.SIGTERM)
        status, said = process.wait(GRACE), process.stderr.read()
        if status or said or os.listdir(directory):
            raise RuntimeError(f"the server ended with {status}: {said}{os.listdir(directory)}")
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()
