"""Where the account of a node puts a record: an instant of the node's grid, whatever its clock was off by."""

from __future__ import annotations

import pytest

from pantau_sim.run.instants import Instants, instant_s
from pantau_wire import frame
from pantau_wire import names as T

START_S = 1_800_000_000
UNSET, COARSE, SYNCED = 0, 2, 3


def told(seq, uptime_s, count=1, interval_s=30, clock=UNSET, kind=T.K_RECORDS):
    f = frame.Frame(kind, 0)
    f.boot, f.seq, f.clock, f.count, f.interval_s = 1, seq, clock, count, interval_s
    f.base_s = uptime_s + (START_S if clock else 0)
    return f


def placed(*frames, interval_s=30):
    instants = Instants(interval_s, [START_S * 1_000_000])
    problems = [text for f in frames for text in instants.place(f)]
    return sorted(instants.of[1]), problems


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


def test_a_coarse_time_that_is_seconds_off_tells_the_next_instant():
    """Seed 5047: a link that lost half of all segments set the clock 6 s wrong, and a record seemed lost."""
    rows = [told(1, 30, 7), told(2, 218, kind=T.K_HEALTH), told(3, 246, clock=COARSE), told(4, 259, 2, clock=COARSE)]
    assert placed(*rows) == ([*range(30, 301, 30)], [])


def test_a_gap_among_coarse_times_is_no_reason_to_guess():
    assert placed(told(1, 30), told(3, 121, clock=COARSE)) == ([30, 120], [])


def test_events_begin_and_end_at_their_own_instants():
    rows = [
        told(1, 15, 1, 10, COARSE),  # it began with this one
        told(2, 21, 2, 10, COARSE),
        told(3, 41, 1, 15, COARSE),  # and ended with this one
        told(4, 44, 1, 15, COARSE),
    ]
    assert placed(*rows, interval_s=15) == ([15, 20, 30, 40, 45], [])


def test_what_is_told_twice_is_named_and_so_is_a_boot_that_never_was():
    stray = told(9, 60)
    stray.boot = 2
    _, problems = placed(told(1, 30, 2), told(2, 60), stray)
    assert problems == [
        "boot 1 instant 60 s: in boot 1 seq 1 and in boot 1 seq 2",
        "boot 2 seq 9: there was no such boot",
    ]
