"""The files sink, Parquet and NDJSON, read back by DuckDB with the views that docs/targets/files.md gives."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb

from pantau.sinks import Context, Sink
from pantau.sinks.files import FilesTable, open_sink
from sinks.kit import LOG, Row, registry

DOCS = Path(__file__).parents[2] / "docs/targets/files.md"
_ROWS = """
SELECT node, boot, seq, "index", property, value, epoch_ms(observed_at), quality FROM readings
UNION ALL SELECT node, boot, seq, "index", property, value, NULL, quality FROM waiting
"""


def views(path: Path, kind: str) -> duckdb.DuckDBPyConnection:
    """Run what the page tells an operator to run."""
    blocks = dict(re.findall(r"<!-- (\w+) -->\n```sql\n(.*?)```", DOCS.read_text(), re.DOTALL))
    db = duckdb.connect()
    db.execute("SET TimeZone = 'UTC'")
    db.execute(blocks[kind].replace("/srv/pantau", str(path)))
    db.execute(blocks["views"])
    return db


def read(path: Path, kind: str) -> list[Row]:
    """Return what an operator reads."""
    with views(path, kind) as db:
        return [Row(*row) for row in db.execute(_ROWS).fetchall()]


class Kit:
    name = "files"
    keyed_by = "identity"
    holds_null = True
    holds_undated = True
    takes_revisions = True
    can_lose = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "files"

    def open(self, folder: Path | None = None, *, log: str = LOG, **given: Any) -> Sink:
        settings = {"path": self.path, "format": "both", "segment_s": 0, **given}
        return open_sink(FilesTable(**settings), Context("tng", log, folder or self.folder / "sink", registry()))

    def rows(self) -> list[Row]:
        """What both formats hold: never one without the other."""
        parquet, ndjson = read(self.path, "parquet"), read(self.path, "ndjson")
        assert Counter(map(str, parquet)) == Counter(map(str, ndjson))
        return parquet

    def stop(self) -> None:
        """The disk is not mounted: something else stands in its place."""
        self.path.rename(self.folder / "away")
        self.path.touch()

    def start(self) -> None:
        self.path.unlink()
        (self.folder / "away").rename(self.path)

    def lose(self) -> None:
        shutil.rmtree(self.path)

    def close(self) -> None:
        pass
