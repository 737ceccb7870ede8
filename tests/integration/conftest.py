"""What most tests of the whole bridge stand on: a Mosquitto, and a bridge beside it that was not started yet."""

from __future__ import annotations

import signal

import pytest

from integration.bridge_env import BridgeProcess, Broker
from integration.broker_rig import ModelRig, MosquittoRig


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


@pytest.fixture(scope="module", params=["model", "mosquitto"])
def both_brokers(request, tmp_path_factory):
    made = ModelRig() if request.param == "model" else MosquittoRig(tmp_path_factory.mktemp("mosquitto"))
    yield made
    made.close()


@pytest.fixture
def either(both_brokers):
    """The broker model, and then a real Mosquitto."""
    with both_brokers.one_case() as case:
        yield case
