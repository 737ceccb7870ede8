"""What tests of the files sink share: a sink on a folder, and what stands in its files, read as text."""

from __future__ import annotations

import json
from collections import Counter

from pantau.sinks import Context, _files_rows
from pantau.sinks.files import FilesTable, open_sink
from sinks.kit import LOG, registry

DAY_MS = 86_400_000
LEVEL = {"water_level": ("m", [1.25, None])}
RAIN = {"rain_amount": ("mm", [0.2])}


def opened(path, *, log=LOG, **given):
    settings = {"format": "ndjson", "segment_s": 0, **given}
    return open_sink(FilesTable(path=path, **settings), Context("tng", log, path / "unused", registry()))


def kinds(verdicts):
    return [verdict.kind for verdict in verdicts]


def lines(path, table):
    """All rows of a table in its files, as text is read."""
    files = sorted((path / "ndjson" / table).glob("date=*/*.ndjson"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def keys(path, table=_files_rows.OBSERVATIONS):
    return Counter(_files_rows.key_of(row) for row in lines(path, table))


def names(path, table=_files_rows.OBSERVATIONS, kind="ndjson"):
    return sorted(f"{file.parent.name}/{file.name}" for file in (path / kind / table).glob("date=*/*-*"))
