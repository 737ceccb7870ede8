"""The read API over a real store: what it says, what it refuses and how, and that no text from outside becomes code."""

from __future__ import annotations

import asyncio

import pytest
from starlette.testclient import TestClient

from built import T0_MS, T0_S, Place, Places, health, records
from pantau.decode import Decoder
from pantau.sinks.sqlite import CityStore, StationRow
from pantau.web import events
from pantau.web.app import create_app
from pantau.web.events import Hub, HubFullError
from pantau.web.metrics import exposition
from pantau_wire import frame
from pantau_wire import names as T

DECODE = Decoder(Places(Place())).decode
NOW_MS = T0_MS + 70_000
XSS = '<img src=x onerror="alert(1)"><script>alert(2)</script>'


class Bridge:
    """A bridge that says of itself what it is told to."""

    def __init__(self, *problems):
        self._problems = problems

    def problems(self):
        return self._problems

    def figures(self):
        return {"frames_stored_total": 7, 'sink_lag_frames{sink="sqlite"}': 0}


@pytest.fixture
def store(tmp_path):
    made = CityStore(tmp_path / "city.sqlite3")
    yield made
    made.close()


def client(store, *problems, public_read=True, now_ms=NOW_MS):
    app = create_app(
        store, Bridge(*problems), public_read=public_read, city="tng", title="Kota Tangerang", now_ms=lambda: now_ms
    )
    return TestClient(app)


def deliver(store, *frames):
    assert all(verdict.kind == "stored" for verdict in store.deliver([DECODE(f) for f in frames]))


async def until(true):
    while not true():  # noqa: ASYNC110  the hub works in a thread and has nothing to await
        await asyncio.sleep(0)


def place(store, name="Pintu Air 10", interval_s=60, nodes=("flood-01",)):
    store.put_stations([StationRow("cisadane-pintu-10", name, "flood", 106.62, -6.18, interval_s, nodes)])


def test_a_node_is_a_feature_with_values_ages_and_health(store):
    place(store)
    deliver(store, records({T.WATER_DISTANCE: [1500, 1501]}), health({"rssi": -61, "firmware": "0.1.0"}, seq=2))
    answer = client(store).get("/api/nodes.geojson")
    assert (answer.json()["city"], answer.json()["title"]) == ("tng", "Kota Tangerang")
    assert answer.headers["content-type"] == "application/geo+json"
    body = answer.json()
    assert body["network"] == {"nodes": 1, "alarm": 0, "offline": 0, "fault": 0, "late": 0, "maintenance": 0, "ok": 1}
    feature = body["features"][0]
    assert feature["geometry"] == {"type": "Point", "coordinates": [106.62, -6.18]}
    said = feature["properties"]
    assert (said["name"], said["state"], said["age_s"], said["firmware"]) == ("Pintu Air 10", "ok", 9.5, "0.1.0")
    assert said["health"] == {"rssi": -61}
    level = next(seen for seen in said["latest"] if seen["property"] == "water_level")
    assert level == {
        "property": "water_level", "value": 4.999, "unit": "m", "quality": 1, "reason": "ok",
        "observed_at": "2026-11-18T11:07:40.000Z", "age_s": 10.0, "stale": False, "dated_later": False,
    }  # fmt: skip


@pytest.mark.parametrize(
    "later_s, alarm, column, state",
    [
        (0, False, [1500], "ok"),
        (0, True, [1500], "alarm"),
        (0, False, ([None], [frame.quality(T.R_NO_ECHO)]), "fault"),
        (121, False, [1500], "late"),
        (121, True, [1500], "alarm"),
        (301, True, [1500], "offline"),
    ],
)
def test_the_state_is_the_worst_that_is_true(store, later_s, alarm, column, state):
    place(store)
    deliver(store, records({T.WATER_DISTANCE: column}, alarm=alarm, received_ms=T0_MS))
    said = client(store, now_ms=T0_MS + later_s * 1000).get("/api/nodes.geojson").json()["features"][0]["properties"]
    assert said["state"] == state
    assert said["latest"][0]["stale"] is (later_s > 120)


def test_a_placed_node_that_was_never_heard_is_offline_and_an_unplaced_one_has_no_geometry(store):
    place(store, nodes=("flood-07",))
    deliver(store, records({T.RAIN_TIPS: [1]}))
    found = {f["id"]: f for f in client(store).get("/api/nodes.geojson").json()["features"]}
    assert found["flood-07"]["properties"]["state"] == "offline"
    assert found["flood-07"]["properties"]["last_seen"] is None
    assert found["flood-01"]["geometry"] is None


