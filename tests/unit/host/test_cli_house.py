from __future__ import annotations

import json

import click
import pytest
from click.testing import CliRunner

from pantau.cli import Commands, pantau, report


def test_every_command_of_the_folder_is_listed_and_helps():
    context = click.Context(pantau)
    assert isinstance(pantau, Commands)
    names = pantau.list_commands(context)
    assert {"bridge", "quarantine"} <= set(names)
    assert "report" not in names
    for name in ("bridge", "quarantine"):
        said = CliRunner().invoke(pantau, [name, "--help"])
        assert said.exit_code == 0, said.output


def test_a_wrong_configuration_exits_2_with_every_mistake(tmp_path):
    path = tmp_path / "pantau.toml"
    path.write_text('[bridge]\ncity = "TNG"\n[mqtt]\nhots = "x"\n')
    said = CliRunner().invoke(pantau, ["bridge", "check", "-c", str(path)])
    assert said.exit_code == 2
    assert "3 to correct" in said.output
    for key in ("bridge.city", "mqtt.hots", "mqtt.host"):
        assert key in said.output
    assert CliRunner().invoke(pantau, ["bridge", "run", "-c", str(tmp_path / "none")]).exit_code == 2


def test_quarantine_before_the_first_run_says_so(tmp_path):
    path = tmp_path / "pantau.toml"
    path.write_text('[bridge]\ncity = "tng"\n[mqtt]\nhost = "x"\n')
    said = CliRunner().invoke(pantau, ["quarantine", "list", "-c", str(path)])
    assert (said.exit_code, "never run" in said.output) == (2, True)


def test_the_report_is_written_whole_or_refused(tmp_path):
    report.write(tmp_path / "r.json", {"lost": 0})
    assert json.loads((tmp_path / "r.json").read_text()) == {"lost": 0}
    report.write(None, {"lost": 0})
    with pytest.raises(report.UsageError, match="cannot be written"):
        report.write(tmp_path / "no" / "r.json", {})
    assert report.MissingError("mosquitto is missing").exit_code == 3
