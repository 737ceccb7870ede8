"""The network's health, the list of stations and the wall-board as people use them: by mouse, by keys, by ear, on a phone, from afar."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from playwright.sync_api import expect

from city_rig import XSS, City, serving
from needs import missing
from page_rig import Eyes
from pantau_wire import frame
from pantau_wire import names as T
from vms import ROOT

AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
DESK: dict[str, Any] = {"width": 1440, "height": 900}
PHONE: dict[str, Any] = {"width": 390, "height": 844, "phone": True}
VIOLATIONS = """async () => (await axe.run(document, {resultTypes: ['violations']})).violations
  .map(({id, impact, nodes}) => [id, impact, nodes[0].html])"""
WIDTH = "document.documentElement.scrollWidth"
# Every target of a finger that can be seen, as words and the lesser of its two sides; links within a text are no targets of a layout.
SMALL = """[...document.querySelectorAll('button, select, input, #tabs a, [scope=row] a')]
  .filter((one) => one.checkVisibility() && !one.closest('thead, .skip, .leaflet-container') && one.type !== 'checkbox')
  .map((one) => [one.textContent || one.id, Math.min(one.getBoundingClientRect().height, one.matches('a') ? 99 : one.getBoundingClientRect().width)])
  .filter(([, size]) => size < 44)"""
# Whether a board loads itself anew: at which hour in WIB, after how many hours, connected or not.
DUE = """async (cases) => { const { due } = await import('/static/views/board_awake.js'); return cases.map(([hour, ran, state]) => {
  const now_ms = (1000 * 24 - 7 + hour) * 3_600_000; return due(now_ms, now_ms - ran * 3_600_000, state); }); }"""
NIGHTS = [
    [3.6, 20, "live"],
    [3.6, 20, "lost"],
    [3.6, 20, "connecting"],
    [3.6, 1, "live"],
    [12, 20, "live"],
    [4, 20, "live"],
]
FIGURES = {
    'sink_lag_frames{sink="sqlite"}': 3.0, 'sink_lag_seconds{sink="sqlite"}': 2.0, 'sink_working{sink="sqlite"}': 1.0,
    'sink_lag_frames{sink="postgres"}': 9000.0, 'sink_lag_seconds{sink="postgres"}': 1260.0, 'sink_working{sink="postgres"}': 0.0,
    "spool_bytes": 7.3e8, "spool_limit_bytes": 4e9, "spool_oldest_seconds": 86400.0, "broker_connected": 1.0, "partitions_connected": 64.0,
    'certificate_expires_seconds{of="ca"}': 86400 * 20.0, "quarantine_entries": 12.0, 'frames_refused_total{reason="bad_tag"}': 12.0,
}  # fmt: skip


def fill(city):
    """An alarm, a fault, a city's traffic, a late node and a silent one; a low battery, an old firmware, a sink that is away."""
    city.feed("flood-01", {T.WATER_DISTANCE: [4600 - 30 * i for i in range(30)]}, alarm=True)
    city.say_health("flood-01", battery_mv=3450, overwritten_records=31)
    city.feed("flood-02", {T.WATER_DISTANCE: ([4600] * 9 + [None], [0] * 9 + [frame.quality(T.R_NO_ECHO)])})
    city.say_health("flood-02", battery_mv=4010, firmware="0.0.9", rssi=-91)
    city.feed("traffic-01", {T.VEHICLE_COUNT_APPROACHING: [12], T.VEHICLE_SPEED_MEAN: [310]}, alarm=True)
    city.feed("air-01", {T.PM2_5: [300]}, ago_s=150)
    city.bridge.numbers = dict(FIGURES)
    city.bridge.wrong = ["sink postgres: the server is away; look at it"]


@pytest.fixture(scope="module")
def city(tmp_path_factory):
    made = City(tmp_path_factory.mktemp("city"))
    fill(made)
    yield made
    made.close()


@pytest.fixture(scope="module")
def url(city):
    with serving(city.app) as found:
        yield found


@pytest.fixture
def eyes(url, browser, tmp_path):
    found = Eyes(browser, url, tmp_path)
    yield found
    assert found.complaints() == []


