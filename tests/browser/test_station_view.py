"""The station view as its readers use it: an operator who follows a wave, a technician with a phone, somebody without a mouse or eyes.

What the API says of the station is mostly made to measure (station_answers); everything else is the real app over real stores.
"""

from __future__ import annotations

import re
import time

import pytest
from playwright.sync_api import expect

from city_rig import XSS, City, serving
from needs import missing
from page_rig import Eyes
from pantau_wire import names as T
from station_answers import HOUR_MS, Answers, flood, series, station
from vms import ROOT

STATION = "#/station/pintu-air-10"
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
VIOLATIONS = """async () => (await axe.run('#station', {resultTypes: ['violations']})).violations
  .map(({id, impact, nodes}) => [id, impact, nodes[0].html])"""
SLOWEST_DRAW_MS = 80  # two panels of 1,440 points; 5 on the machine of 2026 when nothing else runs


@pytest.fixture(scope="module")
def city(tmp_path_factory):
    """A city whose flood station is in alarm."""
    made = City(tmp_path_factory.mktemp("city"))
    made.feed("flood-01", {T.WATER_DISTANCE: [4600 - 30 * i for i in range(20)], T.RAIN_TIPS: [1] * 20}, alarm=True)
    with serving(made.app) as made.url:
        yield made
    made.close()


@pytest.fixture
def eyes(city, browser, tmp_path):
    found = Eyes(browser, city.url, tmp_path)
    yield found
    assert [said for said in found.complaints() if "Failed to load resource" not in said] == []


@pytest.fixture
def answers():
    return Answers(int(time.time() * 1000))


@pytest.fixture
def look(eyes, answers):
    """Return a function that opens the station, its answers taken over before the page asks for the first time."""

    def opened(query="?lang=en&theme=light", where=STATION, **more):
        page = eyes.open("static/favicon.svg", **more)
        answers.stand_in(page)
        page.goto(eyes.url + query + where)
        return page

    return opened


def drawn(page):
    expect(page.locator(".chart .panel").first).to_be_visible()
    return page


def path_of(page, name):
    return page.locator(f".chart .panel.main path.{name}").get_attribute("d")


def axe(page):
    """Return what axe-core finds in the view."""
    if not AXE.exists():
        missing("axe-core", "the npm packages (make setup)")
    page.evaluate(AXE.read_text(encoding="utf-8"))
    return page.evaluate(VIOLATIONS)


def pressed(page, name):
    return expect(page.get_by_role("button", name=name)).to_have_attribute("aria-pressed", "true")


def test_a_station_at_a_glance(look, eyes):
    page = drawn(look(height=1500))
    expect(page.locator("#station h2")).to_be_focused()
    expect(page.locator(".stationhead .badge")).to_have_text("Alarm")
    expect(page.locator(".place")).to_contain_text("Kemendagri 36.71.01.1001")
    expect(page.locator(".place a")).to_have_attribute("href", "geo:-6.1865,106.6245")
    alert = page.locator(".standing a").first
    expect(alert).to_contain_text("Extreme")
    expect(alert).to_have_attribute("href", re.compile(r"#/alerts/\d+"))

    hero = page.locator(".readings .hero")
    expect(hero).to_contain_text("Water level")
    expect(hero.locator(".value")).to_have_text("2.77\u2009m")
    expect(hero.locator(".kind")).to_have_text("live")
    row = page.locator(".rest .row")
    expect(row.filter(has_text="Rain, 60 min").locator(".kind")).to_have_text("60-min mean")
    late = row.filter(has_text="Air temperature")
    expect(late.locator(".kind")).to_have_text("late")
    values = (late.locator(".value"), row.first.locator(".value"))
    colours = [one.evaluate("e => getComputedStyle(e).color") for one in values]
    assert colours[0] != colours[1]
    expect(row.filter(has_text="Humidity")).to_contain_text("missing: no answer in time")
    expect(row.filter(has_text="Spread")).to_contain_text("suspect: readings disagree")

    # The hydrologist's picture: rain hangs above the level, and the limits stand in it with their names.
    expect(page.locator(".chart .panel").first).to_have_class("panel rain")
    limits = [f"Siaga {n} · {value}\u2009m" for n, value in ((3, "2.50"), (2, "3.50"), (1, "4.50"))]
    expect(page.locator(".chart text.limit")).to_have_text(limits)
    expect(page.locator(".chart .times .day")).to_have_count(1)
    expect(page.locator(".chart .veil")).not_to_have_count(0)
    assert path_of(page, "line").count("M") == 1
    assert page.locator(".chart .gap").count() == 0
    assert 0 < float(page.locator(".chart").get_attribute("data-drawn-ms")) < SLOWEST_DRAW_MS

    looks = (
        "Battery at 3.42 V",
        "31 sensor errors since it started, most of sensor 0: no answer in time",
        "Weak signal (-91 dBm)",
    )
    expect(page.locator(".look li")).to_contain_text(looks)
    eyes.picture(page, "station-light")
    page.locator(".about summary").click()
    expect(page.locator(".about")).to_contain_text("sonar")
    expect(page.locator(".about")).to_contain_text("Sensor above zero, m")


