"""The NATS sink beyond the contract: what would be published twice is found, servers hang, and the form of messages."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import needs
from pantau.sinks import _nats_text
from pantau_sim.servers import Missing
from sinks import kit as kits
from sinks.frames import NOW_MS, frame
from sinks.kit import CITY, LOG, check
from sinks.kit_nats import STREAM, Kit, observed

ROOT = Path(__file__).resolve().parents[2]
LEVEL = ("m", [1.25, None, 1.5])
_FRESH = count(1)


@pytest.fixture(scope="module")
def target(tmp_path_factory):
    try:
        kit = Kit(tmp_path_factory.mktemp("nats"))
    except Missing as missing:
        needs.missing(missing.what, missing.package)
    yield kit, kits.towns()
    kit.close()


@pytest.fixture
def kit(target):
    return target[0]


@pytest.fixture
def town(target):
    return next(target[1])


@contextmanager
def opened(kit, folder, **given):
    sink = kit.open(folder / f"sink-{next(_FRESH)}", **given)
    try:
        yield sink
    finally:
        sink.close()


def kinds(sink, batch):
    return [verdict.kind for verdict in sink.deliver(batch)]


def forgotten(kit, name):
    """Return once the stream's duplicate window is over for what it has: a name that it knew is new to it again."""

    async def ask(js):
        return (await js.publish(f"pantau.health.other.{name}", b"{}", headers={"Nats-Msg-Id": name})).duplicate

    assert not kit.ask(ask)
    deadline = time.monotonic() + 10
    while kit.ask(ask):
        assert time.monotonic() < deadline


