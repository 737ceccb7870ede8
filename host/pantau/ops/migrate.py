"""Versions of our SQLite files: forward only, at start, one transaction per step, with a copy of the old file kept.

A store says what it is and calls `bring_up` right after it has connected (isolation_level=None) and set its pragmas:

    SCHEMA = Schema("spool", 2, create=_SCHEMA, steps={1: _blobs_from_rows})
    moved = bring_up(db, path, SCHEMA)      # raises StoreError with words for people, or the sqlite3.Error of a full disk

`create` and a step are SQL text, or a function of the connection; neither holds BEGIN, COMMIT or `PRAGMA user_version`: this
module writes those, so a step is applied whole or not at all. Inside a function use `execute`, `executemany` and `run_script`,
never `executescript`, which would commit. `steps[n]` takes version n to n + 1 and is never changed once released; each version
has a fixture in tests/fixtures/stores, which the tests bring up to the present one.
"""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from pantau.log import event

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_log = logging.getLogger("pantau.store")
Step = str | Callable[[sqlite3.Connection], None]

# Beside the copy, a step that rewrites every row needs as much again, and the write-ahead log while it runs as much more.
_ROOM_TIMES = 3
_ROOM_MIN = 64 << 20


class StoreError(RuntimeError):
    """The file cannot be used by this Pantau; the text says why and what to do."""


class Schema(NamedTuple):
    """One sort of store: `what` people call it, the present version, how a new file is made, how an older one is raised."""

    what: str
    version: int
    create: Step
    steps: Mapping[int, Step]


class Moved(NamedTuple):
    """What `bring_up` did. `before` is 0 for a new file; `copy` is the old file as it was, None when none was kept."""

    before: int
    after: int
    copy: Path | None = None


def version_of(db: sqlite3.Connection) -> int:
    """Return the version that the file says it has, 0 for a new one."""
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def bring_up(db: sqlite3.Connection, path: Path, schema: Schema) -> Moved:
    """Make a new file or raise an old one to `schema.version`.

    Raises StoreError for a file of the future, of somebody else, or without a way forward, and sqlite3.Error when the disk
    does not let it: the file is then at the last version that was reached whole, and the next start goes on from there.
    """
    assert db.isolation_level is None, "bring_up writes its own transactions: connect with isolation_level=None"
    before = version_of(db)
    if before == schema.version:
        return Moved(before, before)
    _refuse(db, path, schema, before)
    if before == 0:
        _apply(db, 0, schema.version, schema.create)
        return Moved(0, schema.version)
    copy = keep_copy(db, path, before)
    event(
        _log, logging.WARNING, "store.migrating", store=schema.what, file=path, version=before, to=schema.version,
        copy=copy or "none: the disk has no room for one",
    )  # fmt: skip
    for version in range(before, schema.version):
        _apply(db, version, version + 1, schema.steps[version])
    event(_log, logging.WARNING, "store.migrated", store=schema.what, file=path, version=schema.version)
    return Moved(before, schema.version, copy)


def run_script(db: sqlite3.Connection, script: str) -> None:
    """Execute the statements of `script` inside the transaction that is open."""
    for statement in _statements(script):
        db.execute(statement)


def keep_copy(db: sqlite3.Connection, path: Path, version: int) -> Path | None:
    """Copy the file as of its last commit to `<name>.v<version>`; None when the disk has not the room for copy and step."""
    size = _size(db)
    if shutil.disk_usage(path.parent).free < _ROOM_TIMES * size + _ROOM_MIN:
        return None
    kept = path.with_name(f"{path.name}.v{version}")
    new = path.with_name(f".{kept.name}.{os.getpid()}.new")
    new.unlink(missing_ok=True)
    with closing(sqlite3.connect(new)) as target:
        db.backup(target)
        target.execute("PRAGMA journal_mode = DELETE")  # one file, without a log beside it
    new.chmod(path.stat().st_mode & 0o777)
    _sync(new)
    new.replace(kept)
    _sync(path.parent)
    return kept


def _refuse(db: sqlite3.Connection, path: Path, schema: Schema, version: int) -> None:
    """Raise StoreError when there is no way from `version` to the present one."""
    if version > schema.version:
        msg = (
            f"{path} has {schema.what} version {version}, this Pantau knows {schema.version} and older: use the Pantau that "
            "wrote it, or one that is newer. Nothing was changed"
        )
        raise StoreError(msg)
    if version == 0 and db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        msg = f"{path} is a database, but no {schema.what} of Pantau; move it aside or name another file. Nothing was changed"
        raise StoreError(msg)
    if missing := [step for step in range(version, schema.version) if version and step not in schema.steps]:
        msg = f"{path} has {schema.what} version {version}; this Pantau has no step from version {missing[0]}. Nothing was changed"
        raise StoreError(msg)


def _apply(db: sqlite3.Connection, before: int, after: int, step: Step) -> None:
    """Run one step in one transaction; whoever came first wins, a second process finds it done."""
    db.execute("BEGIN IMMEDIATE")
    try:
        if version_of(db) == before:
            if isinstance(step, str):
                run_script(db, step)
            else:
                step(db)
            db.execute(f"PRAGMA user_version = {after}")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # a full disk may have rolled back already
            db.execute("ROLLBACK")
        raise


def _statements(script: str) -> Iterator[str]:
    """Yield the statements one by one; a semicolon inside a string, a comment or a trigger ends none."""
    begun = ""
    for part in script.split(";"):
        begun += f"{part};"
        if sqlite3.complete_statement(begun):
            if begun.strip("; \n\t"):
                yield begun
            begun = ""
    if begun:
        yield begun  # unfinished: SQLite says what is wrong with it


def _size(db: sqlite3.Connection) -> int:
    pages, size = (int(db.execute(f"PRAGMA {name}").fetchone()[0]) for name in ("page_count", "page_size"))
    return pages * size


def _sync(path: Path) -> None:
    """Make a file or the names in a folder survive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
