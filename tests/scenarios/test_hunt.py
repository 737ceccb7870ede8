"""A short hunt, and that each invariant can fail: a run that holds is spoiled in one place after the other."""

from __future__ import annotations

import copy
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest

from pantau.alerts.reads import Entry
from pantau.alerts.track import Alert
from pantau_sim.hunt.case import RUNS, SAME, play
from pantau_sim.hunt.draw import draw
from pantau_sim.hunt.evidence import Evidence
from pantau_sim.hunt.invariants import ALL, broken
from pantau_sim.hunt.session import Hunt, Options
from pantau_sim.run import run as runner
from pantau_sim.run.district import Kept, power_on_ms
from pantau_sim.run.outcome import Raised
from scenarios import small

pytestmark = pytest.mark.usefixtures("vm")

FIRST, CASES = 44, 3  # short ones: a radar with two strangers, a quiet flood station, sixty faults at two stations
PART = """
[[fault]]
kind = "power"
at_h = 0.3
for_min = 2
stations = ["kampung"]

[[client]]
kind = "corrupter"
at_h = 0.2
for_min = 30
"""


@pytest.fixture(scope="module")
def _played(tmp_path_factory, vm):
    folder = tmp_path_factory.mktemp("hunt")
    return Evidence(runner.run(small.plan(PART), folder), folder)


@pytest.fixture
def evidence(_played):
    """The evidence of one run, of which a test may spoil its copy; the folder is shared."""
    return Evidence(copy.deepcopy(_played.outcome), _played.folder)


def names(evidence):
    return {one.invariant for one in broken(evidence)}


def test_a_run_holds(evidence):
    assert broken(evidence) == []
    assert evidence.rows
    for node in evidence.plan.nodes:
        began_us = evidence.outcome.nodes[node.id].lives[0][0]
        assert began_us == evidence.plan.start_us + power_on_ms(evidence.plan.seed, node.id) * 1000


def spoil_lost(outcome):
    outcome.nodes["kampung"].lost = 2


def spoil_twice(outcome):
    outcome.kept.append(outcome.kept[5])


def spoil_account(outcome):
    outcome.nodes["pasar"].problems.append("boot 1 seq 1: the node holds other bytes than the bridge")


def spoil_spool(outcome):
    outcome.kept.pop()


def spoil_forged(outcome):
    kept = outcome.kept[3]
    outcome.kept[3] = Kept(kept.received_ms, kept.node, kept.payload[:-1] + bytes([kept.payload[-1] ^ 1]))


def spoil_refusals(outcome):
    outcome.quarantined["conflict"] += 1


def spoil_dates(outcome):
    start_us, end_us = outcome.nodes["pasar"].lives[0]
    outcome.nodes["pasar"].lives[0] = (start_us - 4_000_000, end_us)


def spoil_firmware(outcome):
    outcome.nodes["pasar"].problems.append("the firmware ended by itself, status 1: pasar.log")


def spoil_restarts(outcome):
    outcome.nodes["kampung"].lives.append(outcome.nodes["kampung"].lives[-1])


def spoil_held(outcome):
    outcome.nodes["pasar"].held += 90
    outcome.nodes["pasar"].due += 90


@pytest.mark.parametrize(
    "name, spoil",
    [
        ("nothing-lost", spoil_lost),
        ("nothing-twice", spoil_twice),
        ("all-accounted-for", spoil_account),
        ("log-is-what-was-stored", spoil_spool),
        ("nothing-forged", spoil_forged),
        ("refusals-have-a-cause", spoil_refusals),
        ("dates-are-true", spoil_dates),
        ("firmware-lives", spoil_firmware),
        ("restarts-have-a-cause", spoil_restarts),
        ("city-holds-the-log", spoil_spool),
    ],
)
def test_each_invariant_can_fail(evidence, name, spoil):
    spoil(evidence.outcome)
    assert name in names(evidence)


def test_what_waits_longer_than_an_hour_is_found(evidence):
    plan = evidence.plan
    evidence.outcome.plan = replace(plan, calm_us=plan.end_us - 3_600_000_000)
    assert broken(evidence) == []
    spoil_held(evidence.outcome)
    assert "backlogs-drain" in names(evidence)


