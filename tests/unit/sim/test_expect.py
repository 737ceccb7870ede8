"""Expectations: each check met and not met on runs made up here, and scenarios that can never meet what they ask."""

from collections import Counter
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from pantau.cli import pantau
from pantau_sim.expect import CHECKS, judge_all
from pantau_sim.run.outcome import NodeOutcome, Outcome, Raised, Reading
from pantau_sim.scenario.check import look, told
from pantau_sim.scenario.file import read, shipped
from pantau_sim.scenario.make import make

CITY = """\
[scenario]
title = "t"
title_id = "t"
about = "a"
start = 2028-01-12T10:00:00Z
hours = 6
calm_h = {calm}
[[station]]
id = "up"
name = "Up"
domain = "flood"
latitude = -6.3
longitude = 106.6
sensor_height_m = 4.0
flood = {{ siaga_3 = 1.0, siaga_2 = 2.0 }}
[station.site]
kind = "street"
[[station]]
id = "down"
name = "Down"
domain = "flood"
latitude = -6.2
longitude = 106.6
sensor_height_m = 4.0
flood = {{ siaga_3 = 1.0, siaga_2 = 2.0, siaga_1 = 3.5 }}
[station.site]
kind = "street"
[[station]]
id = "dust"
name = "Dust"
domain = "air"
latitude = -6.2
longitude = 106.6
[station.site]
kind = "background"
{more}
[[expect]]
name = "it"
{expect}
"""
START_S = 1831284000
_M = 60


class World:
    """Water that rises at `up` from hour 1 and at `down` from hour 2 on, by 1 m in half an hour, to 2.5 m; dust of 40 ug/m3, 300 from hour 3 on."""

    def station(self, name):
        def truth(what, t_s):
            hours = (t_s - START_S) / 3600
            level = max(0.0, min(2.5, 2 * (hours - (1 if name == "up" else 2))))
            known = {
                "water_level": level, "water_distance": 4.0 - level, "rain_accumulated": 0.0,
                "pm2_5": 300.0 if hours >= 3 else 40.0,
            }  # fmt: skip
            return known[what]

        truth.interval = lambda what, _t0, _t1: {"vehicle_count": 10}[what]
        return truth


class Ended(Outcome):
    """An outcome whose stores are lists."""

    def series(self, station, name):
        return self.rows.get((station, name), [])

    def decisions(self):
        return self.told

    def count(self, query):
        return self.forged if "forged" in query else 0


def plan_of(expect, more="", calm=1):
    return make("mine", read(CITY.format(expect=expect, more=more, calm=calm), "my.toml"), 7)


def judged(expect, more="", rows=None, told=(), nodes=None, **given):
    plan = plan_of(expect, more)
    accounts = {node.id: NodeOutcome(node.id, due=100, stored=96, held=4) for node in plan.nodes}
    for name, values in (nodes or {}).items():
        for key, value in values.items():
            setattr(accounts[name], key, value)
    given = {"quarantined": Counter(), "conflicts": 0, "forged": 0} | given
    forged = given.pop("forged")
    ended = Ended(plan, World(), None, accounts, faults=plan.faults, injected=Counter(), digest="", **given)
    return judged_by(ended, rows or {}, list(told), forged)


class _Slots(Ended):
    rows: dict
    told: list
    forged: int


def judged_by(ended, rows, told, forged):
    slots = _Slots(*(getattr(ended, name) for name in Outcome.__dataclass_fields__))
    slots.rows, slots.told, slots.forged = rows, told, forged
    return judge_all(slots)["it"]


def at(hours, value, quality=1, late_s=5, reason="ok"):
    ms = int((START_S + hours * 3600) * 1000)
    return Reading(ms, value, quality, reason, ms + late_s * 1000)


def alert(station, rule="siaga", severity=3, hours=2.0, number=1, closed=None):
    ms = int((START_S + hours * 3600) * 1000)
    return Raised(
        SimpleNamespace(id=number, station=station, rule=rule, closed_ms=closed),
        SimpleNamespace(severity=severity, decided_ms=ms, alert=number),
    )


