"""`substream info` says what a configuration is."""

import json

from click.testing import CliRunner

from sim.cli import main
from spec.impl import PRESETS


def info(*args: str):
    return CliRunner().invoke(main, ["info", *args])


def test_json_has_the_id_registers_of_the_preset():
    found = json.loads(info("--preset", "tiny:walks=3", "--json").stdout)
    assert found["preset"] == "tiny:walks=3"
    assert found["sizes"]["walks"] == 3
    assert found["registers"]["IDR0"] == PRESETS["tiny"].idr0
    assert found["features"]["S2P"] == 0


def test_text_names_features_of_every_preset():
    for preset in PRESETS:
        result = info("--preset", preset)
        assert result.exit_code == 0
        assert "SubstreamID bits" in result.stdout


def test_an_unknown_preset_is_refused():
    result = info("--preset", "huge")
    assert result.exit_code == 2
    assert "tiny" in result.stderr
