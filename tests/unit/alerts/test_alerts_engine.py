from __future__ import annotations

import pytest

from pantau.alerts.standing import BadOrderError, NotOpenError
from unit.alerts import alert_kit as kit
from unit.alerts.alert_kit import FAIL, MINUTE, MISSING, SUSPECT, T0, run, told

CONFIRMED = kit.LEVEL.replace('readings = 1\nof = 1\nqualities = ["good"]', "readings = 3\nof = 4")
HELD = kit.LEVEL.replace("clear_s = 120", "clear_s = 120\nhold_s = 180")
RISE = """
[[rule]]
id = "rise"
kind = "rise"
name = "Rises"
name_id = "Naik"
property = "water_level"
window_s = 300
min_points = 4
hysteresis = 0.005
clear_s = 120
levels = [{value = 0.02, severity = "moderate"}]
"""
RAIN = """
[[rule]]
id = "rain"
kind = "rain"
name = "Rain"
name_id = "Hujan"
window_s = 900
hysteresis = 5
clear_s = 120
levels = [{value = 20, severity = "minor"}, {value = 60, severity = "moderate"}]
"""


@pytest.mark.parametrize(
    "text,series,expected",
    [
        pytest.param(kit.LEVEL, [0.9, 1.2, 1.2, 0.9, 0.9, 0.9], ["open a:minor", "clear a:minor"], id="one event"),
        pytest.param(
            kit.LEVEL, [1.1, 1.6, 2.1, 1.7, 1.7, 1.7, 0.5, 0.5, 0.5],
            ["open a:minor", "escalate a:moderate", "escalate a:severe", "deescalate a:moderate", "clear a:moderate"],
            id="up the levels and down",
        ),
        pytest.param(kit.LEVEL, [2.5], ["open a:severe"], id="straight to the worst"),
        pytest.param(kit.LEVEL, [1.1, 0.96, 0.96, 0.96, 0.96], ["open a:minor"], id="within the hysteresis nothing ends"),
        pytest.param(kit.LEVEL, [1.1, 0.9, 1.0, 0.9, 0.9], ["open a:minor"], id="a relapse begins the clearing anew"),
        pytest.param(kit.LEVEL, [(1.2, FAIL), (1.2, MISSING), (None, 9), (1.2, SUSPECT)], [], id="only what counts"),
        pytest.param(CONFIRMED, [(1.2, 3), (1.2, 3), 0.2, 0.2], [], id="two of four are not three"),
        pytest.param(CONFIRMED, [(1.2, 3), 0.2, (1.2, 3), (1.2, 3)], ["open a:minor"], id="suspect ones confirm each other"),
        pytest.param(CONFIRMED, [(1.2, 4), (1.2, 4), (1.2, 4), 1.2, 1.2], [], id="failed ones never do"),
        pytest.param(HELD, [1.2, 1.2, 1.2, 0.9, 1.2, 1.2, 1.2], [], id="not held"),
        pytest.param(HELD, [1.2, 1.2, 1.2, 1.2], ["open a:minor"], id="held"),
        pytest.param(
            kit.LEVEL.replace("[\n", "[").replace('value = 1.0, severity = "minor"', 'value = 3, severity = "minor"')
            .replace("1.5", "2").replace("2.0", "1").replace("hysteresis", 'direction = "below"\nhysteresis'),
            [4, 3, 1, 2, 2, 2, 4, 4, 4],
            ["open a:minor", "escalate a:severe", "deescalate a:moderate", "clear a:moderate"], id="downwards, as siaga",
        ),
        pytest.param(RISE, [0, 0.001, 0, 0.002, 0.001, 0, 0.001], [], id="noise is no rise"),
        pytest.param(RISE, [0, 0, 0, 0.9, 0, 0, 0, 0.0], [], id="a wild point is no rise"),
        pytest.param(RISE, [0, 0.03, 0.06, 0.09, 0.12, 0.12, 0.12, 0.12, 0.12, 0.12], ["open a:moderate", "clear a:moderate"], id="a rise"),
    ],
)  # fmt: skip
def test_series_against_levels(text, series, expected):
    assert told(run(kit.engine(text), series)) == expected


