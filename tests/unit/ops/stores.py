"""The historic stores of tests/fixtures/stores, and how two schemas are compared."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "fixtures" / "stores"


def versions(store: str) -> list[int]:
    """Return the versions of `store` ("spool", "city") that there is a fixture of."""
    return sorted(int(path.stem.partition("-v")[2]) for path in FOLDER.glob(f"{store}-v*.sql"))


def build(store: str, version: int, path: Path) -> Path:
    """Make the file that a bridge of that version left behind."""
    with closing(sqlite3.connect(path)) as db:
        db.executescript((FOLDER / f"{store}-v{version}.sql").read_text(encoding="utf-8"))
    return path


def shape(path: Path) -> dict[str, object]:
    """Return what matters of a schema: columns with types, keys and defaults, indices, the text of views and triggers."""
    with closing(sqlite3.connect(path)) as db:
        found: dict[str, object] = {}
        for kind, name, sql in db.execute("SELECT type, name, sql FROM sqlite_master ORDER BY 1, 2").fetchall():
            if kind == "table":
                columns = db.execute('SELECT name, type, "notnull", dflt_value, pk FROM pragma_table_xinfo(?)', (name,))
                found[f"table {name}"] = (columns.fetchall(), "WITHOUT ROWID" in (sql or "").upper())
            elif sql is not None:
                found[f"{kind} {name}"] = re.sub(r"\s+", " ", sql)
        return found


def rows(path: Path, query: str) -> list[tuple]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute(query).fetchall()


def plan(path: Path, query: str, values: tuple) -> list[tuple]:
    """Return what SQLite says about how it would answer."""
    with closing(sqlite3.connect(path)) as db:
        return db.execute(f"EXPLAIN QUERY PLAN {query}", values).fetchall()
