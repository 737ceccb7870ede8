from __future__ import annotations

import contextlib
import sqlite3

import pytest

from pantau import registry as registry_file
from pantau.followers import FOLLOWERS, FollowerStore, highest_position
from pantau.ingest import Ingest
from pantau.keys import Keys
from pantau.quarantine import KEEP_BYTES, replay
from pantau.spool import Spool, SpoolBroken, SpoolReader, SpoolUnavailable
from pantau.window import Window
from unit.host import bridge_kit as kit


def opened(folder, *, max_mib=64, rows=100, mib=1):
    return Spool(folder / "spool.sqlite3", max_mib=max_mib, quarantine_rows=rows, quarantine_mib=mib)


@pytest.fixture
def spool(tmp_path):
    made = opened(tmp_path)
    yield made
    made.close()


@pytest.fixture
def gate(tmp_path, spool):
    return Ingest(kit.CITY, kit.registry(tmp_path), kit.KEYS, spool)


def store(gate, spool, *payloads, topic=None):
    for payload in payloads:
        gate.offer(topic or kit.up(), payload, kit.NOW_MS)
    batch = gate.take()
    try:
        spool.commit(batch)
    except SpoolUnavailable:
        gate.abandon(batch)
        raise
    gate.settle(batch)
    return gate.acks(100)


def test_what_was_committed_is_there_after_a_reopen(tmp_path, gate, spool):
    store(gate, spool, kit.records(1), kit.records(3), b"junk")
    spool.close()
    again = opened(tmp_path)
    assert again.last_id == 2
    assert again.boot(kit.NODE, 1).window == Window(1, 0b10, 0, 3)
    assert [f.payload for f in SpoolReader(again.path).read(0, 9)] == [kit.records(1), kit.records(3)]
    assert again.quarantine.rows == 1
    again.close()


def test_sync_is_full(spool):
    assert spool._db.execute("PRAGMA synchronous").fetchone()[0] == 2
    assert spool._db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"


def test_the_reader_walks_in_order(tmp_path, gate, spool):
    store(gate, spool, *(kit.records(n) for n in range(1, 8)))
    reader = SpoolReader(spool.path)
    first = reader.read(0, 5)
    rest = reader.read(first[-1].id, 5)
    assert [f.seq for f in first + rest] == list(range(1, 8))
    assert [f.seq for f in reader.get([2, 99])] == [2]
    reader.close()


def test_full_changes_nothing_says_so_and_works_again_with_room(tmp_path):
    spool = opened(tmp_path, max_mib=1)
    gate = Ingest(kit.CITY, kit.registry(tmp_path), kit.KEYS, spool)
    seq, error = 0, None
    while error is None and seq < 100_000:
        frames = [kit.records(seq + n) for n in range(1, 301)]
        seq += 300
        try:
            store(gate, spool, *frames)
        except SpoolUnavailable as raised:
            error = raised
    assert "max_mib" in str(error)
    assert error.__cause__.sqlite_errorcode == sqlite3.SQLITE_FULL
    stored = SpoolReader(spool.path).read(0, seq)
    assert [frame.seq for frame in stored] == list(range(1, seq - 299))
    spool.close()
    wider = opened(tmp_path, max_mib=2)
    gate = Ingest(kit.CITY, kit.registry(tmp_path), kit.KEYS, wider)
    assert store(gate, wider, *(kit.records(seq - 300 + n) for n in range(1, 301)))[0].through == seq
    wider.close()


def test_a_commit_between_two_looks_of_a_reader_is_not_skipped(gate, spool):
    store(gate, spool, kit.records(1))
    reader = SpoolReader(spool.path)
    reader.read(0, 1)
    rows = reader._rows

    def late(query, values):
        found = rows(query, values)
        if "DESC" in query:  # after the first look for frame 2
            for seq in (2, 3):
                store(gate, spool, kit.records(seq))
        return found

    reader._rows = late
    assert [frame.id for frame in reader.read(1, 1)] == [2]
    reader.close()


def test_a_batch_that_is_durable_cannot_fail_any_more(gate, spool, monkeypatch):
    def unavailable():
        raise SpoolUnavailable("the disk does not answer")

    monkeypatch.setattr(spool, "_size", unavailable)
    store(gate, spool, kit.records(1))
    assert spool.last_id == 1


def test_what_a_start_after_a_crash_reads_is_never_let_go(tmp_path, gate, spool):
    gate.offer(kit.up(), kit.records(1), kit.NOW_MS)
    batch = gate.take(saves=0)
    spool.commit(batch)
    gate.settle(batch)
    assert spool.prune(1) == 0
    batch = gate.take()
    spool.commit(batch)
    gate.settle(batch)
    assert spool.prune(1) == 1
    assert store(Ingest(kit.CITY, kit.registry(tmp_path), kit.KEYS, spool), spool, kit.records(1)) != []
    assert spool.last_id == 1


class Dying:
    """A connection whose disk takes neither a commit nor a rollback."""

    def __init__(self, db):
        self._db = db

    def __getattr__(self, name):
        return getattr(self._db, name)

    def execute(self, query, *values):
        if query in {"COMMIT", "ROLLBACK"}:
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR
            raise error
        return self._db.execute(query, *values)


def test_a_disk_that_takes_no_rollback_either_is_waited_for(gate, spool):
    store(gate, spool, kit.records(1))
    db = spool._db
    spool._db = Dying(db)
    with pytest.raises(SpoolUnavailable, match="disk I/O error"):
        store(gate, spool, kit.records(2))
    spool._db = db
    db.execute("ROLLBACK")
    assert store(gate, spool, kit.records(2))[0].through == 2


