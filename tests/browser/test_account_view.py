"""Logging in as an operator does: to acknowledge an alert, to change the password, and out again."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from city_rig import City, serving
from needs import missing
from page_rig import Eyes
from pantau.access.model import ANYBODY, Role
from pantau_wire import names as T

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
PHONE = {"width": 390, "height": 844, "phone": True}
VIOLATIONS = """async () => (await axe.run(document, {resultTypes: ['violations']})).violations
  .map(({id, impact, nodes}) => [id, impact, nodes[0].html])"""
PASSWORD = "four small words here"


@pytest.fixture
def city(tmp_path):
    made = City(tmp_path)
    made.feed("flood-01", {T.WATER_DISTANCE: [4600 - 30 * i for i in range(20)]}, alarm=True)
    made.access.add_person("operator-1", PASSWORD, Role.OPERATOR, ANYBODY, made.now_s * 1000)
    yield made
    made.close()


@pytest.fixture
def eyes(city, browser, tmp_path):
    with serving(city.app) as url:
        found = Eyes(browser, url, tmp_path)
        yield found
        assert [text for text in found.complaints() if "401" not in text] == []


def log_in(page, password=PASSWORD):
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("operator-1")
    dialog.get_by_label("Password").fill(password)
    page.keyboard.press("Enter")
    return dialog


def test_who_wants_to_acknowledge_is_asked_to_log_in_and_then_it_is_done(eyes):
    page = eyes.open("?lang=en&theme=light#/alerts/1")
    page.get_by_role("button", name="I have seen it").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("role operator")
    eyes.picture(page, "login")
    log_in(page, "not the password")
    expect(dialog.get_by_role("alert")).to_contain_text("Wrong name or password")
    log_in(page)
    expect(dialog).to_be_hidden()
    expect(page.locator(".alert[aria-current] .mark")).to_contain_text("seen by operator-1")
    expect(page.locator("#account")).to_contain_text("operator-1")
    assert PASSWORD not in page.content()


def test_somebody_logs_in_changes_the_password_and_leaves(eyes, city):
    page = eyes.open("?lang=en&theme=dark")
    page.get_by_role("button", name="Log in").click()
    log_in(page)
    page.get_by_role("button", name="operator-1").click()
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_label("New password").fill("another four small words")
    page.get_by_role("button", name="Change password").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.get_by_role("button", name="operator-1").click()
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("button", name="Log in")).to_be_visible()
    assert [one.action for one in city.access.log(3)] == ["login", "change password", "login"]


def test_a_bridge_without_people_offers_no_login(browser, tmp_path):
    made = City(tmp_path)
    with serving(made.app) as url:
        eyes = Eyes(browser, url, tmp_path)
        page = eyes.open("?lang=en")
        expect(page.locator("#live")).to_have_attribute("data-live", "live")
        expect(page.locator("#account")).to_be_hidden()
        assert eyes.complaints() == []
    made.close()


def test_a_session_that_has_ended_leads_to_the_dialog_and_then_it_is_done(eyes, city):
    page = eyes.open("?lang=en&theme=light")
    page.get_by_role("button", name="Log in").click()
    log_in(page)
    expect(page.locator("#account")).to_contain_text("operator-1")
    city.access.set_password("operator-1", "another four small words", ANYBODY, city.now_s * 1000)
    page.evaluate("location.hash = '#/alerts/1'")
    page.get_by_role("button", name="I have seen it").click()
    log_in(page, "another four small words")
    expect(page.locator(".alert[aria-current] .mark")).to_contain_text("seen by operator-1")


@pytest.mark.parametrize("language, theme, log_in_word", [("en", "light", "Log in"), ("id", "dark", "Masuk")])
def test_the_dialog_on_a_phone_is_found_by_axe_without_fault_and_left_by_escape(eyes, language, theme, log_in_word):
    if not AXE.exists():
        missing("axe-core", "the npm packages (make setup)")
    page = eyes.open(f"?lang={language}&theme={theme}", **PHONE)
    opener = page.get_by_role("button", name=log_in_word)
    opener.click()
    expect(page.get_by_role("dialog").locator("input").first).to_be_focused()
    page.evaluate(AXE.read_text(encoding="utf-8"))
    assert page.evaluate(VIOLATIONS) == []
    eyes.picture(page, f"login-phone-{theme}")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(opener).to_be_focused()
