"""The state of a bridge as one JSON object: what `pantau bridge status --json` prints and bridge.sock answers. Pure.

Sizes in bytes, durations in seconds, dates as RFC 3339 UTC; null = not known. Fields are added, never renamed:

    format        1
    city, version, python, sqlite, started, now, uptime_s
    healthy       true while `problems` is empty
    problems      [text, each with what to do]
    rates         frames_per_s, observations_per_s, over_s: between two looks of the bridge at itself
    spool         bytes, limit_bytes, used_ratio, frames_through, oldest_s
    disk          free_bytes, size_bytes
    commit        p50_s, p99_s, commits, failures
    window        messages, in_flight, allows_frames_per_s
    acks          due, sent
    broker        connected, partitions, reconnects
    sinks         [name, lag_frames, lag_s, delivered, rejected]
    nodes         states {state: count}, delivered_ratio {worst, p5, median}, incomplete,
                  late [node, station, state, silent_s], worst first, at most 50
    quarantine    entries, dropped, refused {reason: messages since the start}
"""

from __future__ import annotations

import sqlite3
import sys
from collections import deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from pantau import __version__
from pantau.ops.figures import parse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FORMAT = 1
MAX_LATE = 50
_LOOKS = 13  # one each 5 s: rates over a minute at most
_FRAMES, _OBSERVATIONS = "frames_stored_total", "sink_observations_total"


class Late(NamedTuple):
    """A node that is silent beyond its interval: state "late" or "offline", None where it was never heard."""

    node: str
    station: str | None
    state: str
    silent_s: float | None


class Figures:
    """A view of {figure: number} by name and label."""

    def __init__(self, figures: Mapping[str, float]) -> None:
        self._by_name: dict[str, list[tuple[dict[str, str], float]]] = {}
        for figure, value in figures.items():
            name, labels = parse(figure)
            self._by_name.setdefault(name, []).append((labels, value))

    def one(self, name: str, **labels: str) -> float | None:
        """Return the figure with these labels, None when there is none."""
        return next((value for found, value in self._by_name.get(name, []) if found == labels), None)

    def by(self, name: str, label: str) -> dict[str, float]:
        """Return {value of the label: number}."""
        return {labels[label]: value for labels, value in self._by_name.get(name, []) if label in labels}

    def total(self, name: str) -> float | None:
        """Return the sum over all labels, None when there is none."""
        found = self._by_name.get(name)
        return sum(value for _, value in found) if found else None


class Rates:
    """Rates of counters between the newest look and the oldest of the last minute."""

    def __init__(self) -> None:
        self._looks: deque[tuple[float, float | None, float | None]] = deque(maxlen=_LOOKS)

    def look(self, figures: Mapping[str, float], at_s: float) -> None:
        """Note the counters at `at_s`, any monotonic seconds."""
        seen = Figures(figures)
        # Of several sinks the fastest says what the decoding comes to.
        observations = seen.by(_OBSERVATIONS, "sink")
        if observations:  # before the city process has spoken there is nothing to compare with
            self._looks.append((at_s, seen.one(_FRAMES), max(observations.values())))

    def now(self) -> dict[str, float | None]:
        """Return the rates; null until there were two looks."""
        if len(self._looks) < 2 or self._looks[-1][0] <= self._looks[0][0]:
            return {"frames_per_s": None, "observations_per_s": None, "over_s": None}
        (began, *first), (ended, *last) = self._looks[0], self._looks[-1]
        over_s = ended - began
        frames, observations = (
            None if a is None or b is None else round(max(0.0, b - a) / over_s, 2)
            for a, b in zip(first, last, strict=True)
        )
        return {"frames_per_s": frames, "observations_per_s": observations, "over_s": round(over_s, 1)}


def build(
    figures: Mapping[str, float],
    problems: Sequence[str],
    *,
    city: str,
    now_ms: int,
    rates: Mapping[str, float | None] | None = None,
    late: Sequence[Late] | None = None,
) -> dict[str, Any]:
    """Return the snapshot. `figures` are those of the metrics, `problems` what is wrong now."""
    seen = Figures(figures)
    started_ms = seen.one("start_time_ms")
    return {
        "format": FORMAT,
        "city": city,
        "version": __version__,
        "python": sys.version.split()[0],
        "sqlite": sqlite3.sqlite_version,
        "started": None if started_ms is None else _iso(started_ms),
        "now": _iso(now_ms),
        "uptime_s": None if started_ms is None else round((now_ms - started_ms) / 1000, 1),
        "healthy": not problems,
        "problems": list(problems),
        "rates": dict(rates or Rates().now()),
        **_bridge(seen),
        "sinks": _sinks(seen),
        "nodes": _nodes(seen, late),
        "quarantine": {
            "entries": seen.one("quarantine_entries"),
            "dropped": seen.one("quarantine_dropped_total"),
            "refused": seen.by("frames_refused_total", "reason"),
        },
    }


def _bridge(seen: Figures) -> dict[str, Any]:
    size, limit = seen.one("spool_bytes"), seen.one("spool_limit_bytes")
    return {
        "spool": {
            "bytes": size,
            "limit_bytes": limit,
            "used_ratio": None if size is None or not limit else round(size / limit, 4),
            "frames_through": seen.one("spool_last_id"),
            "oldest_s": seen.one("spool_oldest_seconds"),
        },
        "disk": {"free_bytes": seen.one("disk_free_bytes"), "size_bytes": seen.one("disk_size_bytes")},
        "commit": {
            "p50_s": seen.one("commit_seconds", quantile="0.5"),
            "p99_s": seen.one("commit_seconds", quantile="0.99"),
            "commits": seen.one("commits_total"),
            "failures": seen.one("commit_failures_total"),
        },
        "window": {
            "messages": seen.one("window_messages") or None,
            "in_flight": seen.one("inflight_messages"),
            "allows_frames_per_s": seen.one("window_frames_per_second"),
        },
        "acks": {"due": seen.one("acks_due"), "sent": seen.one("acks_sent_total")},
        "broker": {
            "connected": bool(seen.one("broker_connected")),
            "partitions": seen.one("partitions_connected"),
            "reconnects": seen.one("broker_reconnects_total"),
        },
    }


def _sinks(seen: Figures) -> list[dict[str, Any]]:
    lag_frames = seen.by("sink_lag_frames", "sink")
    return [
        {
            "name": name,
            "lag_frames": lag,
            "lag_s": seen.one("sink_lag_seconds", sink=name),
            "delivered": seen.one("sink_delivered_total", sink=name),
            "rejected": seen.one("sink_rejected_total", sink=name),
        }
        for name, lag in sorted(lag_frames.items())
    ]


def _nodes(seen: Figures, late: Sequence[Late] | None) -> dict[str, Any]:
    ratios = seen.by("nodes_delivered_ratio", "quantile")
    by_silence = sorted(late or (), key=lambda one: -(one.silent_s if one.silent_s is not None else float("inf")))
    return {
        "states": seen.by("nodes", "state"),
        "delivered_ratio": {"worst": ratios.get("0.0"), "p5": ratios.get("0.05"), "median": ratios.get("0.5")},
        "incomplete": seen.one("nodes_incomplete"),
        "late": None if late is None else [one._asdict() for one in by_silence[:MAX_LATE]],
    }


def _iso(at_ms: float) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
