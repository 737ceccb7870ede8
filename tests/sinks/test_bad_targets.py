"""Targets that misbehave: sinks ask for a retry in bounded time and memory, say what to do, and lose and double nothing."""

from __future__ import annotations

import importlib
import time
import tracemalloc
from typing import Any

import pytest

import needs
from pantau.sinks import Context
from pantau.sinks.line import LineTable
from pantau.sinks.ngsi_ld import NgsiLdTable
from pantau.sinks.sensorthings import SensorThingsTable
from pantau_sim.servers import Missing
from sinks import bad_http as bad
from sinks import kit as kits
from sinks.kit import CITY, LOG, T0_S, check
from sinks.test_contract import ADVICE, eventually, taken

QUICK_S = 1.0  # timeout of a sink whose target hangs: the tests wait for it
LARGEST_MB = 80  # of memory, for an answer without end: what _http reads at most, and a little


def line(url: str, timeout_s: float, **given: Any) -> LineTable:
    return LineTable(url=url, lab_plain=True, timeout_s=timeout_s, db="city", create=True, **given)


def ngsi_ld(url: str, timeout_s: float, **given: Any) -> NgsiLdTable:
    return NgsiLdTable(url=url, lab_plain=True, timeout_s=timeout_s, **given)


def sensorthings(url: str, timeout_s: float, **given: Any) -> SensorThingsTable:
    return SensorThingsTable(url=url, lab_plain=True, timeout_s=timeout_s, **given)


HTTP = {
    "line": (line, bad.half_of_lines),
    "ngsi_ld": (ngsi_ld, bad.half_of_json),
    "sensorthings": (sensorthings, bad.half_of_json),
}


class Target:
    """A kit with the misbehaving proxy before its server, and the sink behind both."""

    def __init__(self, name: str, folder) -> None:
        self.name = name
        self.settings, self.split = HTTP[name]
        self.kit = importlib.import_module(f"sinks.kit_{name}").Kit(folder / "kit")
        self.folder = folder
        self.proxy = bad.BadHttp(self.kit.server.port)
        self.url = self.kit.server.url.replace(str(self.kit.server.port), str(self.proxy.port))
        self.towns = kits.towns()
        sink = self.open("first")
        eventually(sink, next(self.towns).day())
        sink.close()

    def open(self, memory: str = "sink", timeout_s: float = 10.0, **given: Any):
        module = importlib.import_module(f"pantau.sinks.{self.name}")
        context = Context(CITY, LOG, self.folder / memory, kits.registry())
        return module.open_sink(self.settings(self.url, timeout_s, **given), context)

    def close(self) -> None:
        self.proxy.close()
        self.kit.close()


@pytest.fixture(scope="module", params=sorted(HTTP))
def target(request, tmp_path_factory):
    try:
        target = Target(request.param, tmp_path_factory.mktemp(request.param))
    except Missing as missing:
        needs.missing(missing.what, missing.package)
    yield target
    target.close()


@pytest.fixture
def town(target):
    yield next(target.towns)
    target.proxy.behave()


def some(town):
    return [town.level(1500, 1501, at_s=T0_S + 900), town.level(1502, at_s=T0_S + 1800)]


def refused(sink, batch, within_s):
    """Deliver to a target that misbehaves; return why the sink wants to try again."""
    began = time.monotonic()
    verdicts = sink.deliver(batch)
    assert time.monotonic() - began < within_s
    assert [verdict.kind for verdict in verdicts] == ["retry"] * len(batch), verdicts
    reason = verdicts[0].reason
    assert "127.0.0.1" in reason or "[sinks." in reason, f"{reason} does not say which target"
    assert "Traceback" not in reason and len(reason) < 1000
    return verdicts[0]


AT_ONCE = {
    "a page instead of an answer": (bad.page(200), ADVICE),
    "a page that says bad request": (bad.page(400), ADVICE),
    "a page that says not found": (bad.page(404), ADVICE),
    "a page that says not allowed": (bad.page(405), ADVICE),
    "a page of a proxy": (bad.page(502), None),
    "a login page": (bad.login, ADVICE),
    "401": (bad.unauthorized, ADVICE),
    "403": (bad.forbidden, ADVICE),
    "500": (bad.broken, None),
    "503": (bad.unavailable, None),
    "closes": (bad.vanish, None),
    "JSON of something else": (bad.nonsense, None),
}