def test_rain_is_summed_over_its_window_or_taken_as_intensity():
    amounts = [0, 2, 2, 2, 5, 5, 5, 0] + [0] * 20
    expected = ["open a:minor", "escalate a:moderate", "deescalate a:minor", "clear a:minor"]
    assert told(run(kit.engine(RAIN), amounts, name="rain_amount")) == expected
    ready = RAIN.replace("window_s = 900", 'property = "rain_intensity_15min"')
    assert told(run(kit.engine(ready), [10, 25, 70, 10, 10, 10], name="rain_intensity_15min")) == [
        "open a:minor", "escalate a:moderate", "clear a:moderate",
    ]  # fmt: skip


def test_one_alert_per_event_and_the_same_event_keeps_its_number():
    text = kit.LEVEL.replace("same_event_s = 0", "same_event_s = 600")
    made = run(kit.engine(text), [1.2, 1.2, 1.2, 0, 0, 0, 1.2, 0, 0, 0, *[0] * 12, 1.2])
    assert told(made) == ["open a:minor", "clear a:minor", "reopen a:minor", "clear a:minor", "open a:minor"]
    assert [m.alert.id for m in made] == [1, 1, 1, 1, 2]


def test_what_opened_it_is_told_in_both_languages():
    (made,) = run(kit.engine(CONFIRMED), [(1.21, 3), 0.4, (1.22, 3), 1.23])
    assert [f.value for f in made.figures] == [1.21, 1.22, 1.23]
    assert made.alert.opened_ms == T0 and made.at_ms == T0 + 3 * MINUTE
    assert made.limits["hysteresis"] == 0.05 and made.limits["readings"] == 3
    for part in (
        "Alert: Water level, Kali a: minor, Waspada.",
        "1.23 m, at or above 1 m",
        "3 of 4",
        "1.21 m",
        "suspect",
        "WIB",
    ):
        assert part in made.english
    for part in (
        "Peringatan: Tinggi muka air",
        "ringan",
        "mencapai atau melampaui 1 m",
        "3 dari 4",
        "meragukan",
        "pukul",
    ):
        assert part in made.indonesian


def test_a_backlog_opens_no_live_alert_but_tells_of_a_past_event_once():
    engine, feed = kit.engine(), kit.Feed()
    now = T0 + 300 * MINUTE
    assert engine.observe(feed.frame(at=now, values=[0.1])) == []
    backlog = [feed.frame(at=T0 + m * MINUTE, values=[v], received=now) for m, v in enumerate([0, 1.2, 1.2, 0, 0, 0])]
    made = [decision for frame in backlog for decision in engine.observe(frame)]
    assert told(made) == ["open a:minor<", "clear a:minor<"]
    assert made[0].alert.opened_ms == T0 + MINUTE and "past event" in made[0].english
    assert [engine.observe(frame) for frame in backlog] == [[]] * 6
    assert told(engine.observe(feed.frame(at=now + MINUTE, values=[1.2]))) == ["open a:minor"]


