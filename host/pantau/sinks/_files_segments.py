"""Segments: the files that people read. Each is written once, under a name that says what it holds, and never changed.

`<path>/<format>/<table>/date=2026-11-28/<log>-<number>-<first>-<last>.<format>`: the rows of that day in journal `number`,
from frames `first` to `last` of that log. The same journal gives the same names, so making its segments once more is harmless.
"""

from __future__ import annotations

import io
import json
import os
import re
from typing import TYPE_CHECKING, Any, Literal, NamedTuple
from urllib.parse import quote

from pantau.sinks import _files_disk as disk
from pantau.sinks import _files_rows as rows

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from pathlib import Path

    from pantau.sinks._files_journal import Journal

Format = Literal["ndjson", "parquet"]
_NAME = re.compile(r"(?P<log>.+)-(?P<number>\d+)-(?P<first>\d+)-(?P<last>\d+)(-again)?\.(?P<format>ndjson|parquet)")
_ROW_GROUP = 100_000  # rows: what a reader can pass over by its statistics
_BLOCK = 1 << 22  # bytes that Arrow reads at a time, many lines


class Segment(NamedTuple):
    """A file, by what its name says."""

    path: Path
    log: str
    number: int
    first: int
    last: int


def spelled(log: str) -> str:
    """Return the name of a log as a part of a file's name."""
    return quote(log, safe="") or "log"


def segments(root: Path, table: str | None = None, days: Collection[str] | None = None) -> Iterator[Segment]:
    """Yield the segments in `root`, of one table and of some days where these are given."""
    for kind in ("ndjson", "parquet"):
        for name in (table,) if table else rows.COLUMNS:
            folder = root / kind / name
            wanted = [f"date={day}" for day in days] if days is not None else _names(folder)
            for day in wanted:
                for file in _names(folder / day):
                    if (found := _NAME.fullmatch(file)) is not None and found["format"] == kind:
                        numbers = (int(found["number"]), int(found["first"]), int(found["last"]))
                        yield Segment(folder / day / file, found["log"], *numbers)


def prepare(root: Path, formats: Iterable[Format]) -> None:
    """Put an empty file into each table that has none: a query finds all tables, with their columns, from the start."""
    for kind in formats:
        for table in rows.COLUMNS:
            path = root / kind / table / f"date={rows.day_of(0)}" / f"empty.{kind}"
            if not path.exists():
                _put(path, b"" if kind == "ndjson" else as_parquet(b"", table))


def write(journal: Journal, root: Path, formats: Iterable[Format]) -> list[Segment]:
    """Make the segments of a journal; they are on the disk when this returns. OSError leaves none half."""
    groups: dict[tuple[str, str, bool], list[int]] = {}
    for at, run in enumerate(journal.runs):
        groups.setdefault((run.table, run.day, run.again), []).append(at)
    made = []
    for (table, day, again), places in groups.items():
        runs = [journal.runs[at] for at in places]
        first, last = min(run.first for run in runs), max(run.last for run in runs)
        data = b"".join(journal.read(run) for run in runs)
        name = f"{spelled(journal.log)}-{journal.number}-{first}-{last}{'-again' if again else ''}"
        for kind in formats:
            path = root / kind / table / f"date={day}" / f"{name}.{kind}"
            _put(path, data if kind == "ndjson" else as_parquet(data, table))
            made.append(Segment(path, spelled(journal.log), journal.number, first, last))
    return made


def find(path: Path, frames: Collection[rows.Frame]) -> Iterator[dict[str, Any]]:
    """Yield the rows of `frames` in a segment; none when it has been removed meanwhile."""
    try:
        if path.suffix == ".ndjson":
            with path.open("rb") as file:
                yield from matching(file, frames)
        else:
            yield from _find_in_parquet(path, frames)
    except FileNotFoundError:
        return


def matching(lines: Iterable[bytes], frames: Collection[rows.Frame]) -> Iterator[dict[str, Any]]:
    """Yield the rows of `frames` among lines."""
    heads = {rows.head(frame) for frame in frames}
    return (json.loads(line) for line in lines if rows.head_of(line) in heads)


