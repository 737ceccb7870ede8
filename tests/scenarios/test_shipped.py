"""The shipped scenarios meet their own expectations: two in the short tier (and the flood in test_flood_on_the_page.py), all of them and other seeds in the long one."""

from __future__ import annotations

import json

import pytest

from pantau_sim.expect import judge_all
from pantau_sim.run.report import report
from pantau_sim.run.run import run
from pantau_sim.scenario.file import load
from pantau_sim.scenario.make import make

pytestmark = pytest.mark.usefixtures("vm")

SHORT = ("byzantine", "rush-hour-rain")
LONG = ("bad-grid", "calm-week", "flash-flood-night", "haze-episode", "rollout-goes-wrong")


def play(tmp_path, name, seed=None, jobs=2):
    found, form = load(name)
    outcome = run(make(found, form, form.scenario.seed if seed is None else seed), tmp_path / f"{name}-{jobs}", jobs)
    result = report(outcome, judge_all(outcome))
    unmet = {which: result["told"][which] for which, met in result["expectations"].items() if not met}
    assert not unmet, unmet
    assert (result["lost"], result["duplicates"], result["problems"]) == (0, 0, {})
    assert result["records"]["stored"] > 0
    return json.dumps(result, indent=1)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", SHORT)
def test_a_scenario_meets_its_expectations(tmp_path, name):
    play(tmp_path, name)


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", LONG)
def test_the_long_ones_meet_theirs(tmp_path, name):
    play(tmp_path, name)


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", [*SHORT, "cisadane-flood", *LONG])
def test_another_seed_meets_them_too_with_any_number_of_processes(tmp_path, name):
    assert play(tmp_path, name, 7, 1) == play(tmp_path, name, 7, 2)
