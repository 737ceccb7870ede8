"""A notice for machines: the JSON that webhook and MQTT carry. notice.schema.json says what it may hold."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pantau.alerts.desk import CITY
from pantau.alerts.rules import SEVERITIES
from pantau.notify import GATHERED, TEST

if TYPE_CHECKING:
    from pantau.notify import Notice, Place

FORMAT = 1


def document(notice: Notice) -> dict[str, Any]:
    """Return the notice; of a gathered one its members stand in `notices`, each as it would be alone."""
    found: dict[str, Any] = {
        "format": FORMAT,
        "id": notice.key,
        "type": notice.action if notice.action == TEST else f"alert.{notice.action}",
        "timestamp": iso(notice.decision.decided_ms),
        "test": notice.test,
        "late": notice.late,
        "superseded": notice.superseded,
        "severity": SEVERITIES[notice.severity],
        "text": {"en": notice.english, "id": notice.indonesian},
        "link": notice.link,
    }
    if notice.action == GATHERED:
        return found | {"notices": [document(member) for member in notice.members]}
    return found | {"alert": _alert(notice), "place": _place(notice.place), "decision": _decision(notice)}


def without_names(notice: Notice) -> Notice:
    """Return the notice without the names of staff, for whoever may be no staff."""
    by, alert = notice.decision.by, notice.alert
    english, indonesian = notice.english, notice.indonesian
    if by:
        english, indonesian = english.replace(f" by {by}:", ":"), indonesian.replace(f" oleh {by}:", ":")
    return notice._replace(
        english=english, indonesian=indonesian, decision=notice.decision._replace(by=""),
        alert=alert._replace(acknowledged_by="", shelved_by=""),
    )  # fmt: skip


def iso(at_ms: int | None) -> str | None:
    """Return Unix ms UTC as RFC 3339, None for none."""
    if at_ms is None:
        return None
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _alert(notice: Notice) -> dict[str, Any]:
    alert = notice.alert
    return {
        "id": alert.id,
        "rule": alert.rule,
        "kind": alert.kind,
        "node": alert.part or None,
        "state": "ended" if notice.ended else "open",
        "severity": SEVERITIES[alert.severity],
        "worst": SEVERITIES[alert.worst],
        "level": {"en": alert.level, "id": alert.level_id},
        "confirmed": alert.confirmed,
        "muted": alert.muted,
        "opened_at": iso(alert.opened_ms),
        "closed_at": iso(alert.closed_ms),
        "acknowledged_at": iso(alert.acknowledged_ms),
        "acknowledged_by": alert.acknowledged_by,
        "shelved_until": iso(alert.shelved_until_ms),
    }


def _place(place: Place) -> dict[str, Any]:
    return {
        "station": None if place.id == CITY else place.id,
        "name": place.name,
        "domain": place.domain or None,
        "latitude": place.latitude,
        "longitude": place.longitude,
        "kemendagri": place.kemendagri,
    }


def _decision(notice: Notice) -> dict[str, Any]:
    entry = notice.decision
    figures = [
        {name: figure[name] for name in ("value", "quality", "reason", "node")} | {"observed_at": iso(figure["at_ms"])}
        for figure in entry.explanation["figures"]
    ]
    return {
        "number": entry.number,
        "action": entry.action,
        "observed_at": iso(entry.at_ms),
        "decided_at": iso(entry.decided_ms),
        "by": entry.by,
        "figures": figures,
        "limits": entry.explanation["limits"],
    }
