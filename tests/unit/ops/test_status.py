"""What a bridge says of itself: the object, the socket, the view."""

from __future__ import annotations

import asyncio
import json
import socket
import sqlite3
import stat
from contextlib import closing, suppress

import pytest
from click.testing import CliRunner

from pantau.cli import pantau
from pantau.ops import snapshot, view
from pantau.ops.late import late_nodes
from pantau.ops.snapshot import Late, Rates
from pantau.ops.status import NotRunningError, StatusServer, ask
from pantau.sinks.sqlite import CityStore, StationRow
from unit.host import bridge_kit as kit

NOW_MS = 1_770_000_000_000
FIGURES = {
    "start_time_ms": NOW_MS - 90_061_000,
    "spool_bytes": 3 << 29, "spool_limit_bytes": 10 << 30, "spool_last_id": 1_234_567, "spool_oldest_seconds": 90_000,
    "disk_free_bytes": 40 << 30, "disk_size_bytes": 100 << 30,
    'commit_seconds{quantile="0.5"}': 0.00042, 'commit_seconds{quantile="0.99"}': 0.0021,
    "commits_total": 99, "commit_failures_total": 0,
    "window_messages": 1000, "window_frames_per_second": 35_000, "inflight_messages": 12,
    "acks_due": 3, "acks_sent_total": 77,
    "broker_connected": 1, "partitions_connected": 64, "broker_reconnects_total": 2,
    'sink_lag_frames{sink="sqlite"}': 5, 'sink_lag_seconds{sink="sqlite"}': 0.4, 'sink_delivered_total{sink="sqlite"}': 70,
    'sink_rejected_total{sink="sqlite"}': 1,
    'nodes{state="ok"}': 9, 'nodes{state="late"}': 1, 'nodes_delivered_ratio{quantile="0.0"}': 0.9996,
    "quarantine_entries": 4, "quarantine_dropped_total": 0, 'frames_refused_total{reason="bad_tag"}': 4,
}  # fmt: skip


def built(problems=(), late=(), figures=FIGURES):
    return snapshot.build(figures, list(problems), city="tng", now_ms=NOW_MS, late=late)


def test_the_object_has_what_it_documents():
    state = built(["spool: full; free space"], [Late("a", "x", "late", 130.0), Late("b", "y", "offline", None)])
    documented = (snapshot.__doc__ or "").split("format        1")[1]
    for name in (word.strip(",") for line in documented.splitlines() for word in line.split()[:1]):
        assert name in state or name in {"city,", "late"}, name
    assert (state["healthy"], state["uptime_s"], state["spool"]["used_ratio"]) == (False, 90_061.0, 0.15)
    assert state["sinks"] == [{"name": "sqlite", "lag_frames": 5, "lag_s": 0.4, "delivered": 70, "rejected": 1}]
    assert [one["node"] for one in state["nodes"]["late"]] == ["b", "a"]  # never heard is the longest silence
    assert state["quarantine"]["refused"] == {"bad_tag": 4}
    json.dumps(state, allow_nan=False)


def test_a_bridge_that_has_just_begun_knows_little_and_says_so():
    state = built(figures={}, late=None)
    assert state["spool"] == dict.fromkeys(("bytes", "limit_bytes", "used_ratio", "frames_through", "oldest_s"))
    assert state["rates"]["frames_per_s"] is None and state["nodes"]["late"] is None
    assert view.lines(state)


def test_rates_look_back_a_minute_at_most():
    rates = Rates()
    assert rates.now()["frames_per_s"] is None
    for tick in range(40):
        stored = {"frames_stored_total": 1000 * tick, 'sink_observations_total{sink="a"}': 50 * tick}
        rates.look(stored, 5.0 * tick)
    assert rates.now() == {"frames_per_s": 200.0, "observations_per_s": 10.0, "over_s": 60.0}


def test_the_view_says_it_in_words():
    late = [Late(f"n{i}", "angke", "late", 200.0 + i) for i in range(12)]
    text = "\n".join(line.text for line in view.lines(built(["spool: full; free space"], late)))
    for words in ("up 1 d 1 h", "1 problem", "1.5 GiB of 10.0 GiB (15%)", "p99 2.1 ms", "allow 35,000 frames/s", "12 in flight",
                  "behind 5 frames, 0.4 s", "n11 at angke   late   silent for 3 min 31 s", "and 2 more", "bad_tag 4",
                  "! spool: full; free space", "worst 99.9 %"):  # fmt: skip
        assert words in text, (words, text)


@pytest.mark.parametrize(
    "seconds,said",
    [(0, "0 s"), (0.44, "0.4 s"), (59.9, "59 s"), (3600, "1 h"), (3661, "1 h 1 min"), (90_000, "1 d 1 h")],
)
def test_spans(seconds, said):
    assert view.span(seconds) == said


