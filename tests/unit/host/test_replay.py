"""Replay: files through the gate, here or by a running bridge, and spans of the log for the sinks."""

from __future__ import annotations

import io
import json

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from pantau import again, keys
from pantau.bridge import open_spool, sole_owner
from pantau.cli import pantau
from pantau.config import load
from pantau.ingest import Ingest
from pantau.sources import replay
from pantau.spool import Spool, SpoolUnavailable
from pantau_wire import line
from unit.host import bridge_kit as kit

HEAD = json.dumps({"pantau": "pull", "version": 1, "node": kit.NODE}) + "\n"


@pytest.fixture
def config(tmp_path):
    (tmp_path / "pantau.toml").write_text(
        f'[bridge]\ncity = "{kit.CITY}"\n[mqtt]\nhost = "localhost"\ntls = false\nlab_plain = true\n'
    )
    (tmp_path / "registry.toml").write_text(kit.REGISTRY)
    keys.save(tmp_path / "keys.json", kit.KEYS)
    return load(tmp_path / "pantau.toml")


@pytest.fixture
def call(tmp_path, config):
    def call(*words):
        done = CliRunner().invoke(pantau, ["replay", *map(str, words), "-c", str(tmp_path / "pantau.toml")])
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done.exit_code, done.output

    return call


@pytest.fixture
def bridge(tmp_path, config):
    """What a running bridge has: the folder, the log, the gate."""
    with sole_owner(config.bridge.data_dir):
        spool = open_spool(config)
        gate = Ingest(kit.CITY, kit.registry(tmp_path), kit.KEYS, spool)
        yield lambda messages: replay.store(gate, spool, messages)
        spool.close()


def pull(path, *frames, head=HEAD, node=None):
    rows = [json.dumps({"frame": f.hex()} | ({"node": node} if node else {})) + "\n" for f in frames]
    path.write_text(head + "".join(rows))
    return path


def read(data: bytes) -> list[replay.Message]:
    return list(replay.read(io.BytesIO(data), kit.CITY))


def test_the_three_forms_of_a_file_give_the_same_frames():
    frames = [kit.records(1), kit.records(2)]
    want = [replay.Message(kit.up(), frame) for frame in frames]
    text = "".join(replay.pull_line(kit.NODE, frame) for frame in frames)
    assert read((HEAD + "\n" + text).encode()) == read(text.encode()) == want
    subscribed = "".join(f"1770000000 {kit.up()} {frame.hex()}\n" for frame in frames)
    assert read(subscribed.encode() + kit.up().replace("/up", "/will").encode() + b" 6f6e\n") == want
    packets = b"boot\r\n" + b"".join(line.packet("up", kit.NODE, f) + b"log\n" for f in frames)
    assert read(packets + line.packet("will", kit.NODE, b"online")) == want


@given(st.binary(max_size=300) | st.text(max_size=100).map(lambda text: ("{" + text).encode()))
def test_any_file_can_be_read(data):
    for message in read(data):
        assert bool(message.error) != message.topic.startswith("pantau/") or message.topic.endswith("/up")


def test_a_bad_line_spoils_no_other_one(tmp_path, call):
    path = pull(tmp_path / "f", kit.records(1))
    path.write_text(
        path.read_text() + '{"frame": "0g"}\n{"node": 3}\n' + pull(tmp_path / "g", kit.records(2)).read_text()[:-9]
    )
    code, said = call(path)
    assert code == 1
    assert "1 frames: 1 new" in said and "3 places" not in said and "2 places could not be read" in said
    assert f"{path}: line 3 holds no frame" in said


def test_replay_without_a_bridge_stores_and_the_second_time_changes_nothing(tmp_path, call, config):
    path = pull(tmp_path / "f", *(kit.records(n) for n in range(1, 8)))
    assert call(path) == (0, "7 frames: 7 new, 0 known before, 0 refused\n")
    assert call(path, path) == (0, "14 frames: 0 new, 14 known before, 0 refused\n")
    spool = open_spool(config)
    assert spool.last_id == 7
    spool.close()


def test_what_is_not_the_nodes_own_is_refused_and_kept(tmp_path, call):
    forged = kit.records(3)[:-1] + bytes([kit.records(3)[-1] ^ 1])
    other = kit.records(4, node=kit.OTHER, key=kit.OTHER_KEY)
    code, said = call(pull(tmp_path / "f", kit.records(1), forged, other))
    assert code == 1
    assert "3 frames: 1 new, 0 known before, 2 refused" in said and "2 bad_tag" in said and "quarantine list" in said
    listed = CliRunner().invoke(pantau, ["quarantine", "list", "-c", str(tmp_path / "pantau.toml")]).output
    assert "2 entries" in listed
    conflict = kit.records(1, distance=1)
    code, said = call(pull(tmp_path / "f", conflict))
    assert code == 1 and "1 conflict" in said