STATES = {
    ("up", "siaga_state"): [at(1, 4), at(1.51, 3), at(2.02, 2)],
    ("down", "siaga_state"): [at(1, 4), at(2.505, 3), at(3.01, 2)],
}
LEVELS = {("up", "water_level"): [at(h / 10, (h - 10) / 5 + 0.004) for h in range(11, 20)] + [at(1.55, 9.0, quality=4)]}
LINK = '[[fault]]\nkind = "link"\nat_h = 1.4\nfor_min = 60\n'
COBWEB = '[[ailment]]\nkind = "cobweb"\nstations = ["up"]\nat_h = 1\nfor_min = 60\n'
FLAGS = {("up", "water_level"): [at(0.5, 1), at(0.6, 1, 3), *(at(1.1 + i / 10, 1, 3 if i else 1) for i in range(4))]}


@pytest.mark.parametrize(
    "expect, good, bad, words",
    [
        ('check = "nothing_lost"', {}, {"nodes": {"up": {"lost": 2}}}, "2 of 300 records lost: up 2"),
        ('check = "no_duplicates"', {}, {"nodes": {"up": {"twice": 1}}}, "1 records stored twice: up 1"),
        ('check = "completeness"\nat_least = 1', {}, {"nodes": {"up": {"held": 9, "stored": 91}}}, "283 of 287"),
        ('check = "redelivered"\nat_least = 3', {"nodes": {"up": {"redelivered": 3}}}, {}, "0 frames came again"),
        ('check = "restarts"\nat_least = 1', {"nodes": {"up": {"lives": [(0, 1), (2, 3)]}}}, {}, "0 restarts of 3"),
        ('check = "quarantined"\nreason = "bad_tag"\nat_least = 5', {"quarantined": Counter(bad_tag=5)},
         {"quarantined": Counter(bad_tag=4, too_long=9)}, "refused bad_tag: 4, asked for at least 5"),
        ('check = "quarantined"\nat_most = 5', {"quarantined": Counter(bad_tag=5)},
         {"quarantined": Counter(bad_tag=4, too_long=2)}, "refused in all: 6"),
        ('check = "no_conflicts"', {}, {"conflicts": 1}, "1 conflicts"),
        ('check = "conflicts"\nat_least = 2', {"conflicts": 2}, {"conflicts": 1}, "1 conflicts"),
        ('check = "node_forged"\nat_least = 2', {"forged": 2}, {"forged": 1}, "nodes refused 1 messages"),
        ('check = "siaga_order"\nstations = ["up", "down"]\nlevel = 2', {"rows": STATES},
         {"rows": {("down", "siaga_state"): STATES["up", "siaga_state"]}}, "up never, down 12 Jan 19:01:12"),
        ('check = "siaga_order"\nstations = ["up", "down"]\nlevel = 2', {"rows": STATES},
         {"rows": {("up", "siaga_state"): [at(3.2, 1)], ("down", "siaga_state"): [at(3.1, 2)]}}, "state 2"),
        ('check = "siaga_reached"\nstations = ["up"]\nlevel = 3\nwithin_s = 60', {"rows": STATES},
         {"rows": {("up", "siaga_state"): [at(1.51, 3, late_s=50)]}}, "known 86 s after the water"),
        ('check = "alert"\nrule = "siaga"\nstations = ["up"]\nseverity = "severe"\nwithin_s = 90',
         {"told": [alert("up", hours=2.02)]}, {"told": [alert("up", hours=2.03), alert("up", severity=1, hours=2.01)]},
         "known 108 s after the truth"),
        ('check = "alert"\nrule = "siaga"\nstations = ["up", "down"]',
         {"told": [alert("up"), alert("down")]}, {"told": [alert("up")]}, "down none"),
        ('check = "no_alert"\nseverity = "severe"\nstations = ["up"]', {"told": [alert("down"), alert("up", severity=1)]},
         {"told": [alert("up", "rain-1h")]}, "1 alerts: rain-1h at up"),
        ('check = "alert_ends"\nrule = "siaga"\nstations = ["up"]', {"told": [alert("up", closed=1831300000000)]},
         {"told": [alert("up", closed=1831300000000), alert("up", number=2)]}, "up still has 1 of 2"),
        ('check = "alert_ends"\nrule = "siaga"\nstations = ["up"]', {"told": [alert("up", closed=1831300000000)]},
         {}, "up had none"),
        ('check = "depth_error"\nat_most = 4', {"rows": LEVELS},
         {"rows": {("up", "water_level"): [at(1.5, 1.005)]}}, "within 5.0 mm of the truth, of 1 good readings"),
        ('check = "depth_error"\nat_most = 4', {"rows": LEVELS}, {}, "no good reading"),
        ('check = "value_error"\nproperty = "pm2_5"\nstations = ["dust"]\nat_most = 5',
         {"rows": {("dust", "pm2_5"): [at(1, 44), at(1.1, 90, quality=3), at(4, 296)]}},
         {"rows": {("dust", "pm2_5"): [at(1, 44), at(4, 290)]}}, "within 10 of the truth"),
        ('check = "value_error"\nproperty = "vehicle_count"\nstations = ["dust"]\nat_most = 1',
         {"rows": {("dust", "vehicle_count"): [at(1, 40), at(1 + 1 / 60, 11), at(3, 99)]}},
         {"rows": {("dust", "vehicle_count"): [at(1, 40), at(1 + 1 / 60, 12)]}}, "of 1 good readings"),
    ],
)  # fmt: skip
def test_a_check_is_met_and_not_met(expect, good, bad, words):
    assert judged(expect, **good).met
    wrong = judged(expect, **bad)
    assert not wrong.met and words in wrong.what


