"""The files sink: redelivery, other logs, what others do to the folder, the files themselves."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pantau.model import Observation, Revision
from pantau.problems import ConfigError
from pantau.sinks import _files_journal, _files_rows, _files_segments
from pantau.sinks.files import FilesTable
from sinks.files_rows import DAY_MS, LEVEL, RAIN, keys, kinds, lines, names, opened
from sinks.frames import NOW_MS, frame
from sinks.kit_files import DOCS, views

# What is redelivered


def test_a_reading_told_otherwise_becomes_a_revision_once(tmp_path):
    sink = opened(tmp_path)
    first = frame(1, LEVEL)
    assert kinds(sink.deliver([first, frame(2, RAIN)])) == ["stored", "stored"]
    assert kinds(sink.deliver([first])) == ["duplicate"]
    other = replace(first, observations=(replace(first.observations[0], value=1.5, quality=3), first.observations[1]))
    for _ in range(2):
        sink.deliver([other])
    assert [row["value"] for row in lines(tmp_path, "revisions")] == [1.5]
    sink.deliver([first])
    assert [row["value"] for row in lines(tmp_path, "revisions")] == [1.5, 1.25]
    assert kinds(sink.deliver([first])) == ["duplicate"]
    more = frame(1, {**LEVEL, **RAIN})
    assert kinds(sink.deliver([more])) == ["stored"]
    assert keys(tmp_path) == Counter({o.key: 1 for o in [*more.observations, *frame(2, RAIN).observations]})
    with views(tmp_path, "ndjson") as db:
        held = db.execute(
            "SELECT value, quality FROM readings WHERE seq = 1 AND property = 'water_level' ORDER BY index"
        )
        assert held.fetchall() == [(1.25, 1), (None, 9)]


def test_the_last_word_holds_and_a_correction_keeps_the_verdict_that_came_after(tmp_path):
    sink = opened(tmp_path)
    first = frame(1, LEVEL)
    about = first.observations[0]
    sink.deliver([first])
    sink.deliver([replace(first, observations=(replace(about, value=2.0, station="elsewhere"),))])
    sink.deliver([frame(2, {}, revisions=(Revision(about.key, 4, "rate", "", about.observed_at_ms + 5),))])
    with views(tmp_path, "ndjson") as db:
        held = db.execute("SELECT value, station, quality, epoch_ms(observed_at) FROM readings WHERE value IS NOT NULL")
        assert held.fetchall() == [(2.0, "elsewhere", 4, about.observed_at_ms + 5)]


def test_another_log_that_brings_the_same_frames_brings_nothing_twice(tmp_path):
    log = [frame(n, LEVEL) for n in range(1, 6)]
    sink = opened(tmp_path, segment_s=9999)
    sink.deliver(log)  # stays in the journal of a log that ends here
    sink.close()
    for by in ("observed", "received"):
        other = opened(tmp_path, log=f"new-{by}", by=by)
        assert other.position() == 0
        again = [replace(d, id=n, received_ms=d.received_ms + DAY_MS) for n, d in enumerate(reversed(log), 1)]
        fresh = frame(9, LEVEL, seq=6)
        assert kinds(other.deliver([*again, fresh])) == ["duplicate"] * 5 + [
            "stored" if by == "observed" else "duplicate"
        ]
        other.close()
    assert keys(tmp_path) == Counter({o.key: 1 for d in [*log, fresh] for o in d.observations})


def test_what_no_column_holds_is_rejected_before_it_is_in_a_journal(tmp_path):
    """Else that journal could never become a file, and no delivery would be taken any more."""
    sink = opened(tmp_path, format="parquet")
    bad = frame(1, LEVEL)
    bad = replace(bad, observations=(replace(bad.observations[0], uptime_ms=2**63), *bad.observations[1:]))
    assert kinds(sink.deliver([bad, frame(2, RAIN)])) == ["rejected", "stored"]
    assert kinds(sink.deliver([frame(3, RAIN)])) == ["stored"]
    sink.close()


def test_files_of_one_day_are_in_its_folder_and_late_ones_beside_them(tmp_path):
    sink = opened(tmp_path)
    sink.deliver([frame(5, LEVEL)])
    sink.deliver([frame(6, LEVEL, at_ms=NOW_MS - 30_000), frame(7, RAIN, at_ms=NOW_MS - 9 * DAY_MS)])
    sink.deliver([frame(5, RAIN)])
    assert names(tmp_path) == [
        "date=2026-11-19/test-2-7-7.ndjson",
        "date=2026-11-27/test-2-6-6.ndjson",
        "date=2026-11-28/test-1-5-5.ndjson",
        "date=2026-11-28/test-2-6-6.ndjson",
        "date=2026-11-28/test-3-5-5-again.ndjson",
    ]
    by_receipt = opened(tmp_path / "received", by="received")
    by_receipt.deliver([frame(7, RAIN, at_ms=NOW_MS - 9 * DAY_MS)])
    assert names(tmp_path / "received") == ["date=2026-11-28/test-1-7-7.ndjson"]


def test_a_journal_becomes_files_when_it_is_full_or_old(tmp_path):
    sink = opened(tmp_path, segment_rows=5, segment_s=9999)
    for number in range(1, 4):
        assert names(tmp_path) == []
        sink.deliver([frame(number, LEVEL)])
    assert names(tmp_path) == ["date=2026-11-28/test-1-1-3.ndjson"]
    sink.deliver([frame(4, LEVEL)])
    sink.close()
    sink = opened(tmp_path, segment_s=9999)
    assert "journal" in sink.find(frame(4, LEVEL).observations[0])
    sink.close()
    sink = opened(tmp_path, segment_s=0)
    sink.deliver([frame(5, {})])
    assert len(names(tmp_path)) == 2
    assert "1.25" in sink.find(frame(4, LEVEL).observations[0])
    assert sink.find(frame(9, LEVEL).observations[0]) is None


# What others do to the folder


def test_two_processes_do_not_write_one_log(tmp_path):
    sink, other = opened(tmp_path), opened(tmp_path)
    sink.deliver([frame(1, LEVEL)])
    (verdict,) = other.deliver([frame(2, LEVEL)])
    assert verdict.kind == "retry" and "another process" in verdict.reason
    assert other.position() is None
    sink.close()
    assert other.position() == 1


def test_the_journal_was_thrown_away(tmp_path):
    sink = opened(tmp_path)
    sink.deliver([frame(n, LEVEL) for n in range(1, 4)])
    sink.close()
    for path in (tmp_path / "_pantau").iterdir():
        path.unlink()
    sink = opened(tmp_path)
    assert sink.position() == 3
    assert set(kinds(sink.deliver([frame(n, LEVEL) for n in range(2, 5)]))) == {"duplicate", "stored"}
    assert set(keys(tmp_path).values()) == {1} and len(keys(tmp_path)) == 8


def test_days_that_were_deleted_stay_away_and_nothing_is_taken_for_lost(tmp_path):
    sink = opened(tmp_path)
    sink.deliver([frame(1, LEVEL, at_ms=NOW_MS - 9 * DAY_MS), frame(2, LEVEL)])
    (old,) = (tmp_path / "ndjson/observations").glob("date=2026-11-19")
    for path in old.iterdir():
        path.unlink()
    old.rmdir()
    assert sink.position() == 2
    assert kinds(sink.deliver([frame(2, LEVEL), frame(3, LEVEL)])) == ["duplicate", "stored"]
    assert len(names(tmp_path)) == 2


def test_a_journal_that_is_none_of_ours_is_told_and_left(tmp_path):
    sink = opened(tmp_path)
    sink.deliver([frame(1, LEVEL)])
    sink.close()
    (journal,) = (tmp_path / "_pantau").glob("*.journal")
    journal.write_text('{"format": "pantau files journal", "version": 99}\n')
    (verdict,) = opened(tmp_path).deliver([frame(2, LEVEL)])
    assert verdict.kind == "retry" and "not a journal that this version can read" in verdict.reason
    assert "99" in journal.read_text()


@settings(max_examples=30)
@given(st.binary(max_size=200), st.integers(0, 400))
def test_whatever_stands_behind_the_last_whole_delivery_is_cut_off(tmp_path_factory, tail, cut):
    folder = tmp_path_factory.mktemp("journal")
    journal = _files_journal.begin(folder / "log-1.journal", 1, "log", 7)
    run = _files_journal.Run("observations", "2026-11-28", False, 8, 8, 5, 1)
    journal.append(8, [run], b"rows\n")
    size = journal.size
    journal.append(9, [run], b"more\n")
    whole = journal.path.read_bytes()
    journal.close()
    journal.path.write_bytes(whole[: max(size, len(whole) - cut)] + tail if cut else whole)
    again = _files_journal.reopen(journal.path)
    assert again.position == (9 if not cut else 8)
    assert again.read(again.runs[0]) == b"rows\n"
    assert journal.path.stat().st_size == again.size
    again.close()


def test_a_delivery_of_which_a_byte_is_wrong_is_none(tmp_path):
    journal = _files_journal.begin(tmp_path / "log-1.journal", 1, "log", 7)
    journal.append(8, [_files_journal.Run("observations", "2026-11-28", False, 8, 8, 5, 1)], b"rows\n")
    whole = journal.path.read_bytes()
    head = whole.index(b"\n") + 1
    for at in range(head, len(whole)):
        journal.path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        again = _files_journal.reopen(journal.path)
        assert (again.position, again.size, again.runs) == (7, head, []), at
        again.close()
    journal.close()


# The files themselves


def test_parquet_has_types_units_and_meanings(tmp_path):
    from pyarrow import dataset, parquet

    sink = opened(tmp_path, format="parquet")
    sink.deliver([frame(n, {**LEVEL, **RAIN}, node=node) for n, node in enumerate(["flood-01", "air-02"] * 3, 1)])
    (path,) = (tmp_path / "parquet/observations").glob("date=*/*-*.parquet")
    file = parquet.ParquetFile(path)
    schema = file.schema_arrow
    assert str(schema.field("observed_at").type) == "timestamp[ms, tz=UTC]"
    assert str(schema.field("property").type).startswith("dictionary<values=string")
    assert b"QARTOD" in schema.field("quality").metadata[b"description"]
    rows = file.read().to_pylist()
    assert [row["property"] for row in rows] == ["water_level"] * 12 + ["rain_amount"] * 6
    assert [row["node"] for row in rows[:12]] == ["flood-01"] * 6 + ["air-02"] * 6
    assert {(row["property"], row["unit"]) for row in rows} == {("rain_amount", "mm"), ("water_level", "m")}
    whole = dataset.dataset(tmp_path / "parquet/observations", partitioning="hive").to_table().to_pandas()
    assert len(whole) == 18 and whole["value"].isna().sum() == 6 and set(whole["date"]) == {"2026-11-28"}


def test_the_page_asks_for_a_day_as_it_says(tmp_path):
    sink = opened(tmp_path, format="both")
    sink.deliver([frame(1, {**LEVEL, **RAIN}), frame(2, LEVEL, at_ms=NOW_MS - 30_000), frame(3, LEVEL, node="air-02")])
    blocks = re.findall(r"```(sql|python)\n(.*?)```", DOCS.read_text(), re.DOTALL)
    (day,) = [text for kind, text in blocks if kind == "sql" and "CREATE VIEW" not in text]
    for kind in ("parquet", "ndjson"):
        with views(tmp_path, kind) as db:
            assert [row[1] for row in db.execute(day).fetchall()] == [1.25]
    (program,) = [text for kind, text in blocks if kind == "python"]
    said = {}
    exec(program.replace("/srv/pantau", str(tmp_path)).replace("pandas.read", "rows = pandas.read"), said)
    assert sorted(said["rows"]["seq"]) == [1, 1, 2, 3, 3]  # the second reading of 2 is after midnight


def test_ndjson_is_what_the_schema_says(tmp_path):
    from pathlib import Path

    import jsonschema

    schema = json.loads((Path(__file__).parents[2] / "schemas/observation.schema.json").read_text())
    sink = opened(tmp_path)
    sink.deliver([frame(1, {**LEVEL, **RAIN}), frame(2, LEVEL, at_ms=None)])
    rows = lines(tmp_path, "observations") + lines(tmp_path, "undated")
    assert len(rows) == 5
    for row in rows:
        jsonschema.validate(row, schema)
    assert rows[0]["observed_at"] == "2026-11-28T00:00:30.000Z"


texts = st.text(max_size=12)
finite = st.none() | st.floats(allow_nan=False, allow_infinity=False)


@given(texts, finite, texts, st.none() | texts, st.none() | st.integers(0, 253_402_300_799_999), st.integers(0, 2**40))
def test_a_line_says_what_the_observation_says(node, value, reason, station, at, uptime):
    seen = Observation(node, 1, 2, 3, "water_level", value, "m", 1, reason, at, uptime, 3, NOW_MS, station, "a=1")
    line = _files_rows.observation_line(seen, 60).encode()
    assert line.count(b"\n") == 1
    row = json.loads(line)
    assert list(row) == list(_files_rows.COLUMNS["observations"])
    assert _files_rows.key_of(row) == seen.key and _files_rows.said_of(row) == _files_rows.said(seen)
    assert list(_files_segments.matching([line], [seen.key[:3]])) == [row]
    assert list(_files_segments.matching([line], [(node, 1, 20)])) == []
    told = _files_rows.correction(seen, 5)
    line = _files_rows.revision_line(seen.key, told, NOW_MS).encode()
    row = json.loads(line)
    assert list(row) == list(_files_rows.COLUMNS["revisions"])
    assert _files_rows.key_of(row) == seen.key and _files_rows.told_of(row) == told


def test_settings(tmp_path, monkeypatch):
    with pytest.raises(ValidationError):
        FilesTable(path=tmp_path, format="csv")
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    with pytest.raises(ConfigError, match=r"pantau\[parquet\]"):
        opened(tmp_path, format="both")
    opened(tmp_path / "nothing", format="ndjson")
    assert not (tmp_path / "nothing").exists()
