"""`pantau city init`: a few answers, and files on which a bridge runs."""

from __future__ import annotations

import stat

import pytest
from click.testing import CliRunner

from pantau import config, registry
from pantau.cli import pantau
from pantau.survey import survey


def init(folder, *words, says=None):
    return CliRunner().invoke(pantau, ["city", "init", str(folder), *words], input=says)


def in_order(folder):
    found = survey(folder / "pantau.toml")
    assert found.problems == [] == found.unenrolled
    return found


def test_without_questions_everything_has_a_sane_default(tmp_path):
    folder = tmp_path / "Kota Tangerang"
    said = init(folder, "--yes")
    assert said.exit_code == 0, said.output
    found = in_order(folder)
    assert (found.config.bridge.city, found.config.web.title) == ("kota-tangerang", "Kota Tangerang")
    assert (found.config.mqtt.host, found.config.mqtt.port, found.config.mqtt.tls) == ("localhost", 8883, True)
    assert found.config.mqtt.user == "bridge" and not found.config.web.public_read
    for name in ("keys.json", "mqtt.password"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
    password = (folder / "mqtt.password").read_text().strip()
    assert len(password) == 24 and password not in said.output
    assert "mosquitto_passwd" in said.output and "pantau bridge check" in said.output


def test_every_option_is_taken_and_comments_stay(tmp_path):
    said = init(
        tmp_path / "c", "--yes", "--city", "tng", "--name", 'Kota "Benteng"', "--broker", "broker.local", "--plain",
        "--user", "", "--listen", "0.0.0.0:80", "--station", "angke,flood,-6.2021,106.6527,Kali Angke, hilir",
        "--station", "ciledug,air,-6.21,106.7,Ciledug",
    )  # fmt: skip
    assert said.exit_code == 0, said.output
    found = in_order(tmp_path / "c")
    assert found.config.mqtt == config.MqttTable(host="broker.local", port=1883, tls=False, lab_plain=True)
    assert (found.config.web.title, found.config.web.listen) == ('Kota "Benteng"', "0.0.0.0:80")
    assert found.registry.stations["angke"].name == "Kali Angke, hilir"
    assert found.registry.stations["ciledug"].nodes_at_once == 1
    assert not (tmp_path / "c" / "mqtt.password").exists()
    assert "# the <city> in every topic" in (tmp_path / "c" / "pantau.toml").read_text()


def test_questions_are_asked_again_until_the_answer_fits(tmp_path):
    answers = [
        "Tangerang Kota", "tng", "", "broker", "y", "99999", "8884", "/no/such/ca.pem", "", "", "",  # the bridge
        "y", "Angke Hilir", "angke", "Kali Angke", "flod", "flood", "106.6", "-6,2021", "106,6527", "36.71.01.1001", "4,2", "",
        "y", "angke", "angke-2", "Kali Angke 2", "air", "-6.21", "106.66", "", "n",
    ]  # fmt: skip
    said = init(tmp_path / "new", says="\n".join(answers) + "\n")
    assert said.exit_code == 0, said.output
    for complaint in ("string should match", "65535", "/no/such/ca.pem is not there", "'flood'", "this id is taken"):
        assert complaint in said.output, said.output
    found = in_order(tmp_path / "new")
    assert (found.config.bridge.city, found.config.mqtt.port) == ("tng", 8884)
    angke = found.registry.stations["angke"]
    assert (angke.latitude, angke.longitude, angke.sensor_height_m, angke.tip_mm) == (-6.2021, 106.6527, 4.2, None)
    assert list(found.registry.stations) == ["angke", "angke-2"]


@pytest.mark.parametrize("name", ["pantau.toml", "registry.toml", "keys.json", "mqtt.password"])
def test_nothing_is_overwritten(tmp_path, name):
    (tmp_path / name).write_text("mine")
    said = init(tmp_path, "--yes", "--city", "tng")
    assert said.exit_code == 2 and f"already has {name}" in said.output
    assert [(e.name, e.read_text()) for e in tmp_path.iterdir()] == [(name, "mine")]


@pytest.mark.parametrize(
    "words, says",
    [
        (["--city", "Tangerang"], "give --city"),
        (["--city", "tng", "--listen", "8080"], "HOST:PORT"),
        (["--city", "tng", "--station", "a,flood,106.6,-6.2,A"], "latitude"),
        (["--city", "tng", "--station", "a,flood,-6.2"], "ID,DOMAIN"),
        (["--city", "tng", "--station", "a,flood,south,106.6,A"], "are numbers"),
        (["--city", "tng", "--station", "a,flood,0,0,A"], "Gulf of Guinea"),
        (["--city", "tng", "--ca", "/no/such.pem"], "is not there"),
        (["--city", "tng", "--ca", __file__], "must be a PEM file"),
        (["--city", "tng", "--station", "a,air,-6,106,A", "--station", "a,air,-6,106,A"], "ids are unique"),
    ],
)
def test_a_wrong_option_ends_it_and_leaves_nothing(tmp_path, words, says):
    said = init(tmp_path, "--yes", *words)
    assert said.exit_code == 2 and says in said.output, said.output
    assert [entry.name for entry in tmp_path.iterdir() if entry.is_file()] == []


def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    said = init(tmp_path, "--yes", "--city", "tng")
    assert said.exit_code == 2 and "No space left" in said.output
    assert list(tmp_path.iterdir()) == []


def test_the_examples_behind_the_first_stations_are_valid_when_uncommented(tmp_path):
    init(tmp_path, "--yes", "--city", "tng", "--station", "own,air,-6.2,106.66,Own")
    lines = (tmp_path / "registry.toml").read_text().splitlines()
    keys = [line.removeprefix("# ") if " = " in line or "[[" in line or "# [" in line else line for line in lines]
    (tmp_path / "registry.toml").write_text("\n".join(keys))
    assert len(registry.load(tmp_path / "registry.toml").stations) > 1