@pytest.fixture(scope="module")
def desk(url, browser, tmp_path_factory):
    """One page for those who only look: opening one costs most of a test."""
    found = Eyes(browser, url, tmp_path_factory.mktemp("desk"))
    page = found.open("?lang=en&theme=light", **DESK)
    page.keep = lambda name: found.picture(page, name)
    expect(page.locator("body")).to_have_attribute("data-live", "live")
    yield page
    assert found.complaints() == []


def go(page, view):
    """Go where a link leads."""
    page.evaluate(f"location.hash = '#/{view}'")
    expect(page.locator("body")).to_have_attribute("data-view", view.partition("/")[0] or "map")


def rows(page, view):
    return page.locator(f"#{view} .grid tbody tr")


def later(page, seconds):
    """Let the page's clock run ahead: the bridge said nothing meanwhile."""
    page.evaluate(f"(() => {{ const now = Date.now; Date.now = () => now.call(Date) + {seconds * 1000}; }})()")


def test_tiles_come_worst_first_with_words_and_lose_their_colour_when_the_bridge_no_longer_answers(eyes):
    page = eyes.open("?lang=en&theme=light#/network")
    levels = page.locator(".tile .level")
    expect(levels.first).to_have_text("Act now")
    order = ["Act now", "Look at it", "Not known", "Good"]
    found = levels.all_inner_texts()
    assert found == sorted(found, key=order.index)
    sinks = page.locator('.tile[data-tile="sinks"]')
    expect(sinks).to_contain_text("1 / 2 sinks")
    expect(sinks).to_contain_text("21 min")
    expect(sinks.locator(".advice")).to_contain_text("not lost")
    expect(page.locator('.tile[data-tile="batteries"] .measured')).to_contain_text("ago")
    expect(page.locator("#network .problems li")).to_have_text("sink postgres: the server is away; look at it")
    assert [text for text in page.locator("#network").all_inner_texts() if "network." in text] == []
    eyes.picture(page, "network")
    colour = "getComputedStyle(document.querySelector('.tile .level')).color"
    before = page.evaluate(colour)
    later(page, 65)
    expect(page.locator("#network .oldnote")).to_contain_text("does not answer")
    assert page.evaluate(colour) != before


def test_the_table_of_nodes_sorts_by_keys_and_says_so(desk):
    page = desk
    go(page, "network")
    expect(rows(page, "network")).to_have_count(5)
    expect(rows(page, "network").first.locator("th")).to_have_text("flood-01")
    header = page.get_by_role("columnheader", name="Battery")
    header.get_by_role("button").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")  # the least first
    expect(header).to_have_attribute("aria-sort", "ascending")
    expect(rows(page, "network").first.locator('[data-key="battery"]')).to_have_text("3.45 V")
    expect(page.locator("#network .grid caption")).to_contain_text("Sorted by Battery, rising")
    page.get_by_label("only what needs somebody").check()
    expect(rows(page, "network")).to_have_count(4)
    page.get_by_role("searchbox").fill("nowhere")
    expect(page.locator("#network .find .none")).to_be_visible()


def test_the_list_shows_the_worst_first_and_finds_by_name_node_and_state(desk):
    page = desk
    go(page, "stations")
    shown = rows(page, "stations")
    expect(shown).to_have_count(5)
    states = page.locator('#stations [data-key="state"] span').all_inner_texts()
    assert states == ["Alarm", "Alarm", "Offline", "Sensor fault", "Late"]
    expect(shown.first.locator('[data-key="reading"]')).to_contain_text(" m")
    expect(shown.nth(4)).to_contain_text("old · 2 min ago")
    expect(shown.filter(has_text=XSS)).to_have_count(1)  # a name is text
    assert page.locator("#stations :is(b, img)").count() == 0
    page.get_by_label("Find a station").fill("traffic-0")
    expect(shown).to_have_count(1)
    expect(page.locator("#stations .shown")).to_have_text("1 of 5")
    page.get_by_label("Find a station").fill("")
    page.get_by_label("State", exact=True).select_option("offline")
    expect(shown.locator("th")).to_have_text(["Cikokol"])
    page.keep("stations")
    page.get_by_label("State", exact=True).select_option("")
    expect(shown).to_have_count(5)


