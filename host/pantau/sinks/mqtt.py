"""JSON over MQTT, in the form of a ThingsBoard gateway."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pantau.problems import Table
from pantau.sinks.about import About

if TYPE_CHECKING:
    from pantau.sinks import Context, Sink

ABOUT = About(
    title="MQTT JSON, as a ThingsBoard gateway",
    key="time",
    late="telemetry like any other, with its own `ts`",
    undated="skipped until the date is known",
    missing="not sent",
    revisions="not told: the form has no word for them",
    receipt="PUBACK of the broker",
)


class MqttJsonTable(Table):
    """How to reach it."""


def open_sink(settings: MqttJsonTable, context: Context) -> Sink:
    """Return the sink; nothing is connected yet."""
    raise NotImplementedError
