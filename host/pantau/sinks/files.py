"""Files by day: NDJSON, Parquet. What DuckDB, pandas and Spark read as it is; see docs/targets/files.md.

A delivery is first a journal's, then a segment's. Frames above the position of the log are new. Others are looked up where
their place in the log says that they must be: what is held already is left out, what is told otherwise now becomes a revision.
"""

from __future__ import annotations

import importlib
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from pantau.problems import ConfigError, Problem, Table
from pantau.settings import FilePath
from pantau.sinks import _files_rows as rows
from pantau.sinks._files_delivery import Delivery
from pantau.sinks._files_store import Store
from pantau.sinks.about import About
from pantau.sinks.items import TargetTrouble, retry

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pantau.decode import Decoded
    from pantau.model import Observation
    from pantau.registry import Registry
    from pantau.sinks import Context, Sink, Verdict
    from pantau.sinks._files_segments import Format

ABOUT = About(
    title="Files by day: NDJSON, Parquet",
    key="identity",
    late="a row in the file of its own day",
    undated="a row in `undated/`, and again in `observations/` once the date is known",
    missing="a row whose value is null",
    revisions="rows in `revisions/`, which the views on the page lay over",
    receipt="the journal on disk, before the row is in its day's file",
    holds_undated=True,
    holds_null=True,
)
_CHECK = "mounted, room on it, ours to write; nothing of the batch is lost"


class FilesTable(Table):
    """Where the files go, and when a journal becomes files: with so many rows, or that long after its first."""

    path: FilePath
    format: Literal["parquet", "ndjson", "both"] = "parquet"
    by: Literal["observed", "received"] = "observed"
    segment_rows: Annotated[int, Field(ge=1, le=5_000_000)] = 500_000
    segment_s: Annotated[float, Field(ge=0, le=86_400)] = 3_600.0


def open_sink(settings: FilesTable, context: Context) -> Sink:
    """Return the sink; the disk is not touched yet. ConfigError when Parquet is asked for without the extra."""
    formats: list[Format] = ["ndjson", "parquet"] if settings.format == "both" else [settings.format]
    if "parquet" in formats:
        try:
            importlib.import_module("pyarrow.parquet")
        except ImportError as error:
            message = f"needs pyarrow, which is not installed ({error}); run: pip install 'pantau[parquet]'"
            raise ConfigError([Problem("", "sinks.files", message)]) from None
    store = Store(settings.path, context.log, formats, settings.segment_rows, settings.segment_s)
    return FilesSink(store, by_receipt=settings.by == "received")


class FilesSink:
    """Appends what is new, by day."""

    name = "files"

    def __init__(self, store: Store, *, by_receipt: bool) -> None:
        self._store = store
        self._by_receipt = by_receipt

    def position(self) -> int | None:
        """Return how far the log is on the disk, None while the disk cannot tell."""
        try:
            return self._store.open().position
        except (OSError, TargetTrouble):
            return None

    def use(self, registry: Registry) -> None:
        """Nothing here depends on the registry: observations bring their station."""

    def deliver(self, batch: Sequence[Decoded]) -> list[Verdict]:
        """Append what is new of the batch, in one piece."""
        if not batch:
            return []
        try:
            self._store.roll()
            delivery = Delivery(self._store, batch, by_receipt=self._by_receipt)
            delivery.write()
        except TargetTrouble as trouble:
            return retry(batch, trouble)
        except OSError as error:
            return retry(batch, TargetTrouble(f"{error}; check the disk of [sinks.files] path: {_CHECK}"))
        with suppress(OSError, TargetTrouble):  # the batch is on the disk; the next delivery tries again and tells
            self._store.roll()
        return delivery.verdicts()

    def close(self) -> None:
        """Release the folder; what is in the journal becomes files later."""
        self._store.close()

    def find(self, observation: Observation) -> str | None:
        """Return where the observation stands, with its row."""
        seen = observation
        undated = seen.observed_at_ms is None
        day = seen.received_ms if undated or self._by_receipt else seen.observed_at_ms or 0
        table = rows.UNDATED if undated else rows.OBSERVATIONS
        try:
            for place, row in self._store.everywhere(table, [rows.day_of(day)], seen.key[:3]):
                if rows.key_of(row) == seen.key:
                    return f"{place}: value={row['value']} quality={row['quality']} reason={row['reason']}"
        except OSError as error:
            raise TargetTrouble(str(error)) from None
        return None

    def figures(self) -> Mapping[str, float]:
        """There is nothing beside what every sink has."""
        return {}
