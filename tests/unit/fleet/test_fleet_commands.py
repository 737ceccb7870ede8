"""`pantau fleet order release rollout status pin history`: what people type, and what a program reads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric import rsa

from pantau.cli import pantau
from pantau.cli.report import BAD_USAGE, OK, UNREACHED
from pantau.fleet import bundle
from pantau.fleet.book import Book
from pantau.fleet.rows import NodeState
from pantau_wire import bundle as wire
from unit.host import bridge_kit as kit

PHRASE = "four words nobody guesses"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "pantau.toml").write_text(
        f'[bridge]\ncity = "tng"\n[mqtt]\nhost = "localhost"\n[fleet]\nlab = ["{kit.NODE}"]\n'
    )
    (tmp_path / "registry.toml").write_text(kit.REGISTRY)
    (tmp_path / "phrase").write_text(PHRASE + "\n")
    (tmp_path / "phrase").chmod(0o600)
    return tmp_path


def call(place: Path, *words: str, code: int = OK) -> str:
    env = {"PANTAU_FLEET_PASSPHRASE_FILE": str(place / "phrase")}
    done = CliRunner().invoke(pantau, [*words, "-c", str(place / "pantau.toml")], env=env)
    assert done.exit_code == code, done.output
    return done.output


def said(place: Path, *words: str) -> dict:
    return json.loads(call(place, *words, "--json"))


@pytest.mark.parametrize("words, kind, what", [
    (("get", "sampling.interval_s"), "command", {"name": "get", "args": '{"key":"sampling.interval_s"}'}),
    (("maintenance", "off"), "command", {"name": "maintenance", "args": '{"s":0}'}),
    (("siren", "test", "5"), "command", {"name": "siren", "args": '{"do":"test","s":5}'}),
    (("restart",), "command", {"name": "restart", "args": "{}"}),
    (("set", "sampling.interval_s=30", "alarm.siren=true"), "config",
     {"body": '{"sampling":{"interval_s":30},"alarm":{"siren":true}}'}),
])  # fmt: skip
def test_an_order_is_queued_as_the_wire_wants_it(place: Path, words: tuple[str, ...], kind: str, what: dict) -> None:
    order = said(place, "fleet", "order", kit.NODE, *words)
    assert (order["kind"], order["what"], order["state"]) == (kind, what, "queued")
    assert said(place, "fleet", "history", "--node", kit.NODE)["history"][0]["what"].endswith(" ".join(words))


@pytest.mark.parametrize("words, why", [
    (("siren", "sing"), "siren test|hold|mute"),
    (("get",), "get KEY"),
    (("set", "link.password=secret123"), "seen by others"),
    (("set", "link.password"), "stays out of books"),
    (("maintenance", "90000"), "up to 86400"),
])  # fmt: skip
def test_an_order_that_cannot_be_meant_is_refused_and_not_queued(place: Path, words: tuple[str, ...], why: str) -> None:
    output = call(place, "fleet", "order", kit.NODE, *words, code=BAD_USAGE)
    assert why in output and "secret123" not in output
    assert said(place, "fleet", "order", kit.NODE)["orders"] == []


def test_a_node_nobody_knows_and_one_that_does_not_answer(place: Path) -> None:
    assert "no such node" in call(place, "fleet", "order", "nobody", "ping", code=BAD_USAGE)
    assert "stays queued" in call(place, "fleet", "order", kit.NODE, "ping", "--wait", "1s", code=UNREACHED)


def test_pins_are_listed_with_their_reason_and_let_go(place: Path) -> None:
    assert said(place, "fleet", "pin", kit.NODE, "--why", "shown on Friday")["pins"] == {kit.NODE: "shown on Friday"}
    assert said(place, "fleet", "pin", kit.NODE, "--off")["pins"] == {}


def test_a_release_is_made_rolled_out_halted_and_told(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [rsa.generate_private_key(65537, 3072) for _ in range(2)]

    class Fleet:
        trust = tuple(bundle.modulus(key.public_key()).hex() for key in keys)

        @staticmethod
        def release_key(index: int, _secret: object) -> rsa.RSAPrivateKey:
            return keys[index]

    monkeypatch.setattr("pantau.fleet.files.load", lambda _folder: Fleet)
    build = place / "build"
    for name in ("pantau_node/app.mpy", "pantau_wire/frame.mpy"):
        (build / name).parent.mkdir(parents=True)
        (build / name).write_bytes(b"M\x06" + name.encode())
    assert "name its --version" in call(place, "fleet", "release", str(build), code=BAD_USAGE)
    assert "there are: none" in call(place, "fleet", "rollout", "1", code=BAD_USAGE)
    first = said(place, "fleet", "release", str(build), "--version", "0.1.0")
    second = said(place, "fleet", "release", str(build), "--version", "0.2.0", "--key", "1")
    assert (first["release"], second["release"]) == (1, 2)
    book = Book(place / "data" / "fleet.sqlite3")
    back = book.bundle(book.bundle_of(1, back=True))
    assert wire.head(back[: wire.MAX_HEAD]).fields["rollback"] is True
    book.save_node(NodeState(kit.NODE, 1, 1, 1, 1, "0.1.0", 1))
    book.close()
    assert "not later than 2" in call(
        place, "fleet", "release", str(build), "--version", "1", "--release", "2", code=BAD_USAGE
    )

    dry = said(place, "fleet", "rollout", "2", "--dry-run")
    assert dry["stages"][0] == {"ring": "lab", "percent": 100, "nodes": [kit.NODE]} and dry["state"] is None
    for wrong in (("--step", "25,5"), ("--rings", "city,lab"), ("--halt-at", "0"), ("--soak", "soon")):
        call(place, "fleet", "rollout", "2", *wrong, code=BAD_USAGE)
    assert said(place, "fleet", "rollout", "2")["state"] == "running"
    assert "halt it first" in call(place, "fleet", "rollout", "2", code=BAD_USAGE)
    assert said(place, "fleet", "rollout", "--halt")["state"] == "halted"
    status = said(place, "fleet", "status")
    assert status["runs"] == [{"release": 1, "version": "0.1.0", "nodes": 1}]
    assert status["rollout"]["halted_after"] == "lab"
    assert "halted after lab" in call(place, "fleet", "status")
    assert said(place, "fleet", "rollout", "--resume")["state"] == "running"
    told = [entry["what"] for entry in said(place, "fleet", "history")["history"]]
    assert told[-1] == "made, version 0.1.0" and any("halted by hand" in line for line in told)