def test_blocks_go_a_few_at_a_time(gate, spool):
    for seq in range(1, 8):
        store(gate, spool, kit.records(seq))
    assert [spool.prune(6, 4), spool.prune(6, 4), spool.prune(6, 4)] == [4, 2, 0]
    assert spool.oldest[0] == 7


def test_tags_of_frames_that_an_alarm_overtook_stay_when_its_block_goes(tmp_path, gate, spool):
    store(gate, spool, kit.records(500))
    store(gate, spool, *(kit.records(seq) for seq in range(1, 480)))
    assert spool.prune(1) == 1
    fresh = Ingest(kit.CITY, kit.registry(tmp_path), kit.KEYS, spool)
    assert fresh.offer(kit.up(), kit.records(400, distance=1), 0).kind == "conflict"


def test_a_new_log_beside_old_sinks_goes_on_above_what_they_have(tmp_path, spool):
    with contextlib.closing(FollowerStore(tmp_path / FOLLOWERS)) as followers:
        followers.save("sqlite", 700, {})
    assert highest_position(tmp_path, tmp_path / "city.sqlite3") == 700
    spool.go_on_after(700)
    gate = Ingest(kit.CITY, kit.registry(tmp_path), kit.KEYS, spool)
    store(gate, spool, kit.records(1))
    spool.close()
    again = opened(tmp_path)
    assert again.last_id == 701
    assert [frame.id for frame in SpoolReader(again.path).read(700, 9)] == [701]
    again.close()


def test_a_reader_does_not_hold_up_the_writer(tmp_path, gate, spool):
    store(gate, spool, kit.records(1))
    other = sqlite3.connect(spool.path, isolation_level=None)
    other.execute("BEGIN")
    other.execute("SELECT * FROM blocks").fetchone()
    store(gate, spool, kit.records(2))
    assert spool.last_id == 2
    other.close()


def test_not_a_spool_and_a_newer_spool_are_refused(tmp_path):
    (tmp_path / "spool.sqlite3").write_bytes(b"this is no database at all" * 100)
    with pytest.raises(SpoolBroken, match="move the file aside"):
        opened(tmp_path)
    (tmp_path / "spool.sqlite3").unlink()
    db = sqlite3.connect(tmp_path / "spool.sqlite3")
    db.execute("PRAGMA user_version = 9")
    db.close()
    with pytest.raises(SpoolBroken, match="version 9"):
        opened(tmp_path)


# --- quarantine


def test_the_same_refusal_again_is_counted_not_kept_twice(gate, spool):
    store(gate, spool, b"junk", b"junk")
    store(gate, spool, b"junk")
    (entry,) = spool.entries(None, None)
    assert (entry.times, entry.reason, entry.payload) == (3, "truncated", b"junk")


def test_rows_and_bytes_are_bounded_and_the_oldest_go(tmp_path):
    spool = opened(tmp_path, rows=50, mib=1)
    gate = Ingest(kit.CITY, kit.registry(tmp_path), kit.KEYS, spool)
    for round_ in range(4):
        store(gate, spool, *(b"%d" % (round_ * 40 + n) for n in range(40)))
    kept = spool.entries(None, None)
    assert (len(kept), spool.quarantine.dropped) == (50, 110)
    assert kept[-1].payload == b"159"
    spool.close()
    spool = opened(tmp_path, rows=10_000, mib=1)
    gate = Ingest(kit.CITY, kit.registry(tmp_path), kit.KEYS, spool)
    for n in range(600):
        store(gate, spool, b"%06d" % n + bytes(10_000))
    assert spool.quarantine.bytes <= 1 << 20
    assert max(len(e.payload) for e in spool.entries(None, None)) == KEEP_BYTES
    assert spool.entries(None, None)[-1].size == 10_006
    kept = spool.quarantine.rows
    spool.quarantine.recount()
    assert spool.quarantine.rows == kept
    spool.close()


def test_replay_takes_what_has_become_good_and_keeps_the_rest(tmp_path, spool):
    stranger = kit.records(1, node="new-1")
    gate = Ingest(kit.CITY, kit.registry(tmp_path), kit.KEYS, spool)
    gate.offer(kit.up("new-1"), stranger, kit.NOW_MS)
    gate.offer(kit.up(), b"junk", kit.NOW_MS)
    batch = gate.take()
    spool.commit(batch)
    gate.settle(batch)
    path = tmp_path / "wide.toml"
    path.write_text(kit.REGISTRY + '[[node]]\nid = "new-1"\nstation = "angke"\n')
    wider = Ingest(
        kit.CITY, registry_file.load(path), Keys({"new-1": ({0: kit.KEY}, 0), kit.NODE: ({0: kit.KEY}, 0)}), spool
    )
    assert replay(spool, wider).tried == 0
    spool.want_replay(e.id for e in spool.entries(None, None))
    done = replay(spool, wider)
    assert (done.tried, done.stored, wider.acks(9)[0].node) == (2, 1, "new-1")
    assert [f.payload for f in SpoolReader(spool.path).read(0, 9)] == [stranger]
    assert [(e.reason, e.times) for e in spool.entries(None, None)] == [("truncated", 1)]
    assert replay(spool, wider).tried == 0


def test_a_stored_frame_is_marked_once_and_handed_back_by_replay(gate, spool):
    store(gate, spool, kit.records(1))
    (frame,) = SpoolReader(spool.path).read(0, 1)
    spool.mark([(frame, "undecodable", "bad_field")])
    spool.mark([(frame, "undecodable", "bad_field")])
    (entry,) = spool.entries("undecodable", kit.NODE)
    assert (entry.frame_id, entry.times) == (frame.id, 2)
    spool.want_replay([entry.id])
    assert replay(spool, gate, stored_too=False).tried == 0
    assert [e.frame_id for e in replay(spool, gate).again] == [frame.id]
    spool.resolve([entry.id])
    assert spool.entries(None, None) == []