def test_what_an_ailment_spoils_is_told_from_what_it_does_not():
    flagged = 'check = "flagged"\nproperty = "water_level"\nat_least = {}'
    assert judged(flagged.format(0.75), COBWEB, FLAGS).met
    assert "3 of 4 readings of water_level (75.00 %) flagged" in judged(flagged.format(0.8), COBWEB, FLAGS).what
    clean = 'check = "clean"\nproperty = "water_level"\nat_least = {}'
    assert judged(clean.format(0.5), COBWEB, FLAGS).met
    assert not judged(clean.format(0.6), COBWEB, FLAGS).met


@pytest.mark.parametrize(
    "expect, more, words",
    [
        ('check = "siaga_reached"\nstations = ["down"]\nlevel = 1', "", "rises to 2.50 m at 12 Jan 20:15:00, siaga_1 is 3.5 m"),
        ('check = "siaga_reached"\nstations = ["up"]\nlevel = 1', "", "up has no siaga_1"),
        ('check = "siaga_reached"\nstations = ["up"]\nlevel = 3\nwithin_s = 9', "", "2 readings take 10 s"),
        ('check = "siaga_reached"\nstations = ["up"]\nlevel = 3\nwithin_s = 120', LINK, "cut off from 12 Jan 18:24:00 to"),
        ('check = "siaga_order"\nstations = ["down", "up"]\nlevel = 2', "", "reaches siaga_2 at up (12 Jan 19:00:00) no later"),
        ('check = "siaga_order"\nstations = ["up"]\nlevel = 2', "", "two stations or more"),
        ('check = "alert"\nrule = "siaga"\nstations = ["dust"]', "", "does not look at dust, a air station"),
        ('check = "alert"\nrule = "siaga"\nstations = ["down"]\nseverity = "extreme"', "", "the truth gets to 2.5"),
        ('check = "alert"\nrule = "rain-1h"\nstations = ["up"]', "", "the truth gets to 0"),
        ('check = "alert"\nrule = "rain-1h"\nstations = ["dust"]', "", "no sensor at dust measures"),
        ('check = "alert"\nrule = "pm2-5"\nstations = ["dust"]\nwithin_s = 600', "", "readings take 1920 s"),
        ('check = "alert"\nrule = "late"\nstations = ["up"]', "", "cut off for 0 s at most, and late only after 900 s"),
        ('check = "alert"\nrule = "sensor-fault"\nstations = ["up"]', "", "nothing is wrong with a sensor of up"),
        ('check = "alert"\nrule = "node-alarm"\nstations = ["dust"]', "", "no node at dust has an alarm distance"),
        ('check = "no_alert"', "", "the water at up is above a siaga level from 12 Jan 18:30:00 on"),
        ('check = "no_alert"\nrule = "siaga"\nseverity = "severe"\nstations = ["down"]', "", "from 12 Jan 20:00:00 on"),
        ('check = "alert_ends"\nrule = "water-rises"\nstations = ["dust"]', "", "does not look at dust"),
        ('check = "quarantined"\nat_least = 1', "", "those of the scenario send at most 0"),
        ('check = "quarantined"\nreason = "bad_tag"\nat_least = 900',
         '[[client]]\nkind = "forger"\nfor_min = 30\n', "send at most 543"),
        ('check = "conflicts"\nat_least = 1', "", "only a conflicter"),
        ('check = "no_conflicts"', '[[client]]\nkind = "conflicter"\n', "makes conflicts"),
        ('check = "node_forged"\nat_least = 1', "", "only a down_forger"),
        ('check = "restarts"\nat_least = 4', '[[fault]]\nkind = "power"\nat_h = 1\n', "the power is cut 3 times there"),
        ('check = "redelivered"\nat_least = 1', "", "nothing breaks"),
        ('check = "flagged"\nproperty = "pm2_5"\nat_least = 0.9', COBWEB, "touches pm2_5 there"),
        ('check = "depth_error"\nstations = ["dust"]\nat_most = 9', "", "dust is no flood station"),
        ('check = "value_error"\nproperty = "voc_raw"\nstations = ["dust"]\nat_most = 9', "", "has no truth of voc_raw"),
    ],
)  # fmt: skip
def test_what_can_never_be_met_is_said(expect, more, words):
    plan = plan_of(expect, more)
    why = CHECKS[plan.expect[0].check].possible(plan, World(), plan.expect[0])
    assert why is not None and words in why, why


