"""The NATS sink and its servers: bounds, clusters, streams that are adopted or refused, TLS and secrets."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import nats
import nkeys
import pytest
from pydantic import ValidationError

import needs
from pantau.problems import ConfigError
from pantau.sinks import Context
from pantau.sinks.nats import NatsTable, open_sink
from pantau_sim.demo import certificates
from pantau_sim.servers import Missing
from pantau_sim.servers import nats as server
from sinks import kit as kits
from sinks.frames import frame
from sinks.kit import CITY, LOG, registry
from sinks.kit_nats import STREAM, Kit, messages_at

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
    (tmp_path / "token").write_text("secret")
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
