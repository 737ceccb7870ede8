"""Store records -> what the API says of nodes: state, ages, staleness, GeoJSON. Pure; times in Unix ms UTC."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Record = dict[str, Any]

# A value older than twice the interval in which its station reports is stale (architecture, section 7); a node that has
# missed five reports in a row is taken for down. The page counts on with the same two numbers, sent with each feature.
STALE_REPORTS = 2
OFFLINE_REPORTS = 5
DEFAULT_REPORT_INTERVAL_S = 60  # of a node that stands at no station yet: mains nodes report each minute
_FAULTY = (4, 9)  # QARTOD fail and missing
_SERVICED = "maintenance"
_EMPTY = "no_sample"  # missing because there was nothing to measure: an empty road is no fault
STATES = ("alarm", "offline", "fault", "late", "maintenance", "ok")  # worst first
# Of the health record only what an operator reads; the rest (heap, counters) stays in the store.
_HEALTH_SHOWN = (
    "rssi",
    "battery_mv",
    "outbox_records",
    "overwritten_records",
    "reconnects",
    "uptime_ms",
    "sensor_errors",
)


def iso(at_ms: int | None) -> str | None:
    """Return RFC 3339 UTC with milliseconds, None for None or for a date that no calendar holds."""
    if at_ms is None:
        return None
    try:
        return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (OverflowError, ValueError, OSError):
        return None


def _age_s(at_ms: int | None, now_ms: int) -> float | None:
    return None if at_ms is None else round((now_ms - at_ms) / 1000, 1)


def reading(record: Record, now_ms: int, report_interval_s: int) -> Record:
    """Return one latest reading as the API gives it."""
    age_s = _age_s(record["observed_at"], now_ms)
    return {
        "property": record["property"],
        "value": record["value"],
        "unit": record["unit"],
        "quality": record["quality"],
        "reason": record["reason"],
        "observed_at": iso(record["observed_at"]),
        "age_s": age_s,
        "stale": age_s is None or age_s > STALE_REPORTS * report_interval_s,
        "dated_later": bool(record["dated_later"]),
    }


def state_of(node: Record, readings: Iterable[Record], now_ms: int, report_interval_s: int) -> str:
    """Return one of STATES: a node that is down cannot be in alarm, whatever it said last."""
    silence_s = _age_s(node["last_seen"], now_ms)
    if silence_s is None or silence_s > OFFLINE_REPORTS * report_interval_s:
        return "offline"
    if node["alarm"]:
        return "alarm"
    seen = list(readings)
    if any(one["reason"] == _SERVICED and not one.get("stale") for one in seen):
        return "maintenance"  # what else its readings say is somebody's hand in the sensor
    if silence_s > STALE_REPORTS * report_interval_s:
        return "late"
    return "fault" if any(one["quality"] in _FAULTY and one["reason"] != _EMPTY for one in seen) else "ok"


def _health(text: str | None) -> Record:
    fields = json.loads(text) if text else {}
    return {name: fields[name] for name in _HEALTH_SHOWN if name in fields}


def feature(node: Record, latest: Sequence[Record], now_ms: int) -> Record:
    """Return the GeoJSON feature of one node; geometry is null where the registry gives no coordinates."""
    interval_s = node["report_interval_s"] or DEFAULT_REPORT_INTERVAL_S
    readings = [reading(record, now_ms, interval_s) for record in latest]
    placed = node["lon"] is not None and node["lat"] is not None
    return {
        "type": "Feature",
        "id": node["node"],
        "geometry": {"type": "Point", "coordinates": [node["lon"], node["lat"]]} if placed else None,
        "properties": {
            "node": node["node"],
            "station": node["station"],
            "name": node["name"] or node["station"] or node["node"],
            "domain": node["domain"],
            "state": state_of(node, readings, now_ms, interval_s),
            "alarm": bool(node["alarm"]),
            "last_seen": iso(node["last_seen"]),
            "age_s": _age_s(node["last_seen"], now_ms),
            "report_interval_s": interval_s,
            "clock": node["clock"],
            "clock_offset_ms": node["clock_offset_ms"],
            "firmware": node["firmware"],
            "health": _health(node["health"]),
            "latest": readings,
        },
    }


def features(
    nodes: Iterable[Record], latest: Iterable[Record], now_ms: int, only: frozenset[str] | None = None
) -> list[Record]:
    """Return the features of all nodes, or of those in `only`."""
    by_node: dict[str, list[Record]] = {}
    for record in latest:
        by_node.setdefault(record["node"], []).append(record)
    wanted = (node for node in nodes if only is None or node["node"] in only)
    return [feature(node, by_node.get(node["node"], []), now_ms) for node in wanted]


def collection(found: list[Record], now_ms: int, city: str, title: str) -> Record:
    """Return the GeoJSON FeatureCollection of the city with this id; `title` is for people, `network` counts nodes by state, `now` is the clock that ages refer to."""
    states = [item["properties"]["state"] for item in found]
    return {
        "type": "FeatureCollection",
        "city": city,
        "title": title,
        "now": iso(now_ms),
        "stale_after_reports": STALE_REPORTS,
        "offline_after_reports": OFFLINE_REPORTS,
        "network": {"nodes": len(found)} | {state: states.count(state) for state in STATES},
        "features": found,
    }
