"""Whatever the batches and wherever the bridge is killed, the decisions are the same; and no noise makes an alert chatter."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from pantau.alerts import signals
from pantau.alerts.engine import Engine
from pantau.alerts.files import defaults
from pantau.alerts.reads import AlertReader
from pantau.alerts.spots import Spots
from pantau.alerts.store import AlertStore
from pantau.alerts.track import Reading, Spot
from unit.alerts import alert_kit as kit
from unit.alerts.alert_kit import FAIL, GOOD, MINUTE, MISSING, SUSPECT, T0

EVERYTHING = kit.LEVEL.replace("readings = 1\nof = 1\nqualities = [\"good\"]", "readings = 2\nof = 3") + """
neighbour = {effect = "raise", within_km = 1.5}
[[rule]]
id = "rise"
kind = "rise"
name = "Rises"
name_id = "Naik"
property = "water_level"
window_s = 300
levels = [{value = 0.05, severity = "moderate"}]
[[rule]]
id = "alarm"
kind = "node_alarm"
name = "Alarm"
name_id = "Alarm"
confirmed_by = ["level", "rise"]
[[rule]]
id = "fault"
kind = "fault"
name = "Fault"
name_id = "Gangguan"
properties = ["water_level"]
window_s = 600
min_readings = 3
clear_s = 60
levels = [{value = 50, severity = "minor"}]
[[rule]]
id = "late"
kind = "late"
name = "Silent"
name_id = "Diam"
levels = [{value = 3, severity = "minor"}]
clear_s = 60
max_open = 1
"""  # fmt: skip
CITY = kit.city("a", "b", "c")


def story(seed: int, length: int) -> list:
    """Frames, ticks and orders of a bad day: backlogs, failed and revised readings, silence, maintenance, a people's click."""
    rng, feed, now, out, seen = random.Random(seed), kit.Feed(), T0, [], []
    level = dict.fromkeys("abc", 0.8)
    silent: dict[str, int] = {}
    for _ in range(length):
        now += MINUTE // 3
        name = rng.choice("abc")
        if rng.random() < 0.02:
            silent[name] = now + rng.randrange(3, 12) * MINUTE
        if silent.get(name, 0) < now:
            level[name] = min(2.4, max(0.0, level[name] + rng.choice((-0.4, -0.1, -0.05, 0, 0.05, 0.1, 0.4))))
            flag = rng.choice((GOOD, GOOD, GOOD, SUSPECT, FAIL, MISSING))
            age = rng.choice((0, 0, 0, 0, 2, 90)) * MINUTE
            revisions = (kit.failed(rng.choice(seen[-4:]), 0),) if seen and rng.random() < 0.2 else ()
            values = [(None if flag == MISSING else round(level[name], 2), flag)] * rng.randrange(1, 3)
            alarm = rng.random() < 0.05
            dated = rng.random() < 0.95
            seen.append(
                feed.frame(
                    name, at=now - age, received=now, values=values, alarm=alarm, revisions=revisions, dated=dated
                )
            )
            out.append(seen[-1])
        if rng.random() < 0.03:
            out.append(feed.health(name, at=now, maintenance_s=rng.choice((0, 300))))
        if rng.random() < 0.3:
            out.append(now)
    return out


def told_after(path: Path) -> list[tuple]:
    with closing(sqlite3.connect(path)) as db:
        kept = "SELECT number, alert, action, severity, muted, past, at_ms, decided_ms, english, explanation FROM decisions"
        rows = db.execute(f"{kept} ORDER BY number").fetchall()
        return (
            rows
            + db.execute("SELECT * FROM alerts ORDER BY id").fetchall()
            + db.execute("SELECT * FROM state").fetchall()
        )


def run(path: Path, events: list, cuts: set[int], kills: dict[int, str]) -> list[tuple]:
    """Deliver `events`, a new batch at each place of `cuts`; at a place of `kills` the bridge dies and starts again."""
    alerts = AlertStore(path, kit.rules(EVERYTHING), CITY)
    batch: list = []
    for place, one in enumerate([*events, None]):
        if batch and (place in cuts or place in kills or not hasattr(one, "node")):
            if kills.get(place) == "before":  # the batch was judged, the commit did not happen
                with closing(AlertStore(path, kit.rules(EVERYTHING), CITY)) as dying:
                    dying._db.execute("BEGIN")
                    for frame in batch:
                        dying._engine.observe(frame)
            alerts.deliver(batch)
            if kills.get(place) == "after":  # the commit happened, the follower's cursor did not: it comes again
                alerts.close()
                alerts = AlertStore(path, kit.rules(EVERYTHING), CITY)
                assert {verdict.kind for verdict in alerts.deliver(batch)} <= {"duplicate"}
            batch = []
        if place in kills:
            alerts.close()
            alerts = AlertStore(path, kit.rules(EVERYTHING), CITY)
        if isinstance(one, int):
            alerts.tick(one)
        elif one is not None:
            batch.append(one)
    alerts.close()
    return told_after(path)


