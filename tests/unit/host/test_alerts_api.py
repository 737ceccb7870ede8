"""Alerts on HTTP: the list, the story of one, what staff does with it and what the public is not told."""

from __future__ import annotations

import asyncio
import json

import pytest
from starlette.testclient import TestClient

from built import T0_MS
from city_rig import XSS, City
from pantau.access.model import Role, Who
from pantau.web import gate
from pantau_wire import names as T

NOW_MS = T0_MS


@pytest.fixture
def city(tmp_path):
    made = City(tmp_path, now_ms=lambda: NOW_MS)
    made.feed("flood-01", {T.WATER_DISTANCE: [4600 - 30 * i for i in range(20)]}, alarm=True)
    made.feed("flood-02", {T.WATER_DISTANCE: [4600] * 20}, alarm=True)
    yield made
    made.close()


@pytest.fixture
def as_operator(monkeypatch):
    """Everybody is somebody of the staff: who may be it is access' own test."""
    monkeypatch.setattr(gate, "ANYBODY", Who("operator-1", Role.OPERATOR, "session"))


def test_open_alerts_come_worst_and_newest_first_with_words_in_both_languages(city):
    body = TestClient(city.app).get("/api/alerts").json()
    assert body["judged"] and body["next_before"] is None
    ranks = [["none", "minor", "moderate", "severe", "extreme"].index(one["severity"]) for one in body["alerts"]]
    assert ranks == sorted(ranks, reverse=True) and len(ranks) >= 2
    first = body["alerts"][0]
    assert {first["station"] for first in body["alerts"]} == {"pintu-air-10", "angke"}
    assert first["state"] == "open" and first["opened_at"].endswith("Z")
    assert "Alarm" in first["text"]["en"] and "ekstrem" in first["text"]["id"]


def test_a_hostile_name_is_json_text(city):
    answer = TestClient(city.app).get("/api/alerts")
    assert any(XSS in one["text"]["en"] for one in answer.json()["alerts"])
    assert (
        answer.headers["content-type"] == "application/json" and answer.headers["x-content-type-options"] == "nosniff"
    )


def test_the_story_tells_every_decision_with_its_figures(city):
    web = TestClient(city.app)
    number = web.get("/api/alerts").json()["alerts"][0]["id"]
    story = web.get(f"/api/alerts/{number}").json()
    assert story["alert"]["id"] == number
    assert story["decisions"][0]["action"] == "open"
    assert all(one["observed_at"].endswith("Z") for d in story["decisions"] for one in d["figures"])


@pytest.mark.parametrize(
    "path, status",
    [
        ("/api/alerts/999", 404),
        ("/api/alerts/0", 400),
        ("/api/alerts/99999999999999999999", 400),
        ("/api/alerts/1%20OR%201=1", 400),
        ("/api/alerts?limit=0", 400),
        ("/api/alerts?station=pintu-air-10", 400),
        ("/api/alerts?history=1&before=-1", 400),
        ("/api/alerts?history=1&station=" + "x" * 65, 400),
    ],
)
def test_what_cannot_be_meant_is_a_problem_that_names_it(city, path, status):
    answer = TestClient(city.app).get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert answer.json()["detail"]


def test_the_public_may_not_acknowledge(city):
    answer = TestClient(city.app).post("/api/alerts/1/acknowledge", headers={"x-pantau": "1"})
    assert answer.status_code in (401, 403)
    assert TestClient(city.app).get("/api/alerts/1").json()["alert"]["acknowledged_at"] is None


def test_staff_acknowledges_with_name_and_time_and_the_public_sees_the_time_only(city, monkeypatch):
    web = TestClient(city.app)
    with monkeypatch.context() as staff:
        staff.setattr(gate, "ANYBODY", Who("operator-1", Role.OPERATOR, "session"))
        story = web.post("/api/alerts/1/acknowledge", headers={"x-pantau": "1"}).json()
        assert story["alert"]["acknowledged_by"] == "operator-1" and story["alert"]["acknowledged_at"]
        assert story["decisions"][-1]["by"] == "operator-1"
    public = web.get("/api/alerts/1")
    assert public.json()["alert"]["acknowledged_at"] and "operator-1" not in public.text


@pytest.mark.usefixtures("as_operator")
def test_a_shelved_alert_is_put_aside_until_its_time(city):
    web = TestClient(city.app)
    change = {"headers": {"x-pantau": "1"}}
    story = web.post("/api/alerts/1/shelve", json={"minutes": 30}, **change).json()
    assert story["alert"]["state"] == "shelved" and story["alert"]["shelved_by"] == "operator-1"
    for minutes in (0, -5, 10**9, "30", 1.5, None):
        answer = web.post("/api/alerts/1/shelve", json={"minutes": minutes}, **change)
        assert answer.status_code == 400 and answer.json()["errors"][0]["name"] == "minutes"
    assert web.post("/api/alerts/1/shelve", content=b"{", **change).status_code == 400


@pytest.mark.usefixtures("as_operator")
def test_an_alert_that_ended_cannot_be_acknowledged(city):
    number = next(
        one["id"] for one in TestClient(city.app).get("/api/alerts").json()["alerts"] if one["kind"] == "node_alarm"
    )
    for _ in range(4):  # an alarm ends once it has been off for a while
        city.now_s += 3600
        for node in ("flood-01", "flood-02"):
            city.feed(node, {T.WATER_DISTANCE: [4600] * 60})
        city.alerts.tick(city.now_s * 1000)
    web = TestClient(city.app)
    assert web.get(f"/api/alerts/{number}").json()["alert"]["state"] == "closed"
    answer = web.post(f"/api/alerts/{number}/acknowledge", headers={"x-pantau": "1"})
    assert answer.status_code == 409 and "has ended" in answer.json()["detail"]
    history = web.get("/api/alerts?history=1&limit=1").json()
    assert history["next_before"] == history["alerts"][0]["id"]
    older = web.get(f"/api/alerts?history=1&before={history['next_before']}").json()["alerts"]
    assert all(one["id"] < history["next_before"] for one in older)


def test_a_bridge_that_judges_nothing_says_so(tmp_path):
    made = City(tmp_path, alert_store=None)
    assert TestClient(made.app).get("/api/alerts").json()["judged"] is False
    assert TestClient(made.app).get("/api/alerts/1").status_code == 404
    made.close()


def test_a_lost_alert_store_is_503_in_words(city):
    city.alerts._db.execute("DROP TABLE alerts")
    answer = TestClient(city.app).get("/api/alerts")
    assert answer.status_code == 503 and answer.headers["content-type"] == "application/problem+json"


def test_the_live_stream_tells_of_alerts_and_names_nobody_to_the_public(city):
    async def scene():
        hub = city.app.state.hub
        public, staff = hub.join(), hub.join(staff=True)
        streams = hub.stream(public), hub.stream(staff)
        for stream in streams:
            await anext(stream)
        await asyncio.to_thread(city.alerts.acknowledge, 1, "operator-1", NOW_MS)
        told = [await asyncio.wait_for(anext(stream), 5) for stream in streams]
        hub.close()
        return told

    public, staff = asyncio.run(scene())
    assert public.startswith("event: alerts\ndata: ") and "operator-1" in staff
    body = json.loads(public.partition("data: ")[2])
    assert [one["id"] for one in body["changed"]] == [1] and body["changed"][0]["acknowledged_at"]
    assert body["changed"][0]["acknowledged_by"] == "" and "operator-1" not in public
