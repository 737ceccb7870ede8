"""The kinds that are not about a property's series: a node's alarm, silence, faults, batteries."""

from __future__ import annotations

from pantau.quality.site import FloodSite
from unit.alerts import alert_kit as kit
from unit.alerts.alert_kit import FAIL, MINUTE, MISSING, SUSPECT, T0, told


def test_a_nodes_alarm_is_an_alert_in_the_same_call_and_is_confirmed_by_the_data():
    engine, feed = kit.engine(kit.ALARM), kit.Feed()
    assert told(engine.observe(feed.frame(at=T0, values=[(0.2, FAIL)], alarm=True))) == ["open a:severe!"]
    made = engine.observe(feed.frame(at=T0 + MINUTE, values=[1.2], alarm=True))
    assert told(made) == ["open a:minor", "confirm a:extreme"] and "Seen in the data by level" in made[1].english
    made = [d for m in range(2, 6) for d in engine.observe(feed.frame(at=T0 + m * MINUTE, values=[0.1]))]
    assert told(made) == ["clear a:extreme", "clear a:minor"]


def test_a_nodes_alarm_that_no_data_bear_out_ends_and_says_so():
    engine, feed = kit.engine(kit.ALARM), kit.Feed()
    engine.observe(feed.frame(at=T0, values=[0.1], alarm=True))
    made = [d for m in range(1, 5) for d in engine.observe(feed.frame(at=T0 + m * MINUTE, values=[0.1]))]
    assert told(made) == ["clear a:severe!"] and "no other data ever confirmed it" in made[0].english


def test_a_checked_alarm_does_not_begin_with_a_refused_level_and_stands_once_it_has_begun():
    checked = kit.ALARM.replace('kind = "node_alarm"', 'kind = "node_alarm"\nchecked = true')
    engine, feed = kit.engine(checked), kit.Feed()
    assert told(engine.observe(feed.frame(at=T0, values=[(1.2, FAIL)], alarm=True))) == []
    assert told(engine.observe(feed.frame(at=T0 + MINUTE, values=[(1.2, SUSPECT)], alarm=True))) == ["open a:severe!"]
    again = [engine.observe(feed.frame(at=T0 + m * MINUTE, values=[(1.2, FAIL)], alarm=True)) for m in range(2, 9)]
    assert [d for made in again for d in made] == []
    early = kit.engine(checked)
    assert told(early.express(feed.frame(at=T0, values=[(1.2, FAIL)], alarm=True))) == ["open a:severe!"]
    float_alone = kit.engine(checked)
    assert told(float_alone.observe(feed.frame(at=T0, name="water_contact", values=[1], alarm=True))) == [
        "open a:severe!"
    ]


def test_a_node_that_holds_a_refused_alarm_is_believed_when_the_water_is_high():
    checked = kit.ALARM.replace('kind = "node_alarm"', 'kind = "node_alarm"\nchecked = true')
    engine, feed = kit.engine(checked, kit.city(flood=FloodSite(siaga_3=0.9))), kit.Feed()
    frames = [(1.2, FAIL), 0.1, 0.1, 0.95, 0.95]  # a car for a minute, the node's hold, a flood
    made = [engine.observe(feed.frame(at=T0 + m * MINUTE, values=[v], alarm=True)) for m, v in enumerate(frames)]
    assert [told(some) for some in made] == [[], [], [], ["open a:severe!"], []]
    engine = kit.engine(checked, kit.city(flood=FloodSite(siaga_3=0.9)))  # set lower than siaga: nothing was refused
    assert told(engine.observe(feed.frame(at=T0, values=[0.4], alarm=True))) == ["open a:severe!"]
    street = FloodSite(siaga_3=0.9, dry_level=0.0)
    engine = kit.engine(
        checked, kit.city(flood=street)
    )  # the frames of the car come late: what is held over dry ground is no flood
    assert told(engine.observe(feed.frame(at=T0, values=[0.02], alarm=True))) == []
    assert (
        told(engine.observe(feed.frame(at=T0 + MINUTE, values=[0.4], alarm=True))) == []
    )  # after a doubt it must be high
    engine = kit.engine(checked, kit.city(flood=street))
    assert told(engine.observe(feed.frame(at=T0, values=[0.02, 0.4], alarm=True))) == ["open a:severe!"]