@pytest.mark.parametrize(
    "name, change",
    [
        ("city-holds-the-log", "UPDATE observations SET value = value + 1"),
        ("city-holds-the-log", "DELETE FROM observations WHERE seq = 5"),
        ("dates-are-true", "UPDATE observations SET dated_later = 1, uptime = 0 WHERE seq > 20"),
        ("undated-is-dated", "UPDATE observations SET observed_at = NULL WHERE seq = 4"),
        ("flags-not-sentinels", "UPDATE observations SET quality = 9"),
        ("latest-is-the-latest", "UPDATE latest SET value = value + 1"),
        ("nodes-are-up-to-date", "UPDATE nodes SET last_seen = last_seen - 1"),
    ],
)
def test_a_store_that_is_wrong_is_found(evidence, tmp_path, name, change):
    folder = tmp_path / "spoiled"
    shutil.copytree(evidence.folder, folder)
    with closing(sqlite3.connect(folder / "city" / "city.sqlite3")) as db:
        assert db.execute(change).rowcount
        db.commit()
    assert name in names(Evidence(evidence.outcome, folder))


@pytest.mark.parametrize(
    "name, change",
    [
        ("alerts-make-sense", {"id": 99}),
        ("alerts-make-sense", {"station": "nowhere"}),
        ("alerts-make-sense", {"rule": "node-alarm", "station": "pasar"}),
        ("nobody-is-late-at-the-end", {"rule": "late", "closed_ms": None}),
        ("no-siaga-on-dry-ground", {"rule": "siaga", "station": "kampung"}),
    ],
)
def test_an_alert_that_makes_no_sense_is_found(evidence, name, change):
    plan = evidence.plan
    levels = "[station.flood]\nsiaga_3 = 2.9\nsiaga_2 = 2.95\nsiaga_1 = 2.99\n"
    first, rest = plan.registry.split("[[node]]", 1)
    evidence.outcome.plan = replace(
        plan, calm_us=plan.end_us - 3_600_000_000, registry=f"{first}{levels}[[node]]{rest}"
    )
    alert = Alert(1, "rain-1h", "rain", "kampung", "", 1, 1, "", "", True, False, False, 0, 0, closed_ms=1)
    entries = [
        Entry(number, 1, action, 1, True, False, False, 0, plan.end_us // 1000, "", "Rain", "Hujan", {})
        for number, action in enumerate(("open", "clear"), 1)
    ]
    raised = [Raised(alert, entry) for entry in entries]
    evidence.outcome._raised = raised
    assert name not in names(evidence)
    evidence.outcome._raised = [raised[0], raised[1]._replace(alert=alert._replace(**change))]
    if "id" not in change:
        evidence.outcome._raised[0] = raised[0]._replace(alert=alert._replace(**change))
    assert name in names(evidence)


def test_an_error_anywhere_is_a_finding(monkeypatch):
    monkeypatch.setattr("pantau_sim.hunt.case.run", lambda *_a, **_k: 1 / 0)
    (one,) = play(draw(FIRST)).broken
    assert (one.invariant, one.mark) == (RUNS, f"{RUNS}: ZeroDivisionError")


def test_two_runs_that_differ_are_a_finding(monkeypatch):
    real = runner.run

    def rogue(plan, folder, jobs=1, hash_seed="0"):
        outcome = real(plan, folder, jobs, hash_seed=hash_seed)
        if hash_seed != "0":
            outcome.trace.pop()
        return outcome

    monkeypatch.setattr("pantau_sim.hunt.case.run", rogue)
    tables = draw(FIRST)
    tables["scenario"] = tables["scenario"] | {"hours": 0.1, "calm_h": 0.0}
    for name in ("fault", "client", "ailment", "shower", "haze"):
        tables.pop(name, None)
    (one,) = play(tables, twice=True).broken
    assert one.invariant == SAME
    assert "went on with" in one.what


def test_a_short_hunt_finds_nothing(tmp_path):
    said = []
    tally = Hunt(Options(10, FIRST, jobs=2, cases=CASES, found=tmp_path, shrink_s=0), said.append).run().report()
    assert tally["failures"] == [], said
    assert tally["cases"] == CASES
    assert set(tally["invariants_checked"]) >= {*ALL, RUNS}
    assert tally["records"] > 100