def test_a_node_that_ends_without_power_cannot_have_told_everything():
    plan = plan_of(
        'check = "completeness"\nat_least = 1', '[[fault]]\nkind = "power"\nat_h = 5\nfor_min = 90\n', calm=0
    )
    why = CHECKS["completeness"].possible(plan, World(), plan.expect[0])
    assert why is not None and "up ends with power out since 12 Jan 22:00:00" in why


def test_every_condition_of_the_city_made_up_here_may_be_met():
    for expect in (
        'check = "siaga_reached"\nstations = ["up", "down"]\nlevel = 2\nwithin_s = 120',
        'check = "siaga_order"\nstations = ["up", "down"]\nlevel = 3',
        'check = "no_alert"\nseverity = "extreme"',
        'check = "no_alert"\nstations = ["dust"]',
        'check = "no_alert"\nrule = "rain-1h"',
        'check = "alert"\nrule = "pm2-5"\nseverity = "moderate"\nstations = ["dust"]\nwithin_s = 2000',
        'check = "alert"\nrule = "water-rises-fast"\nstations = ["up"]',
        'check = "alert"\nrule = "node-alarm"\nseverity = "extreme"\nstations = ["up"]\nwithin_s = 60',
        'check = "alert"\nrule = "siaga"\nseverity = "severe"\nstations = ["up"]\nwithin_s = 120',
    ):
        plan = plan_of(expect)
        assert CHECKS[plan.expect[0].check].possible(plan, World(), plan.expect[0]) is None


def test_the_command_lists_every_mistake_and_exits_2(tmp_path):
    (tmp_path / "mine.toml").write_text(
        CITY.format(expect='check = "alert"\nrule = "siaga"\nstations = ["up"]', more="", calm=1)
    )
    done = CliRunner().invoke(pantau, ["sim", "check", str(tmp_path / "mine.toml")])
    assert done.exit_code == 2
    assert "mine.toml:37: expect[0]: it can never be met: siaga_3 at up: the truth gets to 0" in done.output
    done = CliRunner().invoke(pantau, ["sim", "check", "flash-flood-night", "--seed", "3"])
    assert done.exit_code == 0, done.output
    assert "flash-flood-night, seed 3: Flash flood at night" in done.output
    assert "ciledug-indah: siaga_2 (siaga), 0.4 m" in done.output


@pytest.mark.parametrize("name", sorted(shipped()))
def test_no_shipped_scenario_expects_what_cannot_be(name):
    looked = look(name, 7)
    assert looked.problems == []
    assert any("expectations, none of them impossible" in line for line in told(looked))
