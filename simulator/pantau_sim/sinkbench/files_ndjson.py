"""The reference of NDJSON files: appending lines that were prepared beforehand, on the disk after each delivery."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pantau.sinks import _files_rows, files
from pantau.sinks.files import FilesTable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pantau.decode import Decoded
    from pantau.sinks import Context, Sink

REFERENCE = "write and fsync of prepared lines"
SEGMENT_ROWS = 50_000  # so that a round makes files of nearly all its rows


@contextmanager
def serve(folder: Path) -> Iterator[Path]:
    """Give the folder: there is no server."""
    yield folder / "files"


def open(server: Path, context: Context) -> Sink:  # noqa: A001  the name that every bench of a sink has
    """Return the sink on that folder."""
    return files.open_sink(FilesTable(path=server, format="ndjson", segment_rows=SEGMENT_ROWS), context)


def reference(server: Path, batches: Sequence[Sequence[Decoded]], folder: Path) -> float:
    """Return the seconds that the bare writing of the lines takes. They are made before, which is most of the sink's work."""
    pieces = ["".join(lines(batch)).encode() for batch in batches]
    path = server.with_name(f"{folder.name}.ndjson")
    try:
        began = time.perf_counter()
        with path.open("wb", buffering=0) as file:
            for piece in pieces:
                file.write(piece)
                os.fsync(file.fileno())
        return time.perf_counter() - began
    finally:
        path.unlink()


def lines(batch: Sequence[Decoded]) -> list[str]:
    """Return the lines of a delivery as the sink writes them."""
    return [_files_rows.observation_line(seen, frame.interval_s) for frame in batch for seen in frame.observations]
