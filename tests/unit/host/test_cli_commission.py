"""`pantau node commission`: what is checked, asked, accepted, recorded and ordered; every refusal."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner

from pantau import keys as key_file
from pantau.cli import pantau
from pantau.cli.node import commission
from pantau.node.commissioning import MOST_BYTES
from pantau.node.session import Session
from pantau_wire import names as T
from unit.host.console_kit import NAME, SECRET, FakeNode, reading, sonar

ALL = ("--keys", "keys.json", "--who", "regu-3", "--mount", "2.5", "--gauge", "0,62", "--position", "-6.17840,106.63190", "--photo", "site.jpg", "-o", "copy.json")  # fmt: skip
CHECKS = ["sensors", "still", "delivery", "signal", "clock", "zero", "mount", "position", "photo"]
CHECK = {
    "type": "object",
    "properties": {"name": {"enum": CHECKS}, "ok": {"type": "boolean"}, "text": {"type": "string"}},
    "required": ["name", "ok", "text"],
    "additionalProperties": False,
}
RECORD = {
    "type": "object",
    "properties": {
        "v": {"const": 1},
        "who": {"type": "string"},
        "when": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"},
        "mount_mm": {"type": "integer"},
        "zero_mm": {"type": "integer"},
        "photo": {"type": "object", "required": ["file", "sha256"]},
        "still": {"type": "object", "additionalProperties": {"type": "array", "minItems": 4, "maxItems": 4}},
        "clock": {"type": "object", "required": ["quality"]},
    },
    "required": ["v", "who", "when", "station", "still", "clock", "tested"],
}
SCHEMA = {
    "type": "object",
    "properties": {"node": {"type": "string"}, "ok": {"const": True}, "sent": {"type": "boolean"}, "record": RECORD, "checks": {"type": "array", "items": CHECK}},
    "required": ["node", "ok", "sent", "record", "checks"],
}  # fmt: skip


@pytest.fixture
def node(monkeypatch, tmp_path):
    """A station that is ready for service."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PANTAU_BOARDS", "CABLE=/dev/ttyPANTAU")
    monkeypatch.setenv("PANTAU_LANG", "en")
    key_file.save(Path("keys.json"), key_file.Keys({NAME: ({0: SECRET}, 0)}))
    Path("site.jpg").write_bytes(b"a picture")
    fake = FakeNode()
    fake.hello["utc_ms"] = round(time.time() * 1000)
    fake.walk = [1950, 1953, 1951, 1955, 1950, 1952, 1953, 1951, 1950, 1952, 1953]
    monkeypatch.setattr(Session, "open", lambda _port, _wait: fake.session())
    return fake


def run(*words: str, code: int = 0, asked: str = "") -> str:
    done = CliRunner().invoke(pantau, ["node", "commission", *words], input=asked)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    assert done.exit_code == code, done.output
    return done.output


