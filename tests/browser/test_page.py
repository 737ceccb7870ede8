"""The page as a whole in a real browser: languages, themes, what it does without its bridge, and whom it asks.

Pictures go to PANTAU_PICTURES, or to the test's temporary folder.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from city_rig import City, serving
from page_rig import Eyes
from pantau_wire import frame
from pantau_wire import names as T


def fill(city):
    """Half an hour of a city with something of everything: an alarm, no echo, traffic, a late node and a silent one."""
    half_hour = range(30)
    city.feed("flood-01", {T.WATER_DISTANCE: [4600 - 30 * i for i in half_hour], T.RAIN_TIPS: [1] * 30}, alarm=True)
    city.say_health("flood-01")
    city.feed("flood-02", {T.WATER_DISTANCE: ([4600] * 29 + [None], [0] * 29 + [frame.quality(T.R_NO_ECHO)])})
    city.feed(
        "traffic-01", {T.VEHICLE_COUNT_APPROACHING: [9 + i % 5 for i in half_hour], T.VEHICLE_SPEED_MEAN: [310] * 30}
    )
    city.feed("air-01", {T.PM2_5: [300 + i for i in half_hour], T.PM10: [610] * 30}, ago_s=150)


@pytest.fixture
def city(tmp_path):
    made = City(tmp_path)
    fill(made)
    yield made
    made.close()


def live(page):
    expect(page.locator("#live")).to_have_attribute("data-live", "live")
    return page


def test_a_desk_shows_alerts_beside_the_map(eyes):
    page = live(eyes.open("?lang=en&theme=light"))
    expect(page).to_have_title("Kota Tangerang")
    expect(page.locator("#alerts")).to_be_visible()
    expect(page.locator("#map")).to_be_visible()
    expect(page.locator("#station")).to_be_hidden()
    eyes.picture(page, "page-light")


def test_the_language_switches_everywhere_and_is_remembered(eyes):
    page = live(eyes.open("?theme=dark"))
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.locator("#language").click()
    expect(page.locator("html")).to_have_attribute("lang", "id")
    expect(page.locator("#alerts h2")).to_have_text("Peringatan")
    expect(page.locator(".alert").first.locator(".what")).to_contain_text("Pintu Air 10")
    page.reload()
    expect(page.locator("#alerts h2")).to_have_text("Peringatan")
    eyes.picture(page, "page-dark")


def test_the_language_is_the_browsers_at_first(eyes):
    page = live(eyes.open(locale="id-ID"))
    expect(page.locator("html")).to_have_attribute("lang", "id")


@pytest.mark.parametrize("theme, ground", [("dark", "rgb(13, 20, 22)"), ("light", "rgb(238, 242, 241)")])
def test_a_theme_is_chosen_by_the_system_and_by_the_button(eyes, theme, ground):
    page = live(eyes.open(color_scheme=theme))
    colour = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(colour) == ground
    page.locator("#theme").click()
    assert page.evaluate(colour) != ground


VIEWS = ("", "#/alerts", "#/stations", "#/network", "#/station/pintu-air-10")


def test_every_view_holds_on_phones(eyes):
    for width in (320, 390):
        page = live(eyes.open("?lang=id", width=width, height=780, phone=True))
        for view in VIEWS:
            page.evaluate("view => { location.hash = view; }", view)
            expect(page.locator("body")).to_have_attribute("data-view", view.split("/")[1] if view else "map")
            assert page.evaluate("document.documentElement.scrollWidth") <= width, view
            eyes.picture(page, f"phone-{width}-{view.strip('#/').partition('/')[0] or 'map'}")


def test_only_this_server_is_asked_and_nothing_is_complained_about(eyes):
    page = live(eyes.open("?lang=en"))
    for view in VIEWS:
        page.evaluate("view => { location.hash = view; }", view)
    assert len(eyes.asked) > 20  # `eyes` itself looks whom; here that it saw any


def test_a_page_that_lost_its_bridge_says_so(city, browser, tmp_path):
    with serving(city.app) as url:
        eyes = Eyes(browser, url, tmp_path)
        page = live(eyes.open("?lang=en"))
    expect(page.locator("#banner")).to_contain_text("No connection to the bridge", timeout=10_000)
    expect(page.locator("body")).to_have_attribute("data-live", "lost")
    eyes.complaints()  # that nobody answers is said in the console too


def test_a_pc_with_a_wrong_clock_shows_the_bridges_time(eyes):
    ahead = "const real = Date.now.bind(Date); Date.now = () => real() + 3 * 3600e3;"
    page = live(eyes.open("?lang=en#/station/pintu-air-10", script=ahead))
    expect(page.locator("#station .hero")).to_contain_text("live")
    shown = page.locator("#clock").inner_text()
    wib = [datetime.now(UTC) + timedelta(hours=7, seconds=late) for late in range(-60, 5)]
    assert shown in {f"{at:%H:%M:%S} WIB" for at in wib}


def test_closed_reading_is_said_in_the_bridges_words(browser, tmp_path):
    made = City(tmp_path, public_read=False)
    with serving(made.app) as url:
        eyes = Eyes(browser, url, tmp_path)
        page = eyes.open("?lang=en")
        expect(page.locator("#banner")).to_contain_text("Reading is closed")
        expect(page.locator("#alerts")).to_contain_text("not known here")
        eyes.complaints()  # the browser's own lines about 403
    made.close()
