"""The gate on HTTP: cookies, tokens, who may change, what other sites cannot send, and how much anybody may ask."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace

import pytest
from starlette.requests import Request
from starlette.testclient import TestClient

from city_rig import City
from pantau import page
from pantau.access.model import ANYBODY, Role
from pantau.problems import ConfigError
from pantau.web import limits
from pantau.web.gate import while_the_same
from pantau.web.limits import Buckets
from pantau_wire import names as T

PASSWORD = "four small words here"
PAGE = {"x-pantau": "1"}
WHO = {"name": "operator-1", "password": PASSWORD}


@pytest.fixture
def city(tmp_path):
    made = City(tmp_path)
    made.feed("flood-01", {T.WATER_DISTANCE: [4600 - 30 * i for i in range(20)]}, alarm=True)
    made.access.add_person("operator-1", PASSWORD, Role.OPERATOR, ANYBODY, made.now_s * 1000)
    yield made
    made.close()


@pytest.fixture
def web(city):
    return TestClient(city.app)


def refused(answer, status):
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    return answer.json()["detail"]


def test_who_logs_in_may_acknowledge_and_the_public_learns_no_name(city, web):
    assert web.get("/api/session").json() == {"name": "", "role": "public", "via": "anonymous", "possible": True}
    answer = web.post("/api/session", json=WHO, headers=PAGE)
    assert answer.json()["role"] == "operator" and PASSWORD not in answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert web.get("/api/latest").headers["cache-control"] == "private, no-store"
    assert web.post("/api/alerts/1/acknowledge", headers=PAGE).json()["alert"]["acknowledged_by"] == "operator-1"
    assert city.access.log(1)[0].subject == "alert 1"
    assert "operator-1" not in TestClient(city.app).get("/api/alerts").text


@pytest.mark.parametrize("scheme, name, flags", [("http", "pantau=", ()), ("https", "__Host-pantau=", ("Secure",))])
def test_the_cookie_is_for_this_server_alone(city, scheme, name, flags):
    web = TestClient(city.app, base_url=f"{scheme}://testserver")
    answer = web.post("/api/session", json=WHO, headers=PAGE)
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(name)
    for flag in ("HttpOnly", "SameSite=strict", "Path=/", *flags):
        assert flag in cookie
    assert ("strict-transport-security" in answer.headers) == (scheme == "https")
    assert web.get("/api/session").json()["name"] == "operator-1"


def test_another_site_can_neither_change_nor_log_in(city, web):
    refused(web.post("/api/session", json=WHO), 403)
    web.post("/api/session", json=WHO, headers=PAGE)
    assert "x-pantau" in refused(web.post("/api/alerts/1/acknowledge"), 403)
    assert web.get("/api/alerts/1").json()["alert"]["acknowledged_at"] is None


@pytest.mark.parametrize(
    "shown", ["Bearer nonsense", "Bearer ", "Basic b3A6eA==", "pantau_x", "Bearer " + "x" * 5000, "Bearer \x7f"]
)
@pytest.mark.parametrize("path", ["/api/latest", "/sta/v1.1/Things", "/ogc/collections", "/api/events"])
def test_a_token_that_opens_nothing_is_refused_even_where_the_public_may_read(web, shown, path):
    answer = web.get(path, headers={"authorization": shown})
    refused(answer, 401)
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_token_reads_what_is_closed_to_the_public_until_it_ends(tmp_path):
    city = City(tmp_path, public_read=False)
    web = TestClient(city.app)
    token = city.access.add_token("gis", Role.VIEWER, 1, ANYBODY, city.now_s * 1000)
    shown = {"authorization": f"Bearer {token}"}
    refused(web.get("/api/alerts"), 403)
    assert web.get("/api/alerts", headers=shown).status_code == 200
    assert "operator" in refused(web.post("/api/alerts/1/acknowledge", headers=shown), 403)
    city.access.revoke(1, ANYBODY, city.now_s * 1000)
    refused(web.get("/api/alerts", headers=shown), 401)
    city.close()


def test_a_forged_or_ended_cookie_is_nobody(city, web):
    for cookie in ("x", "x" * 5000, "'; DROP TABLE sessions", "é"):
        answer = web.get("/api/session", headers={"cookie": f"pantau={cookie}".encode()})
        assert answer.json()["role"] == "public"
    web.post("/api/session", json=WHO, headers=PAGE)
    city.access.remove_person("operator-1", ANYBODY, city.now_s * 1000)
    assert web.get("/api/session").json()["role"] == "public"
    refused(web.post("/api/alerts/1/acknowledge", headers=PAGE), 401)


def test_a_password_is_changed_by_who_knows_it(city, web):
    refused(web.post("/api/session/password", json={"old": PASSWORD, "new": "x"}, headers=PAGE), 401)
    web.post("/api/session", json=WHO, headers=PAGE)
    refused(web.post("/api/session/password", json={"old": "wrong", "new": "another small word"}, headers=PAGE), 401)
    refused(web.post("/api/session/password", json={"old": PASSWORD, "new": "short"}, headers=PAGE), 400)
    done = web.post("/api/session/password", json={"old": PASSWORD, "new": "another small word"}, headers=PAGE)
    assert done.json()["name"] == "operator-1" == web.get("/api/session").json()["name"]


def test_too_many_wrong_passwords_are_told_how_long_to_wait(web):
    answers = [web.post("/api/session", json=WHO | {"password": "wrong"}, headers=PAGE) for _ in range(6)]
    assert [one.status_code for one in answers] == [401] * 5 + [429]
    assert answers[-1].headers["retry-after"] == "1"


@pytest.mark.parametrize(
    "body",
    [b"{", b"[]", b'{"name": 1}', json.dumps(WHO | {"more": 1}).encode(), b'{"name": "\\u0000", "password": ""}'],
)
def test_a_login_that_is_none_is_refused_in_words(web, body):
    answer = web.post("/api/session", content=body, headers=PAGE | {"content-type": "application/json"})
    assert answer.status_code in (400, 401) and answer.headers["content-type"] == "application/problem+json"


def test_the_log_of_changes_is_for_administrators(city, web):
    web.post("/api/session", json=WHO, headers=PAGE)
    refused(web.get("/api/audit"), 403)
    city.access.set_role("operator-1", Role.ADMIN, ANYBODY, city.now_s * 1000)
    page = web.get("/api/audit?limit=2").json()
    assert [one["action"] for one in page["entries"]] == ["change role", "login"]
    assert web.get(f"/api/audit?before={page['next_before']}").json()["entries"][0]["action"] == "add person"


def test_a_lost_file_of_people_is_503_and_the_public_reads_on(city, web):
    web.post("/api/session", json=WHO, headers=PAGE)
    city.access._db.execute("ALTER TABLE sessions RENAME TO gone")
    assert "access.sqlite3" in refused(web.get("/api/latest"), 503)
    web.cookies.clear()
    assert web.get("/api/latest").status_code == 200


def test_a_body_that_is_too_large_is_refused(web):
    refused(web.post("/api/session", content=b"x" * 70_000, headers=PAGE), 413)

    def pieces():
        yield from [b'"' + b"x" * 10_000] * 10

    refused(web.post("/api/session", content=pieces(), headers=PAGE | {"content-type": "application/json"}), 413)


def test_a_room_of_pages_is_not_noticed_and_a_loop_is():
    now = [0.0]
    buckets = Buckets(lambda: now[0])
    assert not any(buckets.wait_s("room") for _ in range(11 * 45))
    waits = [buckets.wait_s("room") for _ in range(200)]
    assert waits[0] == 0 and waits[-1] > 0
    assert buckets.wait_s("other") == 0
    now[0] += 1.0
    assert buckets.wait_s("room") == 0
    for number in range(20_000):
        buckets.wait_s(str(number))
    assert len(buckets._known) == limits._MOST_KNOWN


def test_who_asks_too_much_is_told_when_to_come_again(city, monkeypatch):
    monkeypatch.setattr(limits, "BURST", 3.0)
    monkeypatch.setattr(limits, "PER_S", 0.01)
    web = TestClient(city.app)
    answers = [web.get("/api/session") for _ in range(4)]
    assert [one.status_code for one in answers] == [200, 200, 200, 429]
    refused(answers[-1], 429)
    assert int(answers[-1].headers["retry-after"]) >= 1
    for path in ("/healthz", "/metrics", "/static/app.js"):
        assert web.get(path).status_code == 200


def test_a_live_stream_ends_with_the_session_that_opened_it(city, web):
    web.post("/api/session", json=WHO, headers=PAGE)
    cookie = f"pantau={web.cookies['pantau']}".encode()
    who = city.access.session(web.cookies["pantau"], city.now_s * 1000)
    now = [0.0]

    async def read():
        async def parts():
            for number in range(4):
                now[0] += 20.0
                if number == 2:
                    city.access.set_role("operator-1", Role.VIEWER, ANYBODY, city.now_s * 1000)
                yield str(number)

        scope = {"type": "http", "scheme": "http", "path": "/", "query_string": b"", "headers": [(b"cookie", cookie)]}
        request = Request(scope | {"state": {"who": who}})
        given = SimpleNamespace(access=city.access, now_ms=lambda: city.now_s * 1000)
        return [part async for part in while_the_same(given, request, parts(), lambda: now[0])]

    assert asyncio.run(read()) == ["0", "1"]


def test_the_page_and_its_files_come_when_nobody_can_be_looked_up(city, web):
    web.post("/api/session", json=WHO, headers=PAGE)
    assert "no-store" not in web.get("/static/app.js").headers.get("cache-control", "")
    city.access._db.execute("ALTER TABLE sessions RENAME TO gone")
    assert [web.get(path).status_code for path in ("/", "/static/app.js")] == [200, 200]


def test_metrics_can_be_for_tokens_alone(tmp_path):
    city = City(tmp_path, open_metrics=False)
    web = TestClient(city.app)
    refused(web.get("/metrics"), 401)
    token = city.access.add_token("prometheus", Role.VIEWER, 1, ANYBODY, city.now_s * 1000)
    assert web.get("/metrics", headers={"authorization": f"Bearer {token}"}).status_code == 200
    city.close()


@pytest.mark.parametrize("spoilt", [b"no database, but as long as one is" * 100, None])
def test_a_file_of_people_that_cannot_be_used_stops_the_start_in_words(tmp_path, spoilt):
    path = tmp_path / "access.sqlite3"
    if spoilt is None:
        path.mkdir()
    else:
        path.write_bytes(spoilt)
    with pytest.raises(ConfigError, match=r"access\.sqlite3 cannot be used"):
        page._people(path)
