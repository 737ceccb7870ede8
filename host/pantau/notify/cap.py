"""CAP 1.2 (OASIS, 1 July 2010) and the Atom feed that leads to it, as XML. I/O-free.

A station knows a point: the area is a circle around it, and never a polygon that nobody surveyed.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, NamedTuple
from xml.etree import ElementTree as ET

from pantau.alerts.rules import ZONES
from pantau.alerts.words import Both
from pantau.notify import cap_words
from pantau.notify.cap_chain import CANCEL, WITHDRAWN, Message
from pantau.notify.text import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pantau.alerts.track import Alert
    from pantau.notify import Place
    from pantau.notify.cap_settings import CapTable

CAP_TYPE, ATOM_TYPE = "application/cap+xml", "application/atom+xml"
_CAP, _ATOM = "urn:oasis:names:tc:emergency:cap:1.2", "http://www.w3.org/2005/Atom"
_HEADLINE = 160  # CAP 1.2, 3.2.2: some devices show no more
_QUALITY = {1: "good", 2: "not evaluated", 3: "suspect", 4: "fail", 9: "missing"}
_MARK = {
    "Actual": Both("", ""),
    "Exercise": Both("EXERCISE: ", "LATIHAN: "),
    "System": Both("SYSTEM: ", "SISTEM: "),
    "Test": Both("TEST: ", "UJI COBA: "),
}
_NOTE = {
    "Exercise": "Exercise: nothing of this happened.",
    "System": "Between systems: not for people.",
    "Test": "Test: not to be acted on.",
}


class Feed(NamedTuple):
    """In whose name we speak. `base` is the address below which messages are found, "" where only the request knows it."""

    city: str
    title: str
    table: CapTable
    base: str = ""

    @property
    def sender(self) -> str:
        """Return who we are among all senders of the world."""
        return self.table.sender or f"pantau-{self.city}"


class Item(NamedTuple):
    """A message with what it is about."""

    message: Message
    alert: Alert
    place: Place


def document(item: Item, feed: Feed) -> bytes:
    """Return one CAP message."""
    message, table = item.message, feed.table
    root = ET.Element("alert", {"xmlns": _CAP})
    _put(root, "identifier", message.ref.identifier(feed.city))
    _put(root, "sender", feed.sender)
    _put(root, "sent", _time(message.sent_ms, table.zone))
    _put(root, "status", table.status)
    _put(root, "msgType", message.kind)
    _put(root, "source", "Pantau")
    _put(root, "scope", "Public")
    _put(root, "note", _note(message, table.status))
    references = (
        f"{feed.sender},{ref.identifier(feed.city)},{_time(sent_ms, table.zone)}" for ref, sent_ms in message.references
    )
    _put(root, "references", " ".join(references))
    _put(root, "incidents", f"{feed.city}-alert-{item.alert.id}")
    said = cap_words.say(message, item.alert, item.place)
    for language, which in (("en-US", 0), ("id-ID", 1)):
        _info(root, item, said, feed, language, which)
    return _bytes(root)


def atom(items: Sequence[Item], feed: Feed) -> bytes:
    """Return the feed with the newest message of each alert, as given."""
    zone = feed.table.zone
    root = ET.Element("feed", {"xmlns": _ATOM})
    _put(root, "id", _urn(feed.sender))
    _put(root, "title", f"{_MARK[feed.table.status].en}{feed.title}: CAP 1.2")
    _put(root, "updated", _time(max((item.message.sent_ms for item in items), default=0), zone))
    _put(ET.SubElement(root, "author"), "name", feed.table.sender_name or feed.sender)
    ET.SubElement(root, "link", {"rel": "self", "type": ATOM_TYPE, "href": f"{feed.base}feed.atom"})
    for item in items:
        identifier = item.message.ref.identifier(feed.city)
        said = cap_words.say(item.message, item.alert, item.place)
        headline = _headline(said, feed)
        entry = ET.SubElement(root, "entry")
        _put(entry, "id", _urn(f"{feed.sender},{identifier}"))
        _put(entry, "title", headline.en)
        _put(entry, "updated", _time(item.message.sent_ms, zone))
        ET.SubElement(entry, "category", {"term": item.message.kind})
        ET.SubElement(entry, "category", {"term": said.severity})
        link = {"rel": "alternate", "type": CAP_TYPE, "href": f"{feed.base}{identifier}.xml"}
        ET.SubElement(entry, "link", link)
        _put(entry, "summary", headline.id)
    return _bytes(root)


def _info(root: ET.Element, item: Item, said: cap_words.Said, feed: Feed, language: str, which: int) -> None:
    message, table = item.message, feed.table
    info = ET.SubElement(root, "info")
    _put(info, "language", language)
    for category in said.categories:
        _put(info, "category", category)
    _put(info, "event", said.event[which])
    for response in said.responses:
        _put(info, "responseType", response)
    _put(info, "urgency", said.urgency)
    _put(info, "severity", said.severity)
    _put(info, "certainty", said.certainty)
    _put(info, "effective", _time(message.sent_ms, table.zone))
    if message.kind != CANCEL:
        _put(info, "onset", _time(item.alert.opened_ms, table.zone))
    _put(info, "expires", _time(message.expires_ms, table.zone))
    _put(info, "senderName", table.sender_name)
    _put(info, "headline", _headline(said, feed)[which])
    _put(info, "description", said.description[which])
    _put(info, "instruction", said.instruction[which])
    _put(info, "contact", table.contact)
    for name, value in _parameters(item, which):
        pair = ET.SubElement(info, "parameter")
        _put(pair, "valueName", name)
        _put(pair, "value", value)
    _area(info, item.place, feed)


def _area(info: ET.Element, place: Place, feed: Feed) -> None:
    area = ET.SubElement(info, "area")
    _put(area, "areaDesc", place.name if plain(place.name) else place.id)
    if place.latitude is not None and place.longitude is not None:
        _put(area, "circle", f"{place.latitude:.5f},{place.longitude:.5f} {feed.table.radius_km:g}")
    if place.kemendagri:
        code = ET.SubElement(area, "geocode")
        _put(code, "valueName", "Kemendagri")
        _put(code, "value", place.kemendagri)


def _parameters(item: Item, which: int) -> list[tuple[str, str]]:
    """Return what machines may want to know beside the texts, without what is not known."""
    entry, alert = item.message.entry, item.alert
    limits: dict[str, Any] = entry.explanation["limits"]
    figures: Sequence[dict[str, Any]] = entry.explanation["figures"]
    newest = figures[-1] if figures else {}
    named = "siaga" if limits.get("property") == "siaga_state" else "level"
    level = "" if item.message.kind == CANCEL else cap_words.level_of(entry, limits)[which]
    found = [
        (named, level),
        ("rule", alert.rule),
        ("station", item.place.id),
        ("node", str(newest.get("node", ""))),
        ("quality", _QUALITY.get(newest.get("quality", 0), "")),
        ("confirmed", "yes" if entry.confirmed else "no"),
    ]
    return [(name, value) for name, value in found if plain(value)]


def _headline(said: cap_words.Said, feed: Feed) -> Both:
    mark = _MARK[feed.table.status]
    both = (plain(mark[which] + said.headline[which]) for which in (0, 1))
    return Both(*(one if len(one) <= _HEADLINE else f"{one[: _HEADLINE - 1]}…" for one in both))


def _note(message: Message, status: str) -> str:
    withdrawn = "Withdrawn: what the alert rested on does not hold." if message.why == WITHDRAWN else ""
    return f"{_NOTE.get(status, '')} {withdrawn}"


def _put(parent: ET.Element, name: str, text: str) -> None:
    """Add an element, unless there is nothing to say. XML allows no control characters, escaped or not: `plain` drops them."""
    if said := plain(text):
        ET.SubElement(parent, name).text = said


def _time(at_ms: int, zone: str) -> str:
    """Return the time as CAP wants it: whole seconds with an offset, and for UTC -00:00, never Z."""
    hours = ZONES[zone]
    local = datetime.fromtimestamp(at_ms // 1000, UTC).astimezone(timezone(timedelta(hours=hours)))
    return local.isoformat() if hours else f"{local.replace(tzinfo=None).isoformat()}-00:00"


def _urn(name: str) -> str:
    return uuid.uuid5(uuid.NAMESPACE_URL, f"pantau:cap:{name}").urn


def _bytes(root: ET.Element) -> bytes:
    ET.indent(root)
    text: str = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'.encode()
