"""The nodes of a city as the page judges them: who reports, how complete, and what is wrong with each. Pure; Unix ms UTC.

States are the page's (geojson), limits those of the rules that ship (templates/alerts.toml, ops/dashboard.py): the control
room, `pantau bridge status` and Prometheus must not disagree.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from pantau.web.geojson import DEFAULT_REPORT_INTERVAL_S, STALE_REPORTS, STATES, iso, state_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    Record = dict[str, Any]

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
BATTERY_LOW_MV, BATTERY_EMPTY_MV = 3500, 3300  # rule battery-low: a fifth of a Li-ion cell is left; about to stop
# The offset is the node's time less ours at receipt: a frame may wait on its way, but cannot come before it was made.
CLOCK_AHEAD_MS, CLOCK_BEHIND_MS = 2_000, 60_000
CLOCK_SYNCHRONISED = 3
RSSI_WEAK_DBM = -85  # below it a Wi-Fi node loses frames; LTE nodes report theirs on the same scale
RESTARTS_MANY = 3  # in a day: a supply or a defect, not a technician
INCOMPLETE = 0.95
_CLOCK_SOURCES = ("none", "rtc", "sntp", "technician", "bridge")
_NUMBER = re.compile(r"\d+")


class Count(NamedTuple):
    """Reports of a node that came, of windows that end when the last of them is overdue; and its boots in a day."""

    hour: int = 0
    day: int = 0
    boots: int = 0


def windows(now_ms: int, interval_s: int, first_seen: int | None, span_ms: int) -> tuple[int, int]:
    """Return (from, to) of the readings that should have come by now: what is not overdue is not missing.

    A node that was heard for the first time within the window is expected from then on.
    """
    to_ms = now_ms - STALE_REPORTS * interval_s * 1000
    return min(to_ms, max(to_ms - span_ms, first_seen or 0)), to_ms


def expected(now_ms: int, interval_s: int, first_seen: int | None, span_ms: int) -> int:
    """Return how many reports should have come of the window."""
    from_ms, to_ms = windows(now_ms, interval_s, first_seen, span_ms)
    return (to_ms - from_ms) // (interval_s * 1000)


def row(place: Record, faults: Sequence[Record], count: Count, counted_ms: int, now_ms: int) -> Record:
    """Return what the table shows of one place: a node and its station, a station where none stands, or a node that stands nowhere.

    `place` is a row of the store, `faults` are the node's latest readings as state_of takes them; `count` was made at `counted_ms`.
    """
    interval_s = place["report_interval_s"] or DEFAULT_REPORT_INTERVAL_S
    health: Record = json.loads(place["health"]) if place["health"] else {}
    heard = place["last_seen"] is not None
    due = {
        span: expected(counted_ms, interval_s, place["first_seen"], ms) if place["station"] else 0
        for span, ms in (("hour", HOUR_MS), ("day", DAY_MS))
    }
    source = dict(enumerate(_CLOCK_SOURCES)).get(health.get("clock_source", -1))
    found: Record = {
        "node": place["node"],
        "station": place["station"],
        "name": place["name"] or place["station"] or place["node"],
        "domain": place["domain"],
        "state": "empty" if place["node"] is None else state_of(place, faults, now_ms, interval_s),
        "report_interval_s": interval_s,
        "last_seen": iso(place["last_seen"]),
        "health_at": iso(place["health_at"]),
        "reports": {span: {"received": min(getattr(count, span), due[span]), "expected": due[span]} for span in due},
        "firmware": place["firmware"],
        "release": health.get("release"),
        "battery_mv": health.get("battery_mv"),
        "rssi": health.get("rssi"),
        "clock": place["clock"],
        "clock_source": source,
        "clock_offset_ms": place["clock_offset_ms"],
        "outbox_records": health.get("outbox_records"),
        "overwritten_records": health.get("overwritten_records"),
        "restarts": max(0, count.boots - 1) if heard else None,
        "uptime_s": None if health.get("uptime_ms") is None else health["uptime_ms"] // 1000,
    }
    return found | {"worries": worries(found, now_ms, place["last_seen"], interval_s)}


def worries(found: Record, now_ms: int, last_seen: int | None, interval_s: int) -> list[str]:
    """Return what somebody should look at, the gravest first."""
    ratio = share(found["reports"]["day"])
    battery, rssi, offset = found["battery_mv"], found["rssi"], found["clock_offset_ms"]
    silent = last_seen is None or now_ms - last_seen > STALE_REPORTS * interval_s * 1000
    tests = (
        ("empty", found["node"] is None),
        ("never", found["node"] is not None and last_seen is None),
        ("silent", last_seen is not None and silent and found["station"] is not None),
        ("fault", found["state"] == "fault"),
        ("battery", battery is not None and battery <= BATTERY_LOW_MV),
        ("overwritten", bool(found["overwritten_records"])),
        ("incomplete", last_seen is not None and ratio is not None and ratio < INCOMPLETE),
        ("clock", found["clock"] == 0 or (offset is not None and not -CLOCK_BEHIND_MS <= offset <= CLOCK_AHEAD_MS)),
        ("restarts", (found["restarts"] or 0) >= RESTARTS_MANY),
        ("rssi", rssi is not None and rssi < RSSI_WEAK_DBM),
    )
    return [name for name, holds in tests if holds]


def share(reports: Mapping[str, int]) -> float | None:
    """Return received of expected, None where nothing was expected."""
    return reports["received"] / reports["expected"] if reports["expected"] else None


def version(found: Record) -> tuple[int, tuple[int, ...]]:
    """Return what orders the firmware of nodes: the release, which only grows, before the numbers of the version."""
    return found["release"] or 0, tuple(int(part) for part in _NUMBER.findall(found["firmware"] or "")[:4])


def with_behind(rows: list[Record]) -> list[Record]:
    """Return the rows, with the worry "behind" where a node runs older firmware than another."""
    newest = max((version(one) for one in rows if one["firmware"]), default=None)
    return [
        one | {"worries": [*one["worries"], "behind"]} if one["firmware"] and version(one) != newest else one
        for one in rows
    ]


def firmware(rows: Iterable[Record]) -> list[Record]:
    """Return the versions, the newest first, with how many nodes run each and which, where they are behind."""
    by_version: dict[str, list[Record]] = {}
    for one in rows:
        if one["firmware"]:
            by_version.setdefault(one["firmware"], []).append(one)
    newest_first = sorted(by_version, key=lambda name: max(map(version, by_version[name])), reverse=True)
    return [
        {"version": name, "nodes": len(by_version[name]), "behind": sum("behind" in n["worries"] for n in by_version[name])}
        for name in newest_first
    ]  # fmt: skip


def totals(rows: Sequence[Record]) -> Record:
    """Return what the city adds up to. Expected is what the registry says: a place where no node stands, or none that ever spoke, too."""
    placed = [one for one in rows if one["station"] is not None]
    said = [one["state"] for one in placed]
    silent = sum(any(name in one["worries"] for name in ("empty", "never", "silent")) for one in placed)
    return {
        "expected": len(placed),
        "reporting": len(placed) - silent,
        "states": {state: said.count(state) for state in (*STATES, "empty")},
        "never": sum("never" in one["worries"] for one in placed),
        "reports": {
            span: {kind: sum(one["reports"][span][kind] for one in placed) for kind in ("received", "expected")}
            for span in ("hour", "day")
        },
        "waiting_records": sum(one["outbox_records"] or 0 for one in rows),
        "overwritten_records": sum(one["overwritten_records"] or 0 for one in rows),
    }


_URL = re.compile(r"\b[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE)
_PATH = re.compile(r"(?<![\w.<])~?/[^\s,;:()'\"]+")
_MAIL = re.compile(r"\S+@\S+")
_IP4 = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?\b")
_IP6 = re.compile(r"\[?(?<![\w:])(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}(?![\w:])\]?(?::\d{1,5})?", re.IGNORECASE)
_HOST = re.compile(r"\b(?:localhost|[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z][a-z0-9-]+)(?::\d{1,5})?\b", re.IGNORECASE)
_HOST_PORT = re.compile(r"\b[a-z0-9][a-z0-9-]*:\d{2,5}\b", re.IGNORECASE)
_SERVER = re.compile(r"\b(host ?name|host|server(?: at)?|address|device|database|user)\s+(['\"]?)[\w.:-]*[\d.:\"'-][\w.:-]*\2", re.IGNORECASE)  # fmt: skip
_LEFT = re.compile(r"['\"]?…[…'\"]*")
_OURS = (".toml", ".conf", ".json", ".sqlite3", ".md")  # files that every Pantau has: what to do often names one


def redacted(problem: str) -> str:
    """Return a problem as the public may read it: without paths, addresses, hosts and accounts."""
    text = problem
    for pattern in (_URL, _MAIL, _PATH, _IP4, _IP6):
        text = pattern.sub("…", text)
    text = _HOST.sub(lambda found: found[0] if found[0].lower().endswith(_OURS) else "…", text)
    text = _HOST_PORT.sub("…", text)
    return _LEFT.sub("…", _SERVER.sub(lambda found: f"{found[1]} …", text))
