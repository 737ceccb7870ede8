"""What most tests of the whole bridge stand on: a Mosquitto, and a bridge beside it that was not started yet."""

from __future__ import annotations

import signal

import pytest

from integration.bridge_env import BridgeProcess, Broker


@pytest.fixture
def broker(tmp_path):
    folder = tmp_path / "broker"
    folder.mkdir()
    made = Broker(folder).start()
    yield made
    made.stop()


@pytest.fixture
def bridge(tmp_path, broker):
    folder = tmp_path / "bridge"
    folder.mkdir()
    made = BridgeProcess(folder, broker.port)
    yield made
    if made.process is not None:
        made.stop(signal.SIGKILL)
