"""The node lets go of modules and collects at each attempt to connect; in a process as large as pytest's that takes most of the time."""

import pytest


@pytest.fixture(autouse=True)
def _keep_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gc.collect", lambda *_generation: 0)
    monkeypatch.setattr("pantau_node.links.mqtt.drop", lambda *_names: None)
