"""The CAP feed over a real store of alerts: Atom, entity tags, and messages that stay where they are."""

from __future__ import annotations

import re

import pytest
from lxml import etree
from starlette.testclient import TestClient

from pantau.alerts.store import AlertStore
from pantau.notify.cap_settings import CapTable
from pantau.registry.model import Placement, Registry, Station
from pantau.sinks.sqlite import CityStore
from pantau.web.app import create_app
from unit.alerts import alert_kit
from unit.notify import cap_kit as kit
from unit.notify.cap_kit import HOUR, MINUTE, T0

ATOM = {"a": "http://www.w3.org/2005/Atom"}
HOSTILE = "Kali <script>alert(1)</script> & \x07\x1b[31m"
LATE = """
[[rule]]
id = "late"
kind = "late"
name = "Silent"
name_id = "Diam"
levels = [{value = 3, severity = "minor"}]
"""


class Quiet:
    def problems(self):
        return []

    def figures(self):
        return {}


class Room:
    """A city of two stations whose alerts and clock are in the hand."""

    def __init__(self, folder):
        names = {"a": "Kali a", "b": HOSTILE}
        stations = [Station(id=i, name=n, domain="flood", latitude=-6.2, longitude=106.6) for i, n in names.items()]
        self.registry = Registry(stations, [Placement(f"n{one}", one) for one in names])
        self.alerts = AlertStore(folder / "alerts.sqlite3", alert_kit.rules(alert_kit.LEVEL + LATE), self.registry)
        self.city = CityStore(folder / "city.sqlite3")
        self.frames = alert_kit.Feed()
        self.now_ms = T0

    def level(self, station, value, at):
        self.now_ms = T0 + at * MINUTE
        self.alerts.deliver([self.frames.frame(station, at=self.now_ms, values=[value])])

    def client(self, *, public_read=True, **more):
        app = create_app(
            self.city, Quiet(), public_read=public_read, city="tng", title="Kota", registry=lambda: self.registry,
            alert_store=self.alerts, now_ms=lambda: self.now_ms, **more,
        )  # fmt: skip
        return TestClient(app)


@pytest.fixture
def room(tmp_path):
    made = Room(tmp_path)
    yield made
    made.alerts.close()
    made.city.close()


def entries(answer):
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/atom+xml")
    root = etree.fromstring(answer.content)
    check_atom(root)
    return root.findall("a:entry", ATOM)


def check_atom(root):
    """RFC 4287: what a feed and an entry must have, once each, and dates with an offset."""
    assert root.tag == f"{{{ATOM['a']}}}feed"
    for element in (root, *root.findall("a:entry", ATOM)):
        for name in ("id", "title", "updated"):
            assert len(element.findall(f"a:{name}", ATOM)) == 1, name
        assert re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", element.findtext("a:id", None, ATOM))
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+07:00", element.findtext("a:updated", None, ATOM))
    assert root.findtext("a:author/a:name", None, ATOM)
    found = root.findall("a:entry", ATOM)
    assert all(len(one.findall("a:link[@rel='alternate']", ATOM)) == 1 for one in found)
    ids = [one.findtext("a:id", None, ATOM) for one in found]
    assert len(set(ids)) == len(ids)


def href(one):
    return one.find("a:link", ATOM).get("href")


