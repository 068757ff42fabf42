"""A capture that is malformed is refused, with the file and the reason."""

import gzip
import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from sim.cli import main
from sim.replay.capture import RECORD, CaptureError, load

DATA = Path(__file__).parents[1] / "data" / "captures"
GOOD = DATA / "s1-6.12-4k"


@pytest.fixture
def copy(tmp_path):
    target = tmp_path / "capture"
    shutil.copytree(GOOD, target)
    return target


def edit(directory: Path, change) -> None:
    """Apply `change` to the JSON of the capture in `directory`."""
    file = directory / "capture.json.gz"
    raw = json.loads(gzip.decompress(file.read_bytes()))
    change(raw)
    file.write_bytes(gzip.compress(json.dumps(raw).encode()))


@pytest.mark.parametrize("name", sorted(p.name for p in DATA.iterdir()))
def test_every_fixture_loads(name):
    capture = load(DATA / name)
    assert capture.probes
    assert all(address % 4096 == 0 for address in capture.pages)


JSON_FAULTS = {
    "no probes": (lambda raw: raw.pop("probes"), "no 'probes'"),
    "empty probes": (lambda raw: raw.update(probes=[]), "no probes"),
    "probe is a number": (lambda raw: raw["probes"].insert(3, 7), "probes[3] is not an object"),
    "no sid": (lambda raw: raw["probes"][5].pop("sid"), "probes[5]: no 'sid'"),
    "sid too large": (lambda raw: raw["probes"][5].update(sid=1 << 32), "not a 32-bit number"),
    "no trace": (lambda raw: raw["probes"][0].pop("trace"), "probes[0]: no 'trace'"),
    "odd trace": (lambda raw: raw["probes"][0].update(trace=["maybe"]), "'trace' is ['maybe']"),
    "list in trace": (lambda raw: raw["probes"][0].update(trace=[[1]]), "'trace' is [[1]]"),
    "event not hex": (lambda raw: raw["probes"][0].update(events=["xyz"]), "not hexadecimal"),
    "short event": (lambda raw: raw["probes"][0].update(events=["00ff"]), "event of 2 bytes"),
    "write is a string": (lambda raw: raw["probes"][0].update(write="yes"), "not true or false"),
    "size 3": (lambda raw: raw["probes"][0].update(size=3), "an access of 3 bytes"),
    "register missing": (lambda raw: raw["regs"].pop("IDR0"), "no 'IDR0'"),
    "register text": (lambda raw: raw["regs"].update(CR0="on"), "'CR0' is 'on', not a number"),
    "regs32 offset": (lambda raw: raw["regs32"].update(here=1), "offset 'here'"),
    "RAM too large": (lambda raw: raw.update(ram_size=1 << 40), "RAM ["),
    "RAM unaligned": (lambda raw: raw.update(ram_base=0x40000001), "RAM ["),
    "illegal ID registers": (lambda raw: raw["regs"].update(IDR0=0), "ID registers"),
    "structs": (lambda raw: raw["structs"].append("x"), "is not an object"),
}


@pytest.mark.parametrize("fault", JSON_FAULTS)
def test_malformed_json_is_refused(copy, fault):
    change, reason = JSON_FAULTS[fault]
    edit(copy, change)
    with pytest.raises(CaptureError) as error:
        load(copy)
    assert reason in str(error.value)
    assert "capture.json.gz" in str(error.value)


def test_not_json_is_refused(copy):
    (copy / "capture.json.gz").write_bytes(gzip.compress(b"{"))
    with pytest.raises(CaptureError, match=r"capture\.json\.gz: not JSON"):
        load(copy)


@pytest.mark.parametrize("file", ["capture.json.gz", "pages.bin.gz"])
@pytest.mark.parametrize("keep", [0, 5, 1000])
def test_truncated_files_are_refused(copy, file, keep):
    path = copy / file
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CaptureError) as error:
        load(copy)
    assert file in str(error.value)


@pytest.mark.parametrize("file", ["capture.json.gz", "pages.bin.gz"])
def test_missing_files_are_refused(copy, file):
    (copy / file).unlink()
    with pytest.raises(CaptureError, match=rf"{file}: missing"):
        load(copy)


@pytest.mark.parametrize("file", ["capture.json.gz", "pages.bin.gz"])
def test_corrupt_files_are_refused(copy, file):
    data = bytearray((copy / file).read_bytes())
    data[len(data) // 2] ^= 0xFF
    (copy / file).write_bytes(data)
    with pytest.raises(CaptureError, match=file):
        load(copy)


def pages_fault(content: bytes) -> bytes:
    return gzip.compress(content)


def test_malformed_pages_are_refused(copy):
    whole = gzip.decompress((copy / "pages.bin.gz").read_bytes())
    cases = {
        whole[:-1]: "is cut short",
        whole + whole[:RECORD]: "appears twice",
        (0x40000800).to_bytes(8, "little") + bytes(4096): "not page aligned",
        (1 << 52).to_bytes(8, "little") + bytes(4096): "beyond 52 address bits",
    }
    for content, reason in cases.items():
        (copy / "pages.bin.gz").write_bytes(pages_fault(content))
        with pytest.raises(CaptureError, match=rf"pages\.bin\.gz: .*{reason}"):
            load(copy)


def test_not_a_directory():
    with pytest.raises(CaptureError, match="not a directory"):
        load("/nonexistent/capture")


def test_command_refuses_with_status_2(copy):
    (copy / "pages.bin.gz").unlink()
    result = CliRunner().invoke(main, ["replay", str(copy)])
    assert result.exit_code == 2
    assert "pages.bin.gz: missing" in result.stderr