def test_a_late_reading_does_not_end_a_live_alert_nor_begin_it_again():
    engine, feed = kit.engine(), kit.Feed()
    engine.observe(feed.frame(at=T0, values=[1.2]))
    late = [
        feed.frame(at=T0 - 9 * MINUTE + m * MINUTE, values=[v], received=T0) for m, v in enumerate([0, 0, 0, 1.3, 1.3])
    ]
    made = [decision for frame in late for decision in engine.observe(frame)]
    assert told(made) == ["open a:minor<"]
    # more of the backlog lies within the live event: it was the same
    made = engine.observe(feed.frame(at=T0 + MINUTE, values=[1.2])) + engine.observe(
        feed.frame(at=T0 + MINUTE // 2, values=[0.0], received=T0 + MINUTE)
    )
    assert told(made) == ["clear a:minor<"] and "runs into alert 1" in made[0].english


def test_a_past_event_whose_backlog_ends_is_closed():
    engine, feed = kit.engine(), kit.Feed()
    assert told(engine.observe(feed.frame(at=T0 - 120 * MINUTE, values=[1.2], received=T0))) == ["open a:minor<"]
    assert engine.tick(T0 + MINUTE) == []
    assert told(engine.tick(T0 + 16 * MINUTE)) == ["clear a:minor<"]


@pytest.mark.parametrize("ahead_ms", [4 * MINUTE, 10**12], ids=["a little", "decades"])
def test_a_clock_that_ran_ahead_does_not_blind_the_station(ahead_ms):
    engine, feed = kit.engine(), kit.Feed()
    assert engine.observe(feed.frame(at=T0 + ahead_ms, values=[0.2], received=T0)) == []
    assert told(engine.observe(feed.frame(at=T0 + MINUTE, values=[1.2]))) == ["open a:minor"]


def test_without_a_clock_the_receipt_places_it_and_older_frames_of_the_boot_are_past():
    engine, feed = kit.engine(), kit.Feed()
    early = feed.frame(at=T0, values=[0.0], dated=False, received=T0 + 2 * MINUTE)
    made = engine.observe(feed.frame(at=T0 + MINUTE, values=[1.2], dated=False, received=T0 + MINUTE))
    assert told(made) == ["open a:minor"] and "placed by receipt" in made[0].english
    early = kit.Decoded(**{f: getattr(early, f) for f in early.__slots__} | {"id": 9})
    assert engine.observe(early) == []


def test_an_alert_that_rested_on_a_reading_found_wrong_is_withdrawn():
    engine, feed = kit.engine(), kit.Feed()
    wrong = feed.frame(at=T0, values=[1.7])
    assert told(engine.observe(wrong)) == ["open a:moderate"]
    made = engine.observe(feed.frame(at=T0 + MINUTE, values=[0.2], revisions=(kit.failed(wrong, 0),)))
    assert (
        told(made) == ["withdraw a:moderate"]
        and "found wrong" in made[0].english
        and "ternyata salah" in made[0].indonesian
    )
    assert engine.observe(feed.frame(at=T0 + 9 * MINUTE, values=[0.2])) == []


def test_a_revision_takes_only_what_rested_on_it():
    engine, feed = kit.engine(), kit.Feed()
    engine.observe(feed.frame(at=T0, values=[1.2]))
    wrong = feed.frame(at=T0 + MINUTE, values=[2.2])
    assert told(engine.observe(wrong)) == ["escalate a:severe"]
    made = engine.observe(feed.frame(at=T0 + 2 * MINUTE, values=[1.2], revisions=(kit.failed(wrong, 0),)))
    assert told(made) == ["deescalate a:minor"]
    unharmed = kit.failed(wrong, 0, quality=kit.GOOD)
    assert engine.observe(feed.frame(at=T0 + 3 * MINUTE, values=[1.2], revisions=(unharmed,))) == []


def test_a_rise_is_judged_anew_without_the_failed_readings():
    engine, feed = kit.engine(RISE), kit.Feed()
    frames = [feed.frame(at=T0 + m * MINUTE, values=[v]) for m, v in enumerate([0, 0.03, 0.06, 0.09])]
    assert told(d for f in frames for d in engine.observe(f)) == ["open a:moderate"]
    revisions = (kit.failed(frames[3], 0), kit.failed(frames[2], 0))
    assert told(engine.observe(feed.frame(at=T0 + 4 * MINUTE, values=[0.0], revisions=revisions))) == [
        "withdraw a:moderate"
    ]


NEIGHBOUR = CONFIRMED.replace("levels =", 'neighbour = {effect = "EFFECT", WHO}\nlevels =')


@pytest.mark.parametrize(
    "who,agrees",
    [("within_km = 1.5", True), ("within_km = 0.5", False), ('rivers = [["b", "a"]]', True), ('rivers = [["a", "c"], ["b"]]', False)],
)  # fmt: skip
def test_a_neighbour_that_agrees_raises_once_and_for_the_event(who, agrees):
    engine, feed = kit.engine(NEIGHBOUR.replace("EFFECT", "raise").replace("WHO", who), kit.city("a", "b")), kit.Feed()
    made = run(engine, [1.2] * 3, feed=feed) + run(engine, [1.2] * 3, station="b", feed=feed)
    if not agrees:
        assert told(made) == ["open a:minor", "open b:minor"]
        return
    assert told(made) == ["open a:minor", "open b:moderate", "escalate a:moderate"]
    assert "Kali b agrees" in made[2].english and made[2].limits["agreed"] == "Kali b"
    assert told(run(engine, [0.1] * 5, station="b", feed=feed, start=T0 + 5 * MINUTE)) == ["clear b:moderate"]
    assert run(engine, [1.2] * 3, feed=feed, start=T0 + 5 * MINUTE) == []


def test_where_a_neighbour_is_required_neither_opens_before_both_see_it():
    text = NEIGHBOUR.replace("EFFECT", "require").replace("WHO", "window_s = 600")
    engine, feed = kit.engine(text, kit.city("a", "b", neighbours=("a", "b"))), kit.Feed()
    assert run(engine, [1.2] * 3, feed=feed) == []
    assert told(run(engine, [1.2] * 3, station="b", feed=feed)) == ["open b:minor", "open a:minor"]
    assert told(run(engine, [0.1] * 4, feed=feed, start=T0 + 4 * MINUTE)) == ["clear a:minor"]
    # alone again: what b saw is too long ago
    assert run(engine, [1.2] * 4, feed=feed, start=T0 + 30 * MINUTE) == []


def test_maintenance_mutes_and_what_is_still_true_afterwards_speaks():
    engine, feed = kit.engine(), kit.Feed()
    engine.tick(T0)
    engine.observe(feed.health(at=T0, maintenance_s=600))
    assert told(engine.observe(feed.frame(at=T0 + MINUTE, values=[1.2]))) == ["open a:minor?"]
    assert engine.tick(T0 + 9 * MINUTE) == []
    assert told(engine.tick(T0 + 10 * MINUTE)) == ["unmute a:minor"]
    assert told(engine.observe(feed.health(at=T0 + 11 * MINUTE, maintenance_s=60)) + engine.tick(T0 + 11 * MINUTE)) == [
        "mute a:minor?"
    ]


def test_records_marked_by_the_node_mute_too_until_health_says_otherwise():
    text = kit.LEVEL.replace('qualities = ["good"]', "").replace("readings = 1\nof = 1", "readings = 2\nof = 2")
    engine, feed = kit.engine(text), kit.Feed()
    frame = feed.frame(at=T0, values=[1.2, 1.2], quality=SUSPECT, reason="maintenance")
    assert told(engine.observe(frame)) == ["open a:minor?"]
    engine.observe(feed.health(at=T0 + MINUTE))
    assert told(engine.tick(T0 + MINUTE)) == ["unmute a:minor"]


def test_a_seen_alert_that_gets_worse_is_a_new_one_and_a_shelf_ends():
    engine, feed = kit.engine(), kit.Feed()
    engine.observe(feed.frame(at=T0, values=[1.2]))
    assert told(engine.acknowledge(1, "  Regu  2 ", T0 + 1)) == ["acknowledge a:minor"]
    (shelved,) = engine.shelve(1, T0 + 30 * MINUTE, "Regu 2", T0 + 2)
    assert (shelved.alert.acknowledged_by, shelved.alert.shelved_by, shelved.by) == ("Regu 2",) * 3
    assert told(engine.tick(T0 + 30 * MINUTE)) == ["unshelve a:minor"]
    (worse,) = engine.observe(feed.frame(at=T0 + 31 * MINUTE, values=[1.7]))
    assert worse.alert.acknowledged_by == "" and worse.alert.severity == 2
    for order in (
        lambda: engine.acknowledge(1, " ", T0), lambda: engine.acknowledge(1, "x\x1b[2J", T0),
        lambda: engine.shelve(1, T0, "x", T0), lambda: engine.shelve(1, T0 + 10**10, "x", T0),
    ):  # fmt: skip
        with pytest.raises(BadOrderError):
            order()
    with pytest.raises(NotOpenError, match="alert 7 is not open"):
        engine.acknowledge(7, "x", T0)


def test_alerts_without_ground_are_withdrawn_when_rules_or_places_change():
    engine, feed = kit.engine(registry=kit.city("a", "b")), kit.Feed()
    for name in "ab":
        engine.observe(feed.frame(name, at=T0, values=[1.2]))
    engine.use(kit.rules(kit.LEVEL), kit.city("a"))
    made = engine.tick(T0 + MINUTE)
    assert told(made) == ["withdraw b:minor"] and "no longer watched" in made[0].english
    engine.use(kit.rules(""), kit.city("a"))
    made = engine.tick(T0 + MINUTE)
    assert told(made) == ["withdraw a:minor"] and made[0].limits == {}
    assert "b" not in engine.spots.stations() and engine.changed()["b"] == ""


def test_a_new_log_after_a_lost_one_is_judged_and_a_frame_that_failed_may_come_again():
    engine, feed = kit.engine(), kit.Feed()
    feed.id = 1000
    engine.observe(feed.frame(at=T0, values=[0.1]))
    feed.id = 0
    assert told(engine.observe(feed.frame(at=T0 + MINUTE, values=[1.2]))) == ["open a:minor"]
    assert engine.position == 1
    bad = feed.frame(at=T0 + 2 * MINUTE, values=[1.7])
    engine.observe(kit.Decoded(bad.id, bad.node, bad.boot, bad.seq, bad.received_ms, error="tag"))
    assert told(engine.observe(bad)) == ["escalate a:moderate"]
    assert engine.observe(bad) == []
