"""From a node's alarm frame to people, through a whole bridge; channels come and go while it runs."""

from __future__ import annotations

import json
import time
from contextlib import closing

from click.testing import CliRunner

from integration.bridge_env import Client
from integration.test_notify_webhook import Receiver
from pantau.cli import pantau
from pantau_wire import frame as wire
from pantau_wire import names as T
from unit.host import bridge_kit as kit
from unit.notify.notify_kit import until_now
from unit.notify.test_notify_text import JUDGE


def alarm(seq: int, node: str = kit.NODE, key: bytes = kit.KEY) -> bytes:
    f = wire.Frame(T.K_RECORDS)
    f.boot, f.seq, f.clock, f.base_s, f.alarm = 1, seq, 3, int(time.time()), True
    f.count, f.interval_s = 1, 1
    f.columns = {T.WATER_DISTANCE: ([3500], None)}
    return bytes(wire.encode(f, node, key))


def table(name: str, url: str, more: str = "") -> str:
    return f'[[notify.webhook]]\nname = "{name}"\nurl = "{url}"\nlab_plain = true\n{more}'


def test_an_alarm_frame_is_told_within_seconds_and_a_channel_that_is_added_hears_what_stands(bridge, broker):
    with closing(Receiver()) as desk, closing(Receiver()) as second, closing(Client(broker.port)) as node:
        bridge.config.write_text(bridge.config.read_text() + table("desk", desk.url))
        bridge.start().ready()
        began = time.monotonic()
        node.send(alarm(1))
        until_now(lambda: desk.got)
        took_s = time.monotonic() - began
        assert took_s < 5.0
        told = json.loads(desk.got[0][2])
        JUDGE.validate(told)
        assert (told["type"], told["alert"]["rule"], told["place"]["name"]) == (
            "alert.open",
            "node-alarm",
            "Kali Angke",
        )
        bridge.until_metric('pantau_notices_sent_total{channel="desk"} 1.0')

        bridge.config.write_text(bridge.config.read_text() + table("second", second.url))
        until_now(lambda: second.got)
        assert json.loads(second.got[0][2])["id"] == told["id"] and len(desk.got) == 1
        node.send(alarm(1, kit.OTHER, kit.OTHER_KEY), kit.up(kit.OTHER))
        until_now(lambda: len(second.got) == len(desk.got) == 2)

        def run(*words: str):
            return CliRunner().invoke(pantau, ["notify", *words, "-c", str(bridge.config)])

        assert run("test", "desk").exit_code == 0
        assert json.loads(desk.got[-1][2])["type"] == "test"
        until_now(lambda: len(run("log", "--json").stdout.splitlines()) == 5)
        log = [json.loads(line) for line in run("log", "--json", "--channel", "desk").stdout.splitlines()]
        assert [(one["action"], one["outcome"]) for one in log] == [
            ("test", "sent"),
            ("open", "sent"),
            ("open", "sent"),
        ]
        assert "node-alarm" not in run("log").stdout and "alert 1 open" in run("log", "--alert", "1").stdout
        state = run("status")
        assert state.exit_code == 0 and state.stdout.count("works") == 2
        second.close()
        failed = run("test", "second")
        assert failed.exit_code == 1 and "nothing listens" in failed.output
        assert run("status").exit_code == 1 and run("test", "third").exit_code == 2
        assert bridge.stop() == 0


def test_the_check_says_what_is_wrong_with_channels(bridge, tmp_path):
    (tmp_path / "open").write_text("a secret that all can read")
    (tmp_path / "open").chmod(0o644)
    wrong = table(
        "desk", "http://localhost/", f'stations = ["nowhere"]\nrules = ["nothing"]\nsecret_file = "{tmp_path}/open"\n'
    )
    bridge.config.write_text(bridge.config.read_text() + wrong)
    said = CliRunner().invoke(pantau, ["bridge", "check", "-c", str(bridge.config)])
    assert said.exit_code == 2
    for piece in ("notify.webhook[0].stations: there is no station nowhere", "there is no rule nothing", "open"):
        assert piece in said.output, said.output
    more = table("desk", "https://localhost/", 'quiet = {from = "22:00", until = "29:00"}\n') + table(
        "desk", "ftp://x/"
    )
    bridge.config.write_text(bridge.config.read_text() + more)
    said = CliRunner().invoke(pantau, ["bridge", "check", "-c", str(bridge.config)])
    assert said.exit_code == 2 and "is no time of day" in said.output and "notify.webhook[2].url" in said.output
