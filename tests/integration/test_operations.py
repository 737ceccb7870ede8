"""Operations on a real bridge: supervised, asked, scraped, backed up at work and put back; no secret in its logs."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
from contextlib import closing

import pytest

from integration.bridge_env import PATIENCE_S, BridgeProcess, Client
from pantau.ops import dashboard
from pantau.ops.figures import row_of
from unit.host import bridge_kit as kit

PASSWORD = "a-password-that-must-not-show"


class Supervised(BridgeProcess):
    """A bridge that systemd would watch, its log in JSON and complete."""

    supervisor = ""

    def environment(self):
        return super().environment() | {"NOTIFY_SOCKET": self.supervisor, "WATCHDOG_USEC": "2000000"}


@pytest.fixture
def supervisor(tmp_path):
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as made:
        made.bind(str(tmp_path / "notify"))
        made.settimeout(PATIENCE_S)
        yield made


@pytest.fixture
def bridge(tmp_path, broker, supervisor):
    folder = tmp_path / "bridge"
    folder.mkdir()
    secret = folder / "password"
    secret.write_text(PASSWORD)
    secret.chmod(0o600)
    made = Supervised(folder, broker.port, 'tls = false\nlab_plain = true\nuser = "b"\npassword_file = "password"')
    text = made.config.read_text()
    made.config.write_text(text.replace("[mqtt]", 'log_level = "debug"\nlog_json = true\n[mqtt]', 1))
    made.supervisor = str(tmp_path / "notify")
    yield made
    if made.process is not None:
        made.stop(signal.SIGKILL)


@pytest.fixture
def node(broker):
    made = Client(broker.port)
    yield made
    made.close()


def until(supervisor, name):
    """Return what the supervisor heard up to the message with `name`."""
    seen = []
    while True:
        seen.append(dict(line.split("=", 1) for line in supervisor.recv(4096).decode().split("\n")))
        if name in seen[-1]:
            return seen


def test_a_bridge_at_work_is_watched_asked_scraped_and_backed_up(bridge, node, supervisor, tmp_path):
    bridge.start()
    assert "WATCHDOG" not in {key for message in until(supervisor, "READY")[:-1] for key in message}
    bridge.until_all(("mqtt.sessions", '"connected": 64'), ("city.ready",))
    for seq in range(1, 6):
        node.send(kit.records(seq))
    node.send(b"junk")
    node.until_through(5)
    bridge.until_metric("pantau_frames_stored_total 5.0")
    bridge.until_metric('pantau_sink_delivered_total{sink="sqlite"} 5.0')
    until(supervisor, "WATCHDOG")

    metrics = bridge.get("/metrics")
    given = set(re.findall(r"^# HELP pantau_(\w+) ", metrics, re.MULTILINE))
    assert given and all(row_of(name) or row_of(f"{name}_total") for name in given), metrics
    assert "says no more about it" not in metrics
    wanted = set(re.findall(r"pantau_(\w+)", dashboard.rules()))
    there = set(re.findall(r"^pantau_(\w+?)(?:\{| )", metrics, re.MULTILINE))
    # what only trouble brings forth: refusals by reason are there, for junk was refused; certificates are not, on a plain link
    # This bridge has no certificate, and tells nobody of alerts.
    absent = {"certificate_expires_seconds", "notice_channel_working", "notices_oldest_seconds"}
    assert wanted - absent <= there, wanted - absent - there

    said = bridge.call("bridge", "status", "--json")
    state = json.loads(said.stdout)
    assert (said.returncode, state["healthy"], state["broker"]["partitions"]) == (0, True, 64), said
    assert state["quarantine"]["refused"] == {"truncated": 1}
    assert {sink["name"]: sink["lag_frames"] for sink in state["sinks"]}["sqlite"] == 0
    assert bridge.call("bridge", "status").stdout.startswith("Pantau ")

    target = tmp_path / "backup.tar"
    made = bridge.call("bridge", "backup", str(target))
    assert made.returncode == 0, made.stderr
    assert bridge.stop() == 0
    assert "STOPPING" in until(supervisor, "STOPPING")[-1]
    said = bridge.call("bridge", "status")
    assert (said.returncode, "pantau bridge run" in said.stderr) == (3, True)

    no_secret_shows(bridge)

    # the disk is lost; the backup is put back, and nothing that it held is asked for again
    (bridge.folder / "data").rename(tmp_path / "lost")
    bridge.config.rename(tmp_path / "lost.toml")
    for name in ("registry.toml", "keys.json", "password"):
        (bridge.folder / name).unlink()
    main = [sys.executable, "-c", "from pantau.cli import main; main()"]
    command = [*main, "bridge", "restore", str(target), str(bridge.folder)]
    done = subprocess.run(
        command, env=bridge.environment(), capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "It is lost, unless" in done.stdout
    bridge.start()
    bridge.until_all(("mqtt.sessions", '"connected": 64'), ("city.ready",))
    node.send(kit.records(5))  # it had not heard the acknowledgement
    node.send(kit.records(6))
    node.until_through(6)
    bridge.until_metric('pantau_sink_delivered_total{sink="sqlite"}')
    assert bridge.stop() == 0
    assert bridge.stored() == [(kit.NODE, 1, seq) for seq in range(1, 7)]


def no_secret_shows(bridge):
    """Every line of the log is one JSON object, and none has a key or the password in it, at the lowest level."""
    while not bridge.lines.empty():
        bridge.log.append(bridge.lines.get())
    log = "".join(bridge.log)
    for secret in (PASSWORD, kit.KEY.hex(), kit.OTHER_KEY.hex()):
        assert secret not in log.lower()
    assert all(json.loads(line)["event"] for line in log.splitlines())
