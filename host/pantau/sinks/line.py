"""Line protocol over HTTP: InfluxDB, VictoriaMetrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pantau.sinks._http import HttpTable

if TYPE_CHECKING:
    from pantau.sinks import Context, Sink


class LineTable(HttpTable):
    """How to reach it."""


def open_sink(settings: LineTable, context: Context) -> Sink:
    """Return the sink; nothing is connected yet."""
    raise NotImplementedError