def test_an_alarm_in_a_backlog_is_past_but_not_on_the_word_of_a_clock_nobody_set():
    engine, feed = kit.engine(kit.ALARM), kit.Feed()
    engine.observe(feed.frame(at=T0, values=[0.1]))
    assert told(engine.observe(feed.frame(at=T0 - 200 * MINUTE, received=T0, values=[0.1], alarm=True))) == [
        "open a:severe!<"
    ]
    engine = kit.engine(kit.ALARM)
    made = engine.observe(feed.frame(at=T0 - 200 * MINUTE, received=T0 + MINUTE, values=[0.1], alarm=True, clock=1))
    assert told(made) == ["open a:severe!"]


LATE = """
[[rule]]
id = "late"
kind = "late"
name = "Silent"
name_id = "Diam"
levels = [{value = 3, severity = "minor"}, {value = 10, severity = "moderate"}]
clear_s = 120
max_open = 2
"""


def test_silence_opens_escalates_and_ends_after_time_in_time():
    engine, feed = kit.engine(LATE), kit.Feed()
    made = []
    for minute in range(40):
        now = T0 + minute * MINUTE
        if minute < 5 or minute >= 20:
            engine.observe(feed.frame(at=now, values=[0.1]))
        made += engine.tick(now)
    assert told(made) == ["open a:minor", "escalate a:moderate", "clear a:moderate"]
    assert [(m.decided_ms - T0) // MINUTE for m in made] == [7, 14, 22]
    assert "nothing received for 180 s" not in made[0].english and "3 min" in made[0].english


def test_silence_while_nobody_listened_proves_nothing():
    engine, feed = kit.engine(LATE), kit.Feed()
    engine.observe(feed.frame(at=T0, values=[0.1]))
    engine.tick(T0)
    hours = T0 + 600 * MINUTE
    assert engine.tick(hours) == []
    assert engine.tick(hours + 2 * MINUTE) == []
    assert told(engine.tick(hours + 3 * MINUTE)) == ["open a:minor"]


def test_when_many_fall_silent_it_is_one_alert_that_counts():
    names = [f"s{i}" for i in range(12)]
    engine, feed = kit.engine(LATE, kit.city(*names)), kit.Feed()
    engine.tick(T0)
    for name in names:
        engine.observe(feed.frame(name, at=T0, values=[0.1]))
    made = engine.tick(T0 + 3 * MINUTE)
    assert told(made) == ["open s0:minor", "open s1:minor", "open *:minor", *["update *:minor"] * 3]
    assert "8 more stations" in made[-1].english
    assert engine.tick(T0 + 4 * MINUTE) == []
    for minute in range(5, 9):
        for name in names:
            engine.observe(feed.frame(name, at=T0 + minute * MINUTE, values=[0.1]))
        made = engine.tick(T0 + minute * MINUTE)
        if made:
            break
    assert sorted(told(made)) == ["clear *:minor", "clear s0:minor", "clear s1:minor"]


FAULT = """
[[rule]]
id = "fault"
kind = "fault"
name = "Fault"
name_id = "Gangguan"
properties = ["water_level", "pm2_5"]
window_s = 600
min_readings = 5
hysteresis = 20
clear_s = 60
levels = [{value = 50, severity = "minor"}]
"""


def test_a_share_of_unusable_readings_is_a_fault_maintenance_is_not():
    made = kit.run(kit.engine(FAULT), [1] * 5 + [(1, FAIL), (None, MISSING)] * 4 + [1] * 12)
    assert told(made) == ["open a:minor", "clear a:minor"]
    assert "water_level" in made[0].english and "50 %" in made[0].english
    assert kit.run(kit.engine(FAULT), [(1, FAIL)] * 9, reason="maintenance") == []


BATTERY = """
[[rule]]
id = "battery"
kind = "battery"
name = "Battery"
name_id = "Baterai"
hysteresis = 100
clear_s = 0
levels = [{value = 3500, severity = "minor"}, {value = 3300, severity = "moderate"}]
"""


def test_a_battery_runs_down_and_is_charged():
    engine, feed = kit.engine(BATTERY), kit.Feed()
    made = []
    for index, millivolts in enumerate([3600, 3500, 3550, 3280, 3550, 3650]):
        made += engine.observe(feed.health(at=T0 + index * MINUTE, battery_mv=millivolts))
    assert told(made) == ["open a:minor", "escalate a:moderate", "deescalate a:minor", "clear a:minor"]
    assert made[0].alert.part == "na"
