"""The reference of Parquet files: pyarrow, writing tables that were prepared beforehand, compressed as the sink's."""

from __future__ import annotations

import io
import time
from typing import TYPE_CHECKING

from pantau.sinks import files
from pantau.sinks._files_rows import OBSERVATIONS
from pantau.sinks._files_segments import as_parquet
from pantau.sinks.files import FilesTable
from pantau_sim.sinkbench.files_ndjson import SEGMENT_ROWS, lines, serve

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pantau.decode import Decoded
    from pantau.sinks import Context, Sink

__all__ = ["REFERENCE", "open", "reference", "serve"]

REFERENCE = "pyarrow, prepared tables"


def open(server: Path, context: Context) -> Sink:  # noqa: A001  the name that every bench of a sink has
    """Return the sink on that folder."""
    return files.open_sink(FilesTable(path=server, segment_rows=SEGMENT_ROWS), context)


def reference(server: Path, batches: Sequence[Sequence[Decoded]], folder: Path) -> float:
    """Return the seconds in which pyarrow writes the rows, as tables of the sink's size that stand in memory already."""
    from pyarrow import parquet as arrow

    rows = [line for batch in batches for line in lines(batch)]
    tables = [
        arrow.read_table(io.BytesIO(as_parquet("".join(rows[at : at + SEGMENT_ROWS]).encode(), OBSERVATIONS)))
        for at in range(0, len(rows), SEGMENT_ROWS)
    ]
    paths = [server.with_name(f"{folder.name}-{number}.parquet") for number in range(len(tables))]
    try:
        began = time.perf_counter()
        for path, table in zip(paths, tables, strict=True):
            arrow.write_table(table, path, compression="zstd")
        return time.perf_counter() - began
    finally:
        for path in paths:
            path.unlink(missing_ok=True)
