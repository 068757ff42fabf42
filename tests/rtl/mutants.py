"""Guards of the RTL to break, one at a time, and the cases that must notice."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from sim.regress import CASES
from sim.toolchain import ROOT

FIELD = "tests.field.duts:every_bug"
CONCURRENT, STATIC = CASES["concurrent"], CASES["translation"]


@dataclass(frozen=True)
class Mutant:
    """In `file`, `before` (which occurs once) becomes `after`.

    Members
    -------
    case, seeds
        What has to fail with one of the seeds.
    names
        For FIELD: bugs of tests/field that must be among those noticed.
    """

    name: str
    file: str
    before: str
    after: str
    case: str = CONCURRENT
    seeds: int = 12
    names: tuple[str, ...] = ()

    def verilog(self, preset: str) -> str:
        """The Verilog of the broken design."""
        with tempfile.TemporaryDirectory() as folder:
            for part in ("hdl", "spec"):
                shutil.copytree(ROOT / part, Path(folder) / part,
                                ignore=shutil.ignore_patterns("__pycache__"))
            path = Path(folder) / self.file
            text = path.read_text()
            assert text.count(self.before) == 1, f"{self.name}: {self.file} has changed"
            path.write_text(text.replace(self.before, self.after))
            code = ("import sys; from hdl.config import Config; from hdl.gen import verilog; "
                    "sys.stdout.write(verilog(Config.preset(sys.argv[1]))[0])")
            return subprocess.run([sys.executable, "-c", code, preset], cwd=folder, check=True,
                                  stdout=subprocess.PIPE, text=True).stdout


MUTANTS = (
    Mutant("fills of walks that an invalidation has overtaken", "hdl/tcu/translate.py",
           "self._commit & ~stale & ~self._lifetimes.invalidate\n", "self._commit\n"),
    Mutant("answers that an invalidation has overtaken stay in the micro TLB",
           "hdl/tbu/channel.py", "response.cacheable & ~slots.answer_stale",
           "response.cacheable"),
    Mutant("answers of overtaken walks are cacheable", "hdl/tcu/output.py",
           "reply.cacheable & ~stale", "reply.cacheable"),
    Mutant("the micro TLB keeps what TLBI names", "hdl/tbu/utlb.py",
           "Mux(configuration, hits, ~0)", "Mux(configuration, hits, 0)", STATIC),
    Mutant("the micro TLB keeps what CFGI names", "hdl/tbu/utlb.py",
           "Mux(configuration, hits, ~0)", "Mux(configuration, 0, ~0)", STATIC),
    Mutant("CMD_SYNC does not wait for walks", "hdl/tcu/contexts.py",
           "waiting & (awaited == 0)", "waiting"),
    Mutant("no permission check on a hit", "hdl/tbu/channel.py",
           "& allowed(found.perms, found.attrs, write=self.write",
           "| allowed(found.perms, found.attrs, write=self.write", FIELD,
           names=("no_permission_check_on_a_hit",)),
    Mutant("Span is not bounded by SPLIT", "hdl/tcu/config/stream_table.py",
           " | (span > split + 1)", "", FIELD,
           names=("second_level_span_is_twice_too_large",)),
    Mutant("L2 tables are twice as large", "hdl/tcu/config/stream_table.py",
           "(span - 1)[:4]", "span[:4]", FIELD,
           names=("second_level_span_is_twice_too_large",)),
    Mutant("SubstreamID 0 is legal with S1DSS=2", "hdl/tcu/config/substream.py",
           "(ste.S1DSS == SteS1DSS.SSID0) & (self.ssid == 0)", "0", STATIC),
    Mutant("CMD_SYNC with CS=3 is legal", "hdl/tcu/queues/decode.py",
           "illegal.append(~Cat(signal == word.CS for signal in SyncCS).any())", "pass", FIELD,
           names=("sync_with_reserved_signal_is_accepted",)),
)
