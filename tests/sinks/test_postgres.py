"""The PostgreSQL sink on its real server: places, identities, latest values, months."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from pantau.model import Revision
from pantau.registry import Placement, Registry
from sinks import kit as kits
from sinks.kit import ANGKE, BENDUNG, MOVED_S, OFFSET_MS, T0_S, check

DAY_MS = 86_400_000


@pytest.fixture
def kit(postgres):
    return postgres[0]


@pytest.fixture
def town(postgres):
    return next(postgres[1])


@pytest.fixture
def sink(kit):
    opened = kit.open()
    yield opened
    opened.close()


@pytest.fixture
def empty(kit):
    """The kit with a database that nobody has used; the others get theirs back as it was."""
    with kit.another():
        yield kit


def kinds(verdicts):
    return [verdict.kind for verdict in verdicts]


def shifted(decoded, by_ms):
    """The frame, received and observed so much later."""
    seen = tuple(
        replace(o, received_ms=o.received_ms + by_ms, observed_at_ms=o.observed_at_ms + by_ms)
        for o in decoded.observations
    )
    return replace(decoded, received_ms=decoded.received_ms + by_ms, observations=seen)


def latest(kit, node, name="water_level"):
    said = f"SELECT value, quality FROM pantau.latest WHERE node = '{node}' AND property = '{name}'"
    (row,) = kit.ask(said)
    return row


# Places


def test_a_node_that_moved_has_its_old_readings_at_the_old_place(kit, town, sink):
    sink.deliver(
        [town.level(2100, at_s=MOVED_S - 120, node=town.mover), town.level(2200, at_s=MOVED_S, node=town.mover)]
    )
    found = kit.ask(
        "SELECT r.value, r.station, ST_X(s.geom), ST_Y(s.geom) FROM pantau.readings AS r JOIN pantau.stations AS s USING (station) "
        f"WHERE node = '{town.mover}' AND property = 'water_level' ORDER BY observed_at"
    )
    assert found == [
        (pytest.approx(4.4), "angke", ANGKE.longitude, ANGKE.latitude),
        (pytest.approx(5.8), "bendung", BENDUNG.longitude, BENDUNG.latitude),
    ]
    stays = kit.ask(
        "SELECT station, valid_from = '-infinity', extract(epoch FROM valid_until)::bigint, extract(epoch FROM valid_from) "
        f"FROM pantau.placements WHERE node = '{town.mover}' ORDER BY valid_from"
    )
    assert [row[:3] for row in stays] == [("angke", True, MOVED_S), ("bendung", False, None)]
    assert stays[1][3] == MOVED_S
    near = f"SELECT ST_DWithin(geom::geography, ST_MakePoint({ANGKE.longitude}, {ANGKE.latitude})::geography, 100) "
    assert kit.ask(near + f"FROM pantau.latest_geo WHERE node = '{town.mover}' AND property = 'water_level'") == [
        (False,)
    ]


def test_another_registry_is_written_and_stations_that_left_it_stay(kit, town, sink):
    sink.deliver([town.level(1500)])
    moved = replace(ANGKE, name="Angke baru", latitude=-6.5)
    sink.use(Registry([moved], [Placement(town.flood, "angke", start_ms=1000 * T0_S)]))
    assert kinds(sink.deliver([])) == []
    found = kit.ask(
        "SELECT station, name, ST_Y(geom) FROM pantau.stations WHERE station IN ('angke', 'cimone') ORDER BY 1"
    )
    assert found == [("angke", "Angke baru", -6.5), ("cimone", "Cimone", pytest.approx(-6.1913))]
    assert kit.ask(f"SELECT count(*) FROM pantau.placements WHERE node = '{town.flood}'") == [(1,)]
    sink.use(kits.registry())
    sink.deliver([])


def test_a_registry_that_cannot_be_stored_is_trouble_of_nobodys_frames(kit, town, sink):
    sink.use(Registry([replace(ANGKE, name="a\0b")], []))
    (verdict,) = sink.deliver([town.level(1500)])
    assert verdict.kind == "retry" and "registry.toml" in verdict.reason
    sink.use(kits.registry())
    assert kinds(sink.deliver(town.said)) == ["stored"]


# Identity


def test_a_frame_that_says_more_than_before_adds_what_is_new(kit, town, sink):
    whole = town.level(1500, 1501)
    known = tuple(o for o in whole.observations if o.property != "water_level")
    assert kinds(sink.deliver([replace(whole, observations=known)])) == ["stored"]
    assert kinds(sink.deliver([whole, whole])) == ["stored", "duplicate"]
    check(kit, town)
    assert latest(kit, town.flood) == (pytest.approx(4.999), 1)


def test_the_first_receipt_counts_when_a_frame_comes_again_under_another(kit, town, sink):
    first = town.level(1500)
    sink.deliver([first])
    again = replace(first, received_ms=first.received_ms + 90 * DAY_MS)
    assert kinds(sink.deliver([again])) == ["duplicate"]
    (row,) = kit.ask(f"SELECT count(*), count(DISTINCT received_at) FROM pantau.readings WHERE node = '{town.flood}'")
    assert row == (4, 1)


def test_a_property_in_another_unit_is_rejected_with_both(kit, town, sink):
    town.level(1500)
    odd = town.odd(town.said[-1], unit="cm")
    (verdict,) = sink.deliver([odd])
    assert verdict.kind == "rejected" and "cm" in verdict.reason and "in m" in verdict.reason
    check(kit, town, [replace(odd, observations=odd.observations[1:])])


def test_two_logs_have_a_position_each(kit, town):
    one, two = kit.open(log="bridge-1"), kit.open(log="bridge-2")
    frame = town.level(1500)
    one.deliver([frame])
    assert (one.position(), two.position()) == (frame.id, 0)
    two.deliver([replace(frame, id=7)])
    assert (one.position(), two.position()) == (frame.id, 7)
    one.deliver([replace(frame, id=frame.id - 1)])
    assert one.position() == frame.id
    check(kit, town)
    one.close()
    two.close()


# Latest values


def test_late_readings_and_those_of_the_future_do_not_hold_the_latest(kit, town, sink):
    now = town.level(1500, at_s=T0_S + 3600)
    ahead = shifted(town.level(1600, at_s=T0_S + 3660), 0)
    ahead = replace(
        ahead, observations=tuple(replace(o, observed_at_ms=o.observed_at_ms + DAY_MS) for o in ahead.observations)
    )
    sink.deliver([ahead])
    assert latest(kit, town.flood)[0] == pytest.approx(4.9)
    sink.deliver([now])
    assert latest(kit, town.flood)[0] == pytest.approx(5.0)
    sink.deliver([town.level(1700, at_s=T0_S)])
    assert latest(kit, town.flood)[0] == pytest.approx(5.0)
    sink.deliver([town.level(1800, at_s=T0_S + 3720)])
    assert latest(kit, town.flood)[0] == pytest.approx(4.7)


def test_the_latest_follows_verdicts_and_dates(kit, town, sink):
    one, two = town.level(1500), town.level(1600, at_s=T0_S + 600)
    sink.deliver([one, two])
    level = two.observations[1]
    assert level.property == "water_level"
    sink.deliver([town.revised(level, quality=4)])
    assert latest(kit, town.flood) == (pytest.approx(4.9), 4)
    back = Revision(level.key, 1, "ok", "", 1000 * (T0_S - 600))
    sink.deliver([town.instead(town.state(), revisions=(back,))])
    assert latest(kit, town.flood) == (pytest.approx(5.0), 1)
    sink.deliver([town.instead(town.state(), revisions=(back._replace(observed_at_ms=1000 * (T0_S + 60), quality=3),))])
    assert latest(kit, town.flood) == (pytest.approx(4.9), 3)


def test_the_latest_knows_readings_whose_date_came_later(kit, town, sink):
    early = town.undated(1500)
    sink.deliver([early])
    assert kit.ask(f"SELECT * FROM pantau.latest WHERE node = '{town.flood}'") == []
    sink.deliver([town.dated(early)])
    (row,) = kit.ask(
        "SELECT value, dated_later, (extract(epoch FROM observed_at) * 1000)::bigint, interval_s FROM pantau.latest "
        f"WHERE node = '{town.flood}' AND property = 'water_level'"
    )
    assert row == (pytest.approx(5.0), True, OFFSET_MS + 20_000, 60)


def test_the_state_of_a_node_is_that_of_its_newest_frames(kit, town, sink):
    old, new = town.state(), town.state(firmware="1.5.0")
    alarm = town.instead(town.level(1500), alarm=True)
    sink.deliver([new, alarm])
    sink.deliver([old, replace(town.level(1500, boot=0), alarm=False)])
    (row,) = kit.ask(
        f"SELECT firmware, health ->> 'uptime_ms', alarm, clock FROM pantau.nodes WHERE node = '{town.flood}'"
    )
    assert row == ("1.5.0", "200000", True, 3)


# Months


def parts(kit):
    return {
        name
        for (name,) in kit.ask(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'pantau.observations'::regclass"
        )
    }


def test_months_are_there_in_advance_and_on_demand(kit, town, sink):
    sink.deliver([shifted(town.level(1500), 400 * DAY_MS)])
    assert {"pantau.observations_2027_12", "pantau.observations_2028_01"} <= parts(kit)
    this, following = kit.ask("SELECT to_char(t, '\"pantau.observations_\"YYYY_MM') FROM unnest(ARRAY[now(), "
                              "date_trunc('month', now()) + interval '1 month']) AS t")  # fmt: skip
    assert {this[0], following[0]} <= parts(kit)


def test_a_month_that_somebody_dropped_is_made_again(kit, town, sink):
    sink.deliver([shifted(town.level(1500), 800 * DAY_MS)])
    kit.ask("DROP TABLE pantau.observations_2029_01")
    assert kinds(sink.deliver([shifted(town.level(1501, at_s=T0_S + 60), 800 * DAY_MS)])) == ["stored"]
    # Of the frame that went with it the identity is known still: its rows come again.
    assert kinds(sink.deliver([shifted(town.said[0], 800 * DAY_MS)])) == ["stored"]
    assert kit.ask(f"SELECT count(*) FROM pantau.readings WHERE node = '{town.flood}'") == [(8,)]


def test_a_series_reads_only_the_months_that_can_hold_it(kit, town, sink):
    sink.deliver([shifted(town.level(1500, 1600, at_s=T0_S), by * DAY_MS) for by in (0,)])
    sink.deliver([town.level(1700, at_s=T0_S + 120)])
    call = f"pantau.series('{town.flood}', 'water_level', to_timestamp({T0_S}), to_timestamp({T0_S + 120}))"
    assert kit.ask(f"SELECT value, unit, station FROM {call}") == [
        (pytest.approx(5.0), "m", "angke"), (pytest.approx(4.9), "m", "angke"),
    ]  # fmt: skip
    sink.deliver([shifted(town.level(1500, at_s=T0_S + 300), -100 * DAY_MS)])  # an older month
    plan = "\n".join(line for (line,) in kit.ask(f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) SELECT * FROM {call}"))
    assert "observations_2026_11" in plan
    assert "observations_2026_08" not in plan, plan


def test_what_is_forgotten_is_gone_and_may_come_again(empty):
    kit, town = empty, next(kits.towns())
    sink = kit.open()
    old = [shifted(town.level(1500), -200 * DAY_MS), shifted(town.level(1501, at_s=T0_S + 60), -200 * DAY_MS)]
    new = town.level(1502, at_s=T0_S + 120)
    sink.deliver([*old, new])
    assert kit.ask("SELECT pantau.forget(to_timestamp(%d))" % T0_S) == [(2,)]
    assert kit.ask("SELECT count(*) FROM pantau.readings") == [(4,)]
    assert kit.ask("SELECT count(*) FROM pantau.frames") == [(1,)]
    assert latest(kit, town.flood) == (pytest.approx(4.998), 1)
    assert kinds(sink.deliver([*old, new])) == ["stored", "stored", "duplicate"]
    assert kit.ask("SELECT count(*) FROM pantau.readings") == [(12,)]
    sink.close()


def test_two_bridges_begin_a_database_and_a_month_at_once(empty):
    towns = kits.towns()
    both = [(empty.open(log=f"bridge-{n}"), [shifted(next(towns).level(1500), 300 * DAY_MS)]) for n in range(2)]
    start = threading.Barrier(2)

    def deliver(pair):
        start.wait()
        return kinds(pair[0].deliver(pair[1]))

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(deliver, both)) == [["stored"], ["stored"]]
    assert empty.ask("SELECT count(*), count(DISTINCT boot) FROM pantau.readings") == [(8, 1)]
    for sink, _ in both:
        sink.close()