def test_the_list_is_a_way_through_the_city_by_keys_alone(eyes, city):
    page = eyes.open("?lang=en#/stations")
    expect(page.locator("#live")).to_have_attribute("data-live", "live")
    link = page.get_by_role("link", name="Jl. Sudirman")
    link.focus()
    city.now_s = int(time.time())
    city.feed("traffic-01", {T.VEHICLE_COUNT_APPROACHING: [77]}, alarm=True)
    expect(rows(page, "stations").filter(has_text="Jl. Sudirman")).to_contain_text("77")
    expect(link).to_be_focused()  # news does not take it away
    page.keyboard.press("Enter")
    expect(page.locator("body")).to_have_attribute("data-view", "station")
    page.go_back()
    expect(link).to_be_focused()  # where one was


def test_a_thousand_rows_are_there_and_those_out_of_sight_cost_no_layout(browser, tmp_path):
    stations = "".join(
        f'[[station]]\nid = "s{n}"\nname = "Station {n}"\ndomain = "air"\nlatitude = -6.2\nlongitude = 106.6\n'
        for n in range(1000)
    )
    nodes = "".join(f'[[node]]\nid = "n{n}"\nstation = "s{n}"\n' for n in range(1000))
    made = City(tmp_path, stations + nodes)
    with serving(made.app) as found:
        eyes = Eyes(browser, found, tmp_path)
        page = eyes.open("?lang=en#/stations")
        expect(rows(page, "stations")).to_have_count(1000)
        skipped = "[...document.querySelectorAll('#stations tbody tr td')].filter((cell) => !cell.checkVisibility({contentVisibilityAuto: true})).length"
        assert page.evaluate(skipped) > 5000
        page.get_by_label("Find a station").fill("station 99")
        expect(rows(page, "stations")).to_have_count(11)
        assert eyes.complaints() == []
    made.close()


def test_the_board_is_read_from_afar_and_walks_through_what_is_in_alarm(eyes):
    page = eyes.open("?lang=en&board=1", width=1920, height=1080)
    expect(page.locator(".boardhead .bigclock")).to_contain_text("WIB")
    expect(page.locator(".boardhead .reports")).to_contain_text("of 5 report")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert page.evaluate("getComputedStyle(document.body).cursor") == "none"
    assert page.locator("button:visible, input:visible, #tabs:visible").count() == 0
    sizes = page.locator(".worst .what").evaluate_all(
        "all => all.map((one) => parseFloat(getComputedStyle(one).fontSize))"
    )
    assert min(sizes) >= 1080 / 50
    first = page.locator(".spot h2").inner_text()
    later(page, 13)
    expect(page.locator(".spot h2")).not_to_have_text(first)
    page.keyboard.press(" ")
    expect(page.locator(".spot .place")).to_contain_text("Stands still")
    held = page.locator(".spot h2").inner_text()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".spot h2")).not_to_have_text(held)
    assert page.evaluate(f"{WIDTH} <= innerWidth && document.documentElement.scrollHeight <= innerHeight")
    eyes.picture(page, "board")
    assert page.evaluate(DUE, NIGHTS) == [True, False, False, False, False, False]


def test_a_board_without_its_bridge_cannot_be_overlooked(browser, tmp_path):
    made = City(tmp_path)
    fill(made)
    eyes = Eyes(browser, "", tmp_path)
    with serving(made.app) as found:
        page = eyes.open(found + "?lang=en&board=1", width=1920, height=1080, reduced_motion="reduce")
        expect(page.locator("body")).to_have_attribute("data-live", "live")
        expect(page.locator(".spot .place")).to_contain_text("Stands still")  # nothing moves for who asks for that
        expect(page.locator("#board .lost")).to_be_hidden()
    later(page, 100)
    lost = page.locator("#board .lost")
    expect(lost).to_contain_text("No connection")
    expect(lost).to_contain_text("WIB")
    box = lost.bounding_box()
    assert (box["width"], box["height"]) == (1920, 1080)
    assert page.evaluate("getComputedStyle(document.querySelector('.boardside')).filter") == "grayscale(1)"
    eyes.picture(page, "board-lost")
    eyes.complaints()
    made.close()


def test_a_phone_of_320_px_scrolls_nothing_sideways_and_fingers_meet_44_px(eyes):
    page = eyes.open("?lang=en", width=320, height=640, phone=True)
    expect(page.locator('#tabs [data-tab="alerts"]')).to_have_attribute("data-count", re.compile("^[1-9]"))
    for language in ("en", "id"):
        expect(page.locator("html")).to_have_attribute("lang", language)
        for view in ("", "alerts", "alerts/1", "stations", "network"):
            go(page, view)
            assert page.evaluate(WIDTH) <= 320, (language, view)
            assert page.evaluate(SMALL) == [], (language, view)
            if language == "id":
                eyes.picture(page, f"phone-{view.replace('/', '-') or 'map'}")
        page.locator("#language").tap()


