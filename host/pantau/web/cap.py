"""The CAP feed on HTTP: /cap/feed.atom with the newest message of each alert, and every message under its identifier."""

from __future__ import annotations

import hashlib
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.routing import Route

from pantau.access.model import Role
from pantau.alerts.desk import CITY
from pantau.notify import Place, cap
from pantau.notify.cap_chain import Ref, named, newest
from pantau.notify.cap_settings import CapTable
from pantau.notify.cap_words import TECHNICAL
from pantau.web.alerts import Desk
from pantau.web.gate import gated
from pantau.web.query import RequestError

if TYPE_CHECKING:
    from starlette.requests import Request

    from pantau.alerts.reads import AlertReader, Listed
    from pantau.web.parts import Parts

_STEP_MS = 60_000  # the feed is made anew with each decision, and with time once a minute
_CANCELS_MS = 86_400_000  # so long an end stays in the feed, for those who were away
_ENDED = 300  # alerts looked at for one that has ended lately
_MOST = 500  # entries; beyond, the least severe are left out


class _Made(NamedTuple):
    """The feed as it was made last, and for which decision and minute."""

    key: tuple[int, int]
    body: bytes
    tag: str


class Cap:
    """The endpoints. Errors of the store are answered as everywhere."""

    def __init__(self, parts: Parts, desk: Desk) -> None:
        self._parts, self._desk = parts, desk
        table = parts.cap or CapTable()
        base = f"{parts.public_url.rstrip('/')}/cap/" if parts.public_url else ""
        self._feed = cap.Feed(parts.city, parts.title, table, base)
        self._made: _Made | None = None
        self._lock = Lock()  # one request makes the feed, the others wait for it

    async def feed(self, request: Request) -> Response:
        """Answer with the feed, or that it is what the client has."""
        made = await run_in_threadpool(self._current)
        headers = {"etag": made.tag, "cache-control": "no-cache"}
        if _has(request.headers.get("if-none-match", ""), made.tag):
            return Response(status_code=304, headers=headers)
        return Response(made.body, headers=headers, media_type=cap.ATOM_TYPE)

    async def message(self, request: Request) -> Response:
        """Answer with one message."""
        ref = Ref.parse(self._parts.city, request.path_params["identifier"])
        item = await run_in_threadpool(self._desk.ask, lambda reader: self._named(reader, ref)) if ref else None
        if item is None:
            raise RequestError(
                404, "No such message", "There is no CAP message of this identifier: see /cap/feed.atom."
            )
        body = cap.document(item, self._feed)
        return Response(body, headers={"cache-control": "no-cache"}, media_type=cap.CAP_TYPE)

    def _current(self) -> _Made:
        with self._lock:
            made: _Made = self._desk.ask(self._make)
            self._made = made
        return made

    def _make(self, reader: AlertReader) -> _Made:
        now_ms = self._parts.now_ms()
        key = (reader.last_number(), now_ms // _STEP_MS)
        if self._made is not None and self._made.key == key:
            return self._made
        since_ms = now_ms - _CANCELS_MS
        ended = [
            one
            for one in reader.history(limit=_ENDED)
            if one.alert.closed_ms is not None and one.alert.closed_ms > since_ms
        ]
        items = [item for one in (*reader.open_alerts(), *ended) if (item := self._item(reader, one, now_ms))]
        items.sort(key=lambda item: (item.message.entry.severity, item.message.sent_ms), reverse=True)
        shown = sorted(items[:_MOST], key=lambda item: item.message.sent_ms, reverse=True)
        body = cap.atom(shown, self._feed)
        return _Made(key, body, f'W/"{hashlib.sha256(body).hexdigest()[:24]}"')  # weak: compressed on the way

    def _item(self, reader: AlertReader, listed: Listed, now_ms: int) -> cap.Item | None:
        """Return what of an alert belongs into the feed."""
        alert = listed.alert
        if not self._published(listed):
            return None
        message = newest(reader.explain(alert.id), now_ms)
        if message is None or now_ms - message.sent_ms > _CANCELS_MS:
            return None
        return cap.Item(message, alert, self._place(alert.station))

    def _named(self, reader: AlertReader, ref: Ref) -> cap.Item | None:
        listed = reader.alert(ref.alert)
        if listed is None or not self._published(listed):
            return None
        message = named(reader.explain(ref.alert), ref, self._parts.now_ms())
        return None if message is None else cap.Item(message, listed.alert, self._place(listed.alert.station))

    def _published(self, listed: Listed) -> bool:
        return self._feed.table.technical or listed.alert.kind not in TECHNICAL

    def _place(self, station: str) -> Place:
        if station == CITY:
            return Place(CITY, self._parts.title)
        registry = self._parts.registry
        found = registry().stations.get(station) if registry is not None else None
        if found is None:
            return Place(station, station)
        return Place(found.id, found.name, found.domain, found.latitude, found.longitude, found.kemendagri)


def routes(parts: Parts) -> list[Route]:
    """Return the routes; none where no alerts are judged."""
    if parts.alerts is None:
        return []
    served = Cap(parts, Desk(parts.alerts.path))
    return [
        Route("/cap/feed.atom", gated(Role.PUBLIC, served.feed)),
        Route("/cap/{identifier}.xml", gated(Role.PUBLIC, served.message)),
    ]


def _has(asked: str, tag: str) -> bool:
    """Return whether If-None-Match names our tag; weak comparison (RFC 9110, 13.1.2)."""
    bare = tag.removeprefix("W/")
    return any(one in {"*", bare} for one in (part.strip().removeprefix("W/") for part in asked.split(",")))
