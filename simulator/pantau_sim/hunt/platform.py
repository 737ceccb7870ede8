"""Invariants of the platform: the city store holds the log's observations once and dated right, and alerts make sense."""

from __future__ import annotations

import tomllib
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from pantau.alerts.desk import CITY
from pantau.decode import Decoder
from pantau.model import StoredFrame
from pantau.registry.file import read
from pantau_sim.hunt.held import most_held
from pantau_sim.run.instants import instant_s
from pantau_wire import frame as wire
from pantau_wire import names as T

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pantau.model import Observation
    from pantau_sim.hunt.evidence import Evidence
    from pantau_sim.run.outcome import Raised

    Key = tuple[str, int, int, int, str]

_HOST_ONLY = 128  # ids from here on are derived behind the decoder
_NEAR = 1e-9
_SYNCED, _SYNCED_MS = 3, 1500  # what it promises is a second; dates are whole seconds
_COARSE_MS = 600_500  # timekeeper.WORST_MS: with a worse time a node dates nothing
_QUALITIES = frozenset({1, 2, 3, 4, 9})
_MISSING = 9
_STEP_US, _NEAR_M = 20_000_000, 0.1
_LATE_US = 3_600_000_000
_BEGIN, _END = frozenset({"open", "reopen"}), frozenset({"clear", "withdraw"})


def city_holds_the_log(evidence: Evidence) -> Iterator[str]:
    """The city store holds each observation of each stored frame once, with its value, and no other of what nodes measure."""
    own = {row[0] for ident, row in T.PROPERTIES.items() if ident < _HOST_ONLY}
    due = _observations(evidence)
    seen: set[Key] = set()
    for row in evidence.rows:
        key = row[:5]
        if row.property not in own and key not in due:
            continue
        if key in seen:
            yield f"{row}: twice"
        seen.add(key)
        made = due.get(key)
        if made is None:
            yield f"{row}: is {row.value}, and no frame says so"
        elif not _same(made.value, row.value):
            yield f"{row}: is {row.value}, the frame says {made.value}"
        elif made.observed_at_ms is not None and made.observed_at_ms != row.observed_ms:
            yield f"{row}: dated {row.observed_ms}, the frame says {made.observed_at_ms}"
    for key in sorted(due.keys() - seen):
        yield f"{key} is not in the city store"


def _observations(evidence: Evidence) -> dict[Key, Observation]:
    registry = read(tomllib.loads(evidence.plan.registry), Path("registry.toml"))
    decoder = Decoder(registry)
    found = {}
    for kept, f in evidence.frames:
        stored = StoredFrame(0, kept.node, f.boot, f.seq, kept.received_ms, kept.payload)
        found.update({seen.key: seen for seen in decoder.decode(stored).observations})
    return found


def _same(made: float | None, stored: float | None) -> bool:
    return made is stored if made is None or stored is None else abs(made - stored) < _NEAR


def dates_are_true(evidence: Evidence) -> Iterator[str]:
    """A date is within what its clock quality promises of the instant; the mapping that health frames tell is, too."""
    for kept, f in evidence.frames:
        lives = evidence.outcome.nodes[kept.node].lives
        if not f.clock or not 1 <= f.boot <= len(lives):
            continue
        start_ms = lives[f.boot - 1][0] / 1000
        most_ms = _SYNCED_MS if f.clock == _SYNCED else _COARSE_MS
        where = f"{kept.node} boot {f.boot} seq {f.seq}, clock {f.clock}"
        if f.kind == T.K_HEALTH and "utc_ms" in f.fields:
            off_ms = f.fields["utc_ms"] - f.fields["uptime_ms"] - start_ms
            if abs(off_ms) > most_ms:
                yield f"{where}: the mapping is {off_ms / 1000:.1f} s off"
        elif f.kind == T.K_RECORDS:
            offsets = f.columns.get(T.TIME_OFFSET)
            interval_s = evidence.nodes[kept.node].config["sampling"]["interval_s"]
            for index, time_s in enumerate(wire.times(f)):
                uptime_s = time_s - start_ms / 1000 - (offsets[0][index] if offsets else 0)
                off_s = uptime_s - instant_s(uptime_s, interval_s)
                if abs(off_s) > most_ms / 1000:
                    yield f"{where} record {index}: {off_s:.1f} s off"
    for row in evidence.rows:
        lives = evidence.outcome.nodes[row.node].lives
        if row.dated_later and row.observed_ms is not None and row.uptime_ms is not None and row.boot <= len(lives):
            off_ms = row.observed_ms - row.uptime_ms - lives[row.boot - 1][0] / 1000
            if abs(off_ms) > _COARSE_MS:
                yield f"{row}: dated later, {off_ms / 1000:.1f} s off"


