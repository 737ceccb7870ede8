"""The drivers' clock and a station's truth."""

import pytest

from sensor_harness import STATION, Clock
from pantau_sim.world import World


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


@pytest.fixture
def truth():
    return World(7).station(STATION)