def test_gaps_are_gaps_and_the_spread_survives_thirty_days(look, answers, eyes):
    answers.series["water_level"] = lambda a, b: flood(a, b, gaps=((0.1, 0.15), (0.4, 0.42), (0.9, 0.95)))
    page = drawn(look("?lang=id&theme=dark", height=1500))
    page.get_by_role("button", name="30 hari").click()
    expect(page.locator(".chart .times text").first).to_contain_text(re.compile("Okt|Nov|Des|[A-Z]"))
    expect(page.locator(".panel.main .gap")).to_have_count(3)
    assert path_of(page, "line").count("M") == 4
    assert path_of(page, "band").count("Z") == 4
    assert all("points=1500" in url for url in answers.asked)
    eyes.picture(page, "station-dark")
    for part in (".about", ".astable"):
        page.locator(f"{part} summary").click()
    assert axe(page) == []


def test_flagged_readings_are_marked_with_their_reason_and_hostile_words_are_text(look, answers):
    def flagged(a, b):
        found = flood(a, b)
        found["last"] = list(found["last"])
        found["last"][300], found["min"][300], found["max"][300] = 12.0, None, None
        found["last"][800] = found["min"][800] = found["max"][800] = None
        for at, quality, reason in ((300, 4, "spike"), (500, 3, "rate"), (800, 9, "no_echo")):
            found["q"][at], found["reason"][at] = quality, reason
        return found

    answers.series["water_level"] = flagged
    answers.station["owner"] = answers.station["nodes"][0]["firmware"] = XSS
    answers.station["readings"][3] |= {"property": "<i>x</i>", "unit": "<b>", "reason": "<u>why</u>"}
    answers.station["thresholds"][0]["name"] = "<img src=x>"
    page = drawn(look())
    for name in ("bad", "suspect", "missing"):
        assert path_of(page, f"mark.{name}").count("M") == 1
    told = re.compile("1 × bad: spike.*1 × suspect: changed too fast.*1 × missing: no echo")
    expect(page.locator(".flags")).to_have_text(told)
    assert "12" not in page.locator(".panel.main .values text").all_text_contents()  # what failed sets no scale
    expect(page.locator(".rest")).to_contain_text("<i>x</i>")
    expect(page.locator(".rest")).to_contain_text("<u>why</u>")
    expect(page.locator(".stationnode")).to_contain_text(XSS)
    assert page.locator("#station :is(img, i, u, .rest b)").count() == 0
    expect(page).to_have_title("Kota Tangerang")


def test_keys_mouse_and_table_tell_the_same(look, answers):
    ends = []

    def three(_, b):
        ends.append(b)
        return series([b - n * HOUR_MS for n in (3, 2, 1)], lambda ms: 1 + (b - ms) / HOUR_MS)

    answers.series["water_level"] = three
    page = drawn(look(height=1700))
    chart = page.get_by_role("slider")
    chart.focus()
    walk = (("ArrowLeft", "2.00"), ("ArrowLeft", "3.00"), ("Home", "4.00"), ("ArrowLeft", "4.00"), ("End", "2.00"))
    for key, value in walk:
        page.keyboard.press(key)
        expect(chart).to_have_attribute("aria-valuetext", re.compile(rf"WIB.*Water level {value}\u2009m"))
    shown = page.get_by_label("From (WIB)").input_value()
    page.keyboard.press("+")
    expect(page.get_by_label("From (WIB)")).not_to_have_value(shown)
    page.keyboard.press("0")
    pressed(page, "24 h")

    answers.series["water_level"] = flood
    page.get_by_role("button", name="7 d").click()
    pressed(page, "7 d")
    chart.hover(position={"x": 200, "y": 200})
    expect(page.locator(".readout .when")).to_contain_text("WIB")
    box = chart.bounding_box()
    page.mouse.move(box["x"] + 120, box["y"] + 150)
    page.mouse.down()
    page.mouse.move(box["x"] + 220, box["y"] + 150, steps=3)
    page.mouse.up()
    expect(page.get_by_role("button", name="7 d")).to_have_attribute("aria-pressed", "false")
    chart.dblclick(position={"x": 300, "y": 150})
    pressed(page, "24 h")

    page.locator(".astable summary").click()
    table = page.locator(".numbers").first
    expect(table.locator("caption")).to_have_text("Water level, m")
    expect(table.locator("tbody tr").nth(90)).to_be_visible()
    csv = page.locator(".downloads a").first.get_attribute("href")
    assert "property=water_level" in csv
    assert "format=csv" in csv
    answers.series["air_temperature"] = lambda a, b: series(list(range(a, b, 60_000)), lambda _: 27.3)
    page.get_by_label("Show", exact=True).select_option(label="Air temperature")
    page.get_by_label("With", exact=True).select_option(label="nothing else")
    expect(page.locator(".chart .panel .name")).to_have_text("Air temperature, °C")


