"""Log lines: one event one line, bounded, without secrets; floods held back and counted."""

from __future__ import annotations

import io
import json
import logging
import os

import pytest

from pantau import log

KEY = bytes(range(32)).hex()


def record(name="sink.retry", level=logging.WARNING, at=0.0, **fields):
    made = logging.LogRecord("pantau.sink", level, "f.py", 1, name, None, None)
    made.created = at
    made.pantau_fields = fields
    return made


FORMATS = [log.Lines(), log.JsonLines(), log.Lines(journal=True), log.JsonLines(journal=True)]


@pytest.mark.parametrize("formatter", FORMATS)
def test_no_secret_shows_in_any_form(formatter):
    fields = {"password": "hunter2", "node_key": "abc", "detail": f"keys.json says {KEY}", "payload": bytes(range(32))}
    made = record(**fields, level=logging.ERROR)
    try:
        raise ValueError(f"bad key {KEY.upper()}")
    except ValueError as error:
        made.exc_info = (type(error), error, error.__traceback__)
    line = formatter.format(made)
    for secret in ("hunter2", "abc ", KEY, KEY.upper(), KEY[:40]):
        assert secret not in line
    assert line.count("(hidden)") == 5 and line.count("\n") == 0
    assert KEY not in formatter.format(record(name=f"no event of ours but a message with {KEY}"))


def test_a_line_is_complete_in_both_forms():
    made = record(at=1_770_000_000.25, sink="frost", lag=3, ratio=float("nan"), note='a b="c"', none=None)
    assert log.Lines().format(made) == (
        '2026-02-02T02:40:00.250Z WARNING sink.retry sink=frost lag=3 ratio=nan note="a b=\\"c\\"" none=None'
    )
    assert json.loads(log.JsonLines().format(made)) == {
        "time": "2026-02-02T02:40:00.250Z", "level": "warning", "part": "sink", "event": "sink.retry",
        "sink": "frost", "lag": 3, "ratio": "nan", "note": 'a b="c"', "none": None,
    }  # fmt: skip


def test_a_field_never_takes_the_place_of_the_head():
    made = record()
    made.pantau_fields = {"event": "fake", "level": "fake"}
    said = json.loads(log.JsonLines().format(made))
    assert (said["event"], said["event_"], said["level_"]) == ("sink.retry", "fake", "fake")


def test_a_value_is_cut_and_says_so():
    line = log.Lines().format(record(topic="x" * 10_000_000))
    assert len(line) < 1200 and "(10000000 characters)" in line


def test_the_journal_gets_priorities_and_no_second_clock():
    lines = [log.Lines(journal=True).format(record(level=level)) for level in (10, 20, 30, 40, 50)]
    assert lines == [f"<{n}>sink.retry" for n in (7, 6, 4, 3, 2)]


def test_the_journal_is_known_by_its_inode(tmp_path):
    with (tmp_path / "journal").open("w") as stream:
        here = os.fstat(stream.fileno())
        assert log._is_journal(stream, {"JOURNAL_STREAM": f"{here.st_dev}:{here.st_ino}"})
        assert not log._is_journal(stream, {"JOURNAL_STREAM": f"{here.st_dev}:{here.st_ino + 1}"})
        assert not log._is_journal(stream, {"JOURNAL_STREAM": "x"}) and not log._is_journal(stream, {})
    assert not log._is_journal(io.StringIO(), {"JOURNAL_STREAM": "1:1"})


def test_a_flood_is_held_back_and_counted():
    limiter = log.Limiter(burst=3, every_s=10)
    assert [limiter.filter(record(at=n / 100)) for n in range(6)] == [True] * 3 + [False] * 3
    assert limiter.filter(record(at=0.1, sink="other"))  # another sink is another thing
    assert limiter.filter(record(at=0.1, name="sink.works_again", level=logging.INFO))
    late = record(at=11.0)
    assert limiter.filter(late) and limiter.suppressed == 3
    assert log.Lines().format(late).endswith("suppressed=3")
    assert not limiter.filter(record(at=-1e9))  # the clock jumped back
    assert all(limiter.filter(record(at=11, level=logging.CRITICAL)) for _ in range(9))


def test_what_the_limiter_remembers_is_bounded():
    limiter = log.Limiter(remembered=10)
    for number in range(1000):
        limiter.filter(record(name=f"event.{number}"))
    assert len(limiter._events) == 10


def test_a_stream_that_is_gone_stops_nobody():
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    root.handlers.clear()
    try:
        stream = io.StringIO()
        limiter = log.set_up("info", as_json=True, stream=stream)
        logger = logging.getLogger("pantau.test")
        log.event(logger, logging.INFO, "one", n=1)
        assert json.loads(stream.getvalue())["n"] == 1 and limiter.suppressed == 0
        stream.close()
        log.event(logger, logging.INFO, "two")
    finally:
        root.handlers[:] = before
        root.setLevel(level)
