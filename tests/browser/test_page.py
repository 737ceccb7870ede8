"""The page in a real browser, over the real app and store: what a person sees, and a picture to look at.

Pictures go to PANTAU_PICTURES, or to the test's temporary folder.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from pathlib import Path

import pytest
import uvicorn

from built import Place, Places, health, records
from chrome import Chrome
from needs import need
from pantau.decode import Decoder
from pantau.sinks.sqlite import CityStore, StationRow
from pantau.web.app import create_app
from pantau_wire import frame
from pantau_wire import names as T

XSS = "Kali <b>Angke</b> <img src=x onerror=document.title='owned'>"
STATIONS = (
    StationRow("pintu-air-10", "Pintu Air 10", "flood", 106.6245, -6.1865, 60, ("flood-01",)),
    StationRow("angke", XSS, "flood", 106.7108, -6.2375, 60, ("flood-02",)),
    StationRow("sudirman", "Jl. Sudirman", "traffic", 106.6489, -6.1702, 60, ("traffic-01",)),
    StationRow("alun-alun", "Alun-Alun Kota", "air", 106.6319, -6.1781, 60, ("air-01",)),
    StationRow("cikokol", "Cikokol", "air", 106.6371, -6.2050, 60, ("air-02",)),
)
DECODE = Decoder(Places(Place())).decode


class Bridge:
    def problems(self):
        return ()

    def figures(self):
        return {}


class City:
    """A store fed with the last hour, and the app that serves it."""

    def __init__(self, folder):
        self.store = CityStore(folder / "city.sqlite3")
        self.store.put_stations(STATIONS)
        self.app = create_app(self.store, Bridge(), public_read=True, city="tng", title="Kota Tangerang")
        self.now_s = int(time.time())
        self._seq = 0

    def feed(self, node, columns, *, ago_s=0, **more):
        self._seq += 1
        first = next(iter(columns.values()))
        count = len(first[0] if isinstance(first, tuple) else first)
        base_s = self.now_s - ago_s - 60 * (count - 1)
        received_ms = (self.now_s - ago_s) * 1000
        f = records(columns, node=node, seq=self._seq, ident=self._seq, base_s=base_s, received_ms=received_ms, **more)
        assert self.store.deliver([DECODE(f)])[0].kind == "stored"

    def say_health(self, node):
        self._seq += 1
        fields = {"rssi": -61, "firmware": "0.1.0", "outbox_records": 2, "uptime_ms": 5, "utc_ms": self.now_s * 1000}
        f = health(fields, node=node, seq=self._seq, ident=self._seq, received_ms=self.now_s * 1000)
        assert self.store.deliver([DECODE(f)])[0].kind == "stored"


def fill(city):
    hour = range(30)
    city.feed("flood-01", {T.WATER_DISTANCE: [4600 - 30 * i for i in hour], T.RAIN_TIPS: [1] * 30}, alarm=True)
    city.say_health("flood-01")
    silent = ([4600] * 29 + [None], [0] * 29 + [frame.quality(T.R_NO_ECHO)])
    city.feed("flood-02", {T.WATER_DISTANCE: silent})
    city.feed("traffic-01", {T.VEHICLE_COUNT_APPROACHING: [9 + i % 5 for i in hour], T.VEHICLE_SPEED_MEAN: [310] * 30})
    city.feed("air-01", {T.PM2_5: [300 + i for i in hour], T.PM10: [610] * 30}, ago_s=150)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    binary = need("chromium", "chromium")
    folder = tmp_path_factory.mktemp("page")
    city = City(folder)
    fill(city)
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(city.app, log_level="warning", timeout_graceful_shutdown=3))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    chrome = None
    try:
        chrome = Chrome(binary, folder / "profile")
        chrome.city, chrome.url = city, f"http://127.0.0.1:{listener.getsockname()[1]}/"
        chrome.pictures = Path(os.environ.get("PANTAU_PICTURES", folder))
        yield chrome
    finally:
        with contextlib.suppress(OSError):
            if chrome:
                chrome.close()
        city.app.state.hub.close()
        server.should_exit = True
        thread.join()
        city.store.close()


SHOWN = "document.querySelectorAll('.card').length === 5 && !!document.querySelector('#node-flood-01 .line[d]')"
IDS = "[...document.querySelectorAll('.card')].map((card) => card.id.slice(5)).join(' ')"


def text_of(chrome, selector):
    return chrome.run(f"document.querySelector({selector!r})?.textContent")


def test_problems_come_first_and_values_carry_age_and_unit(page):
    page.open(page.url + "?lang=en&theme=light", 1440, 900)
    page.wait(SHOWN)
    assert page.run(IDS) == "flood-01 air-02 flood-02 air-01 traffic-01"
    states = page.run("[...document.querySelectorAll('.badge')].map((badge) => badge.textContent).join(', ')")
    assert states == "Alarm, Offline, Sensor fault, Late, OK"
    hero = text_of(page, "#node-flood-01 .hero")
    assert "Water level" in hero and "2.77\u2009m" in hero and " s ago" in hero
    assert "missing: no echo" in text_of(page, "#node-flood-02 .hero")
    assert "never heard" in text_of(page, "#node-air-02")
    assert "3 / 5reporting" in text_of(page, "#network")
    page.picture(page.pictures / "page-light.png")


def test_an_old_value_loses_its_colour_and_says_so(page):
    page.open(page.url + "?lang=en&theme=light", 1440, 900)
    page.wait(SHOWN)
    assert page.wait("document.querySelector('#node-air-01 .hero').classList.contains('stale')")
    assert text_of(page, "#node-air-01 .hero .age").startswith("old · 2 min ago")
    colour = "getComputedStyle(document.querySelector('#node-{} .hero .value')).color"
    faint = page.run(colour.format("air-01"))
    assert faint not in (page.run(colour.format("flood-01")), page.run(colour.format("traffic-01")))


def test_a_hostile_station_name_is_shown_as_text(page):
    page.open(page.url + "?lang=en", 1440, 900)
    page.wait(SHOWN)
    assert text_of(page, "#node-flood-02 h2") == XSS
    assert page.run("document.querySelectorAll('main b, main img').length") == 0
    assert page.run("document.title") == "Kota Tangerang"


def test_nothing_is_asked_of_another_host_and_nothing_is_complained_about(page):
    page.open(page.url + "?lang=en", 1440, 900)
    page.wait(SHOWN)
    assert [url for url in page.asked if not url.startswith((page.url, "about:"))] == []
    assert page.said == []


def test_the_language_switches_and_the_dark_theme_is_dark(page):
    page.open(page.url + "?lang=en&theme=dark", 1440, 900)
    page.wait(SHOWN)
    page.run("document.querySelector('#language').click()")
    page.wait("document.documentElement.lang === 'id'")
    assert "Tinggi muka air2,77" in text_of(page, "#node-flood-01 .hero")
    assert text_of(page, "#node-air-02 .badge") == "Luring"
    assert page.run("getComputedStyle(document.body).backgroundColor") == "rgb(13, 20, 22)"
    page.wait("!!document.querySelector('#node-flood-01 .line[d]')")
    page.picture(page.pictures / "page-dark.png")
    page.run("localStorage.clear()")


def test_the_layout_holds_on_a_phone(page):
    page.open(page.url + "?lang=en", 390, 844, phone=True)
    page.wait(SHOWN)
    assert page.run("document.documentElement.scrollWidth") <= 390
    page.picture(page.pictures / "page-phone.png")


def test_a_new_reading_appears_without_reloading(page):
    page.open(page.url + "?lang=en", 1440, 900)
    page.wait(SHOWN + " && document.querySelector('#live').dataset.live === 'live'")
    assert page.run("window.untouched = true")
    page.city.now_s += 1
    # the stream may open just after the page: feed until it is heard
    for distance in range(1000, 1020):
        page.city.feed("flood-01", {T.WATER_DISTANCE: [distance]}, alarm=True)
        page.city.now_s += 1
        with contextlib.suppress(AssertionError):
            page.wait("document.querySelector('#node-flood-01 .hero .value').textContent.startsWith('5.')", 2)
            break
    assert text_of(page, "#node-flood-01 .hero .value").startswith("5.")
    assert page.run("window.untouched")
