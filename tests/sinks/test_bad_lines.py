"""The way to a target misbehaves: what is not HTTP is held to hangs, cuts and strangers by a TCP proxy before the real server."""

from __future__ import annotations

import importlib
import time

import pytest

import needs
from pantau.sinks import _postgres_link
from pantau_sim.servers import Missing
from sinks import kit as kits
from sinks.bad_tcp import BadTcp
from sinks.kit import T0_S, check
from sinks.test_contract import ADVICE, eventually, taken

TIMEOUT_S = 0.6
WITHIN_S = 6.0  # for a delivery: connecting has a time of its own, which is 2 s at least for PostgreSQL


def settings(name, port):
    if name == "nats":
        return {"servers": [f"nats://127.0.0.1:{port}"], "timeout_s": TIMEOUT_S}
    more = {"connect_timeout_s": 2} if name == "postgres" else {}
    return {"port": port, "timeout_s": TIMEOUT_S, **more}


class Target:
    """A kit, the proxy before its server, and sinks that go through it."""

    def __init__(self, name, folder):
        self.name = name
        self.kit = importlib.import_module(f"sinks.kit_{name}").Kit(folder)
        self.proxy = BadTcp(self.kit.server.port)
        self.towns = kits.towns()
        eventually(sink := self.open(), next(self.towns).day())
        sink.close()

    def open(self):
        return self.kit.open(**settings(self.name, self.proxy.port))

    def close(self):
        self.proxy.close()
        self.kit.close()


@pytest.fixture(scope="module", params=["mqtt", "nats", "postgres"])
def target(request, tmp_path_factory):
    try:
        target = Target(request.param, tmp_path_factory.mktemp(request.param))
    except Missing as missing:
        needs.missing(missing.what, missing.package)
    yield target
    target.close()


@pytest.fixture
def town(target, monkeypatch):
    monkeypatch.setattr(_postgres_link, "_GRACE_S", 0.2)
    yield next(target.towns)
    target.proxy.behave()


def refused(sink, batch):
    """Deliver over a way that does not work; return why the sink wants to try again."""
    began = time.monotonic()
    verdicts = sink.deliver(batch)
    assert time.monotonic() - began < WITHIN_S
    assert [verdict.kind for verdict in verdicts] == ["retry"] * len(batch), verdicts
    assert "127.0.0.1" in verdicts[0].reason or "[sinks." in verdicts[0].reason, verdicts[0].reason
    assert ADVICE.search(verdicts[0].reason), verdicts[0].reason
    return verdicts[0].reason


@pytest.mark.parametrize("mode", ["swallow", "mute", "drip", "refuse"])
def test_an_open_connection_goes_bad(target, town, mode):
    sink = target.open()
    taken(sink, [town.level(1500)])
    target.proxy.behave(mode)
    more = [town.level(1501, 1502, at_s=T0_S + 900), town.road(3, at_s=T0_S + 900)]
    refused(sink, more)
    target.proxy.behave()
    eventually(sink, more)
    sink.close()
    check(target.kit, town)


@pytest.mark.parametrize("mode", ["swallow", "refuse", "page"])
def test_there_is_nobody_behind_the_address(target, town, mode):
    target.proxy.behave(mode)
    sink = target.open()
    day = town.day()
    refused(sink, day)
    assert sink.position() is None
    target.proxy.behave()
    eventually(sink, day)
    sink.close()
    check(target.kit, town)


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_cut_off_within_a_batch(target, town, share):
    sink = target.open()
    taken(sink, [town.level(1500)])
    log = [town.level(*range(1500, 1560), at_s=T0_S + 900 + 3600 * n) for n in range(3)]
    target.proxy.behave(cut_after=int(share * 3000))
    assert refused(sink, log)
    target.proxy.behave()
    target.proxy.cut()
    eventually(sink, log)
    sink.close()
    check(target.kit, town)
