"""Observations in the words of SensorThings: rows of CreateObservations, spans to look in, what was found. I/O-free."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from pantau.sinks._sta_client import iot_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pantau.model import Observation

Identity = tuple[int, int, int]  # boot, seq, index: with the Datastream they are the key of an observation

_APART_MS = 3_600_000  # times that lie farther from each other are looked for apart
_MARGIN_MS = 1_000  # servers cut times to whole seconds
_LAST_MS = 253_402_300_799_999  # 9999-12-31: the last that RFC 3339 can write
_dump = json.JSONEncoder(separators=(",", ":"), allow_nan=False, check_circular=False).encode


class Row(NamedTuple):
    """One observation on its way. `place` is its place in the delivery, `frame` the id of its frame.

    `stream` and `feature` are literals of the server. `span_ms` is what a count or an amount covers, 0 for an instant.
    `revised`: it carries what became known after it may have been sent; `was_ms` is when it was observed before that.
    """

    place: int
    frame: int
    seen: Observation
    stream: str
    feature: str | None
    span_ms: int
    was_ms: int
    revised: bool = False

    @property
    def at_ms(self) -> int:
        """When it was observed."""
        assert self.seen.observed_at_ms is not None
        return self.seen.observed_at_ms

    @property
    def identity(self) -> Identity:
        """Its identity within its Datastream."""
        return (self.seen.boot, self.seen.seq, self.seen.index)


class Found(NamedTuple):
    """An observation as the server shows it; `second` is its phenomenonTime in whole Unix seconds, the end of a span."""

    id: str
    second: int
    parameters: dict[str, Any]


def unfit(seen: Observation) -> str:
    """Return why no server can hold this observation, "" when one can."""
    if seen.value is None or not math.isfinite(seen.value):
        return f"{seen.value} is not a finite number"
    return unfit_date(seen.observed_at_ms)


def unfit_date(at_ms: int | None) -> str:
    """Return why no server can hold this date, "" when one can."""
    if at_ms is None or not 0 <= at_ms <= _LAST_MS:
        return f"the date {at_ms} ms lies outside the years 1970 to 9999"
    return ""


@lru_cache(maxsize=16_384)  # the columns of a frame share their instants
def iso(ms: int) -> str:
    """Return Unix ms as RFC 3339 in UTC; whole seconds without a fraction."""
    second, rest = divmod(ms, 1000)
    text = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{rest:03d}Z" if rest else f"{text}Z"


def second_of(phenomenon_time: object) -> int:
    """Return the whole Unix second of an instant, or of the end of an interval; -1 for what is neither."""
    try:
        when = datetime.fromisoformat(str(phenomenon_time).rpartition("/")[2])
    except ValueError:
        return -1
    return math.floor((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp())


def parameters(row: Row) -> dict[str, Any]:
    """Return what goes with a value: its identity and its quality."""
    seen = row.seen
    told: dict[str, Any] = {
        "boot": seen.boot, "seq": seen.seq, "index": seen.index,
        "quality": seen.quality, "reason": seen.reason, "tests": seen.tests, "received": iso(seen.received_ms),
    }  # fmt: skip
    if row.span_ms:
        told["interval_s"] = row.span_ms // 1000
    return told


def phenomenon_time(row: Row, *, intervals: bool) -> str:
    """Return when a value held: an interval for a count or an amount, its end for a server that takes none."""
    return times(row.at_ms, row.span_ms, intervals=intervals)


def times(at_ms: int, span_ms: int, *, intervals: bool) -> str:
    """Return phenomenonTime for a value at `at_ms` that covers `span_ms` before."""
    if span_ms and intervals:
        return f"{iso(max(0, at_ms - span_ms))}/{iso(at_ms)}"
    return iso(at_ms)


def array(rows: Iterable[Row], *, intervals: bool) -> tuple[bytes, list[Row]]:
    """Return the body of one CreateObservations, and the rows in the order of its answer."""
    groups: dict[tuple[str, bool], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.stream, row.feature is not None), []).append(row)
    body, order = [], []
    for (stream, placed), group in groups.items():
        components = ["phenomenonTime", "result", "resultTime", "parameters"]
        cells: list[list[Any]] = [
            [phenomenon_time(row, intervals=intervals), row.seen.value, iso(row.seen.received_ms), parameters(row)]
            for row in group
        ]
        if placed:
            components.append("FeatureOfInterest/id")
            features = {row.feature: iot_id(row.feature or "") for row in group}
            for row, line in zip(group, cells, strict=True):
                line.append(features[row.feature])
        body.append({
            "Datastream": {"@iot.id": iot_id(stream)}, "components": components,
            "dataArray@iot.count": len(cells), "dataArray": cells,
        })  # fmt: skip
        order += group
    return _dump(body).encode(), order


def single(row: Row, *, intervals: bool) -> bytes:
    """Return the body of a POST of one Observation."""
    body: dict[str, Any] = {
        "phenomenonTime": phenomenon_time(row, intervals=intervals), "result": row.seen.value,
        "resultTime": iso(row.seen.received_ms), "parameters": parameters(row),
        "Datastream": {"@iot.id": iot_id(row.stream)},
    }  # fmt: skip
    if row.feature is not None:
        body["FeatureOfInterest"] = {"@iot.id": iot_id(row.feature)}
    return _dump(body).encode()


def spans(times_ms: Iterable[int], before_ms: int = 0) -> list[tuple[int, int]]:
    """Return the spans (first, last), in ms, that hold all times, wider by what servers cut and by `before_ms`.

    Between the spans lie the gaps that nobody asks about, so a backlog does not make the server show a year.
    """
    out: list[tuple[int, int]] = []
    for at in sorted(times_ms):
        first, last = max(0, at - _MARGIN_MS - before_ms), at + _MARGIN_MS
        if out and first - out[-1][1] <= _APART_MS:
            out[-1] = (out[-1][0], last)
        else:
            out.append((first, last))
    return out


def within(span: tuple[int, int]) -> str:
    """Return a $filter for a span."""
    first, last = span
    return f"phenomenonTime ge {iso(first // 1000 * 1000)} and phenomenonTime le {iso(last // 1000 * 1000 + 1000)}"


def identity(told: object) -> Identity | None:
    """Return the identity in the parameters that a server shows, None for an observation that is not ours."""
    if not isinstance(told, dict):
        return None
    boot, seq, index = told.get("boot"), told.get("seq"), told.get("index")
    if isinstance(boot, int) and isinstance(seq, int) and isinstance(index, int):
        return (boot, seq, index)
    return None


def found(entity: Mapping[str, Any], *, quoted: bool) -> Found | None:
    """Return one of ours as the server shows it; `quoted` is how it writes ids in links. None for one of others'."""
    told, number = entity.get("parameters"), entity.get("@iot.id")
    if identity(told) is None or number is None:
        return None
    assert isinstance(told, dict)
    name = str(number).replace("'", "''")
    return Found(f"'{name}'" if quoted else name, second_of(entity.get("phenomenonTime")), told)


def by_stream(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Return the rows of each Datastream."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.stream, []).append(row)
    return groups
