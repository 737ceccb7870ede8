"""Observations as lines of NDJSON, and what such a line says again. I/O-free.

The fields are those of schemas/observation.schema.json, and beside them when, where and by which clock. Lines are written in
one form, without spaces and with the frame's identity first: what a frame left in a file is found by the beginning of its lines.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from math import isfinite
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pantau.model import Observation, Revision

OBSERVATIONS, REVISIONS, UNDATED = "observations", "revisions", "undated"
Frame = tuple[str, int, int]  # node, boot, seq
Key = tuple[str, int, int, int, str]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_END_MS = 253_402_300_800_000  # year 10000
_DAY_MS = 86_400_000
_BEYOND_INT64 = 1 << 63
LAST_DAY = _END_MS // _DAY_MS - 1

# Arrow's names of the types, in the order of the columns.
TIME = "timestamp"
COLUMNS: dict[str, dict[str, str]] = {
    OBSERVATIONS: {
        "node": "string", "boot": "int64", "seq": "int64", "index": "int16", "property": "string", "value": "double",
        "unit": "string", "quality": "int8", "reason": "string", "tests": "string", "station": "string", "observed_at": TIME,
        "uptime_ms": "int64", "received_at": TIME, "clock": "int8", "interval_s": "int32",
    },
    REVISIONS: {
        "node": "string", "boot": "int64", "seq": "int64", "index": "int16", "property": "string", "quality": "int8",
        "reason": "string", "tests": "string", "observed_at": TIME, "revised_at": TIME, "position": "int64",
        "version": "int64", "corrected": "bool", "value": "double", "unit": "string", "station": "string",
    },
}  # fmt: skip
COLUMNS[UNDATED] = COLUMNS[OBSERVATIONS]

# What a Parquet file says about its columns.
MEANINGS = {
    "value": "in `unit`; null when nothing was measured", "unit": "UCUM", "quality": "QARTOD: 1 2 3 4 9",
    "observed_at": "UTC; null while the clock of the boot is unknown", "uptime_ms": "since the boot, where the date came later",
    "received_at": "UTC, by the bridge", "clock": "0 unset, 1 carried over, 2 coarse, 3 synchronised",
    "interval_s": "what a count or an amount covers, up to observed_at; 0: unknown", "tests": "quality tests with their flags",
    "revised_at": "UTC, receipt of the frame that told it", "position": "of that frame in the log", "version": "the greatest one holds",
    "corrected": "whether value, unit and station are replaced too",
}  # fmt: skip


class Said(NamedTuple):
    """All of an observation that a later delivery may correct."""

    value: float | None
    unit: str
    quality: int
    reason: str
    tests: str
    station: str | None
    observed_at_ms: int | None


class Told(NamedTuple):
    """A revision as it is held, with the frame of the log that told it."""

    position: int
    quality: int
    reason: str
    tests: str
    observed_at_ms: int | None
    corrected: bool = False
    value: float | None = None
    unit: str = ""
    station: str | None = None
    version: int = 0


def said(seen: Observation) -> Said:
    """Return what `seen` says."""
    return Said(
        None if seen.value is None else float(seen.value), seen.unit, seen.quality, seen.reason, seen.tests, seen.station,
        seen.observed_at_ms,
    )  # fmt: skip


def told(revision: Revision, position: int) -> Told:
    """Return a verdict, or a date, that the frame `position` brings about an earlier observation."""
    return Told(position, revision.quality, revision.reason, revision.tests, revision.observed_at_ms)


def correction(seen: Observation, position: int) -> Told:
    """Return an observation that was told again and otherwise: as a revision that replaces all of it."""
    all_of_it = said(seen)
    return Told(
        position, seen.quality, seen.reason, seen.tests, seen.observed_at_ms, corrected=True, value=all_of_it.value,
        unit=seen.unit, station=seen.station,
    )  # fmt: skip


def observation_line(seen: Observation, interval_s: int) -> str:
    """Return the line of an observation. ValueError for a value or a date that JSON and calendars cannot hold."""
    value, at_ms, uptime_ms = seen.value, seen.observed_at_ms, seen.uptime_ms
    if value is None:
        number = "null"
    elif isfinite(value):
        number = repr(float(value))
    else:
        raise ValueError(f"{value} is not a number that JSON can hold")
    # A journal of it could never become Parquet.
    if uptime_ms is not None and not -_BEYOND_INT64 <= uptime_ms < _BEYOND_INT64:
        raise ValueError(f"an uptime of {uptime_ms} ms is beyond what a column can hold")
    return (
        f'{_head(seen.node, seen.boot, seen.seq)}"index":{seen.index},"property":{_text(seen.property)},"value":{number},'
        f"{_words(seen.unit, seen.quality, seen.reason, seen.tests, seen.station)}"
        f'"observed_at":{"null" if at_ms is None else iso(at_ms)},"uptime_ms":{"null" if uptime_ms is None else uptime_ms},'
        f"{_tail(seen.received_ms, seen.clock, interval_s)}"
    )


def revision_line(key: Key, new: Told, revised_ms: int) -> str:
    """Return the line of a revision. ValueError as above."""
    if new.value is not None and not isfinite(new.value):
        raise ValueError(f"{new.value} is not a number that JSON can hold")
    fields = {
        "index": key[3], "property": key[4], "quality": new.quality, "reason": new.reason, "tests": new.tests,
        "observed_at": None if new.observed_at_ms is None else json.loads(iso(new.observed_at_ms)),
        "revised_at": json.loads(iso(revised_ms)), "position": new.position, "version": new.version, "corrected": new.corrected, "value": new.value,
        "unit": new.unit, "station": new.station,
    }  # fmt: skip
    return _head(*key[:3]) + json.dumps(fields, separators=(",", ":"), ensure_ascii=False)[1:] + "\n"


def head_of(line: bytes) -> bytes:
    """Return the beginning of a line that names its frame."""
    return line[: line.index(b'"index":')]


def head(frame: Frame) -> bytes:
    """Return with what the lines of a frame begin."""
    return _head(*frame).encode()


def key_of(row: Mapping[str, Any]) -> Key:
    """Return whose row this is."""
    return (row["node"], row["boot"], row["seq"], row["index"], row["property"])


def said_of(row: Mapping[str, Any]) -> Said:
    """Return what a row of observations holds."""
    words = (row["quality"], row["reason"], row["tests"], row["station"])
    return Said(row["value"], row["unit"], *words, ms(row["observed_at"]))


def told_of(row: Mapping[str, Any]) -> Told:
    """Return what a row of revisions holds."""
    whole = (row["corrected"], row["value"], row["unit"], row["station"], row["version"])
    return Told(row["position"], row["quality"], row["reason"], row["tests"], ms(row["observed_at"]), *whole)


def corrected(told: Told) -> Said:
    """Return what an observation says after a revision that replaced all of it."""
    return Said(told.value, told.unit, told.quality, told.reason, told.tests, told.station, told.observed_at_ms)


@lru_cache(maxsize=1 << 12)
def iso(at_ms: int) -> str:
    """Return Unix ms as a JSON string, RFC 3339 in UTC with milliseconds. ValueError outside the years 1970 to 9999."""
    if not 0 <= at_ms < _END_MS:
        raise ValueError(f"{at_ms} ms is not a date of the years 1970 to 9999")
    return f'"{(_EPOCH + timedelta(milliseconds=at_ms)).isoformat(timespec="milliseconds")[:-6]}Z"'


def ms(at: str | datetime | None) -> int | None:
    """Return a time of a row as Unix ms."""
    if at is None:
        return None
    moment = datetime.fromisoformat(at) if isinstance(at, str) else at
    return (moment - _EPOCH) // timedelta(milliseconds=1)


@lru_cache(maxsize=1 << 8)
def _day(number: int) -> str:
    return (_EPOCH + timedelta(days=number)).date().isoformat()


def day_of(at_ms: int) -> str:
    """Return the UTC day of an instant as 2026-11-28. ValueError as `iso`."""
    if not 0 <= at_ms < _END_MS:
        iso(at_ms)
    return _day(at_ms // _DAY_MS)


@lru_cache(maxsize=1 << 12)
def _head(node: str, boot: int, seq: int) -> str:
    return f'{{"node":{_text(node)},"boot":{boot},"seq":{seq},'


@lru_cache(maxsize=1 << 14)
def _words(unit: str, quality: int, reason: str, tests: str, station: str | None) -> str:
    place = "null" if station is None else _text(station)
    return (
        f'"unit":{_text(unit)},"quality":{quality},"reason":{_text(reason)},"tests":{_text(tests)},"station":{place},'
    )


@lru_cache(maxsize=1 << 12)
def _tail(received_ms: int, clock: int, interval_s: int) -> str:
    return f'"received_at":{iso(received_ms)},"clock":{clock},"interval_s":{interval_s}}}\n'


@lru_cache(maxsize=1 << 14)
def _text(text: str) -> str:
    text.encode()  # ValueError for half a character: no file could hold it
    return json.dumps(text, ensure_ascii=False)
