"""The city store: once and only once, latest by observation time, dating when the mapping is known."""

from __future__ import annotations

import sqlite3
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from built import T0_MS, T0_S, Place, Places, health, records
from pantau.decode import Decoded, Decoder
from pantau.model import Revision
from pantau.sinks.sqlite import CityStore, StationRow
from pantau_wire import names as T

DECODE = Decoder(Places(Place())).decode


@pytest.fixture
def store(tmp_path):
    made = CityStore(tmp_path / "city.sqlite3")
    yield made
    made.close()


def ask(store, query, *values):
    db = sqlite3.connect(store.path)
    try:
        return db.execute(query, values).fetchall()
    finally:
        db.close()


def kinds(store, *frames):
    return [verdict.kind for verdict in store.deliver([DECODE(frame) for frame in frames])]


def latest(store, name="rain_tips"):
    query = """SELECT value, observed_at, dated_later FROM latest JOIN properties ON properties.id = property WHERE name = ?"""
    return ask(store, query, name)


def test_a_batch_is_stored_and_readable(store):
    assert kinds(store, records({T.WATER_DISTANCE: [1500, 1501]}, seq=4)) == ["stored"]
    rows = ask(store, "SELECT node, station, property, value, unit, reason, observed_at_ms FROM readings ORDER BY 3, 7")
    assert rows[0] == ("flood-01", "cisadane-pintu-10", "water_distance", 1.5, "m", "ok", T0_MS)
    assert [row[3] for row in rows] == [1.5, 1.501, 5.0, 4.999]
    assert store.position() == 4


def test_redelivery_changes_nothing_and_is_called_duplicate(store):
    one, two, three = (records({T.RAIN_TIPS: [seq]}, seq=seq, base_s=T0_S + 60 * seq) for seq in (1, 2, 3))
    assert kinds(store, one, two) == ["stored", "stored"]
    before = ask(store, "SELECT * FROM readings")
    assert kinds(store, one, two) == ["duplicate", "duplicate"]
    assert ask(store, "SELECT * FROM readings") == before
    assert kinds(store, two, three) == ["duplicate", "stored"]
    assert ask(store, "SELECT count(*) FROM readings WHERE property = 'rain_tips'") == [(3,)]


def test_an_older_observation_never_replaces_a_newer_latest(store):
    new = records({T.RAIN_TIPS: [7]}, seq=9, base_s=T0_S + 600)
    old = records({T.RAIN_TIPS: [3]}, seq=2, received_ms=T0_MS + 700_000)
    kinds(store, new)
    kinds(store, old)
    assert latest(store) == [(7.0, T0_MS + 600_000, 0)]
    # the same in one batch, whatever the order
    kinds(store, records({T.RAIN_TIPS: [8]}, seq=11, base_s=T0_S + 900), records({T.RAIN_TIPS: [4]}, seq=10))
    assert latest(store) == [(8.0, T0_MS + 900_000, 0)]


def test_a_date_in_the_future_does_not_hold_the_latest_value(store):
    ahead = records({T.RAIN_TIPS: [99]}, seq=1, base_s=T0_S + 86_400, received_ms=T0_MS)
    kinds(store, ahead)
    kinds(store, records({T.RAIN_TIPS: [1]}, seq=2, base_s=T0_S + 60))
    assert latest(store) == [(1.0, T0_MS + 60_000, 0)]


def test_undated_records_are_dated_when_the_mapping_arrives(store):
    kinds(store, records({T.RAIN_TIPS: [1, 2]}, seq=1, clock=0, base_s=60))
    assert latest(store) == []
    assert ask(store, "SELECT DISTINCT observed_at_ms, dated_later FROM readings") == [(None, 0)]
    kinds(store, health({"uptime_ms": 200_000, "utc_ms": T0_MS}, seq=2))
    rows = ask(store, "SELECT value, observed_at_ms, dated_later FROM readings WHERE property = 'rain_tips' ORDER BY 2")
    assert rows == [(1.0, T0_MS - 140_000, 1), (2.0, T0_MS - 80_000, 1)]
    assert latest(store) == [(2.0, T0_MS - 80_000, 1)]
    # backlog of the same boot that comes after the mapping is dated on arrival; another boot is not
    kinds(store, records({T.RAIN_TIPS: [3]}, seq=3, clock=0, base_s=180))
    kinds(store, records({T.RAIN_TIPS: [4]}, seq=1, boot=2, clock=0, base_s=180))
    rows = ask(
        store, "SELECT value, observed_at_ms FROM readings WHERE property = 'rain_tips' AND value > 2 ORDER BY 1"
    )
    assert rows == [(3.0, T0_MS - 20_000), (4.0, None)]


