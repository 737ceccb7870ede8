"""The NATS sink beyond the contract: what is published twice is found, streams are adopted or refused, servers hang."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import nats
import nkeys
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

import needs
from pantau.problems import ConfigError
from pantau.sinks import Context, _nats_text
from pantau.sinks.nats import NatsTable, open_sink
from pantau_sim.demo import certificates
from pantau_sim.servers import Missing
from pantau_sim.servers import nats as server
from sinks import kit as kits
from sinks.frames import NOW_MS, frame
from sinks.kit import CITY, LOG, check, registry
from sinks.kit_nats import STREAM, Kit, messages_at, observed

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


def test_a_frame_that_the_server_finds_too_large_is_rejected_and_no_other(tmp_path):
    with server.running(tmp_path / "small", config={"max_payload": 2000}) as small:
        large = frame(2, {"water_level": ("m", [float(n) for n in range(900)])})
        log = [frame(1, {"water_level": LEVEL}), large, frame(3, {"water_level": LEVEL})]
        with alone(small, tmp_path) as sink:
            verdicts = sink.deliver(log)
            assert [verdict.kind for verdict in verdicts] == ["stored", "rejected", "stored"]
            assert "2000" in verdicts[1].reason
            assert "max_payload" in verdicts[1].reason
            assert kinds(sink, log) == ["duplicate", "rejected", "duplicate"]


@pytest.mark.long
def test_the_leader_of_a_cluster_ends_in_the_middle_and_each_frame_is_there_once_in_order(tmp_path):
    town = next(kits.towns())
    log = [town.level(1500 + n, node=node, at_s=kits.T0_S + 60 * n) for n in range(100) for node in town.nodes[:3]]
    with server.cluster(tmp_path) as servers:
        table = NatsTable(
            servers=[one.url for one in servers], lab_plain=True, timeout_s=2.0, replicas=3, duplicate_window_s=0.1
        )
        sink = open_sink(table, Context(CITY, LOG, tmp_path / "sink", registry()))
        at, killed, began = 0, False, time.monotonic()
        while at < len(log):
            if at == 150 and not killed:
                killed = True
                leader = asyncio.run(_leader(servers[0].url))
                gone = next(one for one in servers if one.folder.name == leader)
                gone.kill()
            verdicts = sink.deliver(log[at : at + 10])
            if any(verdict.kind == "retry" for verdict in verdicts):
                assert time.monotonic() - began < 40, verdicts[0].reason
                sink.position()
                continue
            at += 10
        assert sink.position() == log[-1].id
        sink.close()
        gone.start()  # a consumer needs a leader of all that is not busy with choosing one
        told = asyncio.run(messages_at(gone.url))
    names = [one.headers["Nats-Msg-Id"] for one in told]
    assert sorted(names) == sorted(f"{decoded.node}/{decoded.boot}/{decoded.seq}" for decoded in log)
    for node in town.nodes[:3]:
        seqs = [one.said["seq"] for one in told if one.said["node"] == node]
        assert seqs == sorted(seqs)


async def _leader(url):
    """Return who leads the stream, once every replica has all of it: a cluster that has just begun may lose what it has."""
    client = await nats.connect(url)
    try:
        while True:
            found = (await client.jetstream().stream_info(STREAM)).cluster
            if len(found.replicas) == 2 and all(one.current for one in found.replicas):
                return found.leader
    finally:
        await client.close()


@contextmanager
def alone(at, folder, **given):
    table = NatsTable(**{"servers": [at.url], "lab_plain": True, "timeout_s": 1.5, **given})
    sink = open_sink(table, Context(CITY, LOG, folder / f"sink-{next(_FRESH)}", registry()))
    try:
        yield sink
    finally:
        sink.close()


ADOPTED = {
    "whole tree": ({"subjects": ["trees.>"]}, "stored", ""),
    "by kind": ({"subjects": ["trees.obs.>", "trees.rev.>", "trees.health.>", "shrubs"]}, "stored", ""),
    "too little": ({"subjects": ["trees.obs.>"]}, "retry", "trees.rev.>"),
    "without receipts": ({"subjects": ["trees.>"], "no_ack": True}, "retry", "no_ack"),
    "small messages": ({"subjects": ["trees.>"], "max_msg_size": 300}, "rejected", "exceeds"),
    "full": ({"subjects": ["trees.>"], "max_msgs": 1, "discard": "new"}, "retry", "maximum messages"),
}


@pytest.mark.parametrize("name", ADOPTED)
def test_a_stream_that_is_there_is_adopted_or_refused_with_words(kit, tmp_path, name):
    config, kind, words = ADOPTED[name]
    kit.ask(lambda js: js.add_stream(name="TREES", **config))
    try:
        log = [frame(1, {"water_level": LEVEL}), frame(2, {"water_level": ("m", [1.0] * 90)})]
        with opened(kit, tmp_path, stream="TREES", prefix="trees") as sink:
            verdict = sink.deliver(log)[1]
        assert verdict.kind == kind
        assert words in verdict.reason
    finally:
        kit.ask(lambda js: js.delete_stream("TREES"))


def test_another_stream_that_takes_our_subjects_is_named(kit, town, tmp_path):
    with opened(kit, tmp_path) as first, opened(kit, tmp_path, stream="SECOND") as second:
        kinds(first, [town.level(1500)])
        verdict = second.deliver([town.level(1501)])[0]
    assert verdict.kind == "retry"
    assert "another stream than SECOND takes pantau.obs" in verdict.reason
    assert "NATS at" in verdict.reason


def test_a_stream_is_made_as_the_table_says(kit, tmp_path):
    with opened(kit, tmp_path, stream="MADE", prefix="made.here", max_age_h=2, max_mib=3, storage="memory") as sink:
        assert sink.position() == 0
    made = kit.ask(lambda js: js.stream_info("MADE")).config
    assert (made.max_age, made.max_bytes, made.storage, made.duplicate_window) == (7200, 3 << 20, "memory", 0.1)
    assert made.subjects == ["made.here.obs.>", "made.here.rev.>", "made.here.health.>"]
    kit.ask(lambda js: js.delete_stream("MADE"))


def test_tls_is_demanded_and_the_secrets_are_used(tmp_path):
    certificates.make(tmp_path)
    seed = nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_USER)
    public = nkeys.from_seed(bytearray(seed)).public_key.decode()
    for name, secret in (("password", "sesame"), ("wrong", "hush"), ("seed", seed.decode())):
        (tmp_path / name).touch(mode=0o600)
        (tmp_path / name).write_text(f"{secret}\n")
    tls = {"cert_file": str(tmp_path / "server.pem"), "key_file": str(tmp_path / "server.key")}
    config = {"tls": tls, "authorization": {"users": [{"user": "city", "password": "sesame"}, {"nkey": public}]}}
    good = {"lab_plain": False, "ca": tmp_path / "ca.pem"}
    by_password = {"user": "city", "password_file": tmp_path / "password"}
    log = [frame(1, {"water_level": LEVEL})]
    with server.running(tmp_path / "tls", config=config) as safe:
        for given, kind, words in (
            (good | by_password, "stored", ""),
            (good | {"nkey_file": tmp_path / "seed"}, "duplicate", ""),
            (good | by_password | {"password_file": tmp_path / "wrong"}, "retry", "Authorization Violation"),
            (by_password | {"lab_plain": False}, "retry", "certificate verify failed"),
        ):
            with alone(safe, tmp_path, timeout_s=0.6, **given) as sink:
                verdict = sink.deliver(log)[0]
            assert (verdict.kind, words in verdict.reason) == (kind, True), (given, verdict)
    (tmp_path / "wrong").chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        open_sink(
            NatsTable(servers=["nats://h"], user="u", password_file=tmp_path / "wrong"),
            Context(CITY, LOG, tmp_path, registry()),
        )


def test_a_plain_server_is_told_nothing_unless_the_table_says_so(kit, tmp_path):
    (tmp_path / "token").touch(mode=0o600)
    with opened(kit, tmp_path, lab_plain=False, token_file=tmp_path / "token", timeout_s=0.5) as sink:
        verdict = sink.deliver([frame(1, {"water_level": LEVEL})])[0]
    assert verdict.kind == "retry"
    assert "does not ask for TLS" in verdict.reason


def test_a_missing_package_is_named(monkeypatch, tmp_path):
    for name in ("nats", "nkeys"):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, name, None)
            with pytest.raises(ConfigError, match=rf"{name}: install pantau\[nats\]"):
                open_sink(NatsTable(servers=["nats://h"]), Context(CITY, LOG, tmp_path, registry()))


def test_the_table():
    with pytest.raises(ValidationError, match="duplicate_window_s"):
        NatsTable(servers=["nats://h:4222"], max_age_h=1, duplicate_window_s=4000)
    for wrong in ({"prefix": "pantau.*"}, {"stream": "a.b"}, {"servers": ["http://h"]}, {"servers": []}):
        with pytest.raises(ValidationError):
            NatsTable(**{"servers": ["nats://h:4222"], **wrong})


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
