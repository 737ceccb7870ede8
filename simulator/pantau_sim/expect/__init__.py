"""Expectations: what a scenario says must come of it, judged from what a run left. One file a check; `CHECKS` names them all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pantau_sim.expect.base import Check, Met
from pantau_sim.expect.checks import CHECKS

if TYPE_CHECKING:
    from pantau_sim.run.outcome import Outcome

__all__ = ["CHECKS", "Check", "Met", "judge_all"]


def judge_all(outcome: Outcome) -> dict[str, Met]:
    """Return for each expectation of the run's scenario, by its name, whether it came to pass and what did."""
    return {expect.name: CHECKS[expect.check].judge(outcome, expect) for expect in outcome.plan.expect}
