"""Alerts: those that stand, those that were, why, and what staff does with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from pantau.access.model import Role, Who
from pantau.alerts.standing import BadOrderError, NotOpenError
from pantau.web import alerts
from pantau.web.gate import needs
from pantau.web.geojson import iso
from pantau.web.query import RequestError, only

if TYPE_CHECKING:
    from collections.abc import Callable

    from pantau.alerts.store import AlertStore
    from pantau.web.parts import Parts

_LARGEST = 2**53 - 1  # the greatest whole number that JavaScript keeps
_WEEK_MIN = 7 * 24 * 60
Severity = Literal["none", "minor", "moderate", "severe", "extreme"]
Number = Annotated[int, Path(ge=1, le=_LARGEST, description="Number of the alert", examples=[17])]


class Both(BaseModel):
    """One text in both languages."""

    en: str
    id: str


class AlertRecord(BaseModel):
    """One alert as it stands. Times are UTC; `station` is null where an alert gathers many."""

    id: int
    rule: str
    kind: str
    station: str | None
    part: str | None
    severity: Severity
    worst: Severity
    level: str
    state: Literal["open", "shelved", "closed"]
    confirmed: bool
    muted: bool
    past: bool
    opened_at: str | None
    decided_at: str | None
    closed_at: str | None
    acknowledged_at: str | None
    acknowledged_by: str = Field(description="Empty for the public")
    shelved_until: str | None
    shelved_by: str = Field(description="Empty for the public")
    text: Both


class DecisionRecord(BaseModel):
    """One decision about an alert with the readings and the limits it rests on."""

    number: int
    action: str
    severity: Severity
    observed_at: str | None
    decided_at: str | None
    by: str
    text: Both
    figures: list[dict[str, Any]]
    limits: dict[str, Any]


class AlertList(BaseModel):
    """Alerts in order; `next_before` is where an older page goes on."""

    now: str
    judged: bool = Field(description="False where this bridge judges no alerts")
    alerts: list[AlertRecord]
    next_before: int | None


class AlertStory(BaseModel):
    """An alert and every decision about it, the oldest first."""

    alert: AlertRecord
    decisions: list[DecisionRecord]


class Shelf(BaseModel):
    """For how long an alert is put aside."""

    model_config = ConfigDict(extra="forbid")
    minutes: Annotated[int, Field(ge=1, le=_WEEK_MIN, strict=True)]


def router(parts: Parts) -> APIRouter:
    """Return the routes."""
    api = APIRouter(prefix="/alerts", tags=["alerts"])
    reads = _Reads(parts)

    @api.get("", dependencies=[Depends(only("history", "before", "station", "limit"))])
    def listed(
        who: Annotated[Who, Depends(needs(Role.PUBLIC))],
        history: Annotated[bool, Query(description="Also those that ended, the newest first")] = False,
        before: Annotated[int | None, Query(ge=1, le=_LARGEST, description="With history: older than this one")] = None,
        station: Annotated[str | None, Query(max_length=64, description="With history: of this station only")] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 1000,
    ) -> AlertList:
        """Return open alerts, worst first and of those the newest; with `history` all, the newest first."""
        if not history and (before is not None or station is not None):
            wrong = {name: "needs history=true" for name, given in (("before", before), ("station", station)) if given}
            raise RequestError(400, "Bad parameters", "The request was not understood: see errors.", wrong)
        return reads.listed(who.role, before, station, limit, history=history)

    @api.get("/{number}")
    def story(number: Number, who: Annotated[Who, Depends(needs(Role.PUBLIC))]) -> AlertStory:
        """Return one alert with every decision about it."""
        return reads.story(number, who.role)

    @api.post("/{number}/acknowledge")
    def acknowledge(number: Number, who: Annotated[Who, Depends(needs(Role.OPERATOR))]) -> AlertStory:
        """Note that you have seen the alert and look after it."""
        return reads.change(
            number, who, "acknowledge", lambda store: store.acknowledge(number, who.name, parts.now_ms())
        )

    @api.post("/{number}/shelve")
    def shelve(number: Number, body: Shelf, who: Annotated[Who, Depends(needs(Role.OPERATOR))]) -> AlertStory:
        """Put the alert aside for a while; it comes back by itself."""
        now_ms = parts.now_ms()
        until_ms = now_ms + body.minutes * 60_000
        return reads.change(number, who, "shelve", lambda store: store.shelve(number, until_ms, who.name, now_ms))

    return api


class _Reads:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._desk = None if parts.alerts is None else alerts.Desk(parts.alerts.path)

    def listed(self, role: Role, before: int | None, station: str | None, limit: int, *, history: bool) -> AlertList:
        now_ms = self._parts.now_ms()
        now = str(iso(now_ms))
        if self._desk is None:
            return AlertList(now=now, judged=False, alerts=[], next_before=None)
        if history:
            found = self._desk.ask(lambda reader: reader.history(station=station, before=before, limit=limit))
        else:
            found = self._desk.ask(lambda reader: reader.open_alerts(limit))
        rows = [AlertRecord.model_validate(alerts.record(one, now_ms, role)) for one in found]
        older = rows[-1].id if history and len(rows) == limit else None
        return AlertList(now=now, judged=True, alerts=rows, next_before=older)

    def story(self, number: int, role: Role) -> AlertStory:
        found = None if self._desk is None else self._desk.ask(lambda reader: reader.alert(number))
        if self._desk is None or found is None:
            raise RequestError(404, "No such alert", f"There is no alert {number}, or none any more.")
        now_ms = self._parts.now_ms()
        decisions = self._desk.ask(lambda reader: reader.explain(number))
        return AlertStory(
            alert=AlertRecord.model_validate(alerts.record(found, now_ms, role)),
            decisions=[DecisionRecord.model_validate(alerts.decision(one, role)) for one in decisions],
        )

    def change(self, number: int, who: Who, action: str, act: Callable[[AlertStore], Any]) -> AlertStory:
        """Do what staff asks and write it down; the alert's own log has it too, with the name."""
        store = self._parts.alerts
        if store is None:
            raise RequestError(404, "No such alert", "This bridge judges no alerts.")
        try:
            act(store)
        except NotOpenError:
            self.story(number, who.role)  # 404 where there is none at all
            raise RequestError(
                409, "Not open", f"Alert {number} has ended: there is nothing to {action}. Load the list again."
            ) from None
        except BadOrderError as error:
            raise RequestError(400, "Cannot be meant", str(error)) from None
        if self._parts.access is not None:
            self._parts.access.audit(who, action, f"alert {number}", "", self._parts.now_ms())
        return self.story(number, who.role)
