"""From a run to the chart of it: truth from the world, readings and decisions from the stores."""

from __future__ import annotations

import tomllib
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from pantau.registry.file import read
from pantau_sim.plot.model import Band, Chart, Event, Kind, Lane, Place
from pantau_sim.plot.panels import panels
from pantau_sim.plot.words import say

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pantau.registry.model import Registry
    from pantau_sim.plot.words import Lang
    from pantau_sim.run.outcome import Outcome, Raised
    from pantau_sim.scenario.plan import Span

MOST = 6  # stations that a picture shows when none is named
_ENDS = frozenset({"clear", "withdraw"})
_CITY = "*"  # the station of alerts that gather many


class PlotError(Exception):
    """What was asked for cannot be drawn; the text says why and what to do."""


def pick(outcome: Outcome) -> list[str]:
    """Return the stations to show when none is named: those with most alerts, then as the scenario has them."""
    decided = Counter(raised.alert.station for raised in outcome.decisions())
    ids = [site.id for site in outcome.plan.world.sites]
    chosen = sorted(ids, key=lambda name: (-decided[name], ids.index(name)))[:MOST]
    return sorted(chosen, key=ids.index)


def chart(outcome: Outcome, stations: Sequence[str], lang: Lang) -> Chart:
    """Return the chart of some stations, or of those that `pick` picks. PlotError names the known ones."""
    plan = outcome.plan
    registry = read(tomllib.loads(plan.registry), Path("registry.toml"))
    shown = list(stations) or pick(outcome)
    for name in shown:
        if name not in registry.stations:
            known = ", ".join(sorted(registry.stations))
            raise PlotError(f"{plan.name} has no station {name!r}; it has: {known}")
    start_ms, end_ms = plan.start_us // 1000, plan.end_us // 1000
    here: set[str | None] = {*shown, None}
    marks = [
        *((span, "fault") for span in outcome.faults),
        *((span, "ailment") for span in plan.ailments),
        *((span, "client") for span in plan.clients),
    ]
    spans: list[tuple[Span, Kind]] = [(span, kind) for span, kind in marks if span.station in here]  # type: ignore[misc]
    raised = [r for r in outcome.decisions() if r.alert.station in {*shown, _CITY}]
    places = tuple(_place(outcome, registry, name, spans, raised, end_ms) for name in shown)
    return Chart(
        title=plan.title, name=plan.name, seed=plan.seed, start_ms=start_ms, end_ms=end_ms, places=places,
        lanes=(*_alerts(raised, _CITY, end_ms), *_lanes(spans, None)),
        events=tuple(sorted([*_told(raised, lang), *_happened(spans, end_ms, lang)])),
    )  # fmt: skip


def _place(
    outcome: Outcome,
    registry: Registry,
    name: str,
    spans: Sequence[tuple[Span, Kind]],
    raised: Sequence[Raised],
    end_ms: int,
) -> Place:
    station = registry.stations[name]
    lanes = (*_alerts(raised, name, end_ms), *_lanes(spans, name))
    return Place(name, station.name, panels(outcome, station), lanes)


def _alerts(raised: Sequence[Raised], station: str, end_ms: int) -> list[Lane]:
    """Return one lane a rule, in order of the first decision: a band from each change of severity to the next."""
    lanes: dict[str, list[Band]] = {}
    open_: dict[int, Band] = {}
    for alert, entry in raised:
        if alert.station != station:
            continue
        bands = lanes.setdefault(alert.rule, [])
        before = open_.pop(alert.id, None)
        if before is not None:
            bands.append(before._replace(end_ms=entry.decided_ms))
        if entry.action not in _ENDS:
            severity = entry.severity
            if before is not None and before.severity == severity:
                bands.pop()
                open_[alert.id] = before
            else:
                open_[alert.id] = Band(entry.decided_ms, end_ms, severity, entry.past)
    for alert, _entry in raised:
        if alert.station == station and (left := open_.pop(alert.id, None)) is not None:
            lanes[alert.rule].append(left)
    return [Lane("alert", rule, tuple(sorted(bands))) for rule, bands in lanes.items()]


def _lanes(spans: Iterable[tuple[Span, Kind]], station: str | None) -> list[Lane]:
    lanes: dict[tuple[Kind, str], list[Band]] = {}
    for span, kind in spans:
        if span.station == station:
            lanes.setdefault((kind, span.kind), []).append(Band(span.start_us // 1000, span.end_us // 1000))
    return [Lane(kind, name, tuple(sorted(bands))) for (kind, name), bands in sorted(lanes.items())]


def _told(raised: Iterable[Raised], lang: Lang) -> list[Event]:
    return [
        Event(entry.decided_ms, alert.station, "alert", entry.indonesian if lang == "id" else entry.english)
        for alert, entry in raised
    ]


def _happened(spans: Iterable[tuple[Span, Kind]], end_ms: int, lang: Lang) -> list[Event]:
    events = []
    for span, kind in spans:
        name = " ".join(filter(None, (say(span.kind, lang), span.sensor, span.what)))
        for at_ms, how in ((span.start_us // 1000, "begins"), (span.end_us // 1000, "ends")):
            if at_ms < end_ms:
                events.append(Event(at_ms, span.station or _CITY, kind, f"{name}: {say(how, lang)}"))
    return events
