"""Stored frame -> observations, node health and clock mapping. I/O-free and total: any payload gives a `Decoded`.

A decode bug is repaired by replaying the spool, so nothing here may depend on what was decoded before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from pantau.model import Observation
from pantau_wire import frame as wire
from pantau_wire import names as T
from pantau_wire.errors import WireError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pantau.model import Revision, StoredFrame

_INTERNAL = frozenset({T.TIME_OFFSET})  # part of a record's time, not a reading of the world
_UNKNOWN_FLAG = 2  # QARTOD "not evaluated": the honest flag for a code that a newer node invented


class Station(Protocol):
    """What the registry must know about a place to derive observations there; either figure may be unknown."""

    @property
    def id(self) -> str:
        """Station id."""

    @property
    def tip_mm(self) -> float | None:
        """Rain per tip of the bucket, millimetres."""

    def level_m(self, distance_m: float) -> float | None:
        """Return the level above the station's zero for a distance from the sensor, both in metres."""


class Registry(Protocol):
    """Where a node stood at an instant."""

    def station_of(self, node: str, at_ms: int) -> Station | None:
        """Return the station of `node` at `at_ms` (Unix ms UTC), None when the registry knows none."""


class ClockMap(NamedTuple):
    """`utc_minus_uptime_ms` dates every undated record of `boot`; `quality` is the wire's clock quality (1..3)."""

    boot: int
    utc_minus_uptime_ms: int
    quality: int


@dataclass(frozen=True, slots=True)
class Decoded:
    """All that one stored frame says. With `error` set (a stable code) everything else but the identity is empty."""

    id: int
    node: str
    boot: int
    seq: int
    received_ms: int
    observations: tuple[Observation, ...] = ()
    health: dict[str, Any] | None = None
    result: dict[str, Any] | None = None
    commissioning: dict[str, Any] | None = None  # id of the order, body: JSON as the technician's computer made it
    clock_map: ClockMap | None = None
    clock: int | None = None
    alarm: bool | None = None
    error: str | None = None
    revisions: tuple[Revision, ...] = ()
    interval_s: int = 0  # between the records of the frame: what a count or an amount of it covers; 0 for a single one
    dated: tuple[int, ...] = ()  # frames that had no date when they were told and can be told again with one


def quality_of(code: int) -> tuple[int, str]:
    """Return (QARTOD flag, reason name) of a wire quality code; a code of a newer schema keeps its number as reason."""
    reason, index = divmod(code, 8)
    flag = T.FLAGS[index] if index < len(T.FLAGS) else _UNKNOWN_FLAG
    known = T.REASONS.get(reason)
    return flag, known[0] if known else f"reason_{reason}"


def _scaled(raw: int, scale: int) -> float:
    """Return raw * 10**scale as the float nearest to that decimal (a division rounds once, a product twice)."""
    return raw / 10**-scale if scale < 0 else float(raw * 10**scale)


def _varint_triples(data: bytes) -> list[list[int | str]]:
    """Return [sensor index, reason name, count] for each whole triple of little-endian base-128 numbers in `data`."""
    numbers, value, shift = [], 0, 0
    for byte in data:
        value |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            numbers.append(value)
            value = shift = 0
    triples = zip(numbers[::3], numbers[1::3], numbers[2::3], strict=False)
    return [[index, quality_of(reason * 8)[1], count] for index, reason, count in triples]


def _plain(fields: dict[str, Any]) -> dict[str, Any]:
    """Return wire fields as JSON values."""
    plain = {name: value.hex() if isinstance(value, bytes) else value for name, value in fields.items()}
    if isinstance(errors := fields.get("sensor_errors"), bytes):
        plain["sensor_errors"] = _varint_triples(errors)
    return plain


