"""OGC SensorThings 1.1 over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pantau.sinks._http import HttpTable

if TYPE_CHECKING:
    from pantau.sinks import Context, Sink


class SensorThingsTable(HttpTable):
    """How to reach it."""


def open_sink(settings: SensorThingsTable, context: Context) -> Sink:
    """Return the sink; nothing is connected yet."""
    raise NotImplementedError