def test_series_are_bounded_ordered_and_can_be_continued(store):
    deliver(store, records({T.RAIN_TIPS: [1, 2, 3]}))
    web = client(store)
    base = {"node": "flood-01", "property": "rain_tips", "limit": "2", "to": "2026-11-18T18:30:00+07:00"}
    page = web.get("/api/observations", params=base | {"from": str(T0_MS)}).json()
    assert [seen["value"] for seen in page["observations"]] == [1, 2] and page["unit"] == "{tip}"
    answer = web.get("/api/observations", params=base | {"from": page["next_from"]})
    assert answer.status_code == 200, answer.text
    page = answer.json()
    assert [seen["value"] for seen in page["observations"]] == [3] and page["next_from"] is None


def test_undated_readings_are_never_drawn(store):
    deliver(store, records({T.RAIN_TIPS: [1]}), records({T.RAIN_TIPS: [5]}, seq=2, clock=0, base_s=1))
    answer = client(store).get("/api/observations", params={"node": "flood-01", "property": "rain_tips"})
    assert [seen["value"] for seen in answer.json()["observations"]] == [1]


@pytest.mark.parametrize(
    "params, wrong",
    [
        ({}, {"node", "property"}),
        ({"node": "x", "property": "p", "from": "yesterday"}, {"from"}),
        ({"node": "x", "property": "p", "to": "2026-11-24T03:00:00"}, {"to"}),
        ({"node": "x", "property": "p", "from": "10", "to": "9"}, {"from"}),
        ({"node": "x", "property": "p", "from": "9" * 400}, {"from"}),
        ({"node": "x", "property": "p", "limit": "0"}, {"limit"}),
        ({"node": "x", "property": "p", "limit": "10001"}, {"limit"}),
        ({"node": "x", "property": "p", "limit": "٣"}, {"limit"}),
        ({"node": "x" * 65, "property": "p", "limt": "5"}, {"node", "limt"}),
        ({"node": "", "property": "p", "limit": "many", "from": "x"}, {"node", "limit", "from"}),
    ],
)
def test_bad_parameters_are_all_named_at_once(store, params, wrong):
    answer = client(store).get("/api/observations", params=params)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert {error["name"] for error in answer.json()["errors"]} == wrong


@pytest.mark.parametrize("node", ["nobody", "' OR 1=1 --", XSS])
def test_an_unknown_series_is_404_and_says_what_there_is(store, node):
    deliver(store, records({T.RAIN_TIPS: [1]}))
    web = client(store)
    assert web.get("/api/observations", params={"node": node[:64], "property": "rain_tips"}).status_code == 404
    answer = web.get("/api/observations", params={"node": "flood-01", "property": "water"})
    assert answer.status_code == 404 and "rain_amount, rain_tips" in answer.json()["detail"]


@pytest.mark.parametrize(
    "path", ["/api/nodes.geojson", "/api/latest", "/api/observations", "/api/events", "/api/alerts"]
)
def test_reading_is_closed_unless_it_is_opened_and_says_how(store, path):
    answer = client(store, public_read=False).get(path)
    assert answer.status_code == 403 and "public_read = true" in answer.json()["detail"]


def test_health_and_metrics_are_answered_even_when_reading_is_closed(store):
    web = client(store, public_read=False)
    assert web.get("/healthz").json() == {"status": "ok", "reasons": []}
    text = web.get("/metrics").text
    assert "pantau_frames_stored_total 7.0" in text and 'pantau_sink_lag_frames{sink="sqlite"} 0.0' in text
    assert 'pantau_nodes{state="offline"} 0.0' in text


def test_an_unhealthy_bridge_is_503_with_its_reasons_and_tells_the_public_no_paths(store):
    answer = client(store, "the spool is full: free space below /srv/pantau/data").get("/healthz")
    assert answer.status_code == 503
    assert answer.json() == {"status": "unhealthy", "reasons": ["the spool is full: free space below …"]}


def test_a_figure_with_a_bad_name_is_a_bug_that_is_named():
    with pytest.raises(ValueError, match="Not A Name"):
        exposition({"Not A Name": 1})


