"""Directories named by what they are made from, made once.

An entry appears complete or not at all: it is made under another name and renamed. Makers of the
same entry wait for each other; what a killed one left behind is removed by the next.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from sim.toolchain import ROOT

CACHE = ROOT / "build" / "cache"


def key_of(*parts: str | bytes) -> str:
    """20 hex digits that stand for all parts."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()[:20]


def entry(name: str, make: Callable[[Path], None], *, cache: Path = CACHE) -> Path:
    """Directory `name` of the cache; `make` fills an empty one if it does not exist yet.

    `make` must not keep paths of the directory it is given: it is renamed afterwards.
    """
    final = cache / name
    if final.is_dir():
        return final
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / f"{name}.lock"):
        if final.is_dir():
            return final
        draft = cache / f"{name}.draft"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        try:
            make(draft)
            os.rename(draft, final)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return final
