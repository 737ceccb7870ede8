"""What the bridge's figures come to for a person: tiles with a level, the worst first, and a word of what to do. Pure.

Limits are those of `pantau bridge status` (ops/view.py) and of the Prometheus rules that ship (ops/dashboard.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pantau.web import network
from pantau.web.geojson import iso

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from pantau.ops.snapshot import Figures

    Record = dict[str, Any]

Level = Literal["bad", "watch", "unknown", "good"]
LEVELS: tuple[Level, ...] = ("bad", "watch", "unknown", "good")  # worst first
_OFFLINE_MANY = 0.1  # PantauNodesOffline: a broker, a network or a power cut rather than nodes
_OFFLINE_LEAST = 3  # of a handful of nodes one is a tenth, and still only one
_COMPLETE_LEAST = 0.75  # what indices ask of their inputs: below it they are not given
_SPOOL_HIGH = 0.9
_DISK_LOW = 0.1
_COMMIT_SLOW_S = 0.05
_SINK_LAG_S = 600
_CERTIFICATE_S = 30 * 86_400
_BACKUP_S = 2 * 86_400
_NOTICE_LATE_S = 60  # an alert is out within seconds: what is due for a minute is late


def tile(name: str, level: Level, advice: str, *figures: Record, at: str | None = None) -> Record:
    """Return one tile. `at` is when its figure was true, None for now; `advice` names the words of what to do."""
    return {"id": name, "level": level, "advice": advice, "at": at, "figures": list(figures)}


def figure(name: str, value: float | None, unit: str, of: float | None = None, about: str | None = None) -> Record:
    """Return a number with its unit; `of` is the whole it is a part of, `about` the node or sink that it is of."""
    return {"name": name, "value": value, "unit": unit, "of": of, "about": about}


def tiles(seen: Figures, snapshot: Mapping[str, Any], rows: Sequence[Record], totals: Record, counted_at: str | None, now_ms: int) -> list[Record]:  # fmt: skip
    """Return all tiles that there are figures for, the worst first, of equal ones in reading order.

    `counted_at` is when completeness was counted.
    """
    of_nodes: tuple[Callable[[Sequence[Record]], Record | None], ...] = (_batteries, _clocks, _outbox, _firmware, _restarts, _radio)  # fmt: skip
    found = [
        _reporting(totals),
        _complete(totals, counted_at),
        _rate(snapshot["rates"]),
        _broker(seen, snapshot["broker"]),
        _spool(snapshot["spool"]),
        _disk(snapshot["disk"]),
        _commits(snapshot["commit"]),
        _sinks(seen, snapshot["sinks"]),
        _quarantine(snapshot["quarantine"]),
        _notices(seen),
        *(judge(rows) for judge in of_nodes),
        _certificates(seen),
        _backup(seen, now_ms),
    ]
    there = [one for one in found if one is not None]
    return sorted(there, key=lambda one: LEVELS.index(one["level"]))


def _reporting(totals: Record) -> Record:
    expected, reporting = totals["expected"], totals["reporting"]
    states = totals["states"]
    gone = states["offline"] + states["empty"]
    many = gone >= _OFFLINE_LEAST and gone > _OFFLINE_MANY * expected
    level: Level = "unknown" if not expected else "bad" if many else "watch" if reporting < expected else "good"
    advice = {"unknown": "none", "bad": "many", "watch": "few", "good": "all"}[level]
    return tile(
        "reporting", level, advice, figure("reporting", reporting, "nodes", expected),
        figure("offline", states["offline"], "nodes"), figure("never", totals["never"], "nodes"),
        figure("empty", states["empty"], "stations"),
    )  # fmt: skip


def _complete(totals: Record, counted_at: str | None) -> Record:
    reports = totals["reports"]
    shares = [share for span in ("hour", "day") if (share := network.share(reports[span])) is not None]
    worst = min(shares, default=None)
    if worst is None:
        return tile("complete", "unknown", "none", figure("hour", None, "ratio"))
    level: Level = "bad" if worst < _COMPLETE_LEAST else "watch" if worst < network.INCOMPLETE else "good"
    advice = "all" if level == "good" else "waiting" if totals["waiting_records"] else "missing"
    figures = [
        figure(span, network.share(reports[span]), "ratio", reports[span]["expected"]) for span in ("hour", "day")
    ]
    return tile(
        "complete", level, advice, *figures, figure("waiting", totals["waiting_records"], "records"), at=counted_at
    )


def _rate(rates: Mapping[str, float | None]) -> Record:
    frames = rates["frames_per_s"]
    known = frames is not None
    return tile(
        "rate", "good" if frames else "watch" if known else "unknown", "flow" if frames else "none" if known else "soon",
        figure("frames", frames, "per_s"), figure("observations", rates["observations_per_s"], "per_s"),
        figure("over", rates["over_s"], "s"),
    )  # fmt: skip


def _broker(seen: Figures, broker: Mapping[str, Any]) -> Record | None:
    if seen.one("broker_connected") is None:
        return None  # no source of this kind
    up = broker["connected"]
    return tile(
        "broker", "good" if up else "bad", "up" if up else "down", figure("sessions", broker["partitions"], "sessions"),
        figure("reconnects", broker["reconnects"], "times"),
    )  # fmt: skip


def _spool(spool: Mapping[str, float | None]) -> Record | None:
    used = spool["used_ratio"]
    if used is None:
        return None
    high = used > _SPOOL_HIGH
    return tile(
        "spool", "bad" if high else "good", "full" if high else "room", figure("used", used, "ratio"),
        figure("bytes", spool["bytes"], "bytes", spool["limit_bytes"]), figure("oldest", spool["oldest_s"], "s"),
    )  # fmt: skip


def _disk(disk: Mapping[str, float | None]) -> Record | None:
    free, size = disk["free_bytes"], disk["size_bytes"]
    if free is None or not size:
        return None
    low = free < _DISK_LOW * size
    return tile("disk", "bad" if low else "good", "low" if low else "room", figure("free", free, "bytes", size))


def _commits(commit: Mapping[str, float | None]) -> Record | None:
    p99, failures = commit["p99_s"], commit["failures"]
    if p99 is None:
        return None
    level: Level = "watch" if failures or p99 > _COMMIT_SLOW_S else "good"
    advice = "refused" if failures else "slow" if level == "watch" else "quick"
    return tile("commits", level, advice, figure("p99", p99, "s"), figure("failures", failures, "times"))


def _sinks(seen: Figures, sinks: Sequence[Mapping[str, Any]]) -> Record | None:
    if not sinks:
        return None
    working = seen.by("sink_working", "sink")
    down = [one["name"] for one in sinks if working.get(one["name"], 1) == 0]
    lags = [(one["lag_s"] or 0.0, one["lag_frames"] or 0.0, one["name"]) for one in sinks]
    lag_s, lag_frames, slowest = max(lags)
    level: Level = "bad" if down else "watch" if lag_s > _SINK_LAG_S else "good"
    advice = {"bad": "down", "watch": "lags"}.get(level, "up")
    return tile(
        "sinks", level, advice, figure("working", len(sinks) - len(down), "sinks", len(sinks)),
        figure("down", len(down) or None, "sinks", None, ", ".join(down[:3]) or None),
        figure("lag", lag_s, "s", None, slowest if lag_s else None),
        figure("behind", lag_frames, "frames", None, slowest if lag_frames else None),
    )  # fmt: skip


def _quarantine(kept: Mapping[str, Any]) -> Record | None:
    entries = kept["entries"]
    if entries is None:
        return None
    return tile(
        "quarantine", "watch" if entries else "good", "look" if entries else "empty",
        figure("entries", entries, "messages"), figure("dropped", kept["dropped"], "messages"),
    )  # fmt: skip


def _notices(seen: Figures) -> Record | None:
    channels = notices(seen)
    if not channels:
        return None
    failed = sum(one["failed"] or 0 for one in channels)
    waiting = sum(one["waiting"] or 0 for one in channels)
    first = channels[0]  # the one in trouble, else the one that is farthest behind
    late = (first["oldest_s"] or 0) > _NOTICE_LATE_S
    level: Level = "bad" if not first["working"] else "watch" if late or failed else "good"
    advice = {"bad": "down", "watch": "waiting" if late else "failed"}.get(level, "sent")
    worst_failed = max(channels, key=lambda one: one["failed"] or 0)["channel"] if failed else None
    return tile(
        "notices", level, advice, figure("waiting", waiting, "notices", None, first["channel"] if waiting else None),
        figure("oldest", first["oldest_s"] if waiting else None, "s"), figure("failed", failed, "notices", None, worst_failed),
    )  # fmt: skip


def notices(seen: Figures) -> list[Record]:
    """Return the ways to people, those in trouble first: what waits and for how long, what was told, and what no try could."""
    columns = {
        "waiting": seen.by("notices_waiting", "channel"),
        "oldest_s": seen.by("notices_oldest_seconds", "channel"),
        "sent": seen.by("notices_sent_total", "channel"),
        "failed": seen.by("notices_failed_total", "channel"),
    }
    works = seen.by("notice_channel_working", "channel")
    found = [
        {"channel": name, "working": works.get(name, 1) != 0} | {key: by.get(name) for key, by in columns.items()}
        for name in sorted({channel for by in columns.values() for channel in by})
    ]
    return sorted(found, key=lambda one: (one["working"], -(one["oldest_s"] or 0)))


def _batteries(rows: Sequence[Record]) -> Record | None:
    told = sorted((one["battery_mv"], one["node"], one["health_at"]) for one in rows if one["battery_mv"] is not None)
    if not told:
        return None
    low = sum(mv <= network.BATTERY_LOW_MV for mv, _, _ in told)
    least, node, at = told[0]
    level: Level = "bad" if least <= network.BATTERY_EMPTY_MV else "watch" if low else "good"
    return tile(
        "batteries", level, "change" if low else "full", figure("lowest", least / 1000, "V", None, node),
        figure("low", low, "nodes", len(told)), at=at,
    )  # fmt: skip


def _clocks(rows: Sequence[Record]) -> Record | None:
    told = [one for one in rows if one["clock"] is not None]
    if not told:
        return None
    right = sum(one["clock"] >= network.CLOCK_SYNCHRONISED for one in told)
    wrong = sum("clock" in one["worries"] for one in told)
    worst = max((one for one in told if one["clock_offset_ms"] is not None), key=lambda one: abs(one["clock_offset_ms"]), default=None)  # fmt: skip
    figures = [figure("synchronised", right, "nodes", len(told))]
    if worst is not None:
        figures.append(figure("offset", worst["clock_offset_ms"] / 1000, "s", None, worst["node"]))
    return tile("clocks", "watch" if wrong else "good", "wrong" if wrong else "right", *figures)


def _outbox(rows: Sequence[Record]) -> Record | None:
    told = [one for one in rows if one["outbox_records"] is not None]
    if not told:
        return None
    most = max(told, key=lambda one: one["outbox_records"])
    lost = sum(one["overwritten_records"] or 0 for one in told)
    return tile(
        "outbox", "watch" if lost else "good", "lost" if lost else "kept",
        figure("overwritten", lost, "records"), figure("waiting", sum(one["outbox_records"] for one in told), "records"),
        figure("most", most["outbox_records"], "records", None, most["node"]), at=most["health_at"],
    )  # fmt: skip


def _firmware(rows: Sequence[Record]) -> Record | None:
    told = [one for one in rows if one["firmware"]]
    if not told:
        return None
    behind = sum("behind" in one["worries"] for one in told)
    return tile(
        "firmware", "watch" if behind else "good", "behind" if behind else "same",
        figure("newest", len(told) - behind, "nodes", len(told)), figure("behind", behind, "nodes"),
    )  # fmt: skip


def _restarts(rows: Sequence[Record]) -> Record | None:
    told = [one for one in rows if one["restarts"] is not None]
    if not told:
        return None
    most = max(told, key=lambda one: one["restarts"])
    many = sum("restarts" in one["worries"] for one in told)
    return tile(
        "restarts", "watch" if many else "good", "many" if many else "few",
        figure("day", sum(one["restarts"] for one in told), "times"),
        figure("most", most["restarts"], "times", None, most["node"] if most["restarts"] else None),
    )  # fmt: skip


def _radio(rows: Sequence[Record]) -> Record | None:
    told = sorted((one["rssi"], one["node"], one["health_at"]) for one in rows if one["rssi"] is not None)
    if not told:
        return None
    weak = sum(rssi < network.RSSI_WEAK_DBM for rssi, _, _ in told)
    least, node, at = told[0]
    return tile(
        "radio", "watch" if weak else "good", "weak" if weak else "strong", figure("weakest", least, "dBm", None, node),
        figure("weak", weak, "nodes", len(told)), at=at,
    )  # fmt: skip


def certificates(seen: Figures, now_ms: int) -> list[Record]:
    """Return the certificates that the bridge looks at, the first that ends first."""
    left = sorted((left_s, of) for of, left_s in seen.by("certificate_expires_seconds", "of").items())
    return [{"of": of, "left_s": round(left_s), "ends_at": iso(now_ms + round(left_s * 1000))} for left_s, of in left]


def _certificates(seen: Figures) -> Record | None:
    left = [(left_s, of) for of, left_s in seen.by("certificate_expires_seconds", "of").items()]
    if not left:
        return None
    left_s, of = min(left)
    level: Level = "bad" if left_s <= 0 else "watch" if left_s < _CERTIFICATE_S else "good"
    advice = {"bad": "ended", "watch": "soon"}.get(level, "valid")
    return tile("certificates", level, advice, figure("left", max(0, left_s), "s", None, of))


def _backup(seen: Figures, now_ms: int) -> Record | None:
    at_s = seen.one("backup_time_seconds")
    if at_s is None:
        return None
    age_s = now_ms / 1000 - at_s if at_s else None
    level: Level = "watch" if age_s is None or age_s > _BACKUP_S else "good"
    return tile("backup", level, "never" if age_s is None else "old" if level == "watch" else "done", figure("age", age_s, "s"))  # fmt: skip


def sinks(seen: Figures, snapshot: Iterable[Mapping[str, Any]], problems: Iterable[str]) -> list[Record]:
    """Return the sinks with whether each works, and its trouble in the bridge's words; those in trouble first."""
    working = seen.by("sink_working", "sink")
    said = list(problems)
    found = []
    for one in snapshot:
        about = (f"sink {one['name']}: ", f"sink {one['name']} ")
        trouble = next((text.removeprefix(about[0]) for text in said if text.startswith(about)), None)
        works = working.get(one["name"])
        ok = trouble is None and works != 0
        found.append({**one, "working": ok, "trouble": trouble})
    return sorted(found, key=lambda one: (one["working"], -(one["lag_s"] or 0), one["name"]))