ODD = (
    (lambda _a, _b: series([], float), "No reading in this time."),
    (lambda _a, b: series([b - HOUR_MS], lambda _: 1.5), ""),
    (lambda a, b: series(list(range(a, b, 60_000)), lambda _: 1.5), ""),
    (lambda a, b: flood(a, b) | {"q": [4] * len(flood(a, b)["t"])}, "Every reading in this time was found bad."),
    (lambda a, b: series(list(range(a, b, 600_000)), lambda _: None), "Nothing was measured in this time"),
)


def test_what_is_odd_is_said_and_still_drawn_and_what_is_lost_or_refused_is_said(look, answers):
    page = drawn(look())
    for made, says in ODD:
        answers.series["water_level"] = made
        with page.expect_response(re.compile("water_level")):
            page.get_by_role("button", name="24 h").click()
        expect(page.locator(".seriesnote")).to_have_text(re.compile(says or "^$"))
        assert "NaN" not in drawn(page).locator(".chart").inner_html()
    page.unroute("**/api/series?*")
    page.route("**/api/series?*", lambda route: route.abort())
    page.get_by_role("button", name="7 d").click()
    expect(page.locator(".seriesnote")).to_contain_text("does not answer: what is shown is from before")
    expect(page.locator(".chart .panel").first).to_be_visible()
    page.unroute("**/api/series?*")
    answers.status = 403
    answers.stand_in(page)
    page.get_by_role("button", name="30 d").click()
    expect(page.locator(".seriesnote")).to_have_text("The bridge does not show this: Reading <b>is</b> closed.")
    expect(page.locator(".downloads")).to_be_hidden()


def test_a_clock_that_runs_ahead_is_said(look, answers):
    answers.station = station(answers.now_ms + 290_000)
    answers.now_ms += 290_000
    page = drawn(look())
    expect(page.locator(".hero .kind")).to_have_text("ahead of the clock")
    expect(page.locator(".chart line.now")).to_have_count(1)


def test_a_new_reading_appears_by_itself_and_escape_leads_back(eyes, city):
    page = eyes.open("?lang=en#/stations")
    page.locator("#stations a[href*='pintu-air-10']").first.click()
    expect(page.locator("#station h2")).to_be_focused()
    drawn(page)
    expect(page.locator("#live")).to_have_attribute("data-live", "live")
    city.now_s = int(time.time())
    city.feed("flood-01", {T.WATER_DISTANCE: [1360], T.RAIN_TIPS: [2]}, alarm=True)
    expect(page.locator(".hero .value")).to_have_text("5.14\u2009m")
    expect(page.locator(".told.main b")).to_contain_text("5.14\u2009m")
    page.keyboard.press("Escape")
    expect(page.locator("#station")).to_be_hidden()
    expect(page.locator("#stations a[href*='pintu-air-10']").first).to_be_focused()


def test_on_a_phone_it_is_the_whole_screen_with_a_way_back_for_the_thumb(look, eyes):
    page = look(where="#/stations", width=390, height=844, phone=True)
    page.locator("#stations a[href*='pintu-air-10']").first.tap()
    drawn(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    box = page.locator(".stationhead .back").bounding_box()
    assert box["height"] >= 44
    assert box["y"] > 844 / 2
    page.locator(".chart").scroll_into_view_if_needed()
    page.locator(".chart").tap(position={"x": 200, "y": 150})
    expect(page.locator(".cross .dot").first).to_be_visible()
    eyes.picture(page, "station-phone")
    page.locator(".stationhead .back").tap()
    expect(page.locator("#stations")).to_be_visible()
