"""Files by day: NDJSON, Parquet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pantau.problems import Table

if TYPE_CHECKING:
    from pantau.sinks import Context, Sink


class FilesTable(Table):
    """How to reach it."""


def open_sink(settings: FilesTable, context: Context) -> Sink:
    """Return the sink; nothing is connected yet."""
    raise NotImplementedError