def test_every_answer_carries_the_policy_and_nothing_is_inline(store):
    web = client(store)
    for path in ("/", "/healthz", "/static/app.js", "/static/css/base.css", "/nowhere"):
        policy = web.get(path).headers["content-security-policy"]
        assert "script-src 'self'" in policy and "unsafe" not in policy
    page = web.get("/").text
    assert "<style" not in page and " style=" not in page and "onclick" not in page and "http" not in page


def test_a_hostile_name_comes_out_as_json_text(store):
    place(store, name=XSS)
    answer = client(store).get("/api/nodes.geojson")
    assert answer.json()["features"][0]["properties"]["name"] == XSS
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_page_has_a_word_for_all_that_a_node_can_say(store):
    strings = client(store).get("/static/strings/common.json").json()
    shown = {row[0] for number, row in T.PROPERTIES.items() if number != T.TIME_OFFSET}
    assert shown <= strings["en"]["properties"].keys()
    assert {row[1] for row in T.PROPERTIES.values()} <= strings["en"]["units"].keys()
    assert {row[0] for row in T.REASONS.values()} | T.HOST_REASONS.keys() == strings["en"]["reasons"].keys()


def test_a_lost_store_is_503_and_not_a_traceback(store):
    web = client(store)
    store._db.execute("DROP VIEW readings")
    store._db.execute("DROP TABLE latest")
    answer = web.get("/api/nodes.geojson")
    assert answer.status_code == 503 and "city store" in answer.json()["detail"]
    assert web.get("/healthz").status_code == 503


def test_open_pages_hear_what_changed_once_and_a_late_one_is_told_to_reload():
    async def scene():
        rendered = []

        def render(changed):
            rendered.append(changed.nodes)
            told = events.event("change", {"nodes": sorted(changed.nodes)})
            return events.Told(told, told + "staff")

        hub = Hub(render, interval_s=0)
        hub.notify(frozenset({"early"}))  # nobody listens: forgotten, the page asks for everything first
        page, staff = hub.join(), hub.join(staff=True)
        stream = hub.stream(page)
        assert (await anext(stream)).startswith("retry:")
        hub.notify(frozenset({"b"}))
        hub.notify(frozenset({"a"}))
        assert await anext(stream) == 'event: change\ndata: {"nodes":["a","b"]}\n\n'
        assert staff.queue.get_nowait().endswith("staff")
        for number in range(events._QUEUE + 1):
            hub.notify(frozenset({str(number)}))
            await until(lambda number=number: len(rendered) == number + 2)
        await until(lambda: page.queue.qsize() == 1 and "reload" in page.queue._queue[0])
        assert (await anext(stream)).startswith("event: reload")
        hub.close()
        assert [message async for message in stream] == []
        with pytest.raises(HubFullError):
            hub.join()

    asyncio.run(scene())


def test_the_number_of_listeners_is_bounded_and_places_come_free():
    async def scene():
        hub = Hub(lambda _: None, interval_s=0)
        pages = [hub.join() for _ in range(events.MAX_CLIENTS)]
        with pytest.raises(HubFullError):
            hub.join()
        stream = hub.stream(pages[0])
        await anext(stream)
        await stream.aclose()
        hub.join()

    asyncio.run(scene())


def test_the_event_stream_ends_when_the_bridge_stops(store):
    async def scene():
        app = create_app(store, Bridge(), public_read=True, city="tng", now_ms=lambda: NOW_MS)
        sent = []
        opened = asyncio.Event()

        async def send(message):
            sent.append(message)
            if message["type"] == "http.response.body":
                opened.set()

        async def receive():
            await asyncio.Event().wait()

        scope = {
            "type": "http",
            "method": "GET",
            "path": "/api/events",
            "headers": [],
            "query_string": b"",
            "root_path": "",
        }
        request = asyncio.create_task(app(scope, receive, send))
        await asyncio.wait_for(opened.wait(), 5)
        app.state.hub.close()
        await asyncio.wait_for(request, 5)
        assert sent[0]["status"] == 200 and (b"content-type", b"text/event-stream; charset=utf-8") in sent[0]["headers"]

    asyncio.run(scene())


def test_the_default_range_is_the_last_day(store):
    deliver(store, records({T.RAIN_TIPS: [1]}, base_s=T0_S - 90_000), records({T.RAIN_TIPS: [2]}, seq=2))
    answer = client(store).get("/api/observations", params={"node": "flood-01", "property": "rain_tips"})
    assert [seen["value"] for seen in answer.json()["observations"]] == [2]
