"""The NGSI-LD sink before a broker that is well. The broker is a stub of ours."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace

import pytest
from pydantic import ValidationError

from built import T0_S
from pantau.sinks import Context, ngsi_ld
from pantau.sinks import _ngsi_entities as sdm
from pantau.sinks.ngsi_ld import NgsiLdTable, open_sink
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


# --- what is sent


def test_what_is_late_never_becomes_the_current_state(stub, sink, town):
    late, now = town.level(2000, at_s=T0_S), town.level(1500, at_s=T0_S + 60)
    assert kinds(sink.deliver([now])) == kinds(sink.deliver([late])) == ["stored"]
    assert level(stub) == 5.0
    assert [value for _, value, _ in levels(stub)] == [4.5, 5.0]
    assert kinds(sink.deliver([late, now])) == ["duplicate", "duplicate"]
    assert len(levels(stub)) == 2


def test_an_entity_is_at_most_once_in_a_request_and_the_rest_is_history(stub, sink, town):
    sink.deliver([town.level(1500, 1501, 1502), town.level(1503, 1504, at_s=T0_S + 300), *town.day(at_s=T0_S + 900)])
    for told in upserts(stub):
        assert max(Counter(entity["id"] for entity in told).values()) == 1
    assert [value for _, value, _ in levels(stub)] == [5.0, 4.999, 4.998, 4.997, 4.996, 5.0, 4.998]


def test_requests_are_bounded_by_number_and_by_size(stub, tmp_path, town, monkeypatch):
    monkeypatch.setattr(ngsi_ld, "_MOST_BYTES", 4_000)
    opened(stub, tmp_path, batch=3).deliver(town.day())
    bodies = [request.body for request in stub.requests if request.target == UPSERT]
    assert len(bodies) > 2
    assert all(len(json.loads(body)) <= 3 and len(body) < 4_100 for body in bodies)


def test_a_history_that_cannot_hold_it_yet_is_not_asked(stub, sink, town):
    sink.deliver([town.level(1500)])
    stub.requests.clear()
    sink.deliver([town.level(1501, 1502, at_s=T0_S + 60)])
    assert [r.method for r in stub.requests] == ["POST"] * len(stub.requests)


def test_the_place_follows_the_node(stub, sink, town):
    here, there = (
        town.level(1500, node=town.mover, at_s=kits.MOVED_S - 60),
        town.level(1500, node=town.mover, at_s=kits.MOVED_S),
    )
    name = f"urn:ngsi-ld:FloodMonitoring:tng:{town.mover}"
    for decoded, station in ((here, kits.ANGKE), (there, kits.BENDUNG)):
        sink.deliver([decoded])
        told = sdm.key_values(stub.store.entities[name])
        assert told["location"]["coordinates"] == [station.longitude, station.latitude]
        assert (told["stationID"], told["referenceLevel"]) == (station.id, station.sensor_height_m)
    sink.deliver([town.level(1400, node=town.mover, at_s=kits.MOVED_S - 120)])
    assert stub.store.temporal[name]["location"][-1]["value"]["coordinates"][0] == kits.ANGKE.longitude
    assert sdm.key_values(stub.store.entities[name])["stationID"] == "bendung"


def test_a_date_in_the_future_does_not_hold_the_current_state(stub, sink, town):
    mad = town.level(1000, at_s=T0_S + 86_400)
    mad = town.instead(mad, observations=tuple(replace(o, received_ms=1000 * T0_S) for o in mad.observations))
    for _ in range(2):
        sink.deliver([mad])
    sink.deliver([town.level(1500)])
    assert level(stub) == 5.0
    assert [value for _, value, _ in levels(stub)] == [5.0, 5.5]


def test_of_two_readings_of_one_instant_the_later_record_counts(stub, sink, town):
    one, two = town.level(1500), town.level(1600)
    sink.deliver([two])
    assert kinds(sink.deliver([one])) == ["duplicate"]
    assert level(stub) == 4.9
    three = town.level(1700)
    sink.deliver([three])
    sink.deliver([one, three, two])
    assert level(stub) == 4.8


def test_an_attribute_that_comes_late_does_not_take_the_date_back(stub, sink, town):
    bare = town.level(1500, at_s=T0_S + 60)
    sink.deliver([replace(bare, observations=tuple(o for o in bare.observations if o.property == "water_distance"))])
    sink.deliver([town.level(1600, at_s=T0_S)])
    told = sdm.key_values(stub.store.entities[FLOOD])
    assert (told["measuredDistance"], told["currentLevel"]) == (1.5, 4.9)
    assert sdm.milliseconds(told["observationDateTime"]) == 1000 * (T0_S + 60)


def test_a_history_that_went_ahead_of_a_refused_state_is_asked(stub, sink, town):
    batch = [town.level(1500, 1501)]
    stub.instead = lambda r: Reply(400) if r.target == UPSERT and FLOOD.encode() in r.body else None
    assert kinds(sink.deliver(batch)) == ["rejected"]
    assert [value for _, value, _ in levels(stub)] == [5.0]
    stub.instead = lambda _: None
    sink.deliver(batch)
    assert [value for _, value, _ in levels(stub)] == [5.0, 4.999]


def test_health_is_a_device_and_an_older_report_changes_nothing(stub, sink, town):
    first, second = town.state(rssi=-60), town.state(rssi=-70, uptime_ms=260_000, utc_ms=kits.OFFSET_MS + 260_000)
    assert kinds(sink.deliver([second])) == kinds(sink.deliver([first])) == ["stored"]
    device = sdm.key_values(stub.store.entities["urn:ngsi-ld:Device:tng:flood-00"])
    assert (device["rssi"], device["batteryLevel"], device["firmwareVersion"]) == (-70, -1, "1.4.0")


def test_the_context_in_the_header(stub, tmp_path, town):
    sink = opened(stub, tmp_path, context_in="header", tenant="tng")
    assert set(kinds(sink.deliver([*town.day(), town.level(1400, at_s=T0_S - 60)]))) == {"stored"}
    for request in stub.requests:
        assert request.headers["ngsild-tenant"] == "tng"
        if request.method == "POST":
            assert request.headers["content-type"] == "application/json"
            assert b"@context" not in request.body
    links = {re.search(r"dataModel\.(\w+)", r.headers["link"])[1] for r in stub.requests if r.target == UPSERT}
    assert links == {"Environment", "Weather", "Transportation", "Device"}


def test_the_context_in_the_body_has_the_core_last(stub, sink, town):
    sink.deliver(town.day())
    contexts = {tuple(entity["@context"]) for told in upserts(stub) for entity in told}
    assert {context[-1] for context in contexts} == {"https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context.jsonld"}
    assert len(contexts) == 4


@pytest.mark.parametrize(
    "settings", [{"temporal": True}, {"tenant": "a b"}, {"contexts": {"core": "core.jsonld"}}, {"batch": 0}]
)
def test_a_table_that_cannot_be_meant(settings):
    with pytest.raises(ValidationError):
        NgsiLdTable(url="https://broker.example", **settings)


def test_an_address_with_the_root_of_the_api(stub, tmp_path, town):
    table = NgsiLdTable(url=f"{stub.url}/ngsi-ld/v1/", lab_plain=True)
    sink = open_sink(table, Context(kits.CITY, kits.LOG, tmp_path, kits.registry()))
    assert kinds(sink.deliver([town.level(1500)])) == ["stored"]


# --- revisions


def test_a_verdict_on_the_current_state_is_written_there(stub, sink, town):
    decoded = town.level(1500)
    sink.deliver([decoded])
    shown = next(o for o in decoded.observations if o.property == "water_level")
    sink.deliver([town.revised(shown, quality=3)])
    value = stub.store.entities[FLOOD]["currentLevel"]
    assert (value["value"], value[sdm.QUALITY]["value"], value[sdm.REASON]["value"]) == (5.0, 3, "spike")
    assert sink.figures()["sink_unrevised_total"] == 0


def test_a_verdict_on_an_older_reading_amends_the_history(stub, sink, town):
    decoded = town.level(1500, 1501)
    sink.deliver([decoded])
    shown = next(o for o in decoded.observations if o.property == "water_level")
    sink.deliver([town.revised(shown, quality=4)])
    assert [quality for _, _, quality in levels(stub)] == [4, 1]
    assert level(stub) == 4.999
    # So is one that comes with the reading that takes its place.
    now = next(o for o in decoded.observations if o.property == "water_level" and o.index == 1)
    sink.deliver([town.level(1502, at_s=T0_S + 120), town.revised(now, quality=3)])
    assert [quality for _, _, quality in levels(stub)] == [4, 3, 1]
    assert sink.figures()["sink_unrevised_total"] == 0


def test_a_verdict_that_failed_to_arrive_is_told_again(stub, sink, town):
    decoded = town.level(1500)
    sink.deliver([decoded])
    late = town.revised(decoded.observations[0], quality=3)
    stub.instead = lambda _: Reply(503)
    assert kinds(sink.deliver([late])) == ["retry"]
    stub.instead = lambda _: None
    sink.deliver([late])
    name = "currentLevel" if decoded.observations[0].property == "water_level" else "measuredDistance"
    assert stub.store.entities[FLOOD][name][sdm.QUALITY]["value"] == 3


def test_after_a_restart_the_current_state_is_found_by_its_record(stub, sink, tmp_path, town):
    decoded = town.level(1500, 1501)
    sink.deliver([decoded])
    old, now = (next(o for o in decoded.observations if o.property == "water_level" and o.index == i) for i in (0, 1))
    other = opened(stub, tmp_path)
    other.deliver([town.revised(now, quality=3), town.revised(old, quality=4)])
    assert stub.store.entities[FLOOD]["currentLevel"][sdm.QUALITY]["value"] == 3
    assert other.figures()["sink_unrevised_total"] == 1  # nobody knows any more when that was


def test_a_broker_that_cannot_amend_costs_the_verdict_alone(stub, sink, town):
    decoded = town.level(1500, 1501)
    sink.deliver([decoded])
    stub.instead = lambda r: Reply(501) if r.method == "PATCH" else None
    late = town.revised(*(o for o in decoded.observations if o.index == 0), quality=4)
    assert kinds(sink.deliver([late])) == ["stored"]
    assert sink.figures()["sink_unrevised_total"] == 4
    assert [quality for _, _, quality in levels(stub)] == [1, 1]


# --- the temporal API


def test_without_history_what_is_late_is_counted(stub, tmp_path, town):
    sink = opened(stub, tmp_path, temporal="off")
    assert kinds(sink.deliver([town.level(1500, 1501)])) == ["stored"]
    assert not [r for r in stub.requests if "temporal" in r.target]
    assert sink.figures()["sink_superseded_total"] == 4  # distance, level, tips, amount
    assert level(stub) == 4.999


def test_a_broker_that_records_nothing_is_told_everything(stub, tmp_path, town):
    stub.store = ngsi_stub.Store(records=False)
    sink = opened(stub, tmp_path, temporal="all")
    log = [town.level(1500, 1501), town.level(1502, at_s=T0_S + 120)]
    assert kinds(sink.deliver(log)) == ["stored", "stored"]
    assert [value for _, value, _ in levels(stub)] == [5.0, 4.999, 4.998]
    # Current state written, and then no answer to the history: it is asked what it has.
    more = town.level(1503, at_s=T0_S + 180)
    stub.instead = lambda request: Reply(500) if "temporal" in request.target else None
    assert kinds(sink.deliver([more])) == ["retry"]
    stub.instead = lambda _: None
    sink.deliver([more])
    sink.deliver(log)
    assert [value for _, value, _ in levels(stub)] == [5.0, 4.999, 4.998, 4.997]


@pytest.mark.parametrize("status", [404, 501])
def test_a_broker_without_the_temporal_api_says_what_to_set(stub, sink, town, status):
    def instead(request):
        return (
            Reply(status, {"title": "no such thing"})
            if "temporal" in request.target and request.method == "POST"
            else None
        )

    stub.instead = instead
    (verdict,) = sink.deliver([town.level(1500, 1501, 1499)])
    assert verdict.kind == "rejected" and 'set temporal = "off"' in verdict.reason
    assert len([r for r in stub.requests if r.method == "POST" and "temporal" in r.target]) == 3  # not for each reading
    assert level(stub) == 5.001


def test_one_reading_that_no_history_may_hold_is_found(stub, sink, town):
    first, last = town.level(*range(1500, 1508)), town.level(1600, at_s=T0_S + 900)
    bad = sdm.instant(first.observations[3].observed_at_ms).encode()
    stub.instead = lambda r: Reply(400) if "temporal" in r.target and r.method == "POST" and bad in r.body else None
    verdicts = sink.deliver([first, last])
    assert kinds(verdicts) == ["rejected", "stored"]
    assert len(levels(stub)) == 8
    assert verdicts[0].reason.startswith("4 of 32 observations")


def test_a_history_that_holds_back_is_asked_in_smaller_parts(stub, sink, town, monkeypatch):
    monkeypatch.setattr(ngsi_stub, "_HELD_BACK", 2)
    sink.deliver([town.level(*range(1500, 1512))])
    before = levels(stub)
    assert len(before) == 12
    assert kinds(sink.deliver([town.said[0], town.level(1600, at_s=T0_S + 90)])) == ["duplicate", "stored"]
    assert len(levels(stub)) == 13
