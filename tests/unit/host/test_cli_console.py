"""`pantau node status|logs|pull|selftest|get|set|maintenance|unlock|doctor` against a scripted node: JSON, exit codes, words."""

from __future__ import annotations

import json
import time
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner

from pantau import keys as key_file
from pantau.cli import pantau
from pantau.node import doctoring
from pantau.node.judge import judge
from pantau.node.session import Session
from pantau.node.trouble import UnreachedError
from pantau.node.words import LANGUAGES
from pantau.node.words_advice import WORDS as ADVICE
from pantau.node.words_commission import WORDS as COMMISSION
from pantau.node.words_look import WORDS as LOOK
from pantau_node import config
from pantau_node.sensors import catalog
from pantau_wire import names as T
from unit.host import bridge_kit
from unit.host.console_kit import NAME, SECRET, FakeNode, reading, sonar, up

TEXT, NUMBER, FLAG = {"type": "string"}, {"type": "integer"}, {"type": "boolean"}
TEXTS = {"type": "array", "items": TEXT}
ANY: dict[str, object] = {}


def whole(**properties):
    return {"type": "object", "properties": properties, "required": sorted(properties), "additionalProperties": False}


VALUE = whole(name=TEXT, value={"type": ["number", "null"]}, unit=TEXT, reason=TEXT)
SENSOR = whole(
    model=TEXT, bus=TEXT, state={"enum": ["good", "doubtful", "bad"]}, causes=TEXTS, values={"type": "array", "items": VALUE},
    good=NUMBER, errors={"type": "object"}, advice=TEXTS,
)  # fmt: skip
SCHEMAS = {
    "status": whole(node=TEXT, hello={"type": "object"}, status={"type": "object"}, seen={"type": "object"}, clock_off_s={"type": ["number", "null"]}, wrong=TEXTS),
    "logs": whole(node=TEXT, lines=TEXTS, defect={"type": ["string", "null"]}, problems={"type": ["string", "null"]}),
    "pull": whole(node=TEXT, file=TEXT, new=NUMBER, had=NUMBER, left=NUMBER, held=NUMBER),
    "selftest": whole(node=TEXT, ok=FLAG, state=TEXT, fresh=FLAG, utc_s=ANY, sensors={"type": "array", "items": SENSOR}),
    "get": whole(node=TEXT, key=TEXT, value=ANY),
    "set": whole(node=TEXT, ok=FLAG, generation=NUMBER, state=TEXT, detail=TEXT, changes={"type": "array", "items": whole(key=TEXT, old=ANY, new=ANY)}),
    "maintenance": whole(node=TEXT, ok=FLAG, seconds=NUMBER, detail=TEXT),
    "unlock": whole(node=TEXT, port=TEXT, ok=FLAG, seconds=NUMBER, detail=TEXT),
    "doctor": whole(ok=FLAG, computer={"type": "object"}, trouble={"type": ["string", "null"]}, board=ANY, node=ANY, keys=ANY),
}  # fmt: skip


