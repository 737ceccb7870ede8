"""The list of alerts as an operator uses it: worst first, why, seen by whom, put aside, and what a hostile name does."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from city_rig import XSS, City
from pantau.access.model import Role, Who
from pantau.web import gate
from pantau_wire import names as T


@pytest.fixture
def city(tmp_path):
    made = City(tmp_path)
    made.feed("flood-01", {T.WATER_DISTANCE: [4600 - 30 * i for i in range(20)]}, alarm=True)
    made.feed("flood-02", {T.WATER_DISTANCE: [4600] * 20}, alarm=True)
    yield made
    made.close()


def test_the_worst_stands_first_with_words_age_and_whether_somebody_has_seen_it(eyes):
    page = eyes.open("?lang=en&theme=light")
    first = page.locator(".alert").first
    expect(first.locator(".sev")).to_have_text("Extreme")
    expect(first.locator(".meta")).to_contain_text("nobody has seen it")
    expect(first.locator(".age")).to_contain_text("WIB")
    ranks = page.locator(".alert").evaluate_all("rows => rows.map((row) => Number(row.dataset.severity))")
    assert ranks == sorted(ranks, reverse=True) and len(ranks) >= 2
    expect(page.locator("#alerts .count")).to_have_text(str(len(ranks)))


def test_a_hostile_name_is_text_in_list_and_story(eyes):
    page = eyes.open("?lang=en")
    row = page.locator(".alert", has_text=XSS).first
    row.click()
    expect(page.locator(".story .where")).to_have_text(XSS)
    assert page.locator("#alerts b, #alerts img").count() == 0
    expect(page).to_have_title("Kota Tangerang")


def test_a_story_opens_by_keyboard_says_why_and_closes_by_escape(eyes):
    page = eyes.open("?lang=en")
    page.locator(".alert").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".story h3")).to_be_focused()
    page.locator(".story summary").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".story .log li").first).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(".story")).to_be_hidden()


def test_a_public_reader_is_told_that_only_staff_may(eyes):
    page = eyes.open("?lang=en#/alerts/1")
    page.get_by_role("button", name="I have seen it").click()
    expect(page.locator(".story .problem")).to_contain_text("refused")
    expect(page.locator(".story").get_by_role("button", name="I have seen it")).to_be_visible()
    assert [text for text in eyes.complaints() if "401" not in text] == []


def test_staff_notes_an_alert_seen_and_every_page_hears_it(eyes, monkeypatch):
    other = eyes.open("?lang=id")
    expect(other.locator("#live")).to_have_attribute("data-live", "live")
    monkeypatch.setattr(gate, "ANYBODY", Who("operator-1", Role.OPERATOR, "session"))
    page = eyes.open("?lang=en#/alerts/1")
    page.get_by_role("button", name="I have seen it").click()
    expect(page.locator(".story").get_by_role("button", name="I have seen it")).to_have_count(0)
    expect(page.locator(".alert[aria-current] .mark")).to_contain_text("seen by operator-1")
    expect(other.locator(".alert .mark.seen")).to_contain_text("dilihat")
    expect(other.locator(".alert .mark.seen")).not_to_contain_text("operator-1")


def test_an_alert_put_aside_no_longer_calls(eyes, monkeypatch):
    monkeypatch.setattr(gate, "ANYBODY", Who("operator-1", Role.OPERATOR, "session"))
    page = eyes.open("?lang=en#/alerts/1")
    expect(page.locator("#alerts .count")).not_to_be_empty()
    calling = int(page.locator("#alerts .count").inner_text())
    page.get_by_label("For how long").select_option("480")
    page.get_by_role("button", name="Put aside for").click()
    expect(page.locator('.alert[data-state="shelved"] .mark').first).to_contain_text("shelved until")
    expect(page.locator("#alerts .count")).to_have_text("" if calling == 1 else str(calling - 1))
    assert page.locator(".alert").last.get_attribute("data-state") == "shelved"


def test_an_alert_appears_without_a_reload_and_is_said_aloud(eyes, city):
    page = eyes.open("?lang=en")
    expect(page.locator("#live")).to_have_attribute("data-live", "live")
    before = page.locator(".alert").count()
    city.feed("air-01", {T.PM2_5: [300]}, alarm=True)
    expect(page.locator(".alert")).to_have_count(before + 1)
    expect(page.locator("#announce")).to_contain_text("Alun-Alun Kota")


def test_the_list_holds_on_a_phone(eyes):
    page = eyes.open("?lang=id#/alerts", width=360, height=740, phone=True)
    expect(page.locator(".alert").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    eyes.picture(page, "alerts-phone")