class Decoder:
    """Turns stored frames into observations, with the registry's figures for what is derived on the host."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def decode(self, stored: StoredFrame) -> Decoded:
        """Return what the frame says. Never raises on its bytes: a frame that cannot be read has `error` set."""
        head = (stored.id, stored.node, stored.boot, stored.seq, stored.received_ms)
        try:
            frame = wire.decode(stored.payload)
            if frame.kind == T.K_RECORDS:
                rows = self._observations(stored, frame)
                alarm = bool(frame.alarm)
                return Decoded(*head, observations=rows, clock=frame.clock, alarm=alarm, interval_s=frame.interval_s)
        except WireError as error:
            return Decoded(*head, error=error.code)
        fields = frame.fields
        if frame.kind == T.K_HEALTH:
            return Decoded(*head, health=_plain(fields), clock_map=_clock_map(frame), clock=frame.clock)
        if frame.kind == T.K_RESULT:
            return Decoded(*head, result=_plain(fields), clock=frame.clock)
        if frame.kind == T.K_COMMISSIONING:
            return Decoded(*head, commissioning=_plain(fields), clock=frame.clock)
        return Decoded(*head, error="unexpected_kind")

    def _observations(self, stored: StoredFrame, frame: wire.Frame) -> tuple[Observation, ...]:
        times_ms = [1000 * time_s for time_s in wire.times(frame)]
        dated = frame.clock > 0
        at_ms = times_ms[0] if dated and times_ms else stored.received_ms
        station = self._registry.station_of(stored.node, at_ms)
        out: list[Observation] = []
        for number, (raws, codes) in frame.columns.items():
            # A property that this host's tables do not name stays in the spool, to be replayed after an upgrade.
            if number in _INTERNAL or number not in T.PROPERTIES:
                continue
            name, unit, scale = T.PROPERTIES[number][:3]
            values = [None if raw is None else _scaled(raw, scale) for raw in raws]
            marks = [(1, "ok")] * len(raws) if codes is None else [quality_of(code) for code in codes]
            columns = [(name, unit, values), *_derived(number, _best(number, values, frame), station)]
            for column, column_unit, column_values in columns:
                out.extend(
                    Observation(
                        stored.node,
                        stored.boot,
                        stored.seq,
                        index,
                        column,
                        value,
                        column_unit,
                        flag,
                        reason,
                        time_ms if dated else None,
                        None if dated else time_ms,
                        frame.clock,
                        stored.received_ms,
                        station.id if station else None,
                    )
                    for index, (value, (flag, reason), time_ms) in enumerate(
                        zip(column_values, marks, times_ms, strict=True)
                    )
                )
        return tuple(out)


def _clock_map(frame: wire.Frame) -> ClockMap | None:
    """Return the mapping of a health frame that carries uptime and UTC of one instant, else None."""
    uptime_ms, utc_ms = frame.fields.get("uptime_ms"), frame.fields.get("utc_ms")
    if not frame.clock or uptime_ms is None or utc_ms is None:
        return None
    return ClockMap(frame.boot, utc_ms - uptime_ms, frame.clock)


def _best(number: int, values: list[float | None], frame: wire.Frame) -> list[float | None]:
    """Return the distances to derive a level from: corrected by the air where the node could, else as they were read.

    A thermometer that fails must not take the water level with it; the flags are those of the distance either way.
    """
    if number != T.WATER_DISTANCE or T.WATER_DISTANCE_CORRECTED not in frame.columns:
        return values
    scale = T.PROPERTIES[T.WATER_DISTANCE_CORRECTED][2]
    corrected = frame.columns[T.WATER_DISTANCE_CORRECTED][0]
    return [v if raw is None else _scaled(raw, scale) for v, raw in zip(values, corrected, strict=True)]


def _derived(
    number: int, values: Sequence[float | None], station: Station | None
) -> list[tuple[str, str, list[float | None]]]:
    """Return the columns (name, unit, values) that follow from one column and the station's figures.

    They inherit the flags of their source; without the figure there is no column rather than a guess.
    """
    if station is None:
        return []
    if number == T.WATER_DISTANCE and station.level_m(0) is not None:
        name, unit = T.PROPERTIES[T.WATER_LEVEL][:2]
        return [(name, unit, [None if v is None else _rounded(station.level_m(v)) for v in values])]
    if number == T.RAIN_TIPS and (tip_mm := station.tip_mm) is not None:
        name, unit = T.PROPERTIES[T.RAIN_AMOUNT][:2]
        return [(name, unit, [None if v is None else round(v * tip_mm, 3) for v in values])]
    return []


def _rounded(level_m: float | None) -> float | None:
    return None if level_m is None else round(level_m, 3)
