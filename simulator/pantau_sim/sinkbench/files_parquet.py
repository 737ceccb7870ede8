"""The reference of Parquet files: pyarrow, making columns of the same observations and writing them, compressed as the sink's."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from pantau.sinks import files
from pantau.sinks._files_rows import OBSERVATIONS
from pantau.sinks._files_segments import schema
from pantau.sinks.files import FilesTable
from pantau_sim.sinkbench.files_ndjson import SEGMENT_ROWS, serve

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pantau.decode import Decoded
    from pantau.model import Observation
    from pantau.sinks import Context, Sink

__all__ = ["REFERENCE", "open", "reference", "serve"]

REFERENCE = "pyarrow, columns of the same observations"
_ATTRIBUTES = {"observed_at": "observed_at_ms", "received_at": "received_ms"}  # where a column has another name


def open(server: Path, context: Context) -> Sink:  # noqa: A001  the name that every bench of a sink has
    """Return the sink on that folder."""
    return files.open_sink(FilesTable(path=server, segment_rows=SEGMENT_ROWS), context)


def reference(server: Path, batches: Sequence[Sequence[Decoded]], folder: Path) -> float:
    """Return the seconds that the shortest program takes: a list for each column, a table, a file of the sink's size.

    It syncs nothing, sorts nothing, and begins only when all observations are there.
    """
    from pyarrow import parquet

    pairs = [(seen, frame.interval_s) for batch in batches for frame in batch for seen in frame.observations]
    path = server.with_name(f"{folder.name}.parquet")
    began = time.perf_counter()
    for at in range(0, len(pairs), SEGMENT_ROWS):
        parquet.write_table(_table(pairs[at : at + SEGMENT_ROWS]), path, compression="zstd")
    took_s = time.perf_counter() - began
    path.unlink()
    return took_s


def _table(pairs: Sequence[tuple[Observation, int]]) -> Any:
    import pyarrow as pa

    kinds = schema(OBSERVATIONS)
    columns = {
        name: [interval_s for _, interval_s in pairs]
        if name == "interval_s"
        else [getattr(seen, _ATTRIBUTES.get(name, name)) for seen, _ in pairs]
        for name in kinds.names
    }
    return pa.table(columns, schema=kinds)
