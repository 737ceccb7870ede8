"""The wizard passes over what is done, and a crate goes on when one board fails."""

import json

import click
import pytest
from click.testing import CliRunner

from pantau.cli import pantau
from pantau.cli.node import _setup_steps as steps
from pantau.cli.node import setup
from pantau.cli.node._provision_ask import Wanted
from pantau.node.board import Facts
from pantau.node.ports import Port
from pantau.node.reach import Found
from pantau.node.trouble import RefusedError, UnreachedError

PORT = Port("/dev/ttyUSB0", "S1")
REGISTRY = (
    '[[station]]\nid = "angke"\nname = "Kali"\ndomain = "flood"\nlatitude = -6.2\nlongitude = 106.6\n'
    '[[node]]\nid = "angke-1"\nstation = "angke"\n'
)


class Fleet:
    class store:  # noqa: N801
        nodes = ("angke-1",)


@pytest.fixture
def bench(tmp_path, monkeypatch):
    """A wizard's surroundings: `did` is what was done, `found` what is at the port."""
    did = []

    def stand_in(name):
        @click.command(name)
        @click.pass_context
        def command(ctx, **options):
            did.append(name)
            click.echo(json.dumps({"did": name}))
            if name == bench.fails:
                ctx.exit(1)

        command.params = [click.Option([f"--{one}"]) for one in ("port", "lang", "as_json", "file", "wait", "no_reset")]
        return command

    class Bench:
        fails = ""
        found = Found("blank", {})

    bench = Bench()
    for name in ("flash", "install", "selftest", "commission"):
        monkeypatch.setattr(getattr(steps, name), "command", stand_in(name))
    monkeypatch.setattr(steps, "look", lambda _port: bench.found)
    monkeypatch.setattr(steps, "again", lambda port: port)
    monkeypatch.setattr(steps, "wait_for_repl", lambda port, _patience_s: port)
    monkeypatch.setattr(steps.files, "load", lambda _folder: Fleet)
    monkeypatch.setattr(steps, "wait_for_node", lambda *_: {"node": "angke-1", "setup": 1})
    monkeypatch.setattr(steps.Wizard, "_until_heard", lambda _self: None)

    def provisioned(*_args, **_options):
        did.append("provision")
        return {"node": "angke-1"}, "provisioned"

    monkeypatch.setattr(steps, "provisioned", provisioned)
    (tmp_path / "registry.toml").write_text(REGISTRY)
    (tmp_path / "pantau.toml").write_text('[bridge]\ncity = "tng"\n[mqtt]\nhost = "b"\n')
    (tmp_path / "image.bin").write_bytes(b"image")
    bench.did, bench.folder = did, tmp_path
    return bench


def wizard(bench, *, who="", image=True, **wanted):
    how = steps.How(
        bench.folder / "image.bin" if image else None, Wanted(config=bench.folder / "pantau.toml", **wanted),
        {"who": who}, "en", as_json=True, present=False,
    )  # fmt: skip
    with click.Context(click.Command("setup")):
        return steps.Wizard(PORT, how).run()


def test_a_blank_board_goes_through_all_steps(bench):
    told = wizard(bench, who="regu-3")
    assert bench.did == ["flash", "install", "provision", "selftest", "commission"]
    assert (told["node"], told["station"], told["in_service"]) == ("angke-1", "angke", True)
    assert list(told["steps"]) == list(steps.STEPS) and told["steps"]["install"] == {"did": "install"}


def test_what_is_done_is_passed_over(bench):
    bench.found = Found("board", {}, Facts((1, 25, 0), "ESP32"))
    wizard(bench)
    assert bench.did == ["install", "provision", "selftest"]  # nobody commissions it: no --who
    bench.did.clear()
    bench.found = Found("node", {"node": "angke-1", "version": "0.1.0", "setup": 0})
    told = wizard(bench, who="regu-3")
    assert bench.did == ["selftest"]
    assert told["in_service"] and told["steps"]["provision"] == {"already": True}


def test_a_running_node_that_is_to_be_another_is_provisioned(bench):
    bench.found = Found("node", {"node": "angke-1", "version": "0.1.0", "setup": 1})
    wizard(bench, station="angke")
    assert "provision" not in bench.did
    wizard(bench, node="angke-7")
    assert "provision" in bench.did


def test_a_sensor_that_fails_ends_it_before_it_is_commissioned(bench):
    bench.fails = "selftest"
    with pytest.raises(click.ClickException, match="a sensor is not well"):
        wizard(bench, who="regu-3")
    assert bench.did[-1] == "selftest"


def test_a_blank_board_without_an_image_says_what_is_missing(bench):
    with pytest.raises(click.ClickException, match="--image"):
        wizard(bench, image=False)


def crate(folder, monkeypatch, text, boards, outcomes, code=0, lang="en"):
    """Run a crate; outcomes: by serial number what its wizard does: a node's id, or trouble."""
    (folder / "crate.csv").write_text(text)
    come, seen = iter(boards), []

    def next_board(known, _patience_s):
        for serial in come:
            if serial not in known:
                return Port("/dev/x", serial)
        raise UnreachedError("setup.batch_nobody", s=1)

    class Fake:
        def __init__(self, port, how):
            self.port, self.how, self.node = port, how, ""

        def run(self):
            seen.append((self.how.wanted.station, self.how.wanted.wifi, self.how.wanted.sensors))
            found = outcomes[self.port.serial]
            if isinstance(found, Exception):
                raise found
            return {"node": found}

    monkeypatch.setattr(setup.batch, "next_board", next_board)
    monkeypatch.setattr(setup, "Wizard", Fake)
    words = ["node", "setup", "--batch", str(folder / "crate.csv"), "--wifi", "kali", "--json", "--lang", lang]
    done = CliRunner().invoke(pantau, words)
    assert done.exit_code == code, done.output
    return (json.loads(done.stdout) if done.stdout else {}), done.stderr, seen


CRATE = "station,wifi,sensors\na,,\nb,other,a02yyuw:uart=1;tipping_bucket:pulse=0\nc,,\n"


def test_a_crate_goes_on_after_a_failure_and_a_second_run_does_what_is_left(tmp_path, monkeypatch):
    trouble = RefusedError("board.full")
    outcomes = {"S1": "a-1", "S2": trouble, "S3": "c-1"}
    told, said, seen = crate(tmp_path, monkeypatch, CRATE, ["S1", "S2", "S3"], outcomes, code=1)
    assert (told["good"], told["bad"], told["left"]) == (2, 1, 0)
    assert "b: failed: The board's disk is full" in said and "again for the rest" in said
    assert seen[1] == ("b", "other", ("a02yyuw:uart=1", "tipping_bucket:pulse=0")) and seen[0][1] == "kali"
    told, _, seen = crate(tmp_path, monkeypatch, CRATE, ["S1", "S2"], {"S2": "b-1"})
    assert [station for station, *_ in seen] == ["b"] and told["good"] == 3


def test_a_crate_ends_with_a_summary_when_no_more_boards_come(tmp_path, monkeypatch):
    told, said, _ = crate(tmp_path, monkeypatch, CRATE, ["S1"], {"S1": "a-1"}, code=1, lang="id")
    assert (told["good"], told["bad"], told["left"]) == (1, 0, 2)
    assert "Tidak ada papan baru" in said


def test_a_wrong_crate_is_refused_whole(tmp_path, monkeypatch):
    told, said, seen = crate(tmp_path, monkeypatch, "station,interval\na,60\nb,soon\n", ["S1"], {"S1": "a-1"}, code=5)
    assert "Line 3" in said and not seen and not told