def told(*words: str):
    done = CliRunner().invoke(pantau, ["node", "commission", *words, "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    jsonschema.validate(found, SCHEMA)
    return found


def without(option: str) -> list[str]:
    words = list(ALL)
    at = words.index(option)
    return words[:at] + words[at + 2 :]


def test_a_station_goes_into_service_on_record(node):
    found = told(*ALL)
    assert [check["name"] for check in found["checks"]] == CHECKS
    assert all(check["ok"] for check in found["checks"])
    order = node.orders[-1]
    assert (order.kind, order.fields["name"]) == (T.K_COMMAND, "commission")
    body = json.loads(order.fields["args"])
    assert body == found["record"]
    assert (body["who"], body["mount_mm"], body["gauge_mm"]) == ("regu-3", 2500, 620)
    assert body["zero_mm"] == 620 + body["distance_mm"] == 620 + 1952
    assert body["still"]["water_distance"] == [10, 1952, 5, 19]
    assert body["photo"] == {"file": "site.jpg", "sha256": hashlib.sha256(b"a picture").hexdigest()}
    assert body["position"] == ["-6.178400", "106.631900"]
    assert "accepted" not in body
    kept = json.loads(Path("copy.json").read_text(encoding="utf-8"))
    assert kept["record"] == body
    assert kept["result"]["ok"] is True
    assert len(order.fields["args"].encode()) <= MOST_BYTES
    assert len(node.asked) > 15


def test_the_clock_is_set_from_this_computer_only_where_it_is_not_set(node):
    node.hello |= {"utc_ms": None, "clock": 0}
    found = told(*ALL)
    assert [f.fields["name"] for f in node.orders] == ["clock", "commission"]
    assert abs(json.loads(node.orders[0].fields["args"])["utc_ms"] / 1000 - time.time()) < 30
    assert found["record"]["clock"] == {"quality": 2, "set_by": "laptop"}
    told(*ALL)
    assert [f.fields["name"] for f in node.orders][2:] == ["commission"]


def test_a_clock_that_the_node_does_not_take_ends_it(node):
    node.hello |= {"utc_ms": None, "clock": 0}
    node.result = {"ok": 0, "detail": "not plausible"}
    assert "not plausible" in run(*ALL, code=5)


def _sensors(node):
    node.sensors = [sonar(ok=0)]
    node.readings["6"] = reading(None, T.R_TIMEOUT)


def _shaking(node):
    node.walk = [1953, 1900, 2050, *[1953] * 8]


def _few(node):
    node.walk = []
    node.readings["2"] = reading(None, T.R_NO_ECHO)


@pytest.mark.parametrize(
    "spoil, names",
    [
        (_sensors, "sensors"),
        (_shaking, "still"),
        (_few, "sensors, still, zero"),
        (lambda node: node.seen.update(ack_s=None), "delivery"),
        (lambda node: node.seen.update(rssi=-88), "signal"),
        (lambda node: node.seen.update(rssi=None, up=0), "signal"),
        (lambda node: node.hello.update(utc_ms=round(time.time() * 1000) + 60_000), "clock"),
        (lambda node: node.hello.update(clock=1), "clock"),
    ],
)
def test_a_check_that_fails_says_so_and_needs_a_reason(node, spoil, names):
    spoil(node)
    output = run(*ALL, code=1)
    assert f"{names.count(',') + 1} checks fail: {names}." in output
    assert "FAIL" in output
    assert not node.orders
    assert not Path("copy.json").exists()
    node.walk = [1953, 1900, 2050, *[1953] * 8] if spoil is _shaking else []
    found = told(*ALL, "--accept", "tide is running")
    assert found["record"]["accepted"] == {"checks": names.split(", "), "reason": "tide is running"}


@pytest.mark.parametrize(
    "option, name", [("--gauge", "zero"), ("--mount", "mount"), ("--position", "position"), ("--photo", "photo")]
)
def test_what_is_not_given_is_a_check_that_fails(node, option, name):
    assert f"1 checks fail: {name}." in run(*without(option), code=1)


@pytest.mark.parametrize(
    "mount, said", [("0.02", "measures from 0.030 m to 4.500 m"), ("6", "move it"), ("1.5", "farther than the ground")]
)
def test_the_height_must_fit_sensor_and_distance(node, mount, said):
    assert said in run(*without("--mount"), "--mount", mount, code=1)


def test_a_levelled_sensor_needs_no_gauge(node):
    assert told(*without("--gauge"), "--zero", "4.20")["record"]["zero_mm"] == 4200


def test_other_stations_need_no_zero_reference(node):
    node.sensors = [
        {"model": "sht4x", "bus": {"i2c": 0}, "made": 1, "good": 9, "errors": [], "properties": [4, 5], "ok": 1}
    ]
    node.readings = {"4": reading(2890), "5": reading(8100)}
    node.walk = []
    names = [check["name"] for check in told(*without("--gauge"))["checks"]]
    assert "zero" not in names
    node.seen |= {"link": "ethernet", "rssi": None}
    assert "signal" not in [check["name"] for check in told(*without("--gauge"))["checks"]]


def test_nothing_is_sent_by_a_dry_run(node):
    assert told(*ALL, "--dry-run")["sent"] is False
    assert not node.orders


def test_what_refuses_is_told_exactly_and_the_copy_stays(node):
    node.result = {"ok": 0, "detail": "the flash did not keep the record; send it again"}
    output = run(*ALL, code=5)
    assert "the flash did not keep the record" in output
    assert "copy.json" in output
    assert json.loads(Path("copy.json").read_text(encoding="utf-8"))["result"]["ok"] is False


@pytest.mark.parametrize(
    "words",
    [
        without("--who"),
        [*without("--mount"), "--mount", "high"],
        [*without("--position"), "--position", "95,106"],
        [*ALL, "--note", "x" * 1000],
        without("--keys"),
    ],
)
def test_wrong_use_is_exit_2_and_sends_nothing(node, words):
    run(*words, code=2)
    assert not node.orders


def test_who_stands_there_is_asked_for_the_rest(node, monkeypatch):
    monkeypatch.setattr(commission, "interactive", lambda **_: True)
    answers = ["regu-3", "two", "2.5", "", "4.20", "-6.1,106.6", "none.jpg", "", "no camera", "y"]
    output = run("--keys", "keys.json", "-o", "copy.json", asked="\n".join(answers) + "\n")
    body = json.loads(node.orders[-1].fields["args"])
    assert (body["who"], body["mount_mm"], body["zero_mm"]) == ("regu-3", 2500, 4200)
    assert body["accepted"] == {"checks": ["photo"], "reason": "no camera"}
    assert "This is recorded" in output
    node.orders.clear()
    assert "Nothing was sent" in run(*ALL, asked="n\n", code=1)
    assert not node.orders
    assert "bertugas" in run(*ALL, "--lang", "id", "--yes")
