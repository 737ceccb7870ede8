"""A lossy link is late and in order, as TCP makes it."""

from __future__ import annotations

from pantau_sim.loss import Loss


def arrivals(share: float, *names: int) -> list[int]:
    lane = Loss(share, 5).lane(*names)
    return [lane.arrival_us(100_000 * k, 40_000) for k in range(2000)]


def test_without_loss_there_is_only_the_latency():
    assert arrivals(0.0) == [100_000 * k + 40_000 for k in range(2000)]


def test_losses_cost_a_retransmission_and_nothing_overtakes():
    got = arrivals(0.05)
    assert got == sorted(got)
    late = [at - 100_000 * k for k, at in enumerate(got)]
    assert 0.02 < sum(us == 1_040_000 for us in late) / len(late) < 0.08  # its own segment was lost, once
    assert max(late) >= 3_040_000  # twice in a row


def test_lanes_are_independent_of_each_other():
    assert arrivals(0.05, 1) != arrivals(0.05, 2)
    assert arrivals(0.05, 1) == arrivals(0.05, 1)