@settings(max_examples=25)
@given(st.integers(0, 2**32), st.data())
def test_batches_and_kills_make_no_difference(seed, data):
    events = story(seed, 150)
    places = st.integers(0, len(events))
    cuts = data.draw(st.sets(places, max_size=20))
    kills = data.draw(st.dictionaries(places, st.sampled_from(["before", "after", "idle"]), max_size=5))
    with TemporaryDirectory() as folder:
        whole = run(Path(folder, "whole"), events, set(), {})
        assert run(Path(folder, "cut"), events, cuts, kills) == whole


def test_the_story_has_everything_in_it():
    with TemporaryDirectory() as folder:
        path = Path(folder, "alerts")
        run(path, story(5, 3000), set(), {})
        with closing(AlertReader(path)) as reader:
            entries = reader.decisions_after(0, 10_000)
        actions = {entry.action for entry in entries}
        assert actions >= {"open", "escalate", "deescalate", "confirm", "clear", "withdraw", "mute", "unmute", "reopen"}
        assert {entry.past for entry in entries} == {entry.muted for entry in entries} == {True, False}


@given(st.integers(0, 2**32), st.floats(0.001, 0.049), st.floats(0.96, 2.04))
def test_noise_within_the_hysteresis_never_makes_an_alert_chatter(seed, noise, around):
    rng, feed, engine = random.Random(seed), kit.Feed(), kit.engine()
    half = noise / 2
    made = []
    for minute in range(200):
        value = around + rng.uniform(-half, half)
        made += engine.observe(feed.frame(at=T0 + minute * MINUTE, values=[value]))
    actions = [decision.action for decision in made]
    assert actions in ([], ["open"], ["open", "escalate"])


@given(st.lists(st.tuples(st.floats(-5, 5), st.sampled_from((1, 2, 3, 4, 9))), max_size=60))
def test_an_alert_opens_changes_and_ends_in_that_order_and_never_on_failed_readings(values):
    feed, engine = kit.Feed(), kit.engine(EVERYTHING, CITY)
    standing: dict[int, bool] = {}
    rule_of: dict[int, str] = {}
    for minute, pair in enumerate(values):
        for made in engine.observe(feed.frame(at=T0 + minute * MINUTE, values=[pair])):
            opened = made.action in {"open", "reopen"}
            assert standing.get(made.alert.id, False) != opened, "opened twice, or spoken of before it was opened"
            standing[made.alert.id] = made.alert.closed_ms is None
            assert all(figure.quality in {1, 3} for figure in made.figures)
            rule_of[made.alert.id] = made.alert.rule
    open_now = [rule_of[alert] for alert, is_open in standing.items() if is_open]
    assert len(open_now) == len(set(open_now)), "one alert per rule and station"


@given(st.lists(st.floats(-1, 1), min_size=5, max_size=30), st.floats(-0.5, 0.5), st.data())
def test_the_slope_is_that_of_the_line_whatever_a_quarter_of_the_points_say(noise, true, data):
    points = [Reading(T0 + i * MINUTE, true * i, GOOD, "", ("n", 1, 0, i)) for i in range(len(noise))]
    wild = data.draw(st.sets(st.integers(0, len(points) - 1), max_size=len(points) // 5))
    points = [p._replace(value=p.value + 100 * noise[i]) if i in wild else p for i, p in enumerate(points)]
    assert abs(signals.slope(points, 1) - true) < 1e-6


def test_what_is_remembered_of_a_station_is_bounded():
    rng, feed, engine = random.Random(7), kit.Feed(), Engine(defaults(), kit.city("a"))
    sizes = []
    for hour in range(12):
        for step in range(360):
            at = T0 + (hour * 360 + step) * 10_000
            for name in ("water_level", "rain_intensity_15min", "water_distance", "siaga_state"):
                engine.observe(feed.frame(at=at, values=[rng.uniform(0, 3)], name=name, alarm=rng.random() < 0.5))
        sizes.append(len(engine.changed()["a"]))
    assert max(sizes) < 40_000 and max(sizes[6:]) <= 1.2 * max(sizes[:6])


def test_a_spot_that_rests_as_text_is_saved_and_comes_back_as_it_was():
    spots = Spots({}, live=1)
    for number, name in enumerate("abc", 1):
        spots.get(name).heard_ms = number
    assert [name for name, _ in spots.live()] == ["c"]
    saved = spots.changed()
    assert [Spot.load(saved[name]).heard_ms for name in "abc"] == [1, 2, 3]
    assert spots.changed() == {}
    assert spots.look("a").heard_ms == 1 and spots.changed() == {}
    spots.forget("b")
    assert spots.changed() == {"b": ""} and spots.look("b") is None
    assert list(Spots(saved).standing()) == []
