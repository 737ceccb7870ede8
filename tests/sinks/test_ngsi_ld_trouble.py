"""The NGSI-LD sink before a broker that is not well: it loses, refuses, hangs, or is none. The broker is a stub of ours."""

from __future__ import annotations

import json
import re
import time

import pytest

from built import T0_S
from pantau.sinks import ngsi_ld
from pantau_sim.servers import ngsi_stub
from pantau_sim.servers.ngsi_stub import Reply, Stub
from sinks import kit as kits
from sinks.ngsi_rig import FLOOD, UPSERT, kinds, level, levels, opened, upserts


@pytest.fixture
def stub():
    broker = Stub()
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def town():
    return next(kits.towns())


@pytest.fixture
def sink(stub, tmp_path):
    made = opened(stub, tmp_path)
    yield made
    made.close()


def test_half_a_batch_is_refused(stub, sink, town):
    def refuse(request):
        if request.target != UPSERT:
            return None
        entities = json.loads(request.body)
        bad = [e for e in entities if e["id"] == FLOOD]
        if not bad:
            return None
        good = ngsi_stub.Request(*request[:3], json.dumps([e for e in entities if e["id"] != FLOOD]).encode())
        stub.serve(good)
        error = {"entityId": FLOOD, "error": {"type": "x", "title": "no flood today", "status": 400}}
        return Reply(207, {"success": [e["id"] for e in entities if e["id"] != FLOOD], "errors": [error]})

    stub.instead = refuse
    verdicts = sink.deliver([town.level(1500), town.road(3)])
    assert kinds(verdicts) == ["rejected", "stored"]
    assert "no flood today" in verdicts[0].reason and verdicts[0].reason.startswith("2 of 4 observations")
    assert FLOOD not in stub.store.entities


@pytest.mark.parametrize("status", [400, 404])
def test_a_broker_that_refuses_everything_is_waited_for(stub, sink, town, status):
    """A tenant that was deleted, contexts that it cannot fetch: no reading is at fault."""
    assert kinds(sink.deliver([town.level(1500)])) == ["stored"]
    refusal = Reply(status, {"title": "no tenant, no context"})
    stub.instead = lambda request: refusal if request.target == UPSERT else None
    (said,) = sink.deliver([town.level(1501, at_s=T0_S + 60)])
    assert said.kind == "retry" and "refuses even" in said.reason and "no tenant" in said.reason
    stub.instead = lambda request: refusal if request.target == UPSERT and FLOOD in request.body.decode() else None
    assert kinds(sink.deliver(town.said[-1:])) == ["rejected"]


def test_only_what_the_broker_could_not_take_now_is_told_again(stub, sink, town):
    busy = [True]

    def later(request):
        if request.target != UPSERT or not busy.pop():
            return None
        entities = json.loads(request.body)
        rest = [e for e in entities if e["id"] != FLOOD]
        stub.serve(ngsi_stub.Request(*request[:3], json.dumps(rest).encode()))
        return Reply(
            207, {"success": [e["id"] for e in rest], "errors": [{"entityId": FLOOD, "error": {"status": 503}}]}
        )

    stub.instead = later
    batch = [town.level(1500), town.road(3)]
    first = sink.deliver(batch)
    assert kinds(first) == ["retry", "retry"] and FLOOD in first[0].reason
    stub.instead = lambda _: None
    assert kinds(sink.deliver(batch)) == ["stored", "duplicate"]
    assert [entity["id"] for entity in upserts(stub)[-1] if entity["id"].split(":")[4] != "pantau"] == [FLOOD]
    assert all(
        len(one) == 1 for history in stub.store.temporal.values() for one in history.values() if isinstance(one, list)
    )


def test_one_entity_that_no_list_may_hold_is_found(stub, sink, town):
    poison = b"TrafficFlowObserved"
    stub.instead = lambda r: Reply(400, {"title": "bad list"}) if r.target == UPSERT and poison in r.body else None
    verdicts = sink.deliver(town.day())
    assert kinds(verdicts) == ["stored", "rejected", "stored", "stored", "stored", "stored"]
    assert "upsert answered 400" in verdicts[1].reason and "bad list" in verdicts[1].reason


BAD_ANSWERS = {
    "HTML": (Reply(200, b"<html>please sign in</html>"), "instead of JSON"),
    "HTML as created": (Reply(201, b"<html>"), "instead of JSON"),
    "another answer": (Reply(200, {"ok": True}), "which no batch upsert does"),
    "silence about some": (Reply(207, {"success": [], "errors": []}), "without a word of"),
    "not now": (Reply(503, {"title": "starting"}), "starting"),
    "not you": (Reply(401, {}), "does not accept our credentials"),
    "elsewhere": (Reply(302, b""), "correct \\[sinks.ngsi_ld\\] url"),
}


@pytest.mark.parametrize("answer, says", BAD_ANSWERS.values(), ids=BAD_ANSWERS)
def test_an_answer_that_is_none_is_tried_again(stub, sink, town, answer, says):
    stub.instead = lambda request: answer if request.target == UPSERT else None
    (verdict,) = sink.deliver([town.level(1500)])
    assert verdict.kind == "retry" and re.search(says, verdict.reason), verdict.reason
    stub.instead = lambda _: None
    assert kinds(sink.deliver([town.level(1500)])) == ["stored"]


def test_applied_and_never_answered(stub, sink, town):
    lose = [True]

    def hang(request):
        if request.method != "POST" or not lose:
            return None
        lose.clear()
        stub.serve(request)
        time.sleep(0.8)
        return Reply(204)

    stub.instead = hang
    batch = [town.level(1500, 1501)]
    assert kinds(sink.deliver(batch)) == ["retry"]
    sink.deliver(batch)
    assert [value for _, value, _ in levels(stub)] == [5.0, 4.999]


def test_single_entities_that_somebody_deleted_come_back(stub, sink, town):
    sink.deliver([town.level(1500)])
    del stub.store.entities[FLOOD]
    more = town.level(1501, at_s=T0_S + 60)
    (verdict,) = sink.deliver([more])
    assert verdict.kind == "retry" and "had lost 1 entities" in verdict.reason
    assert sink.position() is None  # the rest is there
    sink.deliver([more])
    assert level(stub) == 4.999


def test_the_broker_is_new(stub, sink, town):
    assert sink.position() == 0
    sink.deliver([town.level(1500)])
    assert sink.position() is None
    stub.store = ngsi_stub.Store()
    assert sink.position() == 0
    sink.deliver([town.said[0]])
    assert level(stub) == 5.0


def test_what_cannot_be_told_costs_only_itself(stub, sink, town):
    decoded = town.odd(town.level(1500), value=float("nan"))
    (verdict,) = sink.deliver([decoded])
    assert verdict.kind == "rejected" and "1 of 4 observations" in verdict.reason
    assert "urn:ngsi-ld:WeatherObserved:tng:flood-00" in stub.store.entities


def test_memory_is_bounded(stub, tmp_path, town, monkeypatch):
    monkeypatch.setattr(ngsi_ld, "_MOST_GATES", 3)
    monkeypatch.setattr(ngsi_ld, "_MOST_RECENT", 5)
    sink = opened(stub, tmp_path)
    for at_s in range(T0_S, T0_S + 600, 60):
        assert set(kinds(sink.deliver([town.level(1500, at_s=at_s), town.smog(30, at_s=at_s)]))) == {"stored"}
    assert len(sink._gates._gates) <= 3 and len(sink._gates._fresh) <= 3 and len(sink._recent) <= 5
    assert len(levels(stub)) == 10
