"""NGSI-LD with Smart Data Models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pantau.sinks._http import HttpTable

if TYPE_CHECKING:
    from pantau.sinks import Context, Sink


class NgsiLdTable(HttpTable):
    """How to reach it."""


def open_sink(settings: NgsiLdTable, context: Context) -> Sink:
    """Return the sink; nothing is connected yet."""
    raise NotImplementedError