def spans(path: Path) -> dict[tuple[str, int], tuple[int, int]]:
    """Return between which sequence numbers of each boot the frames of a segment lie; {} for one that is gone."""
    found: dict[tuple[str, int], tuple[int, int]] = {}
    try:
        if path.suffix == ".ndjson":
            with path.open("rb") as file:
                heads = {rows.head_of(line) for line in file}
            said = (json.loads(head[:-1] + b"}") for head in heads)
            for node, boot, seq in ((row["node"], row["boot"], row["seq"]) for row in said):
                least, most = found.get((node, boot), (seq, seq))
                found[node, boot] = (min(least, seq), max(most, seq))
            return found
        from pyarrow import parquet

        table = parquet.read_table(path, columns=["node", "boot", "seq"], partitioning=None)
        of_boot = table.group_by(["node", "boot"]).aggregate([("seq", "min"), ("seq", "max")]).to_pylist()
        return {(row["node"], row["boot"]): (row["seq_min"], row["seq_max"]) for row in of_boot}
    except FileNotFoundError:
        return {}


def _names(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _put(path: Path, data: bytes | memoryview) -> None:
    """Write a file whole under its name."""
    disk.make_folder(path.parent)
    beside = path.with_name(f".{path.name}.tmp")  # readers pass over names that begin with a dot
    handle = disk.create(beside)
    try:
        disk.extend(handle, data)
        disk.sync(handle)
    except OSError:
        disk.remove(beside)
        raise
    finally:
        os.close(handle)
    disk.rename(beside, path)
    disk.sync_folder(path.parent)


def as_parquet(data: bytes, table: str) -> memoryview:
    """Return lines as a Parquet file: Arrow reads them in C++, no row becomes a Python object."""
    import pyarrow as pa
    from pyarrow import json as arrow_json
    from pyarrow import parquet

    columns, kinds = rows.COLUMNS[table], schema(table)
    plain = {name: pa.string() if kind == rows.TIME else pa.type_for_alias(kind) for name, kind in columns.items()}
    if data:
        read = arrow_json.read_json(
            io.BytesIO(data),
            read_options=arrow_json.ReadOptions(block_size=_BLOCK),
            parse_options=arrow_json.ParseOptions(explicit_schema=pa.schema(plain), unexpected_field_behavior="error"),
        )
        ready = _ordered(read.cast(kinds).unify_dictionaries().combine_chunks())
    else:
        ready = kinds.empty_table()
    out = io.BytesIO()
    parquet.write_table(ready, out, compression="zstd", row_group_size=_ROW_GROUP)
    return out.getbuffer()


def _ordered(table: Any) -> Any:
    """Return the rows with like beside like: half the size, and readers pass over what they do not look for."""
    import pyarrow as pa
    from pyarrow import compute

    # Names by their number in the dictionary, which compares faster than the names and groups them as well.
    keys = [table[name].chunk(0).indices for name in ("property", "node")]
    order = compute.sort_indices(
        pa.table([*keys, table["observed_at"]], names=["property", "node", "time"]),
        sort_keys=[("property", "ascending"), ("node", "ascending"), ("time", "ascending")],
    )
    return table.take(order)


def schema(table: str) -> Any:
    """Return the Arrow schema of a table: names of few kinds as dictionaries, times with their zone."""
    import pyarrow as pa

    word = pa.dictionary(pa.int32(), pa.string())
    special = {"string": word, rows.TIME: pa.timestamp("ms", tz="UTC")}
    return pa.schema(
        [
            pa.field(name, special.get(kind) or pa.type_for_alias(kind), metadata=_meaning(name))
            for name, kind in rows.COLUMNS[table].items()
        ],
        metadata={"pantau": "schemas/observation.schema.json; one row per observation, value in unit (UCUM)"},
    )


def _meaning(column: str) -> dict[str, str] | None:
    meaning = rows.MEANINGS.get(column)
    return {"description": meaning} if meaning else None


def _find_in_parquet(path: Path, frames: Collection[rows.Frame]) -> Iterator[dict[str, Any]]:
    from pyarrow import parquet

    nodes, seqs = {frame[0] for frame in frames}, [frame[2] for frame in frames]
    near = [("node", "in", nodes), ("seq", ">=", min(seqs)), ("seq", "<=", max(seqs))]
    table = parquet.read_table(path, filters=near, partitioning=None)
    wanted = set(frames)
    return (row for row in table.to_pylist() if (row["node"], row["boot"], row["seq"]) in wanted)
