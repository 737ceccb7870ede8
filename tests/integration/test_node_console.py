"""The technician's commands on a serial port with the whole node behind it: real firmware in the real VM, real time, real pyserial."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner

from integration.wire import Wire
from pantau import keys as key_file
from pantau.cli import pantau
from pantau_sim.node import SimNode
from pantau_sim.sensors import a02yyuw, sht4x
from pantau_sim.world import World
from pantau_wire import frame
from pantau_wire import names as T
from unit.host import bridge_kit

pytestmark = pytest.mark.usefixtures("vm")

NODE, KEY, OTHER = bridge_kit.NODE, bridge_kit.KEY, bridge_kit.OTHER_KEY
SECRETS = ("wifi-secret", "broker-secret", KEY.hex())
SENSORS = [{"model": "a02yyuw", "uart": 1}, {"model": "sht4x", "i2c": 0}]


class Field(NamedTuple):
    """A station in set-up mode without a network, and the technician's laptop in the folder `laptop`."""

    node: SimNode
    port: str

    def run(self, *words: str, code: int = 0) -> str:
        done = CliRunner().invoke(pantau, ["node", *words, "--port", self.port])
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        assert done.exit_code == code, done.output
        return done.output

    def told(self, *words: str, code: int = 0) -> dict[str, Any]:
        done = CliRunner().invoke(pantau, ["node", *words, "--port", self.port, "--json"])
        assert done.exit_code == code, (done.output, done.exception)
        found: dict[str, Any] = json.loads(done.stdout)
        return found


@pytest.fixture
def field(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Field]:
    station = World(1).station(NODE)
    wiring = {"uart": {1: a02yyuw.Emulator(station, 1)}, "i2c": {(0, 0x44): sht4x.Emulator(station, 2)}}
    node = SimNode(tmp_path / NODE, wiring=wiring)
    node.root.mkdir()
    body = {
        "city": bridge_kit.CITY,
        "link": {"kind": "none", "password": "wifi-secret"},
        "broker": {"host": "broker"},
        "sampling": {"interval_s": 1, "batch": 4},
        "sensors": SENSORS,
    }
    (node.root / "config.json").write_text(json.dumps(body))
    identity = {"node": NODE, "keys": {"0": KEY.hex()}, "key_id": 0, "mqtt_password": "broker-secret"}
    (node.root / "identity.json").write_text(json.dumps(identity))
    (node.root / "setup").touch()
    laptop = tmp_path / "laptop"
    laptop.mkdir()
    monkeypatch.chdir(laptop)
    monkeypatch.setenv("PANTAU_LANG", "en")
    key_file.save(Path("keys.json"), bridge_kit.KEYS)
    key_file.save(Path("others.json"), key_file.Keys({NODE: ({0: OTHER}, 0)}))
    Path("pantau.toml").write_text(
        f'[bridge]\ncity = "{bridge_kit.CITY}"\n[mqtt]\nhost = "localhost"\ntls = false\nlab_plain = true\n'
    )
    Path("registry.toml").write_text(bridge_kit.REGISTRY)
    Path("site.jpg").write_bytes(b"a picture")
    asyncio.run(node.start())
    try:
        with Wire(node) as wire:
            yield Field(node, wire.device)
    finally:
        asyncio.run(node.stop())


def test_a_station_is_looked_at_commissioned_and_emptied_over_its_cable(field: Field) -> None:
    text = field.run("status")
    assert "set-up mode" in text
    assert "clock is not set" in text
    assert field.told("get", "sampling.interval_s")["value"] == 1
    tested = field.told("selftest")
    assert tested["state"] == "good", tested
    assert [one["model"] for one in tested["sensors"]] == ["a02yyuw", "sht4x"]

    site = ["--who", "regu-3", "--mount", "3.0", "--gauge", "0.5", "--position", "-6.2,106.6", "--photo", "site.jpg"]
    done = field.told("commission", *site, "--accept", "no network yet", "-o", "copy.json")
    assert done["record"]["accepted"]["checks"] == ["delivery", "signal"]
    assert done["record"]["clock"]["quality"] == 2
    assert field.told("status")["hello"]["setup"] == 0
    assert not (field.node.root / "setup").exists()

    assert field.told("maintenance", "on", "--for", "10m")["seconds"] == 600
    assert "Under maintenance" in field.run("status")
    assert "forged" in field.run("maintenance", "off", "--keys", "others.json", code=5)
    field.run("maintenance", "off")

    pulled = field.told("pull", "--flush", "-o", "field.jsonl")
    frames = [bytes.fromhex(json.loads(line)["frame"]) for line in Path("field.jsonl").read_text().splitlines()]
    assert len(frames) == pulled["new"] > 5
    assert all(frame.verify(data, NODE, KEY) for data in frames)
    records = [f for f in map(frame.decode, frames) if f.kind == T.K_COMMISSIONING]
    assert [json.loads(f.fields["body"]) for f in records] == [done["record"]]
    again = field.told("pull", "-o", "field.jsonl")
    assert again["had"] == len(frames)  # the node has kept them, and they are not told twice
    assert again["held"] >= len(frames)
    replayed = CliRunner().invoke(pantau, ["replay", "field.jsonl"])
    assert f"{again['had'] + again['new']} new" in replayed.output, replayed.output

    assert field.told("logs", "--for", "1s")["node"] == NODE
    page = field.run("doctor")
    assert "sampling.interval_s: 1" in page
    assert not any(secret in page for secret in SECRETS)


def test_a_change_is_on_trial_after_the_restart_that_it_makes(field: Field) -> None:
    assert "1 -> 2" in field.run("set", "sampling.interval_s=2")
    end = time.monotonic() + 30  # it waits 10 s for an acknowledgement, which nobody gives here
    while (found := field.told("status"))["hello"]["boot"] == 1:
        assert time.monotonic() < end
        field.told("logs", "--for", "1s")
    assert (found["status"]["config_generation"], found["status"]["config_state"]) == (2, 1)
    assert "ON TRIAL" in field.run("status")
    assert field.told("get", "sampling.interval_s")["value"] == 2
    assert "not in" in field.run("set", "sampling.interval_s=0", code=5)
    assert "REPL" in field.run("unlock", "--for", "10m")


def test_a_port_that_is_busy_names_who_has_it(field: Field) -> None:
    held = "import fcntl, sys; f = open(sys.argv[1], 'rb', 0); fcntl.flock(f, fcntl.LOCK_EX); print(1, flush=True); input()"
    other = subprocess.Popen([sys.executable, "-c", held, field.port], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert other.stdout is not None
        other.stdout.readline()
        output = field.run("status", code=4)
        assert f"({other.pid})" in output
        assert "in use by python" in output
    finally:
        other.communicate(b"\n")
    assert "set-up mode" in field.run("status")