def test_mapping_and_undated_records_in_one_batch_in_either_order(store):
    mapping = health({"uptime_ms": 0, "utc_ms": T0_MS}, seq=2)
    kinds(store, records({T.RAIN_TIPS: [1]}, seq=1, clock=0, base_s=60), mapping)
    assert latest(store) == [(1.0, T0_MS + 60_000, 1)]


def test_only_a_better_clock_dates_again(store):
    undated = records({T.RAIN_TIPS: [1]}, seq=1, clock=0, base_s=0)
    kinds(store, undated, health({"uptime_ms": 0, "utc_ms": T0_MS}, seq=2, clock=1))
    kinds(store, health({"uptime_ms": 0, "utc_ms": T0_MS + 9_000}, seq=3, clock=1))
    assert latest(store) == [(1.0, T0_MS, 1)]
    # the clock carried over from before was ahead: the better one moves the reading back
    kinds(store, health({"uptime_ms": 0, "utc_ms": T0_MS - 5_000}, seq=4, clock=3))
    assert latest(store) == [(1.0, T0_MS - 5_000, 1)]


def test_nodes_show_their_newest_frame_in_any_order(store):
    new = health({"uptime_ms": 1, "utc_ms": T0_MS + 40, "firmware": "2.0", "rssi": -60}, seq=8, received_ms=T0_MS)
    old = health({"uptime_ms": 1, "utc_ms": T0_MS, "firmware": "1.0"}, seq=3, received_ms=T0_MS - 60_000)
    kinds(store, new)
    kinds(store, old, records({T.RAIN_TIPS: [1]}, seq=9, alarm=True), records({T.RAIN_TIPS: [1]}, seq=4))
    row = ask(store, "SELECT node, firmware, alarm, clock, clock_offset_ms, first_seen, last_seen FROM nodes")
    assert row == [("flood-01", "2.0", 1, 3, 40, T0_MS - 60_000, T0_MS + 500)]


def test_a_frame_that_cannot_be_read_is_rejected_and_harms_no_other(store):
    bad = replace(records({T.RAIN_TIPS: [1]}, seq=1), payload=b"\x40")
    good = records({T.RAIN_TIPS: [1]}, seq=2)
    verdicts = store.deliver([DECODE(bad), DECODE(good)])
    assert [(v.kind, v.reason) for v in verdicts] == [("rejected", "truncated"), ("stored", "")]
    assert store.position() == 2


def test_a_row_that_sqlite_cannot_hold_is_rejected_and_harms_no_other(store):
    good, other = DECODE(records({T.RAIN_TIPS: [1]}, seq=1)), DECODE(records({T.RAIN_TIPS: [1]}, seq=2))
    poison = replace(other, observations=(replace(other.observations[0], observed_at_ms=2**80),))
    verdicts = store.deliver([good, poison])
    assert [v.kind for v in verdicts] == ["stored", "rejected"]
    assert latest(store) == [(1.0, T0_MS, 0)]


def test_a_mapping_beyond_all_calendars_is_left_out(store):
    assert kinds(store, health({"uptime_ms": 0, "utc_ms": 2**64 - 1})) == ["stored"]
    assert ask(store, "SELECT count(*) FROM clock_maps") == [(0,)]


def test_trouble_of_the_file_is_retry_for_all_and_applies_nothing(store):
    blocker = sqlite3.connect(store.path, isolation_level=None)
    store._db.execute("PRAGMA busy_timeout = 0")
    blocker.execute("BEGIN IMMEDIATE")
    frame = records({T.RAIN_TIPS: [1]}, seq=1)
    verdicts = store.deliver([DECODE(frame)])
    assert verdicts[0].kind == "retry" and "locked" in verdicts[0].reason
    blocker.execute("ROLLBACK")
    blocker.close()
    assert kinds(store, frame) == ["stored"]


