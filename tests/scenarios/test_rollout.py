"""Rollouts with real nodes on virtual time: the real desk and bridge, the real launcher, releases that are bad in two ways."""

from __future__ import annotations

import json
import tomllib

import pytest

from pantau_sim.expect import judge_all
from pantau_sim.run import run as runner
from pantau_sim.run.report import report
from pantau_sim.scenario.make import make
from pantau_sim.scenario.tables import Scenario

pytestmark = [pytest.mark.usefixtures("vm"), pytest.mark.timeout(240)]
TEXT = """
[scenario]
title = "Rollout"
title_id = "Pembaruan"
about = "For tests."
start = 2028-06-14T00:00:00Z
hours = {hours}
calm_h = 0.2

[profile]
interval_s = 120

[[fleet]]
domain = "flood"
count = {flood}
node = {{ sensors = [{{ model = "a02yyuw" }}] }}
site = {{ kind = "street" }}

[[fleet]]
domain = "air"
count = {air}
node = {{ sensors = [{{ model = "sht4x" }}] }}
site = {{ kind = "roadside" }}

[rollout]
at_h = 0.05
{rollout}
soak_min = {soak}
slice_s = 20
domain = "air"

[[expect]]
name = "none-lost"
check = "nothing_lost"
"""


def played(tmp_path, jobs, rollout, hours, flood, air, soak=15):
    text = TEXT.format(hours=hours, flood=flood, air=air, rollout=rollout, soak=soak)
    plan = make("rollout", Scenario.model_validate(tomllib.loads(text)), 1)
    outcome = runner.run(plan, tmp_path / f"jobs-{jobs}", jobs)
    result = report(outcome, judge_all(outcome))
    assert (result["lost"], result["duplicates"], result["conflicts"], result["problems"]) == (0, 0, 0, {})
    return result


def test_a_release_that_fails_after_its_trial_is_halted_and_everybody_brought_back(tmp_path):
    rollout = 'lab = { flood = 1 }\ncanary = { air = 1 }\nflaw = "crash"'
    found = played(tmp_path, 2, rollout, 1.5, 1, 1)
    assert (found["rollout"], found["halted_after"]) == ("halted", "canary")
    assert (found["nodes_on_old"], found["nodes_on_new"]) == (2, 0)
    told = found["rollout_told"]
    assert any("lab: 1 of 1 nodes have accepted" in line for line in told)
    assert any("started 3 times since it accepted: SystemExit" in line for line in told)
    assert found["boots"] > 2 + 3, "it had been running, and ending, for a while"


def test_a_release_that_fails_its_trial_goes_back_by_itself_with_any_number_of_processes(tmp_path):
    rollout = 'lab = { air = 1 }\nflaw = "blind"'
    one, two = (played(tmp_path, jobs, rollout, 0.5, 1, 1) for jobs in (1, 2))
    assert json.dumps(one) == json.dumps(two)
    assert (one["halted_after"], one["nodes_on_old"], one["nodes_on_new"]) == ("lab", 2, 0)
    assert any("rolled back: no " in line for line in one["rollout_told"])


@pytest.mark.long
def test_a_good_release_reaches_all(tmp_path):
    found = played(tmp_path, 2, "lab = { flood = 1 }\nsteps = [100]", 1.2, 1, 1)
    assert (found["rollout"], found["nodes_on_old"], found["nodes_on_new"]) == ("finished", 0, 2)
