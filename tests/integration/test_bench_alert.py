"""`pantau bench alert` in the small: its account holds, whatever the time that this machine takes."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from needs import need
from pantau.bench import alert
from pantau.bench.alert import Told
from pantau.cli import pantau


def test_alarms_come_out_as_alerts_and_are_accounted_for(tmp_path, vm):
    need("mosquitto", "mosquitto")
    need("mosquitto_sub", "mosquitto-clients")
    report = tmp_path / "alert.json"
    words = ["--alarms", "4", "--seconds", "0.4", "--load", "50", "--crossings", "1", "--report", str(report)]
    ran = CliRunner().invoke(pantau, ["bench", "alert", *words])
    found = json.loads(report.read_text())
    assert (ran.exit_code == 0) == (found["p99_s"] < found["goal_p99_s"]), ran.output
    assert (found["n"], found["lost"], found["load_frames_per_s"]) == (4, 0, 50)
    assert 0 < found["p50_s"] <= found["p99_s"] <= found["max_s"]
    stages = found["stages"]
    assert list(stages) == ["sent_to_received", "received_to_decided", "decided_to_out"]
    assert found["p50_s"] <= sum(each["max_s"] for each in stages.values()) + 0.002
    assert 0 < found["node"]["float"]["p50_s"] < 60  # as docs/alarm.md says, half a minute
    assert 0 < found["node"]["level"]["p50_s"] < 120
    assert found["crossing"]["float"]["p99_s"] > found["node"]["float"]["p99_s"]
    assert "alarm frame sent -> alert out" in ran.output


def test_percentiles_are_by_nearest_rank_and_nothing_is_hidden():
    told = [Told(0.0, 0.001, 0.002, n / 100) for n in range(1, 101)]
    found = alert.account(told, 1, {"float": [10.0, 20.0]}, 0)
    assert (found["p50_s"], found["p99_s"], found["max_s"], found["n"]) == (0.5, 0.99, 1.0, 101)
    assert (found["crossing"]["float"]["p50_s"], found["crossing"]["float"]["max_s"]) == (11.0, 21.0)
    assert alert.missed(found) == "1 of 101 alarm frames raised no alert that came out"


@pytest.mark.parametrize("out_s, said", [(4.9, ""), (5.0, "p99 5.00 s, the goal is 5 s")])
def test_the_goal_is_under_five_seconds(out_s, said):
    assert alert.missed(alert.account([Told(0.0, 0.0, 0.1, out_s)], 0, {}, 0)) == said


def test_a_bench_that_heard_nothing_says_so():
    found = alert.account([], 3, {}, 0)
    assert found["p99_s"] is None and "3 of 3" in alert.missed(found)
    assert alert.lines(found)