def test_a_failure_in_the_middle_rolls_all_back_and_the_next_delivery_works(store, monkeypatch):
    def full(_batch):
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(store, "_touch_nodes", full)
        assert kinds(store, records({T.RAIN_TIPS: [1]}, seq=1)) == ["retry"]
    assert store.position() == 0 and ask(store, "SELECT text FROM words") == [("",)]
    assert kinds(store, records({T.RAIN_TIPS: [1]}, seq=1)) == ["stored"]


def test_what_was_delivered_is_there_after_reopening(store):
    kinds(store, records({T.RAIN_TIPS: [1]}, seq=5))
    store.close()
    again = CityStore(store.path)
    assert again.position() == 5
    assert kinds(again, records({T.RAIN_TIPS: [1]}, seq=5)) == ["duplicate"]
    again.close()


def test_a_store_of_another_version_is_refused_by_name(tmp_path):
    path = tmp_path / "city.sqlite3"
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(RuntimeError, match="store version 99"):
        CityStore(path)


def test_listeners_hear_of_stored_nodes_only(store):
    heard = []
    stop = store.subscribe(heard.append)
    frame = records({T.RAIN_TIPS: [1]}, seq=1)
    kinds(store, frame)
    kinds(store, frame)
    assert heard == [frozenset({"flood-01"})]
    stop()
    kinds(store, records({T.RAIN_TIPS: [1]}, seq=2))
    assert len(heard) == 1


def test_stations_follow_the_registry_and_history_keeps_its_place(store):
    kinds(store, records({T.RAIN_TIPS: [1]}, seq=1))
    row = StationRow("angke", "Kali Angke", "flood", 106.7, -6.2, 60, ("flood-01", "flood-02"))
    store.put_stations([row])
    store.put_stations([row._replace(name="Kali Angke Hulu")])
    assert ask(store, "SELECT name FROM stations") == [("Kali Angke Hulu",)]
    assert ask(store, "SELECT node, station FROM placements ORDER BY 1") == [
        ("flood-01", "angke"),
        ("flood-02", "angke"),
    ]
    assert ask(store, "SELECT DISTINCT station FROM readings") == [("cisadane-pintu-10",)]
    assert ask(store, "SELECT node FROM nodes ORDER BY 1") == [("flood-01",), ("flood-02",)]


def revision(seq, quality=4, tests="spike=4", at_ms=T0_MS, *, name="rain_tips", boot=1, index=0, reason="spike"):
    return Revision(("flood-01", boot, seq, index, name), quality, reason, tests, at_ms)


def revised(store, *revisions, ident=50):
    return store.deliver([Decoded(ident, "flood-01", 1, ident, T0_MS, revisions=revisions)])[0].kind


READ = "SELECT seq, quality, reason, tests, observed_at_ms, dated_later FROM readings WHERE property = 'rain_tips' ORDER BY 1"
SHOWN = """SELECT quality, r.text, t.text, observed_at FROM latest AS l JOIN properties AS p ON p.id = l.property
    JOIN words AS r ON r.id = l.reason JOIN words AS t ON t.id = l.tests WHERE p.name = 'rain_tips'"""


def test_tests_are_kept_beside_the_flag(store):
    tested = DECODE(records({T.RAIN_TIPS: [1]}, seq=1))
    tested = replace(tested, observations=tuple(replace(o, tests="range=1") for o in tested.observations))
    store.deliver([tested])
    assert ask(store, READ) == [(1, 1, "ok", "range=1", T0_MS, 0)]
    assert ask(store, SHOWN) == [(1, "ok", "range=1", T0_MS)]