def test_a_process_that_is_killed_between_receipt_and_cursor_publishes_nothing_twice(kit, town, tmp_path):
    log = town.day() + town.day(at_s=kits.T0_S + 900)
    script = (
        "import os, signal, itertools\nfrom pathlib import Path\nfrom sinks import kit\n"
        "from pantau.sinks import Context\nfrom pantau.sinks.nats import NatsTable, open_sink\n"
        f"town = kit.Town({int(town.flood[-2:])}, itertools.count({log[0].id}))\n"
        f"batch = town.day() + town.day(at_s=kit.T0_S + 900)\n"
        f"table = NatsTable(servers=[{kit.server.url!r}], lab_plain=True, duplicate_window_s=0.1)\n"
        f"sink = open_sink(table, Context({CITY!r}, {LOG!r}, Path({str(tmp_path / 'first')!r}), kit.registry()))\n"
        "assert {v.kind for v in sink.deliver(batch[:9])} == {'stored'}\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    path = os.pathsep.join(str(ROOT / part) for part in ("host", "schemas", "simulator", "tests"))
    child = subprocess.run([sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": path}, check=False)
    assert child.returncode == -signal.SIGKILL
    forgotten(kit, f"killed-{town.flood}")
    with opened(kit, tmp_path) as sink:
        assert sink.position() == log[8].id
        assert kinds(sink, log[:4]) == ["duplicate"] * 4  # the cursor was saved at the start
        assert kinds(sink, log[4:]) == ["duplicate"] * 5 + ["stored"] * 3
    check(kit, town)


def test_a_hole_is_filled_though_later_ones_are_there(kit, town, tmp_path):
    log = [town.level(1500 + n, at_s=kits.T0_S + 60 * n) for n in range(8)]
    with opened(kit, tmp_path) as sink:
        kinds(sink, [log[0], log[1], log[3], log[4], log[7]])
    forgotten(kit, f"hole-{town.flood}")
    with opened(kit, tmp_path) as sink:
        wanted = ["duplicate", "duplicate", "stored", "duplicate", "duplicate", "stored", "stored", "duplicate"]
        assert kinds(sink, log) == wanted
    forgotten(kit, f"hole-again-{town.flood}")
    with opened(kit, tmp_path) as sink:
        assert sink.position() == log[-1].id
        assert kinds(sink, log) == ["duplicate"] * 8
    with opened(kit, tmp_path) as sink:
        assert kinds(sink, [log[2]]) == ["duplicate"]  # it stands behind later ones
    check(kit, town)


def test_what_is_delivered_once_more_on_a_wish_is_found_and_does_not_take_the_position_back(kit, town, tmp_path):
    log = [town.level(1500 + n, at_s=kits.T0_S + 60 * n) for n in range(12)]
    with opened(kit, tmp_path) as sink:
        kinds(sink, log[:3])
        kinds(sink, log[4:])
        forgotten(kit, f"wish-{town.flood}")
        assert kinds(sink, [log[2], log[3]]) == ["duplicate", "stored"]  # 3 was refused when its turn was
    with opened(kit, tmp_path) as sink:
        assert sink.position() == log[-1].id
        assert kinds(sink, log) == ["duplicate"] * 12
    check(kit, town)


def test_a_late_frame_whose_boot_could_be_dated_already_is_found_at_its_own_place(kit, town, tmp_path):
    late = town.dated(town.undated(1500))
    town.said[:] = [late]
    more = [town.level(1600 + n, boot=2, at_s=kits.T0_S + 60 * n) for n in range(4)]
    with opened(kit, tmp_path) as sink:
        kinds(sink, [late, *more])
        forgotten(kit, f"late-{town.flood}")
        assert kinds(sink, [late]) == ["duplicate"]
    check(kit, town)


def test_two_bridges_share_a_stream_and_each_finds_its_own_place(kit, town, tmp_path):
    ours, theirs = town.level(1500), town.road(3)
    with opened(kit, tmp_path, log="one") as one, opened(kit, tmp_path, log="two") as two:
        assert one.position() is None  # there is a stream, and nothing of ours in it
        assert kinds(one, [ours]) == ["stored"]
        assert kinds(two, [kits.replace(theirs, id=70_000)]) == ["stored"]
    with opened(kit, tmp_path, log="one") as one, opened(kit, tmp_path, log="two") as two:
        assert one.position() == ours.id
        assert two.position() == 70_000
    check(kit, town)


def test_what_left_the_stream_by_age_is_not_lost_and_a_stream_made_anew_is(kit, town, tmp_path):
    log = town.day()
    with opened(kit, tmp_path) as sink:
        kinds(sink, log)
        kit.ask(lambda js: js.purge_stream(STREAM))
        assert sink.position() == log[-1].id
    sink = kit.open(tmp_path / f"sink-{next(_FRESH) - 1}")
    assert sink.position() is None
    kit.lose()
    assert kinds(sink, log) == ["retry"] * len(log)
    assert sink.position() == 0
    assert set(kinds(sink, log)) == {"stored"}
    sink.close()
    check(kit, town)


@pytest.mark.parametrize("after", [None, "ready", "_held"])
def test_a_server_that_hangs_is_waited_for_within_bounds(kit, town, tmp_path, monkeypatch, after):
    log = [town.level(1500)]
    big = [town.level(*range(1500, 1560), at_s=kits.T0_S + 3600 * n) for n in range(1, 80)]
    sink = kit.open(tmp_path, timeout_s=0.3)
    assert kinds(sink, log) == ["stored"]
    began = time.monotonic()
    try:
        if after is None:
            kit.server.hang()
        else:  # in the middle of a delivery
            part = sink if after.startswith("_") else sink._stream
            call = getattr(part, after)

            async def last_word(*given):
                answer = await call(*given)
                kit.server.hang()
                return answer

            monkeypatch.setattr(part, after, last_word)
        verdicts = sink.deliver(big)
        assert {verdict.kind for verdict in verdicts} == {"retry"}
        assert "check the server" in verdicts[0].reason
        assert sink.position() is None
        sink.close()
        assert time.monotonic() - began < 5
    finally:
        kit.server.resume()
    with opened(kit, tmp_path) as sink:
        assert set(kinds(sink, log + big)) <= {"stored", "duplicate"}
    check(kit, town)


def test_receipts_that_do_not_come_end_the_delivery_and_nothing_is_there_twice(kit, town, tmp_path, monkeypatch):
    log = [town.level(1500 + n, at_s=kits.T0_S + 60 * n) for n in range(6)]
    with opened(kit, tmp_path, timeout_s=0.3) as sink:
        receipts = sink._stream.receipts
        came = receipts._came

        async def deaf(message):
            return None

        monkeypatch.setattr(receipts, "_came", deaf)
        verdicts = sink.deliver(log)
        assert {verdict.kind for verdict in verdicts} == {"retry"}
        assert "no answer within 0.3 s" in verdicts[0].reason
        monkeypatch.setattr(receipts, "_came", came)
        forgotten(kit, f"deaf-{town.flood}")
        assert kinds(sink, log) == ["duplicate"] * 6
    check(kit, town)


def test_the_form_of_messages():
    """A released form: consumers read it. docs/targets/nats.md describes it."""
    subjects = _nats_text.Subjects("pantau", CITY)
    told = frame(7, {"water_level": LEVEL, "rain_amount": ("mm", [0.2, 0.0, 0.4])}, seq=3)
    at = [NOW_MS + 60_000 * 7 - 30_000 + 60_000 * n for n in range(3)]
    (one,) = _nats_text.messages(told, 7, subjects)
    assert (one.subject, one.name, one.position) == ("pantau.obs.tng.flood-01", "flood-01/1/3", 7)
    assert json.loads(_nats_text.write(one).payload) == {
        "node": "flood-01", "boot": 1, "seq": 3, "received_at": NOW_MS + 420_000, "station": "angke", "clock": 3,
        "interval_s": 60, "index": [0, 1, 2], "observed_at": at,
        "properties": {
            "water_level": {"unit": "m", "values": [1.25, None, 1.5], "flags": [[1, 9, "timeout", ""]]},
            "rain_amount": {"unit": "mm", "values": [0.2, 0.0, 0.4]},
        },
    }  # fmt: skip
    headers = _nats_text.headers("log", one, 7)
    assert headers == {"Nats-Msg-Id": "flood-01/1/3", "Pantau-Log": "log", "Pantau-Position": "7"}
    assert _nats_text.headers("log", one, 9)["Pantau-Through"] == "9"
    raw = b"NATS/1.0\r\n" + b"".join(f"{key}: {value}\r\n".encode() for key, value in headers.items()) + b"\r\n"
    assert _nats_text.size(headers, b"seven b") == len(raw) + 7


@given(
    st.dictionaries(
        st.sampled_from(["water_level", "rain_amount", "pm2_5"]),
        st.lists(st.none() | st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=5),
        min_size=1,
    ),
    st.booleans(),
)
def test_what_a_message_says_is_what_was_observed(values, dated):
    told = frame(1, {name: ("u", column) for name, column in values.items()}, at_ms=-1 if dated else None)
    (one,) = _nats_text.messages(told, 1, _nats_text.Subjects("p", "c"))
    said = {row[:7] for row in observed(json.loads(_nats_text.write(one).payload))}
    assert said == {(*seen.key[:4], seen.property, seen.value, seen.observed_at_ms) for seen in told.observations}


@pytest.mark.parametrize(
    "subject, by, taken",
    [
        ("a.b.>", ["a.>"], True), ("a.b.>", ["a.b.>"], True), ("a.b.>", ["a.*.>"], True), ("a.b.>", [">"], True),
        ("a.b.>", ["a.b"], False), ("a.b.>", ["a.b.*"], False), ("a.b.>", ["a.b.c.>"], False), ("a.b", ["a.>"], True),
        ("a.b", ["a.b.>"], False), ("a.b", ["a.*"], True), ("a.*", ["a.b"], False), ("a.b", [], False),
        ("a.b.>", ["x", "*.*.>"], True), ("a.>", ["a.*.>"], False),
    ],
)  # fmt: skip
def test_whether_a_stream_takes_a_subject(subject, by, taken):
    assert _nats_text.covered(subject, by) is taken
