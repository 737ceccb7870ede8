"""Files of older versions come up whole or not at all; files of the future and of others are left alone."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing

import pytest

from pantau.ops import migrate
from pantau.ops.migrate import Schema, StoreError, bring_up

V1 = "CREATE TABLE t (a INTEGER); -- a comment; with a semicolon\nINSERT INTO t VALUES (1);"
ONE = Schema("log", 1, V1, {})


def double(db):
    db.execute("UPDATE t SET a = a * 2")


THREE = Schema("log", 3, "CREATE TABLE t (a INTEGER, b TEXT);", {1: double, 2: "ALTER TABLE t ADD COLUMN b TEXT;"})


def connect(path):
    return closing(sqlite3.connect(path, isolation_level=None))


def content(path):
    with connect(path) as db:
        return migrate.version_of(db), db.execute("SELECT * FROM t").fetchall()


@pytest.fixture
def old(tmp_path):
    path = tmp_path / "log.sqlite3"
    with connect(path) as db:
        assert bring_up(db, path, ONE) == (0, 1, None)
    return path


def test_an_old_file_comes_up_step_by_step_and_a_copy_of_it_stays(old):
    old.chmod(0o640)
    with connect(old) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("UPDATE t SET a = 21")  # still in the write-ahead log
        moved = bring_up(db, old, THREE)
        assert bring_up(db, old, THREE) == (3, 3, None)
    assert content(old) == (3, [(42, None)])
    assert (moved.before, moved.after, moved.copy) == (1, 3, old.with_name("log.sqlite3.v1"))
    assert content(moved.copy) == (1, [(21,)])
    assert moved.copy.stat().st_mode & 0o777 == 0o640
    assert sorted(p.name for p in old.parent.iterdir()) == ["log.sqlite3", "log.sqlite3.v1"]


def test_a_step_that_fails_changes_nothing_and_is_done_at_the_next_start(old):
    def broken(db):
        double(db)
        raise sqlite3.OperationalError("database or disk is full")

    with connect(old) as db:
        with pytest.raises(sqlite3.OperationalError, match="full"):
            bring_up(db, old, THREE._replace(steps={**THREE.steps, 2: broken}))
        assert not db.in_transaction
    assert content(old) == (2, [(2,)])  # the first step stands, the half of the second does not
    with connect(old) as db:
        assert bring_up(db, old, THREE)[:2] == (2, 3)
    assert content(old) == (3, [(2, None)])


def test_two_processes_that_start_at_once_take_each_step_once(old):
    with connect(old) as first, connect(old) as second:

        def overtaken(db):  # the second process did it between our look and our transaction
            double(db)

        migrate._apply(second, 1, 2, double)
        migrate._apply(first, 1, 2, overtaken)
    assert content(old) == (2, [(2,)])


def test_without_room_for_a_copy_the_step_is_taken_all_the_same(old, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: shutil._ntuple_diskusage(0, 0, migrate._ROOM_MIN))
    with connect(old) as db:
        assert bring_up(db, old, THREE) == (1, 3, None)


@pytest.mark.parametrize(
    "version,said", [(4, "version 4.*knows 3"), (0, "no log of Pantau"), (2, "no step from version 2")]
)
def test_what_cannot_be_brought_up_is_refused_in_words_and_not_touched(old, version, said):
    with connect(old) as db:
        db.execute(f"PRAGMA user_version = {version}")
        schema = THREE if version != 2 else THREE._replace(steps={1: double})
        with pytest.raises(StoreError, match=said):
            bring_up(db, old, schema)
    assert content(old) == (version, [(1,)])
    assert [p.name for p in old.parent.iterdir()] == [old.name]


def test_statements_end_where_sqlite_says():
    trigger = "CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT ';'; SELECT 2; END;"
    assert list(migrate._statements(f"SELECT ';' -- a; b\n; {trigger}\n ")) == ["SELECT ';' -- a; b\n;", f" {trigger}"]
    with (
        closing(sqlite3.connect(":memory:")) as db,
        pytest.raises(sqlite3.OperationalError, match=r"incomplete|syntax"),
    ):
        migrate.run_script(db, "SELECT (1")