def undated_is_dated(evidence: Evidence) -> Iterator[str]:
    """Once a boot's mapping is known, nothing of that boot is without a date."""
    known = {
        (kept.node, f.boot)
        for kept, f in evidence.frames
        if f.kind == T.K_HEALTH and f.clock and {"utc_ms", "uptime_ms"} <= f.fields.keys()
    }
    for row in evidence.rows:
        if row.observed_ms is None and (row.node, row.boot) in known:
            yield f"{row}: without a date, and its boot's mapping is known"


def flags_not_sentinels(evidence: Evidence) -> Iterator[str]:
    """Every reading has a flag of QARTOD's; what is missing says so, and only that has no value."""
    for row in evidence.rows:
        if row.quality not in _QUALITIES:
            yield f"{row}: quality {row.quality}"
        elif row.quality == _MISSING and row.value is not None:
            yield f"{row}: missing, and {row.value}"
        elif row.value is None and row.quality == 1:
            yield f"{row}: good, and no value"


def alerts_make_sense(evidence: Evidence) -> Iterator[str]:
    """An alert is of a station that is there and can have it, begins, ends as often as it began but for what stands, and stands once."""
    plan = evidence.plan
    stations = {node.station: node for node in plan.nodes}
    by_alert: dict[int, list[Raised]] = defaultdict(list)
    for raised in evidence.outcome.decisions():
        by_alert[raised.alert.id].append(raised)
        if not plan.start_us // 1000 <= raised.entry.decided_ms <= plan.end_us // 1000:
            yield f"alert {raised.alert.id}: decided at {raised.entry.decided_ms}, outside of the run"
    standing: set[tuple[str, str, str, bool]] = set()
    for number, decisions in by_alert.items():
        alert = decisions[0].alert
        what = f"alert {number}, {alert.rule} at {alert.station}"
        if alert.station not in {*stations, CITY}:
            yield f"{what}: there is no such station"
        elif alert.rule == "node-alarm" and stations[alert.station].domain != "flood":
            yield f"{what}: its node watches no water"
        actions = [raised.entry.action for raised in decisions]
        stands = alert.closed_ms is None
        began, ended = (sum(action in some for action in actions) for some in (_BEGIN, _END))
        if actions[0] != "open" or began - ended != stands:
            yield f"{what}: {', '.join(actions)}; it {'stands' if stands else 'is closed'}"
        key = (alert.rule, alert.station, alert.part, alert.past)
        if stands and key in standing:
            yield f"{what}: stands twice"
        standing.update({key} if stands else ())


def no_siaga_on_dry_ground(evidence: Evidence) -> Iterator[str]:
    """No state is told that the water never came near to, where nothing deceives the sensor and nobody else speaks for it."""
    plan = evidence.plan
    if evidence.strangers("conflicter"):
        return
    deceived = {span.station for span in plan.ailments} | {
        span.station for span in plan.faults if span.kind == "sensor"
    }
    levels = {
        station["id"]: station["flood"]["siaga_3"]
        for station in tomllib.loads(plan.registry)["station"]
        if "flood" in station
    }
    for raised in evidence.outcome.decisions():
        name = raised.alert.station
        if raised.alert.rule == "siaga" and name in levels and not deceived & {name, None}:
            truth = evidence.outcome.world.station(name)
            top_m = max(truth("water_level", at_us / 1e6) for at_us in range(plan.start_us, plan.end_us, _STEP_US))
            if top_m < levels[name] - _NEAR_M:
                yield f"{name}: {raised.entry.english}, and the water came to {top_m:.2f} m"


def nobody_is_late_at_the_end(evidence: Evidence) -> Iterator[str]:
    """After an hour without faults nobody is said to be silent."""
    plan = evidence.plan
    if plan.end_us - plan.calm_us < _LATE_US or evidence.strangers("conflicter"):
        return
    drained = all(most_held(plan, node) is not None for node in plan.nodes)
    for raised in {one.alert.id: one for one in evidence.outcome.decisions()}.values():
        if drained and raised.alert.rule == "late" and raised.alert.closed_ms is None:
            yield f"{raised.alert.station} is late since {raised.alert.opened_ms}: {raised.entry.english}"
