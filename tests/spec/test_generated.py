"""The generated files say what spec/ says."""

import shutil
import subprocess

import pytest

from spec.generate.__main__ import DOCS, FILES, stale


def test_nothing_is_stale():
    assert stale() == []


def test_stale_and_missing_files_are_named(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).write_text(text())
    assert stale(tmp_path) == []
    (tmp_path / "registers.md").write_text("old")
    (tmp_path / "substream.h").unlink()
    assert stale(tmp_path) == ["registers.md", "substream.h"]


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no C compiler")
def test_header_compiles():
    subprocess.run(["gcc", "-fsyntax-only", "-Wall", "-Werror", "-x", "c", DOCS / "substream.h"],
                   check=True)