def test_the_feed_follows_the_alerts_and_each_message_stays_under_its_name(room):
    client = room.client(cap=kit.ACTUAL)
    assert entries(client.get("/cap/feed.atom")) == []
    room.level("a", 1.2, at=1)
    room.level("b", 2.5, at=2)
    newest, oldest = entries(client.get("/cap/feed.atom"))
    assert "script" in newest.findtext("a:title", None, ATOM)
    first = client.get(f"/cap/{href(oldest)}")
    assert first.headers["content-type"] == "application/cap+xml"
    for one in (newest, oldest):
        document = etree.fromstring(client.get(f"/cap/{href(one)}").content)
        kit.schema().assertValid(document)
        assert not kit.broken_rules(document)
        assert kit.text(document, "msgType") == ["Alert"]
    room.level("a", 2.2, at=3)
    changed = entries(client.get("/cap/feed.atom"))[0]
    update = etree.fromstring(client.get(f"/cap/{href(changed)}").content)
    assert kit.text(update, "msgType") == ["Update"]
    assert href(oldest).removesuffix(".xml") in kit.text(update, "references")[0]
    assert client.get(f"/cap/{href(oldest)}").content == first.content
    for minute in range(4, 9):
        room.level("a", 0.1, at=minute)
    ended = entries(client.get("/cap/feed.atom"))[0]
    cancel = etree.fromstring(client.get(f"/cap/{href(ended)}").content)
    assert (kit.text(cancel, "msgType"), kit.text(cancel, "info/responseType")[0]) == (["Cancel"], "AllClear")
    room.now_ms += 25 * HOUR
    assert [kit.text(etree.fromstring(client.get(f"/cap/{href(one)}").content), "msgType")[0]
            for one in entries(client.get("/cap/feed.atom"))] == ["Update"]  # b stands, and was renewed  # fmt: skip


def test_who_has_the_feed_is_not_sent_it_again(room):
    client = room.client()
    room.level("a", 1.2, at=1)
    tag = client.get("/cap/feed.atom").headers["etag"]
    for asked in (tag, f'"x", {tag.removeprefix("W/")}', "*"):
        again = client.get("/cap/feed.atom", headers={"if-none-match": asked})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    room.level("a", 1.7, at=2)
    assert client.get("/cap/feed.atom", headers={"if-none-match": tag}).status_code == 200
    tag = client.get("/cap/feed.atom").headers["etag"]
    room.now_ms += 61 * MINUTE  # renewed
    assert client.get("/cap/feed.atom", headers={"if-none-match": tag}).status_code == 200
    assert client.head("/cap/feed.atom").status_code == 200


def test_what_is_for_technicians_and_who_acknowledged_is_not_for_the_public(room):
    room.level("a", 1.2, at=1)
    room.level("b", 0.1, at=1)
    for _ in range(60):
        room.now_ms += MINUTE
        room.alerts.tick(room.now_ms)
    (alert,) = entries(room.client().get("/cap/feed.atom"))
    every = entries(room.client(cap=CapTable(technical=True)).get("/cap/feed.atom"))
    assert len(every) == 3
    hidden = next(href(one) for one in every if "network" in one.findtext("a:title", None, ATOM))
    assert room.client().get(f"/cap/{hidden}").status_code == 404
    number = int(href(alert).split(".")[1])
    room.alerts.acknowledge(number, "operator-1", room.now_ms)
    room.alerts.shelve(number, room.now_ms + HOUR, "operator-1", room.now_ms)
    client = room.client(public_url="https://pantau.example/")
    (aside,) = entries(client.get("/cap/feed.atom"))
    assert href(aside).startswith("https://pantau.example/cap/tng.")
    document = client.get(href(aside).removeprefix("https://pantau.example"))
    assert b"operator-1" not in document.content
    assert kit.text(etree.fromstring(document.content), "msgType") == ["Cancel"]
    assert kit.text(etree.fromstring(document.content), "status") == ["Test"]


@pytest.mark.parametrize(
    "path", ["/cap/tng.1.1.1.0.xml", "/cap/x.xml", "/cap/%00.xml", "/cap/tng.1.1.1.99999999999999.xml"]
)
def test_what_there_is_not_is_said_so(room, path):
    room.level("a", 1.2, at=1)
    answer = room.client().get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


def test_closed_reading_closes_the_feed(room):
    client = room.client(public_read=False)
    assert {client.get(path).status_code for path in ("/cap/feed.atom", "/cap/tng.1.1.1.0.xml")} <= {401, 403}
