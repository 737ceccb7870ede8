"""Runs of scenarios: the same to the byte, nothing lost, strangers kept out, and what no seed decides is found and named."""

from __future__ import annotations

import json

import pytest

from pantau_sim.run import run as runner
from pantau_sim.run.report import report
from pantau_sim.run.workers import WorkerError, shares
from scenarios import small

# Several runs each, on machines that do other things too.
pytestmark = [pytest.mark.usefixtures("vm"), pytest.mark.timeout(240)]
TROUBLE = """
[[fault]]
kind = "power"
at_h = 0.3
for_min = 2
stations = ["kampung"]

[[fault]]
kind = "link"
at_h = 0.5
for_min = 20

[[fault]]
kind = "broker_wiped"
at_h = 0.45
for_min = 1

[[fault]]
kind = "bridge_crash"
at_h = 1.0
for_min = 1

[[fault]]
kind = "spool_full"
at_h = 1.2
for_min = 2

[[client]]
kind = "conflicter"
at_h = 0.2
for_min = 60

[[client]]
kind = "down_forger"
at_h = 0.2
for_min = 60
"""
ROGUE = """
import pantau_sim.sensors.base as base
gauss = base.Prng.gauss
base.Prng.gauss = lambda self: gauss(self) + hash("the wind") % 7
"""


def played(tmp_path, name, plan, jobs=1):
    outcome = runner.run(plan, tmp_path / name, jobs)
    return outcome, json.dumps(report(outcome, {}), sort_keys=True)


def test_the_report_is_the_same_to_the_byte_for_any_number_of_processes(tmp_path):
    plan = small.plan(TROUBLE)
    outcome, one = played(tmp_path, "one", plan, 1)
    _, two = played(tmp_path, "two", plan, 2)
    assert one == two
    assert outcome.lost == outcome.duplicates == 0
    assert not any(node.problems for node in outcome.nodes.values())
    assert sum(node.stored for node in outcome.nodes.values()) > 200
    assert outcome.counts["crashes"] == 2 and outcome.counts["commit_failures"] > 0
    assert outcome.quarantined["conflict"] > 10 and set(outcome.quarantined) == {"conflict"}


def test_every_record_of_the_log_is_in_the_store_once(tmp_path):
    outcome, _ = played(tmp_path, "run", small.plan())
    _, other = played(tmp_path, "other", small.plan(seed=2))
    assert json.loads(other)["digest"] != outcome.digest
    rows = outcome.series("pasar", "pm2_5")
    assert len(rows) == outcome.nodes[outcome.nodes_of("pasar")[0]].stored
    assert len({row.observed_ms for row in rows}) == len(rows)


def test_what_depends_on_the_hash_seed_is_found_and_named(tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text(ROGUE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(
        runner.DivergenceError, match=r"two runs of small with seed 1 differ: .*pantau/v1/tng/\d+/\S+/up at "
    ):
        runner.verify(small.plan(), 2)


def test_a_clock_in_the_simulated_path_is_named(tmp_path, monkeypatch):
    clock = ROGUE.replace('hash("the wind")', "time.time_ns()").replace(
        "import pantau", "import time\nimport pantau", 1
    )
    rogue = tmp_path / "rogue"
    rogue.mkdir()
    (rogue / "sitecustomize.py").write_text(
        f"exec(compile({clock!r}, 'wind.py', 'exec'), {{'__name__': 'pantau_sim.sensors.wind'}})"
    )
    monkeypatch.setenv("PYTHONPATH", str(rogue))
    with pytest.raises(WorkerError, match=r"NondeterminismError: wind\.py:\d+ .*asks the host for time\.time_ns"):
        runner.run(small.plan(), tmp_path / "run")


def test_two_calm_runs_do_not_diverge():
    runner.verify(small.plan(), 2)


def test_shares_are_even_and_complete():
    plan = small.plan('[[fleet]]\ndomain = "air"\ncount = 9\nsite = { kind = "background" }\n')
    for jobs in (1, 2, 5, 64):
        dealt = shares(plan, jobs)
        assert sorted(number for share in dealt for number in share) == list(range(11))
        assert max(map(len, dealt)) - min(map(len, dealt)) <= 1
