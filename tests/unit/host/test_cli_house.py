from __future__ import annotations

import json
import os
import resource

import click
import pytest
from click.testing import CliRunner

from pantau import config
from pantau.bridge import open_spool
from pantau.cli import Commands, pantau, report
from pantau.survey import survey
from unit.host import bridge_kit as kit


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
    (tmp_path / "registry.toml").write_text(kit.REGISTRY.replace("latitude = -6.2", "latitude = -96.2"))
    (tmp_path / "keys.json").write_text('{"version": 1, "nodes": {"air-02": {"keys": {}, "key_id": 0}}}')
    (tmp_path / "keys.json").chmod(0o600)
    for command in ("check", "run"):
        said = CliRunner().invoke(pantau, ["bridge", command, "-c", str(path)])
        assert said.exit_code == 2
        assert "5 to correct" in said.output
        for key in ("bridge.city", "mqtt.hots", "mqtt.host", "station[0].latitude", "nodes.air-02.key_id"):
            assert key in said.output
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["keys.json", "pantau.toml", "registry.toml"]
    assert CliRunner().invoke(pantau, ["bridge", "run", "-c", str(tmp_path / "none")]).exit_code == 2


def test_the_files_that_a_wrong_configuration_names_are_looked_at_where_it_says(tmp_path):
    path = tmp_path / "pantau.toml"
    path.write_text(
        '[bridge]\ncity = "tng"\nregistry = "r.toml"\nkeys = "k.json"\n[mqtt]\nhost = "h"\nport = 0\nca = "ca.pem"\n'
        'certificate = "c.pem"\nprivate_key = "c.key"\nuser = "u"\npassword_file = "p"\n'
    )
    found = survey(path)
    assert {(p.file.removeprefix(f"{tmp_path}/"), p.key) for p in found.problems} == {
        ("pantau.toml", "mqtt.port"), ("r.toml", ""), ("k.json", ""), ("p", ""), ("", "mqtt.ca"), ("", "mqtt.certificate"),
    }  # fmt: skip


def test_a_full_disk_is_found_before_the_bridge_runs(tmp_path):
    path = tmp_path / "pantau.toml"
    path.write_text('[bridge]\ncity = "tng"\n[mqtt]\nhost = "h"\n')
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))  # a file may exist and hold little, as on a full disk
    try:
        found = survey(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "bridge.data_dir" in {problem.key for problem in found.problems}
    assert list((tmp_path / "data").iterdir()) == []


def test_a_report_that_cannot_be_written_is_refused_before_the_work(tmp_path):
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "no" / "r.json", tmp_path / "file" / "r.json", tmp_path / ("r" * 300)):
        said = CliRunner().invoke(pantau, ["bench", "wire", "--report", str(place)])
        assert said.exit_code == 2
        assert "cannot be written" in said.output and "records from" not in said.output
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_a_report_to_a_pipe_leaves_the_pipe(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    report.write(pipe, {"lost": 0})
    assert json.loads(os.read(reader, 100)) == {"lost": 0}
    os.close(reader)
    assert pipe.is_fifo()


def test_quarantine_lists_the_topic_where_no_node_was_believed(tmp_path):
    path = tmp_path / "pantau.toml"
    path.write_text('[bridge]\ncity = "tng"\n[mqtt]\nhost = "x"\n')
    (tmp_path / "data").mkdir()
    spool = open_spool(config.load(path))
    wrong = kit.up().replace("/flood-01/", "/air-99/")
    with_escape = "pantau/v1/\x1b[2J/x"
    for topic, payload in ((wrong, b"x"), (kit.up(), bytes(2000)), (with_escape, b"y")):
        gate = kit.ingest(tmp_path, kit.Memory())
        gate.offer(topic, payload, kit.NOW_MS)
        spool.commit(gate.take())
    spool.close()
    said = CliRunner().invoke(pantau, ["quarantine", "list", "-c", str(path)]).output
    assert f"wrong_partition   - topic {wrong}" in said
    assert f"too_long          - topic {kit.up()}" in said
    assert "\x1b" not in said and "\\x1b[2J" in said


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