def test_a_running_bridge_does_the_work(tmp_path, call, bridge, monkeypatch):
    replays = replay.Replays(tmp_path / "data" / replay.FOLDER, kit.CITY)
    monkeypatch.setattr("time.sleep", lambda _: replays.step(bridge))
    path = pull(tmp_path / "f", *(kit.records(n) for n in range(1, 1200)), kit.records(1, distance=9))
    code, said = call(path)
    assert code == 1 and "1200 frames: 1199 new, 0 known before, 1 refused" in said and "1 conflict" in said
    assert call(pull(tmp_path / "g", kit.records(3))) == (0, "1 frames: 0 new, 1 known before, 0 refused\n")
    assert list((tmp_path / "data" / replay.FOLDER).iterdir()) == []


def test_a_bridge_that_takes_nothing_is_told_and_the_request_stays(tmp_path, call, bridge, monkeypatch):
    now = iter(range(0, 100_000, 10))
    monkeypatch.setattr("pantau.cli.replay.time.monotonic", lambda: float(next(now)))
    monkeypatch.setattr("pantau.cli.replay.time.sleep", lambda _: None)
    code, said = call(pull(tmp_path / "f", kit.records(1)))
    assert code == 1 and "frames wait for it" in said
    replays = replay.Replays(tmp_path / "data" / replay.FOLDER, kit.CITY)
    assert replays.step(bridge) == 1 and replays.step(bridge) == 0


def test_a_batch_that_could_not_be_stored_is_offered_again(tmp_path, bridge):
    folder = tmp_path / "requests"
    request = replay.hand_over(folder, [replay.Message(kit.up(), kit.records(n)) for n in range(1, 4)])
    replays = replay.Replays(folder, kit.CITY)

    def full(_):
        raise SpoolUnavailable("disk full")

    for _ in range(2):
        with pytest.raises(SpoolUnavailable):
            replays.step(full)
    assert request.state() is None
    assert replays.step(bridge) == 3
    assert request.state()["new"] == 3 and not request.state()["done"]
    replays.close()  # stopped here: the next bridge begins anew, and nothing counts twice
    replays = replay.Replays(folder, kit.CITY)
    assert [replays.step(bridge), replays.step(bridge)] == [3, 0]
    assert request.state() == {
        "frames": 3, "new": 0, "known": 3, "refused": 0, "unreadable": 0, "reasons": {}, "first_error": "", "done": True,
    }  # fmt: skip


def test_results_that_nobody_fetches_are_bounded(tmp_path):
    folder = tmp_path / "requests"
    folder.mkdir()
    replays = replay.Replays(folder, kit.CITY)
    for number in range(40):
        (folder / f"{number:03d}.jsonl").write_text("")
    assert replays.step(lambda _: []) == 0
    assert sorted(path.name for path in folder.iterdir()) == [f"{number:03d}.json" for number in range(20, 40)]


def fill(config, tmp_path, call):
    for number in range(1, 6):
        assert call(pull(tmp_path / "f", kit.records(number)))[0] == 0


def test_a_span_of_the_log_is_noted_for_the_sinks(tmp_path, call, config):
    fill(config, tmp_path, call)
    code, said = call("--spool", "2-99")
    assert code == 0 and "frames 2 to 5 (4) for sqlite: delivered once more when the bridge starts" in said
    with sole_owner(config.bridge.data_dir):
        assert "by the running bridge" in call("--since", "2020-01-01", "--sink", "sqlite")[1]
    spool: Spool = open_spool(config)
    assert again.asked(spool, "sqlite") == (1, 5)
    assert again.served(spool, "sqlite", 3) == (4, 5)
    assert 3 not in again.asked(spool, "sqlite") and 5 in again.asked(spool, "sqlite")
    assert again.served(spool, "sqlite", 9) is None and again.asked(spool, "sqlite") is None
    spool.close()


@pytest.mark.parametrize(
    "words, why",
    [
        ([], "say what to replay"),
        (["--spool", "1-2", "--quarantine"], "say what to replay"),
        (["--sink", "sqlite", "--quarantine"], "--sink goes with"),
        (["--spool", "9"], "give two ids"),
        (["--spool", "6-9"], "the log holds frames 1 to 5"),
        (["--until", "2020-01-01"], "no frame lies there"),
        (["--spool", "1-2", "--until", "2020-01-01"], "not both"),
        (["--spool", "1-2", "--sink", "postgis"], "this bridge has sqlite"),
    ],
)
def test_a_wrong_call_says_what_is_right(tmp_path, call, config, words, why):
    fill(config, tmp_path, call)
    code, said = call(*words)
    assert code == 2 and why in said


def test_the_quarantine_is_tried_again(tmp_path, call):
    assert call(pull(tmp_path / "f", b"junk that is no frame"))[0] == 1
    code, said = call("--quarantine")
    assert code == 0 and "1 tried" in said
