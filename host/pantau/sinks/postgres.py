"""PostgreSQL with PostGIS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pantau.problems import Table

if TYPE_CHECKING:
    from pantau.sinks import Context, Sink


class PostgresTable(Table):
    """How to reach it."""


def open_sink(settings: PostgresTable, context: Context) -> Sink:
    """Return the sink; nothing is connected yet."""
    raise NotImplementedError
