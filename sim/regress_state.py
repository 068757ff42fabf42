"""Results of finished seeds, kept so that an interrupted regression goes on where it was.

A result belongs to the build (design, agents, tools) and to everything that decides what a case
does and how it is judged: change any of it and the seeds run again.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from functools import cache
from pathlib import Path

from sim import cache as build_cache
from sim import library
from sim.build import Build
from sim.runner import RunResult
from sim.toolchain import ROOT
from tb.coverage import PLAN  # a case fails if it samples what the plan says cannot be

STATE = ROOT / "build" / "regress"
_JUDGES = ("driver", "hdl", "pymodel", "sim", "spec", "tb")  # cases import from all of them


@cache
def _sources() -> str:
    files = sorted(path for folder in _JUDGES for path in (ROOT / folder).rglob("*.py"))
    return build_cache.key_of(PLAN.read_bytes(), *(part for path in files for part in (
        str(path.relative_to(ROOT)), path.read_bytes())))


class State:
    """Stored results of one build; `folder` is where."""

    def __init__(self, build: Build, preset: str, *, folder: Path = STATE) -> None:
        key = build_cache.key_of(build.directory.name, library.key(), _sources(), preset)
        self.folder = folder / f"{build.sim}-{key}"

    def get(self, case: str, seed: int) -> RunResult | None:
        """The result of a seed that has finished, or None."""
        try:
            stored = json.loads(self._path(case, seed).read_text())
        except (OSError, ValueError):
            return None
        directory = stored.pop("directory")
        return RunResult(**stored, directory=Path(directory) if directory else None)

    def put(self, case: str, seed: int, result: RunResult) -> None:
        """Keep a result; it appears whole or not at all."""
        path = self._path(case, seed)
        path.parent.mkdir(parents=True, exist_ok=True)
        stored = asdict(result) | {"directory": str(result.directory) if result.directory else ""}
        draft = path.with_suffix(".draft")
        draft.write_text(json.dumps(stored))
        os.replace(draft, path)

    def _path(self, case: str, seed: int) -> Path:
        return self.folder / f"{case}-{seed}.json"
