"""Where the account of a node puts a record."""

from __future__ import annotations

import pytest

from pantau_sim.run.account import instant_s


@pytest.mark.parametrize(
    "uptime_s, interval_s, instant",
    [
        (60.4, 60, 60),
        (59.6, 60, 60),
        (80.3, 60, 80),  # the last one of an event, told with the interval that follows it
        (74.6, 15, 75),
        (131.2, 12, 132),
        (3.0, 1, 3),
        (15.2, 15, 15),  # the one that began an event
    ],
)
def test_an_uptime_means_an_instant_of_the_nodes_grid(uptime_s, interval_s, instant):
    assert instant_s(uptime_s, interval_s) == instant
