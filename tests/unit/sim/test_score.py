"""The score's arithmetic, against outcomes made by hand."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from click.testing import CliRunner

from pantau.alerts.files import defaults
from pantau.cli.sim import score as cli
from pantau_sim.score import ablation, city, summary
from pantau_sim.score.alerts import Found, Opening, Said, false, found, openings
from pantau_sim.score.counts import Hour
from pantau_sim.score.seed import Alerts, Measured
from pantau_sim.score.truth import Event, Truth
from pantau_sim.world import World

EVENT = Event("street", 10_000.0, 14_000.0)
RULES = defaults().rules


def said(action: str, at_s: float, rule: str = "siaga", alert: int = 1, **more) -> Said:
    return Said(
        alert, "street", rule, action, at_s, at_s, at_s + 5, more.get("past", False), more.get("confirmed", True)
    )


def opening(decided_s: float, ended_s: float = math.inf, **more) -> Opening:
    began_s = more.get("began_s", decided_s)
    return Opening("street", more.get("rule", "siaga"), began_s, decided_s, decided_s, ended_s, False, True)


class Water:
    """A truth that is over the threshold during EVENT, and rises by `slope` m/min before."""

    def __init__(self, slope: float = 0.0) -> None:
        self.slope = slope

    def over(self, _station: str, from_s: float, to_s: float) -> bool:
        return EVENT.onset_s <= to_s and EVENT.end_s >= from_s

    def rises(self, _station: str, rule, _from_s: float, _to_s: float) -> bool:
        return self.slope >= rule.levels[0].value


def test_an_alert_is_one_from_its_opening_to_its_end_and_a_new_one_when_it_comes_back():
    told = openings(
        [
            said("open", 100),
            said("open", 110, "late", 9),
            said("escalate", 120),
            said("clear", 200),
            said("reopen", 300),
            said("open", 310, "node-alarm", 2, confirmed=False),
            said("confirm", 320, "node-alarm", 2),
        ]
    )
    assert [(one.rule, one.decided_s, one.ended_s) for one in told] == [
        ("siaga", 105, 205),
        ("siaga", 305, math.inf),
        ("node-alarm", 315, math.inf),
    ]
    assert told[2].confirmed


@pytest.mark.parametrize(
    "at_s, rule, slope, is_false",
    [
        (EVENT.onset_s - 601, "siaga", 0.0, True),
        (EVENT.onset_s - 599, "siaga", 0.0, False),
        (EVENT.end_s + 599, "node-alarm", 0.0, False),
        (EVENT.end_s + 601, "node-alarm", 0.05, True),  # how fast it rises is not what this rule says
        (1000, "water-rises", 0.01, False),
        (1000, "water-rises-fast", 0.01, True),
    ],
)
def test_an_alert_is_false_where_the_water_is_neither_high_nor_rising_as_its_rule_says(at_s, rule, slope, is_false):
    assert false(opening(at_s, rule=rule), Water(slope), RULES) is is_false  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "told, outages, delay_s, linked",
    [
        ([opening(10_060.0)], [], 60.0, True),
        ([opening(9_000.0)], [], 0.0, True),  # told of before
        ([opening(9_000.0, 9_900.0)], [], None, True),  # and ended before
        ([opening(6_000.0)], [], None, True),  # stood for more than an hour: of something else
        ([opening(14_100.0, began_s=12_000.0)], [], None, True),  # when all was over
        ([opening(14_100.0, began_s=12_000.0)], [(9_990.0, 13_900.0)], 4_100.0, False),  # the link was down until then
        ([opening(14_600.0, began_s=12_000.0)], [(9_990.0, 13_900.0)], None, False),
        ([opening(14_100.0)], [(9_990.0, 13_900.0)], None, False),  # tells of what came after
        ([opening(10_060.0)], [(10_030.0, 10_050.0)], 60.0, True),
    ],
)
def test_a_flood_is_found_by_an_alert_in_force_during_it(told, outages, delay_s, linked):
    assert found(EVENT, told, outages) == Found(EVENT, delay_s, linked)


def measured(seed: int, delays: list[float | None], wrong: int) -> Measured:
    alerts = Alerts(
        tuple(Found(EVENT, delay, True) for delay in delays),
        tuple(opening(1.0, rule="node-alarm") for _ in range(wrong)),
        3,
    )
    one = Measured(seed, 30.0, alerts, Counter({10: 95, 500: 5}), Counter({10: 95}))
    one.due, one.stored, one.all_node_days = 1000, 999, 31.0
    one.hours = [
        Hour(seed, "pair", hour, "motorcycle", 100, 100 - missed, free)
        for hour, missed, free in ((100, 10, True), (101, 0, True), (102, 50, False))
    ]
    return one


def test_the_report_adds_up():
    got = summary.report([measured(1, [60.0] * 19 + [None], 1), measured(101, [100.0] * 20, 3)], [])
    assert got["events"] == 40
    assert got["recall"] == 0.975
    assert got["node_months"] == 2.0
    assert got["false_alerts_per_node_month"] == 2.0
    assert got["false_by_rule"] == {"node-alarm": 4}
    assert got["detection_delay_p95_s"] == 100.0
    assert got["depth_error_mm_p95"] == 1.0
    assert got["count_error"] == {"motorcycle": 0.05}  # of the day: both hours of free flow, the jam left out
    assert got["count_error_hour_p95"] == {"motorcycle": 0.1}
    assert got["completeness"] == 0.999
    assert got["judging_seeds"] == [101]
    assert got["played_tuning_seeds"] == [1]
    assert {name: goal["met"] for name, goal in got["goals"].items()} == {
        "recall": True,
        "false_alerts_per_node_month": False,
        "detection_delay_p95_s": True,
        "depth_error_mm_p95": True,
        "count_error_light": False,  # nothing was counted: not reached
        "count_error_motorcycle": True,
        "completeness": False,
    }


def test_a_flood_that_nobody_told_of_counts_in_the_delay():
    figures = summary.alert_figures([measured(1, [60.0] * 18 + [None] * 2, 0).alerts], 30.0)
    assert figures["detection_delay_p95_s"] is None


def test_intervals_are_the_textbooks():
    assert summary.wilson(39, 40) == [0.8712, 0.9956]  # e.g. Newcombe 1998, method 3
    assert summary.wilson(0, 0) is None
    assert summary.poisson(0, 1.0) == [0.0, pytest.approx(3.69, abs=0.05)]
    assert summary.poisson(10, 2.0) == [pytest.approx(2.4, abs=0.02), pytest.approx(9.2, abs=0.02)]


def test_a_seed_makes_the_same_city_again_and_another_seed_another():
    size = city.Size(1.0, 2, 1)
    plan = city.flood(3, size)
    assert plan == city.flood(3, size)
    assert plan.ailments
    assert plan.world != city.flood(4, size).world
    truth = Truth(plan, World(plan.seed, plan.world))
    minutes = sum((event.end_s - event.onset_s) / 60 for some in truth.events.values() for event in some)
    sick = sum((span.end_us - span.start_us) / 60e6 for span in plan.ailments)
    assert minutes > 0
    assert sick == pytest.approx(min(10 * minutes, 0.5 * 24 * 60 * len(city.watched(plan))), rel=0.05)


def test_links_are_down_a_fifth_of_the_time():
    plan = city.flood(5, city.Size(5.0, 4, 0))
    down = sum(span.end_us - span.start_us for span in plan.faults if span.kind == "link")
    assert down / len(plan.nodes) / (plan.end_us - plan.start_us) == pytest.approx(0.2, abs=0.02)


def test_every_switch_of_the_ablation_is_one():
    plan = city.flood(3, city.Size(0.2, 1, 0))
    found = ablation.rows((plan, []))
    assert [row.off for row in found] == [ablation.NOTHING, *ablation.CHANGES]


@pytest.mark.parametrize("seeds, words", [("5-3", "lesser first"), ("a-b", "no range"), ("1-999", "1 to 200")])
def test_seeds_that_are_none_are_refused(seeds, words):
    result = CliRunner().invoke(cli.command, ["--seeds", seeds])
    assert result.exit_code == 2
    assert words in result.output