class Bridge:
    def figures(self):
        return FIGURES

    def problems(self):
        return ["sink x: down; look at it"]


@pytest.fixture
def scene(tmp_path):
    """Run a scene beside a serving bridge."""

    def run(act):
        async def both():
            server = StatusServer(tmp_path / "bridge.sock", Bridge(), city="tng", store=tmp_path / "city.sqlite3")
            task = asyncio.create_task(server.run())
            await kit.until((tmp_path / "bridge.sock").is_socket)
            try:
                return await asyncio.to_thread(act, tmp_path / "bridge.sock")
            finally:
                task.cancel()
                await asyncio.wait({task})

        return asyncio.run(both())

    return run


def test_a_caller_gets_the_state_and_only_our_user_may_call(scene, tmp_path):
    (tmp_path / "bridge.sock").write_text("left by a bridge that was killed")

    def act(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        return ask(path)

    answer = scene(act)
    assert (answer["city"], answer["problems"]) == ("tng", ["sink x: down; look at it"])
    assert not (tmp_path / "bridge.sock").exists()


def test_callers_beyond_the_bound_are_let_go_and_the_next_is_served(scene):
    def act(path):
        idle = [socket.socket(socket.AF_UNIX) for _ in range(40)]
        for caller in idle:
            caller.settimeout(5)
            caller.connect(str(path))
        got = [caller.recv(1) for caller in idle]
        for caller in idle:
            caller.close()
        while True:  # until the server has noticed
            with suppress(NotRunningError):
                return got, ask(path)

    got, answer = scene(act)
    assert got.count(b"{") >= 8 and answer["format"] == 1


def test_nobody_there_is_told_with_what_to_do(tmp_path):
    with pytest.raises(NotRunningError, match="pantau bridge run"):
        ask(tmp_path / "bridge.sock")
    with closing(socket.socket(socket.AF_UNIX)) as dead:
        dead.bind(str(tmp_path / "bridge.sock"))
        with pytest.raises(NotRunningError, match="pantau bridge run"):
            ask(tmp_path / "bridge.sock")
        dead.listen()
        with pytest.raises(NotRunningError, match="it hangs"):
            ask(tmp_path / "bridge.sock", timeout_s=0.05)


def test_a_path_that_is_too_long_for_a_socket_costs_the_view_only(tmp_path, caplog):
    deep = tmp_path / ("x" * 120)
    deep.mkdir()

    async def run():
        task = asyncio.create_task(StatusServer(deep / "bridge.sock", Bridge(), city="tng").run())
        await kit.until(lambda: caplog.records)
        assert not task.done()
        task.cancel()
        await asyncio.wait({task})

    asyncio.run(run())
    assert caplog.records[0].message == "status.unavailable"


def test_late_nodes_are_those_of_the_page(tmp_path):
    path = tmp_path / "city.sqlite3"
    assert late_nodes(path, NOW_MS) is None
    store = CityStore(path)
    store.put_stations([StationRow("angke", "A", "flood", None, None, 60, ("ok", "late", "off", "never"))])
    store.close()
    with closing(sqlite3.connect(path)) as db, db:
        for node, silent_s in (("ok", 119), ("late", 121), ("off", 301)):
            db.execute("UPDATE nodes SET last_seen = ? WHERE node = ?", (NOW_MS - 1000 * silent_s, node))
        db.execute("INSERT INTO nodes (node, last_seen) VALUES ('taken away', 0)")
    late, counts = late_nodes(path, NOW_MS)
    assert {(one.node, one.state, one.silent_s) for one in late} == {
        ("late", "late", 121.0), ("off", "offline", 301.0), ("never", "offline", None),
    }  # fmt: skip
    assert counts == {"late": 1, "offline": 2, "heard": 1}


def test_the_command_says_it_with_exit_codes_for_scripts(scene, tmp_path):
    config = tmp_path / "pantau.toml"
    config.write_text('[bridge]\ncity = "tng"\ndata_dir = "."\n[mqtt]\nhost = "localhost"\n')

    def call(*options):
        return CliRunner().invoke(pantau, ["bridge", "status", "-c", str(config), *options])

    said, as_json = scene(lambda _path: (call(), call("--json")))
    assert (said.exit_code, as_json.exit_code) == (1, 1)
    assert "1 problem" in said.output and "! sink x: down; look at it" in said.output and "\x1b" not in said.output
    assert json.loads(as_json.stdout)["city"] == "tng"
    said, as_json = call(), call("--json")
    assert (said.exit_code, as_json.exit_code) == (3, 3)
    assert "pantau bridge run" in said.output
    assert json.loads(as_json.stdout)["running"] is False
    Bridge.problems, was = (lambda _self: []), Bridge.problems
    try:
        assert scene(lambda _path: call()).exit_code == 0
    finally:
        Bridge.problems = was
