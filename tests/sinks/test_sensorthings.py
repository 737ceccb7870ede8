"""The SensorThings sink where it is unlike the others: verdicts row by row, lost answers, ids that change, moved nodes."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from pydantic import ValidationError

import needs
from pantau.decode import Decoded
from pantau.model import Revision
from pantau.registry import Placement, Registry, Sensor
from pantau.sinks.sensorthings import SensorThingsTable
from pantau_sim.servers import Missing
from sinks import kit as kits
from sinks.kit import ANGKE, BENDUNG, LOG, MOVED_S, T0_S, check
from sinks.kit_sensorthings import PREFIX, Kit
from sinks.sta_proxy import Proxy

POISON_M = 1.337  # a distance that the server is made to refuse


@pytest.fixture(scope="module")
def target(tmp_path_factory):
    try:
        kit = Kit(tmp_path_factory.mktemp("sta"))
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


@pytest.fixture
def proxy(kit):
    between = Proxy(kit.server.port, "/sensorthings/v1.1")
    yield between
    between.close()


@pytest.fixture
def sink(kit, proxy, tmp_path):
    opened = kit.open(tmp_path, proxy.url)
    yield opened
    opened.close()


@pytest.fixture
def refusing(kit):
    """The server's database refuses one value, as any constraint of a city's own would."""
    refuse = f"BEGIN SELECT RAISE(ABORT, 'refused') WHERE NEW.result = {POISON_M}; END"
    kit.sql(f"CREATE TRIGGER poison BEFORE INSERT ON {PREFIX}observation {refuse}")
    yield
    kit.sql("DROP TRIGGER poison")


def kinds(verdicts):
    return [verdict.kind for verdict in verdicts]


def without(decoded: Decoded, *gone) -> Decoded:
    return kits.replace(decoded, observations=tuple(o for o in decoded.observations if o not in gone))


def test_a_poison_row_costs_itself_and_says_why(kit, town, sink, proxy, refusing):
    sink.deliver([town.level(1500)])
    proxy.asked.clear()
    good, bad = town.level(*range(1400, 1464), at_s=T0_S + 9000), town.level(1500, 1337, at_s=T0_S + 18000)
    verdicts = sink.deliver([good, bad, town.road(3)])
    assert kinds(verdicts) == ["stored", "rejected", "stored"]
    assert "water_distance[1]" in verdicts[1].reason and "500" in verdicts[1].reason
    assert proxy.count("POST", "/CreateObservations") < 30
    distance = next(o for o in bad.observations if o.property == "water_distance" and o.index == 1)
    town.said[:] = [without(d, distance) for d in town.said]
    check(kit, town)
    assert kinds(sink.deliver([bad])) == ["rejected"]
    check(kit, town)


def test_an_answer_that_is_lost_is_not_stored_twice(kit, town, sink, proxy):
    sink.deliver([town.level(1500)])
    first = town.level(*range(1400, 1520), at_s=T0_S + 9000)  # more than a page of the server
    proxy.lose_next("POST", "/CreateObservations")
    verdicts = sink.deliver([first])
    assert kinds(verdicts) == ["retry"]
    assert "did not answer" in verdicts[0].reason
    assert kits.held(kit, town.nodes).total() > 400, "the proxy must lose the answer, not the request"
    assert kinds(sink.deliver([first, town.road(4)])) == ["duplicate", "stored"]
    check(kit, town)
    assert proxy.count("GET", "$skip=100") > 0


@pytest.mark.parametrize("lost", ["/Things", "/Datastreams", "/Locations", "/FeaturesOfInterest", "/Sensors"])
def test_an_entity_is_not_made_twice_either(kit, town, tmp_path, proxy, lost):
    station = f"of-{town.flood}"
    sensor = Sensor(station, "sonar", f"sonar-of-{town.flood}", ("water_distance",))
    places = Registry([kits.replace(ANGKE, id=station)], [Placement(town.flood, station)], sensors=[sensor])
    sink = kit.open(tmp_path, proxy.url, places)
    town.level(1500)
    batch = [town.odd(town.said[-1], station=station)]
    proxy.lose_next("POST", lost)
    assert kinds(sink.deliver(batch)) == ["retry"]
    assert kinds(sink.deliver(batch)) == ["stored"]
    sink.close()
    check(kit, town)
    for table in ("thing", "datastream", "location", "featureofinterest", "sensor", "observedproperty"):
        assert kit.sql(f"SELECT name FROM {PREFIX}{table} GROUP BY name HAVING count(*) > 1") == []


def test_new_frames_are_not_asked_about(kit, town, sink, proxy):
    sink.deliver([town.level(1500)])
    sink.deliver([town.level(1501, at_s=T0_S + 60)])
    proxy.asked.clear()
    assert kinds(sink.deliver([town.level(1502, at_s=T0_S + 120)])) == ["stored"]
    assert [request.split()[0] for request in proxy.asked] == ["POST"]
    proxy.asked.clear()
    assert kinds(sink.deliver(town.said[1:])) == ["duplicate", "duplicate"]
    assert proxy.count("POST", "") == 0
    check(kit, town)


def test_a_verdict_that_changes_nothing_costs_nothing(kit, town, sink, proxy):
    first = town.level(1500, 1501)
    sink.deliver([first])
    sink.deliver([town.level(1502, at_s=T0_S + 120)])
    seen = first.observations[1]
    proxy.asked.clear()
    sink.deliver([town.instead(town.state(), revisions=(Revision(seen.key, 1, "ok", "spike=1", seen.observed_at_ms),))])
    assert proxy.asked == []
    sink.deliver([town.revised(seen, quality=3)])
    assert [request.split()[0] for request in proxy.asked] == ["PATCH"]
    check(kit, town)


@pytest.mark.parametrize("together", [False, True])
def test_a_date_that_changes_moves_the_observation(kit, town, sink, together):
    first = town.level(1500, 1501)
    sink.deliver([first])
    moved = tuple(
        Revision(o.key, 3, "redated", "", o.observed_at_ms + 7_200_500) for o in first.observations if o.index == 1
    )
    told = town.instead(town.state(), revisions=moved)
    for _ in range(2):
        sink.deliver([first, told] if together else [told])
        check(kit, town)
    sink.deliver([first, told])
    check(kit, town)


def test_two_boots_that_say_the_same_instant_are_both_kept(kit, town, sink):
    sink.deliver([town.level(1500, boot=1), town.level(1600, boot=2)])
    check(kit, town)


def test_a_count_says_what_it_covers(kit, town, sink):
    sink.deliver([town.road(4, 5)])
    rows = f"""SELECT json_extract(o.parameters, '$.interval_s'), o.phenomenon_time_begin, o.result_time
        FROM {PREFIX}observation o JOIN {PREFIX}datastream d ON d.id = o.datastream_id WHERE d.name = """
    count = kit.sql(f"{rows} '{town.traffic}/vehicle_count' ORDER BY 2")
    assert [row[0] for row in count] == [60, 60]
    assert [row[0] for row in kit.sql(f"{rows} '{town.traffic}/occupancy'")] == [None, None]
    assert all(row[2] for row in count)
    check(kit, town)  # this server refuses intervals: the instant at which each ended


def test_a_node_that_moves_leaves_its_observations_where_they_were(kit, town, tmp_path):
    places = Registry([ANGKE, BENDUNG], [Placement(town.mover, ANGKE.id)])
    sink = kit.open(tmp_path, places=places)
    sink.deliver([town.level(2100, at_s=MOVED_S - 120, node=town.mover)])
    sink.use(kits.registry())
    sink.deliver([town.level(2200, at_s=MOVED_S + 120, node=town.mover)])
    sink.close()
    check(kit, town)
    where = {row.observed_at_ms // 1000: feature for row, feature in kit.placed() if row.node == town.mover}
    assert where == {MOVED_S - 120: ANGKE.id, MOVED_S + 120: BENDUNG.id}
    history = kit.sql(
        f"""SELECT l.name, strftime('%s', h.time) FROM {PREFIX}historicallocation h
        JOIN {PREFIX}historicallocation_locations j ON j.historicallocation_id = h.id
        JOIN {PREFIX}location l ON l.id = j.location_id JOIN {PREFIX}thing t ON t.id = h.thing_id
        WHERE t.name = '{town.mover}' ORDER BY h.time"""
    )
    assert history == [(ANGKE.id, "0"), (BENDUNG.id, str(MOVED_S))]
    ((properties,),) = kit.sql(f"SELECT properties FROM {PREFIX}thing WHERE name = '{town.mover}'")
    assert '"station": "bendung"' in properties


def test_a_station_whose_position_was_corrected_is_corrected(kit, town, tmp_path, caplog):
    station = kits.replace(ANGKE, id=f"at-{town.flood}")
    sink = kit.open(tmp_path, places=Registry([station], [Placement(town.flood, station.id)]))
    town.level(1500)
    batch = [town.odd(town.said[-1], station=station.id)]
    sink.deliver(batch)
    sink.use(Registry([kits.replace(station, latitude=-6.25)], [Placement(town.flood, station.id)]))
    town.level(1501, at_s=T0_S + 60)
    sink.deliver([town.odd(town.said[-1], station=station.id)])
    sink.close()
    features = f"SELECT json_extract(feature, '$.coordinates[1]') FROM {PREFIX}featureofinterest"
    assert kit.sql(f"{features} WHERE name = '{station.id}'") == [(-6.25,)]
    # A PATCH of a Location is one that this server never survives: that is said and costs no observation.
    assert any("sensorthings.refused" in record.message for record in caplog.records)
    check(kit, town)


def test_a_datastream_that_somebody_deleted_is_made_anew(kit, town, sink):
    first = town.level(1500)
    sink.deliver([first])
    name = f"{town.flood}/water_level"
    kit.sql(
        f"DELETE FROM {PREFIX}observation WHERE datastream_id = (SELECT id FROM {PREFIX}datastream WHERE name = '{name}')"
    )
    kit.sql(f"DELETE FROM {PREFIX}datastream WHERE name = '{name}'")
    assert kinds(sink.deliver([town.level(1501, at_s=T0_S + 60)])) == ["stored"]
    gone = [o for o in first.observations if o.property == "water_level"]
    check(kit, town, [without(first, *gone), town.said[1]])


def test_a_server_that_was_emptied_gets_all_of_it_again(kit, town, sink):
    log = town.day()
    sink.deliver(log)
    for table in ("observation", "datastream", "historicallocation_locations", "historicallocation", "location_things",
                  "location", "featureofinterest", "sensor", "observedproperty", "thing"):  # fmt: skip
        kit.sql(f"DELETE FROM {PREFIX}{table}")
    more = town.day(at_s=T0_S + 900)
    verdicts = sink.deliver(more)
    assert set(kinds(verdicts)) == {"retry"} and "lost" in verdicts[0].reason
    assert sink.position() == 0
    assert set(kinds(sink.deliver(log + more))) == {"stored"}
    assert sink.position() == more[-1].id
    check(kit, town)


def test_an_older_copy_of_the_server_is_noticed(kit, town, tmp_path):
    log, more = town.day(), town.day(at_s=T0_S + 900)
    sink = kit.open(tmp_path)
    sink.deliver(log)
    sink.close()
    with closing(sqlite3.connect(kit.server.database)) as server, closing(sqlite3.connect(tmp_path / "copy")) as copy:
        server.backup(copy)
        sink = kit.open(tmp_path)
        sink.deliver(more[:3])
        sink.deliver(more[3:])
        assert sink.position() == more[-1].id
        sink.close()
        check(kit, town)
        copy.backup(server)
    sink = kit.open(tmp_path)
    assert sink.position() == log[-1].id
    assert set(kinds(sink.deliver(more))) == {"stored"}
    sink.close()
    check(kit, town)


def test_nothing_is_made_without_leave(kit, town, tmp_path):
    def made():
        return [
            kit.sql(f"SELECT count(*) FROM {PREFIX}{table}") for table in ("thing", "datastream", "featureofinterest")
        ]

    before, first = made(), town.level(1500)
    sink = kit.open(tmp_path / "a", provision=False)
    (verdict,) = sink.deliver([first])
    assert verdict.kind == "rejected" and "provision" in verdict.reason
    assert sink.position() is None
    sink.close()
    assert made() == before
    owner = kit.open(tmp_path / "b")
    owner.deliver([first])
    owner.close()
    sink = kit.open(tmp_path / "a", provision=False)
    assert kinds(sink.deliver([first, town.level(1501, at_s=T0_S + 60)])) == ["duplicate", "stored"]
    sink.close()
    check(kit, town)


def test_the_mark_says_which_log_and_how_far(kit, town, sink):
    log = [town.level(1500)]
    sink.deliver(log)
    sink._marked_at -= 61  # a minute later
    sink.deliver([town.level(1501, at_s=T0_S + 60)])
    ((through,),) = kit.sql(f"SELECT json_extract(properties, '$.through') FROM {PREFIX}thing WHERE name = 'pantau-bridge {LOG}'")  # fmt: skip
    assert through == town.said[-1].id


@pytest.mark.parametrize(
    "given, said",
    [
        ({"url": "https://x.example/sensorthings"}, "ends in /v1.1"),
        ({"url": "http://x.example/v1.1"}, "lab_plain"),
        ({"url": "https://x.example/v1.1", "definitions": "no uri"}, "definitions"),
        ({"url": "https://x.example/v1.1", "batch": 10_001}, "10000"),
    ],
)
def test_settings_that_cannot_work_are_refused(given, said):
    with pytest.raises(ValidationError, match=said):
        SensorThingsTable(**given)
