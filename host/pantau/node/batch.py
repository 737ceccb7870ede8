"""A crate of boards: which row of a CSV file is which board's, and what became of it. The next board is the next new USB serial number."""

from __future__ import annotations

import csv
import io
import json
import time
from typing import TYPE_CHECKING, NamedTuple

from pantau import durable
from pantau.node.ports import find_ports
from pantau.node.trouble import RefusedError, UnreachedError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from pantau.node.ports import Port

COLUMNS = (
    "station",
    "node",
    "replace",
    "board",
    "link",
    "wifi",
    "wifi_password_file",
    "apn",
    "sensors",
    "interval",
)
_LOOK_S = 0.5
_MOST_ROWS = 1000
_PUBLIC = 0o644


class Row(NamedTuple):
    """One board to be: the number of its line, and its columns that say something."""

    line: int
    columns: dict[str, str]

    @property
    def name(self) -> str:
        """Return what tells this row from the others, whatever line it stands on: the station, and the node where it is named."""
        return "/".join(filter(None, (self.columns["station"], self.columns.get("node"))))


class Outcome(NamedTuple):
    """What became of a row. said: the trouble, "" for none."""

    row: str
    ok: bool
    serial: str = ""
    node: str = ""
    said: str = ""


def parse(text: str) -> list[Row]:
    """Return the rows of a CSV file with a header. RefusedError names the line that cannot be."""
    reader = csv.DictReader(io.StringIO(text.lstrip("﻿")), skipinitialspace=True)
    names = [name.strip().lower() for name in reader.fieldnames or ()]
    if odd := [name for name in names if name not in COLUMNS]:
        raise RefusedError("setup.batch_column", names=", ".join(odd), known=", ".join(COLUMNS))
    if "station" not in names:
        raise RefusedError("setup.batch_station", line=1)
    reader.fieldnames = names
    rows: list[Row] = []
    for given in reader:
        columns = {key: value.strip() for key, value in given.items() if isinstance(value, str) and value.strip()}
        line = reader.line_num
        if None in given or "station" not in columns:  # more cells than columns
            raise RefusedError("setup.batch_station", line=line)
        row = Row(line, columns)
        if row.name in {one.name for one in rows}:
            raise RefusedError("setup.batch_twice", line=line, row=row.name)
        rows.append(row)
        if len(rows) > _MOST_ROWS:
            raise RefusedError("setup.batch_many", most=_MOST_ROWS)
    if not rows:
        raise RefusedError("setup.batch_station", line=1)
    return rows


class Ledger:
    """What became of each row, in a file beside the CSV: a second run does what is left."""

    def __init__(self, path: Path) -> None:
        """Read what earlier runs left."""
        self.path = path
        try:
            rows = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            rows = []
        self.outcomes = {row["row"]: Outcome(**row) for row in rows}

    def done(self, row: Row) -> bool:
        """Return whether a row's board is ready."""
        return row.name in self.outcomes and self.outcomes[row.name].ok

    def serials(self) -> set[str]:
        """Return the boards that are ready."""
        return {one.serial for one in self.outcomes.values() if one.ok}

    def note(self, outcome: Outcome) -> None:
        """Keep what became of a row."""
        self.outcomes[outcome.row] = outcome
        text = json.dumps([one._asdict() for one in self.outcomes.values()], indent=1, ensure_ascii=False)
        durable.write(self.path, text + "\n", mode=_PUBLIC)


def next_board(
    seen: Collection[str],
    patience_s: float,
    find: Callable[[], list[Port]] = find_ports,
    clock: Callable[[], float] = time.monotonic,
    wait: Callable[[float], object] = time.sleep,
) -> Port:
    """Return the port of a board that was not there yet, by its serial number. UnreachedError where none comes."""
    end = clock() + patience_s
    while True:
        for port in find():
            if port.serial not in seen:
                return port
        if clock() >= end:
            raise UnreachedError("setup.batch_nobody", s=round(patience_s))
        wait(_LOOK_S)