@pytest.fixture
def node(monkeypatch, tmp_path):
    """The node at the only port of a computer whose key file stands in the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PANTAU_BOARDS", "CABLE=/dev/ttyPANTAU")
    monkeypatch.setenv("PANTAU_LANG", "en")
    key_file.save(Path("keys.json"), key_file.Keys({NAME: ({0: SECRET}, 0)}))
    fake = FakeNode()
    fake.hello["utc_ms"] = round(time.time() * 1000)
    monkeypatch.setattr(Session, "open", lambda _port, _wait: fake.session())
    return fake


def run(*words: str, code: int = 0, asked: str = "") -> str:
    done = CliRunner().invoke(pantau, ["node", *words], input=asked)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    assert done.exit_code == code, done.output
    return done.output


def told(command: str, *words: str, code: int = 0):
    done = CliRunner().invoke(pantau, ["node", command, *words, "--json"])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    assert done.exit_code == code, done.output
    found = json.loads(done.stdout)
    jsonschema.validate(found, SCHEMAS[command])
    return found


KEYS = ("--keys", "keys.json")


def test_status_says_how_it_is_and_what_is_wrong(node):
    node.status |= {"forged": 3, "sensor_errors": [[0, T.R_TIMEOUT, 9]], "config_state": 1}
    node.seen |= {"rssi": -91, "waiting_s": 4000}
    found = told("status")
    assert len(found["wrong"]) == 4
    assert abs(found["clock_off_s"]) < 2
    text = run("status")
    assert "set-up mode" in text
    assert "ON TRIAL" in text
    assert "timeout 9" in text
    assert "-91 dBm" in text
    assert "mode penyiapan" in run("status", "--lang", "id")
    node.hello |= {"utc_ms": None, "clock": 0}
    assert "clock is not set" in run("status")


def test_logs_show_and_follow(node):
    node.log = "first\n\x1b[31msecond\n"
    assert told("logs")["lines"] == ["first", "?[31msecond"]
    assert "a line of the log between" in told("logs", "--for", "45s")["lines"]
    assert "first\n" in run("logs")
    assert node.now_s > 40  # it listened, and asked now and then so that a sleeper stays awake


def test_get_and_set(node):
    assert told("get", "sampling.interval_s")["value"] == 60
    assert told("get", "link.password")["value"] == "***"
    assert run("get", "nonsense", code=5).count("unknown key") == 1
    found = told("set", "sampling.interval_s=30", "broker.host=10.0.0.1", "alarm.siren=true", *KEYS)
    assert found["generation"] == 5
    assert found["changes"][0] == {"key": "sampling.interval_s", "old": 60, "new": 30}
    order = node.orders[-1]
    assert (order.kind, order.fields["generation"]) == (T.K_CONFIG, 5)
    patch = {"sampling": {"interval_s": 30}, "broker": {"host": "10.0.0.1"}, "alarm": {"siren": True}}
    assert json.loads(order.fields["body"]) == patch
    text = run("set", "sampling.interval_s=30", *KEYS)
    assert "60 -> 30" in text
    assert "on trial" in text
    node.result = {"ok": 1, "detail": "unchanged: sampling.interval_s=60"}
    assert told("set", "sampling.interval_s=60", *KEYS)["state"] == "unchanged"
    node.result = {"ok": 0, "detail": "sampling.interval_s: 0 is not in 1..86400"}
    assert "not in 1..86400" in run("set", "sampling.interval_s=0", *KEYS, code=5)


@pytest.mark.parametrize("item", ["a", "=1", "a..b=1", "link.password=hunter2", "link=1 link.ssid=x", "a=1 a=2"])
def test_what_cannot_be_set_is_told_before_anything_is_sent(node, item):
    output = run("set", *item.split(), *KEYS, code=2)
    assert "hunter2" not in output
    assert not node.orders


def test_a_password_is_asked_for_and_never_shown(node):
    output = run("set", "link.password", *KEYS, asked="hunter2\nhunter2\n")
    assert json.loads(node.orders[-1].fields["body"]) == {"link": {"password": "hunter2"}}
    assert "hunter2" not in output
    assert '"***" -> "***"' in output


def test_maintenance_and_unlock_are_orders(node):
    assert told("maintenance", "on", "--for", "2h", *KEYS)["seconds"] == 7200
    told("maintenance", "off", *KEYS)
    told("unlock", "--for", "10m", *KEYS)
    args = [(f.fields["name"], json.loads(f.fields["args"])) for f in node.orders]
    assert args == [("maintenance", {"s": 7200}), ("maintenance", {"s": 0}), ("unlock", {"s": 600})]
    node.result = {"ok": 0, "detail": "in set-up mode"}
    assert "in set-up mode" in run("maintenance", "on", *KEYS, code=5)
    run("maintenance", "off", "--for", "2h", *KEYS, code=2)
    run("unlock", "--for", "soon", *KEYS, code=2)


def test_orders_need_the_key_and_say_so(node):
    assert "--keys" in run("unlock", code=2)
    key_file.save(Path("others.json"), key_file.Keys({"air-02": ({0: SECRET}, 0)}))
    assert f"no key of {NAME}" in run("unlock", "--keys", "others.json", code=2)
    node.secret = bytes(32)
    output = run("unlock", *KEYS, code=5)
    assert "forged" in output
    assert SECRET.hex() not in output


def test_a_key_store_with_a_passphrase_opens_when_asked(node):
    from pantau import vault
    from pantau.fleet.keystore import Keystore
    from pantau.keys import Enrolled, StoreFile

    enrolled = Enrolled(keys={"0": SECRET.hex()}, key_id=0, mqtt_password="x", made="2026-07-01T00:00:00Z")
    secret = vault.Secret(passphrase="four words of rain")
    vault.write(Path("store"), StoreFile(nodes={NAME: enrolled}).model_dump_json().encode(), secret)
    assert NAME in Keystore.open(Path("store"), secret)
    run("unlock", "--keys", "store", asked="four words of rain\n")
    assert node.orders
    run("unlock", "--keys", "store", asked="other words\n", code=2)


def test_pull_goes_on_where_it_was_and_the_bridge_takes_it(node):
    frames = [bridge_kit.records(seq) for seq in range(1, 40)]
    node.frames = frames[:20]
    assert told("pull", "-o", "field.jsonl") | {"file": ""} == {
        "node": NAME, "file": "", "new": 20, "had": 0, "left": 0, "held": 20,
    }  # fmt: skip
    with Path("field.jsonl").open("ab") as file:
        file.write(b'{"node": "flood-01", "fra')  # the laptop's battery was empty
    node.frames = frames[5:]
    assert told("pull", "-o", "field.jsonl")["new"] == 19
    node.frames = frames[30:]  # the last one of the file has left: begin at the oldest, twice nothing
    assert told("pull", "-o", "field.jsonl")["new"] == 0
    assert len(node.frames) == 9
    assert not node.orders  # nothing was removed, or asked to be
    Path("pantau.toml").write_text(
        '[bridge]\ncity = "tng"\n[mqtt]\nhost = "localhost"\ntls = false\nlab_plain = true\n', encoding="utf-8"
    )
    Path("registry.toml").write_text(bridge_kit.REGISTRY, encoding="utf-8")
    key_file.save(Path("keys.json"), bridge_kit.KEYS)
    for new, known in ((39, 0), (0, 39)):
        done = CliRunner().invoke(pantau, ["replay", "field.jsonl", "-c", "pantau.toml"])
        assert done.exit_code == 0, done.output
        assert f"{new} new" in done.output, done.output
        assert f"{known} known" in done.output or known == 0, done.output


def test_pull_flushes_with_the_key_and_keeps_files_apart(node):
    node.frames = [up(1)]
    told("pull", "--flush", *KEYS)
    assert node.orders[-1].fields["name"] == "flush"
    assert Path("pull-flood-01.jsonl").exists()
    node.hello["node"] = "air-02"
    assert "not of air-02" in run("pull", "-o", "pull-flood-01.jsonl", code=2)
    before = Path("notes.txt")
    before.write_text("my notes", encoding="utf-8")
    run("pull", "-o", "notes.txt", code=2)
    assert before.read_text(encoding="utf-8") == "my notes"
    assert "/nowhere" in run("pull", "-o", "/nowhere/x.jsonl", code=1)


def test_a_pull_that_was_cut_goes_on(node):
    node.frames = [up(seq) for seq in range(1, 60)]
    node.cut_after = 4000
    assert "run the command again" in run("pull", "-o", "x.jsonl", code=4)
    kept = Path("x.jsonl").read_bytes().count(b"\n")
    assert 0 < kept < 59
    node.cut_after = None
    assert told("pull", "-o", "x.jsonl")["had"] == kept
    lines = Path("x.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["frame"] for line in lines] == [data.hex() for data in node.frames]


def test_selftest_judges_and_advises(node):
    assert told("selftest")["state"] == "good"
    assert "all 1 sensors are good" in run("selftest")
    node.readings = {"2": reading(None, T.R_ABSENT), "6": reading(None, T.R_ABSENT), "7": reading(None, T.R_ABSENT)}
    node.sensors = [sonar(ok=0, errors=[[T.R_ABSENT, 7]])]
    found = told("selftest", code=1)
    assert found["ok"] is False
    assert found["sensors"][0]["causes"] == ["absent"]
    assert "mode resistor" in found["sensors"][0]["advice"][0]
    assert "resistor mode" in run("selftest", "--lang", "id", code=1)
    node.sensors = []
    assert "no sensor" in run("selftest", code=1)


@pytest.mark.parametrize(
    "sensor, readings, fresh, state, causes",
    [
        (sonar(), {"2": reading(1953, T.R_MAINTENANCE)}, 1, "good", ()),
        (sonar(ok=0), {"2": reading(12, T.R_OUT_OF_RANGE)}, 1, "bad", ("out_of_range",)),
        (sonar(), {"2": reading(1953, T.R_SPREAD)}, 1, "doubtful", ("spread",)),
        (sonar(), {"2": reading(1953)}, 0, "doubtful", ("old",)),
        (sonar(made=0, properties=[]), {}, 1, "bad", ("not_made",)),
        (sonar(properties=[]), {}, 1, "bad", ("silent",)),
        (sonar(ok=0, errors=[[T.R_CHECKSUM, 2]]), {"2": reading(1953)}, 1, "doubtful", ("checksum",)),
    ],
)
def test_verdicts(sensor, readings, fresh, state, causes):
    if len(sensor["properties"]) > 1:
        sensor = sensor | {"properties": [2]}
    found = judge({"sensors": [sensor], "readings": readings, "fresh": fresh})[0]
    assert (found.state, found.causes) == (state, causes)
    assert all(len(list(filter(None, found.advice(lang)))) == len(causes) for lang in LANGUAGES)


def test_every_cause_of_every_sensor_has_advice_and_both_languages_fill_in_the_same():
    from string import Formatter

    for model in catalog.models():
        for name, _ in T.REASONS.values():
            verdict = judge({"sensors": [sonar(model=model)], "readings": {}, "fresh": 1})[0]._replace(causes=(name,))
            assert all(verdict.advice(lang) for lang in LANGUAGES)
    for key, texts in (ADVICE | LOOK | COMMISSION).items():
        fields = [{field for _, field, _, _ in Formatter().parse(text) if field} for text in texts]
        assert fields[0] == fields[1], key
        assert texts[0] != texts[1] or "{" in texts[0], key


def test_every_family_names_sensors_that_there_are():
    from pantau.node.judge import _FAMILY

    assert set(_FAMILY) == set(catalog.models())


def test_the_doctor_tells_no_secret(node):
    secrets = ["wifi-secret", "broker-secret", SECRET.hex(), "1234"]
    node.config |= {"link.pin": "1234", "broker.host": "broker"}
    node.log = f'loaded {{"keys": {{"0": "{SECRET.hex()}"}}}}\nmqtt_password="broker-secret"\npin=1234\npassword: wifi-secret\n'
    node.status["last_exception"] = f"OSError: psk='{SECRET.hex()}'"
    found = told("doctor", *KEYS)
    page = run("doctor", *KEYS, "-o", "page.txt") + Path("page.txt").read_text(encoding="utf-8")
    for secret in secrets:
        assert secret not in json.dumps(found)
        assert secret not in page
    assert found["keys"] == {"ids": [0], "signs": 0}
    assert found["node"]["config"]["link.password"] == "***"
    assert found["node"]["config"]["sampling.interval_s"] == 60
    assert found["computer"]["versions"]["pyserial"]
    assert "CABLE" in page
    assert "sampling.interval_s: 60" in page


def test_the_doctor_knows_every_key_of_the_firmware():
    assert tuple(row[0] for row in config.SCHEMA) == doctoring.KEYS


def test_without_a_node_the_doctor_still_has_a_page(node, monkeypatch):
    def silent(_port, _wait):
        raise UnreachedError("look.silent", port="/dev/ttyPANTAU", s=10)

    monkeypatch.setattr(Session, "open", silent)
    found = told("doctor", code=4)
    assert "Nothing is heard" in found["trouble"]
    assert found["computer"]["ports"][0]["serial"] == "CABLE"


def test_a_board_at_its_repl_tells_its_facts(node, monkeypatch):
    from pantau.cli.node import doctor
    from pantau.node.board import Facts

    class There:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

        def facts(self):
            return Facts((1, 25, 0), "ESP32 module", free=7, size=9)

    def at_repl(_port, _wait):
        raise UnreachedError("look.repl", port="/dev/ttyPANTAU")

    monkeypatch.setattr(Session, "open", at_repl)
    monkeypatch.setattr(doctor.Board, "connect", lambda _port: There())
    assert told("doctor")["board"]["machine"] == "ESP32 module"


@pytest.mark.parametrize(
    "command",
    ["status", "selftest", "logs", "pull", "get x", "unlock --keys keys.json", "maintenance on --keys keys.json"],
)
def test_nobody_there_is_exit_4_everywhere(node, monkeypatch, command):
    monkeypatch.setenv("PANTAU_BOARDS", "")
    monkeypatch.setattr("pantau.node.ports.find_ports", list)
    output = run(*command.split(), "--port", "/dev/nothing", code=4)
    assert "/dev/nothing" in output
