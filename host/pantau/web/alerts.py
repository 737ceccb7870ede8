"""Alerts as the API says them: one record for the list, the page and its live stream. Pure but for the reader it is given."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple

from pantau.access.model import Role
from pantau.alerts import words
from pantau.alerts.desk import CITY
from pantau.alerts.reads import AlertReader
from pantau.alerts.rules import SEVERITIES
from pantau.web.geojson import iso
from pantau.web.query import RequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from pantau.alerts.reads import Entry, Listed


class Worst(NamedTuple):
    """The worst alert of a station that stands and is not shelved, muted or of the past."""

    severity: int
    alert: int


def record(listed: Listed, now_ms: int, role: Role) -> dict[str, Any]:
    """Return one alert. The public is not told who of the staff did what."""
    a = listed.alert
    staff = role > Role.PUBLIC
    text = words.Both(listed.english, listed.indonesian)
    if not staff:
        text = words.unsigned(text, a.acknowledged_by, a.shelved_by)
    return {
        "id": a.id,
        "rule": a.rule,
        "kind": a.kind,
        "station": None if a.station == CITY else a.station,
        "part": a.part or None,
        "severity": SEVERITIES[a.severity],
        "worst": SEVERITIES[a.worst],
        "level": a.level,
        "state": "closed" if a.closed_ms is not None else "shelved" if _shelved(listed, now_ms) else "open",
        "confirmed": a.confirmed,
        "muted": a.muted,
        "past": a.past,
        "opened_at": iso(a.opened_ms),
        "decided_at": iso(a.decided_ms),
        "closed_at": iso(a.closed_ms),
        "acknowledged_at": iso(a.acknowledged_ms),
        "acknowledged_by": a.acknowledged_by if staff else "",
        "shelved_until": iso(a.shelved_until_ms),
        "shelved_by": a.shelved_by if staff else "",
        "text": text._asdict(),
    }


def decision(entry: Entry, role: Role) -> dict[str, Any]:
    """Return one decision of an alert's log, with the figures and limits it rests on."""
    figures = [
        {name: value for name, value in figure.items() if name != "at_ms"} | {"observed_at": iso(figure["at_ms"])}
        for figure in entry.explanation["figures"]
    ]
    staff = role > Role.PUBLIC
    text = words.Both(entry.english, entry.indonesian)
    return {
        "number": entry.number,
        "action": entry.action,
        "severity": SEVERITIES[entry.severity],
        "observed_at": iso(entry.at_ms),
        "decided_at": iso(entry.decided_ms),
        "by": entry.by if staff else "",
        "text": (text if staff else words.unsigned(text, entry.by))._asdict(),
        "figures": figures,
        "limits": entry.explanation["limits"],
    }


def worst_of(listed: Iterable[Listed], now_ms: int) -> dict[str, Worst]:
    """Return by station the worst alert that calls for somebody."""
    worst: dict[str, Worst] = {}
    for one in listed:
        a = one.alert
        if not (a.past or a.muted or _shelved(one, now_ms)) and a.closed_ms is None:
            worst[a.station] = max(worst.get(a.station, Worst(0, 0)), Worst(a.severity, a.id))
    return worst


def _shelved(listed: Listed, now_ms: int) -> bool:
    until_ms = listed.alert.shelved_until_ms
    return until_ms is not None and until_ms > now_ms


class Desk:
    """Reads of one store of alerts from any thread, each on a connection of its own for the time it takes."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def ask(self, question: Callable[[AlertReader], Any]) -> Any:
        """Return what `question` finds. Raises sqlite3.Error, and RequestError for the file of another version."""
        try:
            reader = AlertReader(self._path)
        except RuntimeError as error:
            raise RequestError(503, "Alerts unavailable", str(error)) from None
        with closing(reader):
            return question(reader)
