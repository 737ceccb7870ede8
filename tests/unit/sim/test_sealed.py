"""In a run our own code gets neither the host's clock nor its chance, and is named when it asks."""

from __future__ import annotations

import logging
import random
import time

import pytest

from pantau_sim.run.sealed import NondeterminismError, sealed

ROGUE = """
import os, random, time
def clock(): return time.time_ns()
def chance(): return random.random()
def bytes_(): return os.urandom(4)
def ticks(): return time.perf_counter_ns()
def some(): return random.sample(range(9), 2)
def drawn(): return random.choices(range(9))
"""


def code(module: str) -> dict[str, object]:
    space: dict[str, object] = {"__name__": module}
    exec(compile(ROGUE, "pantau_sim/sensors/rogue.py", "exec"), space)
    return space


@pytest.mark.parametrize(
    "function, call",
    [
        ("clock", "time.time_ns"),
        ("chance", "random.random"),
        ("bytes_", "os.urandom"),
        ("ticks", "time.perf_counter_ns"),
        ("some", "random.sample"),
        ("drawn", "random.choices"),
    ],
)
def test_our_code_is_refused_and_named(function, call):
    rogue = code("pantau_sim.sensors.rogue")
    with sealed(), pytest.raises(NondeterminismError, match=rf"rogue\.py:\d+ \({function}\) asks the host for {call}"):
        rogue[function]()


def test_libraries_may_ask_and_all_is_as_before_afterwards(caplog):
    with sealed():
        assert code("somebody.elses")["clock"]() > 0
        logging.getLogger("x").warning("a line has a time")
    assert caplog.records[0].created > 0
    before = time.time_ns()
    assert code("pantau_sim.sensors.rogue")["clock"]() >= before
    assert 0 <= random.random() < 1
