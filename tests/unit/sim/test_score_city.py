"""The score of a tiny city: real nodes, real bridge, a report with all its keys."""

from __future__ import annotations

import pytest

from pantau_sim.score.city import Size
from pantau_sim.score.run import score
from pantau_sim.score.summary import GOALS

pytestmark = pytest.mark.usefixtures("vm")

KEYS = {
    "events", "node_months", "recall", "false_alerts_per_node_month", "detection_delay_p95_s", "depth_error_mm_p95", "count_error",
    "completeness", "goals", "by_seed", "ablation", "tuning_seeds", "judging_seeds",
}  # fmt: skip


def test_the_score_of_a_tiny_city():
    got = score([101], 1, size=Size(0.125, 1, 1, 1.5))
    assert got.keys() >= KEYS
    assert got["goals"].keys() == GOALS.keys()
    assert got["completeness"] == 1.0
    assert got["lost"] == got["duplicates"] == 0
    assert got["depth_readings"] > 0
    assert {"motorcycle", "approaching"} <= got["count_error"].keys()
    assert got["ablation"][0]["off"] == "nothing"
