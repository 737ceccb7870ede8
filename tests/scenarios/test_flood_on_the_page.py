"""The shipped flood, the whole way: it meets its expectations, and the control room's page shows the wave pass.

The scenario is played once. Its log is then given to another city step by step, with the page open: a night in a few seconds.
"""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from playwright.sync_api import expect

from city_rig import Bridge, serving
from page_rig import Eyes, chromium
from pantau.access.model import ANYBODY, Role
from pantau.access.passwords import Passwords
from pantau.access.store import AccessStore
from pantau.registry.file import read
from pantau.web.app import create_app
from pantau_sim.expect import judge_all
from pantau_sim.run.city import VirtualCity
from pantau_sim.run.report import report
from pantau_sim.run.run import run
from pantau_sim.scenario.file import load
from pantau_sim.scenario.make import make

pytestmark = [pytest.mark.usefixtures("vm"), pytest.mark.timeout(300)]

RIVER = ("Cisadane, Batu Beulah", "Cisadane, Serpong", "Cisadane, Pintu Air 10")  # from the hills to the city
PASSWORD = "long enough for a test"


def ms(text: str) -> int:
    """Return Unix ms of a UTC time of the scenario's night: '15:40', or '+01:10' on the day after."""
    day = 13 if text.startswith("+") else 12
    hour, minute = text.lstrip("+").split(":")
    return round(datetime(2028, 1, day, int(hour), int(minute), tzinfo=UTC).timestamp() * 1000)


@pytest.fixture(scope="module")
def flood(tmp_path_factory):
    found, form = load("cisadane-flood")
    return run(make(found, form, form.scenario.seed), tmp_path_factory.mktemp("flood") / "run", 2)


def test_the_flood_meets_its_expectations(flood):
    result = report(flood, judge_all(flood))
    unmet = {which: result["told"][which] for which, met in result["expectations"].items() if not met}
    assert not unmet, unmet
    assert (result["lost"], result["duplicates"], result["problems"]) == (0, 0, {})
    assert result["records"]["stored"] > 0


class Night:
    """The log of the flood, given to a city up to any moment of the night."""

    def __init__(self, outcome, folder):
        self._kept = list(outcome.kept)
        self.registry = read(tomllib.loads(outcome.plan.registry), Path("registry.toml"))
        self.now_ms = outcome.plan.start_us // 1000
        self.city = VirtualCity(self.registry, folder, self.now_ms)

    def until(self, text):
        self.now_ms = ms(text)
        due = [kept for kept in self._kept if kept.received_ms <= self.now_ms]
        self._kept = self._kept[len(due) :]
        self.city.take(due, self.now_ms)


@pytest.fixture
def night(flood, tmp_path):
    made = Night(flood, tmp_path / "night")
    yield made
    made.city.close()


STATIONS = ("batu-beulah", "serpong", "pintu-air-10")  # of RIVER
WHERE = "id => document.querySelector('.citymap').where(id)"  # how the map draws a station


@pytest.fixture
def room(night, tmp_path):
    """The page of a control room in that night, with an operator logged in."""
    access = AccessStore(tmp_path / "access.sqlite3", Passwords(PasswordHasher(1, 8, 1)))
    access.add_person("operator-1", PASSWORD, Role.OPERATOR, ANYBODY, night.now_ms)
    app = create_app(
        night.city.store, Bridge(), public_read=True, city="tng", title="Kota Tangerang", now_ms=lambda: night.now_ms,
        registry=lambda: night.registry, alert_store=night.city.alerts, access=access,
    )  # fmt: skip
    night.until("07:50")
    with serving(app) as url, chromium() as browser:
        eyes = Eyes(browser, url, tmp_path)
        page = eyes.open("?lang=en&theme=light")
        body = {"name": "operator-1", "password": PASSWORD}
        assert page.request.post(url + "api/session", data=body, headers={"x-pantau": "1"}).ok
        page.reload()
        expect(page.locator("#live")).to_have_attribute("data-live", "live")
        yield eyes, page
        assert eyes.complaints() == []
    access.close()


def grave(page):
    """The stations of the alerts that are extreme and call for somebody, in the list's order."""
    rows = page.locator('.alert[data-severity="4"][data-state="open"] .where')
    return [text.strip() for text in rows.all_inner_texts()]


def looks(page, station, **wanted):
    page.wait_for_function(
        "([id, wanted]) => { const found = document.querySelector('.citymap').where(id);"
        " return found && Object.entries(wanted).every(([key, value]) => found[key] === value); }",
        arg=[station, wanted],
    )


def test_the_page_shows_the_wave_come_down_the_river(night, room):
    eyes, page = room
    assert grave(page) == []
    for station in STATIONS:
        looks(page, station, state="ok")
    told = []
    for number, (moment, name) in enumerate(zip(("08:40", "11:15", "13:08"), RIVER, strict=True)):
        night.until(moment)
        expect(page.locator('.alert[data-severity="4"] .where', has_text=name)).not_to_have_count(0)
        told.append(grave(page))
        for later, station in enumerate(STATIONS):
            if later <= number:
                looks(page, station, severity=4)
            else:
                assert page.evaluate(WHERE, station)["severity"] < 4, f"{station} at {moment}"
        expect(page.locator("#strip")).to_contain_text("5 / 5")
        eyes.picture(page, f"flood-{number + 1}")
    # Each new alert stands above those before it, and none of them was there before its time.
    assert [sorted(set(names)) for names in told] == [sorted(RIVER[: n + 1]) for n in range(3)]
    assert all(names[0] == name for names, name in zip(told, RIVER, strict=True))

    # Somebody takes the newest; the others go on calling.
    page.locator(".alert").first.click()
    page.get_by_role("button", name="I have seen it").click()
    expect(page.locator(".alert").first.locator(".mark")).to_contain_text("seen by operator-1")
    expect(page.locator(".alert .mark.new")).not_to_have_count(0)

    # Its link is down for 40 minutes: the post upstream goes grey, and is back with what it measured meanwhile.
    night.until("16:06")
    page.reload()
    looks(page, "serpong", state="offline")
    looks(page, "pintu-air-10", severity=4)
    eyes.picture(page, "flood-offline")
    night.until("16:25")
    page.goto(eyes.url + "?lang=en&theme=light#/station/pintu-air-10")
    page.reload()
    page.wait_for_function("document.querySelector('.citymap').where('serpong')?.state !== 'offline'")
    expect(page.locator("#station .chart svg").first).to_be_visible()
    page.locator("#station .series .moves").scroll_into_view_if_needed()
    eyes.picture(page, "flood-station")
