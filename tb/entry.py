"""The one cocotb test there is: runs the case that the runner names, writes what came of it."""

from __future__ import annotations

import importlib
import json
import os
import time
import traceback
from pathlib import Path
from typing import Any

import cocotb

from tb.env import Env

RUN_VARIABLE = "SUBSTREAM_RUN"
RESULT_FILE = "result.json"


def load_case(name: str) -> Any:
    """The coroutine function `package.module:function`."""
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(module), function)


def _words(error: BaseException) -> str:
    """The message of an exception; for a bare assert the line that holds it."""
    where = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error}" if str(error) else (
        f"{type(error).__name__} at {Path(where.filename).name}:{where.lineno}: {where.line}")


@cocotb.test()
async def run_case(top: Any) -> None:
    run = json.loads(os.environ[RUN_VARIABLE])
    result: dict[str, Any] = {"ok": False, "error": "", "traceback": "", "value": None}
    start = time.monotonic()
    env = Env(top, run)
    try:
        result["value"] = await load_case(run["case"])(env)
        faults = env.events.faults()
        assert not faults, faults
        result["ok"] = True
    except BaseException as error:
        result["error"] = env.events.faults() or _words(error)
        result["traceback"] = traceback.format_exc()
        raise
    finally:
        result["cycles"] = env.cycles
        result["seconds"] = time.monotonic() - start
        Path(RESULT_FILE).write_text(json.dumps(result))