def test_zoomed_to_200_percent_in_the_persons_own_colours_all_is_there_and_told(eyes):
    page = eyes.open("?lang=id#/network", width=720, height=450, device_scale_factor=2, forced_colors="active")
    expect(page.locator(".tile").first).to_be_visible()
    expect(page.locator("#tabs a:visible")).to_have_count(3)
    assert page.evaluate(WIDTH) <= 720
    page.evaluate("location.hash = '#/stations'")
    expect(rows(page, "stations").first.locator("[data-badge]")).to_have_text("Alarm")
    assert page.evaluate(WIDTH) <= 720
    assert page.evaluate("getComputedStyle(document.querySelector('[data-badge] > span')).outlineStyle") == "solid"


def test_by_keys_the_content_comes_first_and_a_new_view_is_where_one_is(eyes):
    page = eyes.open("?lang=en#/network")
    expect(page.locator("#live")).to_have_attribute("data-live", "live")
    page.keyboard.press("Tab")
    expect(page.locator("#skip")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    expect(page.locator("body")).to_have_attribute("data-view", "network")
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    page.get_by_role("link", name="Stations").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Shift+Tab")
    assert page.evaluate(outline) == "solid"
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Stations", exact=True)).to_be_focused()
    for landmark in ("banner", "main", "navigation", "search"):
        expect(page.get_by_role(landmark).first).to_be_visible()


def wrong(page, views):
    """What axe finds, by view."""
    if not AXE.exists():
        missing("axe-core", "the npm packages (make setup)")
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = {}
    for view in views:
        go(page, view)
        ready = {"network": ".tile", "station/pintu-air-10": "#station svg.plot .line"}.get(view)
        if ready:
            expect(page.locator(ready).first).to_be_visible()
        found[view] = page.evaluate(VIOLATIONS)
    return [(view, said) for view, said in found.items() if said]


def test_axe_finds_nothing_in_any_view_on_a_desk(desk):
    assert wrong(desk, ("", "alerts/1", "station/pintu-air-10", "stations", "network")) == []


def test_axe_finds_nothing_in_the_dark_on_a_phone(eyes):
    page = eyes.open("?lang=id&theme=dark", **PHONE)
    expect(page.locator("body")).to_have_attribute("data-live", "live")
    assert wrong(page, ("", "stations", "network")) == []


def test_axe_finds_nothing_on_the_board(eyes):
    if not AXE.exists():
        missing("axe-core", "the npm packages (make setup)")
    page = eyes.open("?lang=en&board=1", width=1920, height=1080)
    expect(page.locator("body")).to_have_attribute("data-live", "live")
    page.evaluate(AXE.read_text(encoding="utf-8"))
    for theme in ("dark", "light"):
        page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
        assert page.evaluate(VIOLATIONS) == [], theme


def test_the_gravest_alert_interrupts_a_screen_reader_and_no_value_does(browser, tmp_path):
    made, eyes = City(tmp_path), Eyes(browser, "", tmp_path)
    with serving(made.app) as found:
        page = eyes.open(found + "?lang=en")
        expect(page.locator("#live")).to_have_attribute("data-live", "live")
        regions = page.locator("[aria-live]:not([aria-live=off]), [role=status]:visible, [role=alert]:visible")
        assert set(regions.evaluate_all("all => all.map((one) => one.id)")) <= {"announce", "live"}
        made.feed("air-01", {T.PM2_5: [300]}, alarm=True)  # nothing confirms it: severe, and said in its turn
        expect(page.locator("#announce")).to_contain_text("Alun-Alun Kota")
        expect(page.locator("#announce")).to_have_attribute("aria-live", "polite")
        made.feed("flood-01", {T.WATER_DISTANCE: [4600 - 30 * i for i in range(30)]}, alarm=True)
        expect(page.locator("#announce")).to_contain_text("extreme")
        expect(page.locator("#announce")).to_have_attribute("aria-live", "assertive")
        eyes.complaints()
    made.close()
