"""JSON over MQTT, in the form of a ThingsBoard gateway."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pantau.problems import Table

if TYPE_CHECKING:
    from pantau.sinks import Context, Sink


class MqttJsonTable(Table):
    """How to reach it."""


def open_sink(settings: MqttJsonTable, context: Context) -> Sink:
    """Return the sink; nothing is connected yet."""
    raise NotImplementedError