def test_a_revision_changes_row_and_latest_once_however_often_it_comes(store):
    kinds(store, records({T.RAIN_TIPS: [1]}, seq=1), records({T.RAIN_TIPS: [2]}, seq=2, base_s=T0_S + 60))
    heard = []
    store.subscribe(heard.append)
    changes = (revision(1), revision(2, 3, "spike=3", T0_MS + 60_000))
    for _ in range(2):
        assert revised(store, *changes) == "stored"
        assert ask(store, READ) == [
            (1, 4, "spike", "spike=4", T0_MS, 0),
            (2, 3, "spike", "spike=3", T0_MS + 60_000, 0),
        ]
        assert ask(store, SHOWN) == [(3, "spike", "spike=3", T0_MS + 60_000)]
    assert heard[0] == frozenset({"flood-01"})
    # the frame itself delivered again does not take the verdict back
    kinds(store, records({T.RAIN_TIPS: [1]}, seq=1))
    assert ask(store, READ)[0][1] == 4


def test_a_revision_dates_a_reading_and_the_latest_follows(store):
    kinds(store, records({T.RAIN_TIPS: [1]}, seq=1, clock=0, base_s=60))
    revised(store, revision(1, 1, "", None, reason="ok"))
    assert (ask(store, READ), latest(store)) == ([(1, 1, "ok", "", None, 0)], [])
    revised(store, revision(1, 1, "", T0_MS + 7, reason="ok"))
    assert (ask(store, READ), latest(store)) == ([(1, 1, "ok", "", T0_MS + 7, 1)], [(1.0, T0_MS + 7, 1)])
    revised(store, revision(1, 2, "", None, reason="ok"))  # "not known" never takes a date away
    assert (ask(store, READ), latest(store)) == ([(1, 2, "ok", "", T0_MS + 7, 1)], [(1.0, T0_MS + 7, 1)])


def test_a_revision_comes_with_the_batch_of_its_reading_and_of_strangers_it_knows_nothing(store):
    frame = DECODE(records({T.RAIN_TIPS: [1]}, seq=1))
    stranger = Revision(("nobody", 1, 1, 0, "rain_tips"), 4, "spike", "spike=4", T0_MS)
    later = Decoded(
        2, "flood-01", 1, 2, T0_MS, revisions=(stranger, revision(9), revision(1, name="unheard"), revision(1))
    )
    assert [v.kind for v in store.deliver([frame, later])] == ["stored", "stored"]
    assert ask(store, READ) == [(1, 4, "spike", "spike=4", T0_MS, 0)]
    assert ask(store, "SELECT node FROM nodes") == [("flood-01",)]


def test_an_empty_batch_is_fine(store):
    assert store.deliver([]) == []


def test_a_frame_of_no_observations_is_stored(store):
    assert store.deliver([Decoded(1, "flood-01", 1, 1, T0_MS)])[0].kind == "stored"


# Two boots, one of which learns the time only at its end; an alarm; values that tell the frames apart.
STORY = [
    DECODE(frame)
    for frame in (
        *(records({T.RAIN_TIPS: [s, s + 100]}, boot=1, seq=s, base_s=T0_S + 120 * s, ident=s) for s in (1, 2, 3)),
        *(records({T.RAIN_TIPS: [s]}, boot=2, seq=s, clock=0, base_s=60 * s, ident=9 + s) for s in (1, 2, 4)),
        health({"uptime_ms": 0, "utc_ms": T0_MS + 900_000, "firmware": "1"}, boot=2, seq=3, ident=20),
        records({T.RAIN_TIPS: [7]}, boot=2, seq=5, base_s=T0_S + 1500, alarm=True, ident=21),
    )
]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(STORY), max_size=12), st.permutations(STORY), st.integers(1, 8))
def test_any_order_any_batches_any_redelivery_end_in_the_same_store(again, order, size):
    ends = []
    for told, step in (([*again, *order], size), (STORY, len(STORY))):
        with tempfile.TemporaryDirectory() as folder:
            store = CityStore(Path(folder) / "city.sqlite3")
            for at in range(0, len(told), step):
                store.deliver(told[at : at + step])
            rows = ask(store, "SELECT node, boot, seq, idx, property, value, observed_at_ms, dated_later FROM readings")
            nodes = ask(store, "SELECT node, alarm, firmware, clock, first_seen, last_seen FROM nodes")
            ends.append((sorted(rows), latest(store), latest(store, "rain_amount"), nodes))
            store.close()
    assert ends[0] == ends[1]