@pytest.mark.parametrize("what", AT_ONCE)
def test_every_answer_is_wrong(target, town, what):
    fault, words = AT_ONCE[what]
    sink = target.open()
    taken(sink, [town.level(1500)])
    target.proxy.misbehave(fault)
    more = some(town)
    reason = refused(sink, more, 5.0).reason
    assert words is None or words.search(reason), reason
    has = sink.position()
    assert has is None or has < more[-1].id
    sink.close()
    sink = target.open()  # a start while it misbehaves
    refused(sink, more, 5.0)
    target.proxy.behave()
    eventually(sink, more)
    sink.close()
    check(target.kit, town)


WRITES = {
    "does it and loses the answer": bad.done_and_silent,
    "does it and says 500": bad.done_and_500,
    "does it and breaks off the answer": bad.cut_short,
}


@pytest.mark.parametrize("what", WRITES)
@pytest.mark.parametrize("after", [0, 1])
def test_nobody_knows_what_was_done(target, town, what, after):
    sink = target.open()
    taken(sink, [town.level(1500)])
    seen = iter(range(100))
    target.proxy.misbehave(WRITES[what], times=1, when=lambda exchange: exchange.writes and next(seen) >= after)
    more = some(town)
    verdicts = sink.deliver(more)
    assert {verdict.kind for verdict in verdicts} <= ({"retry"} if target.proxy.faults else {"stored"}), verdicts
    assert after or target.proxy.faults
    target.proxy.behave()
    eventually(sink, more)
    sink.close()
    check(target.kit, town)


@pytest.mark.parametrize("again", ["by the same sink", "by another process"])
def test_half_of_a_batch_was_taken(target, town, again):
    sink = target.open()
    taken(sink, [town.level(1500), town.road(3), town.smog(30)])
    target.proxy.misbehave(bad.half(target.split), times=1, when=lambda exchange: exchange.writes)
    log = [town.level(*range(1500, 1512), at_s=T0_S + 900), town.road(4, 5, 6, at_s=T0_S + 900)]
    sink.deliver(log)
    assert target.proxy.faults
    target.proxy.behave()
    if again == "by another process":
        sink.close()
        sink = target.open()
    eventually(sink, log)
    sink.close()
    check(target.kit, town)


def test_asks_for_patience(target, town):
    sink = target.open()
    target.proxy.misbehave(bad.too_many)
    more = some(town)
    assert refused(sink, more, 5.0).wait_s == 17.0
    target.proxy.behave()
    eventually(sink, more)
    sink.close()
    check(target.kit, town)


@pytest.mark.parametrize("fault", [bad.hang, bad.drip])
def test_hangs_or_is_slower_by_far(target, town, fault):
    sink = target.open(timeout_s=QUICK_S)
    eventually(sink, [town.level(1500)])
    target.proxy.misbehave(fault)
    more = some(town)
    reason = refused(sink, more, 3 * QUICK_S).reason
    assert " s" in reason or "timed out" in reason, reason
    target.proxy.behave()
    eventually(sink, more)
    sink.close()
    check(target.kit, town)


def test_an_answer_without_end(target, town):
    sink = target.open()
    taken(sink, [town.level(1500)])
    target.proxy.misbehave(bad.endless)
    more = some(town)
    tracemalloc.start()
    try:
        reason = refused(sink, more, 10.0).reason
        peak_mb = tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()
    assert "MB" in reason
    assert peak_mb < LARGEST_MB
    target.proxy.behave()
    eventually(sink, more)
    sink.close()
    check(target.kit, town)


def test_a_proxy_takes_only_small_requests(target, town):
    sink = target.open()
    eventually(sink, [town.level(1500)])
    target.proxy.misbehave(bad.at_most(6_000))
    log = [town.level(*range(1500, 1530), at_s=T0_S + 3600 * n) for n in range(1, 3)]
    eventually(sink, log)
    assert target.proxy.faults
    target.proxy.behave()
    sink.close()
    check(target.kit, town)


def test_the_server_gave_out_other_ids(target, town):
    """Somebody set the server up again and filled it from the log; what this sink remembers is of the old one."""
    if target.name != "sensorthings":
        pytest.skip(f"{target.name}: the target gives out no ids")
    sink = target.open()
    first = some(town)
    taken(sink, first)
    target.kit.lose()
    other = target.open("other")
    eventually(other, first)
    other.close()
    more = [town.level(1503, at_s=T0_S + 2700), town.road(3)]
    eventually(sink, more)
    sink.close()
    check(target.kit, town)
