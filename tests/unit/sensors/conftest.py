"""The drivers' clock and a station's truth."""

import pytest

from pantau_sim.world import World
from sensor_harness import STATION, Clock


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


@pytest.fixture
def truth():
    return World(7).station(STATION)
