"""What the SensorThings sink makes of observations, and of answers of servers that CI does not have: no network."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pantau.model import Observation
from pantau.sinks import _sta_rows as rows
from pantau.sinks._http import Answer
from pantau.sinks._sta_client import Client, Gone, id_of, iot_id, literal
from pantau.sinks._sta_ids import Ids
from pantau.sinks._sta_send import Sender
from pantau.sinks.items import TargetTrouble
from pantau.sinks.kept import Kept

T0_MS = 1_795_000_000_000
URL = "https://sta.example/v1.1"


def row(place, value=1.0, *, stream="7", feature="9", span_ms=0, at_ms=None):
    at = T0_MS + 1000 * place if at_ms is None else at_ms
    seen = Observation(
        "flood-01", 1, 4, place, "water_level", value, "m", 1, "ok", at, None, 3, at + 500, "angke", "range=1"
    )
    return rows.Row(place, 1, seen, stream, feature, span_ms, at)


class Service:
    """A server that stores rows unless `refuses` says how it refuses one; it speaks through Http's own method."""

    url = URL

    def __init__(self):
        self.asked, self.stored = [], []
        self.refuses = lambda _: 0  # a status, 0 for none
        self.whole = False  # one bad row spoils its group
        self.arrays = lambda _: 201  # status of a CreateObservations by its rows
        self.names = {"/Datastreams(7)": "flood-01/water_level", "/FeaturesOfInterest(9)": "angke"}

    def request(self, method, path, body=None, headers=None, *, one_item=False):
        self.asked.append((method, path))
        if method == "GET":
            name = self.names.get(path)
            return self._answer(404 if name is None else 200, {"name": name})
        told = json.loads(body)
        if path == "/Observations":
            status = self.refuses(told)
            if not status:
                self.stored.append(told["result"])
            return self._answer(status or 201, "no", location=f"{URL}/Observations(99)")
        lines = [self._group(group) for group in told]
        size = sum(map(len, lines))
        status = self.arrays(size)
        assert status != 500 or one_item
        if status != 201:
            return self._answer(status, "no")
        links = []
        for group in lines:
            bad = [bool(self.refuses(cells)) for cells in group]
            spoilt = self.whole and any(bad)
            for cells, is_bad in zip(group, bad, strict=True):
                links.append("error" if spoilt or is_bad else f"{URL}/Observations({len(self.stored)})")
                if links[-1] != "error":
                    self.stored.append(cells["result"])
        return self._answer(201, links)

    @staticmethod
    def _group(group):
        return [dict(zip(group["components"], cells, strict=True)) for cells in group["dataArray"]]

    @staticmethod
    def _answer(status, told, **headers):
        return Answer(status, headers, json.dumps(told).encode(), URL)


@pytest.fixture
def service():
    return Service()


@pytest.fixture
def ids(service, tmp_path):
    kept = Kept(tmp_path, "ids")
    yield Ids(Client(service), kept, provision=True)
    kept.close()


@pytest.fixture
def sender(service, ids):
    took = []
    made = Sender(
        Client(service), ids, most_rows=64, writes=lambda: True, took=lambda row, link: took.append((row.place, link))
    )
    made.seen = took
    return made


def kinds(outcomes):
    return [outcome.kind for outcome in outcomes]


def test_rows_that_a_server_refuses_one_by_one_are_asked_about_one_by_one(service, sender):
    known = {3.0: 409, 5.0: 422}
    service.refuses = lambda cells: known.get(cells["result"], 0)
    outcomes = sender.send([row(n, float(n)) for n in range(8)])
    assert kinds(outcomes) == ["stored"] * 3 + ["duplicate", "stored", "rejected", "stored", "stored"]
    assert outcomes[5].reason == "the server answered 422: '\"no\"'"
    assert sorted(service.stored) == [0.0, 1.0, 2.0, 4.0, 6.0, 7.0]
    assert sum(path == "/Observations" for _, path in service.asked) == 2
    assert sorted(place for place, _ in sender.seen) == [0, 1, 2, 4, 6, 7]


@pytest.mark.parametrize("status", [422, 500])
def test_one_bad_row_that_spoils_its_group_is_found_by_halves(service, sender, status):
    service.whole, service.refuses = True, lambda cells: status if cells["result"] == 41.0 else 0
    outcomes = sender.send([row(n, float(n)) for n in range(64)])
    assert kinds(outcomes) == ["rejected" if n == 41 else "stored" for n in range(64)]
    assert str(status) in outcomes[41].reason
    assert sorted(service.stored) == [float(n) for n in range(64) if n != 41]
    assert len(service.asked) < 25


def test_a_500_stores_nobody_knows_what_so_less_is_sent_after_the_server_was_asked(service, sender):
    service.arrays = lambda size: 500 if size > 16 else 201
    batch = [row(n, float(n)) for n in range(64)]
    for _ in range(2):
        with pytest.raises(TargetTrouble) as trouble:
            sender.send(batch)
        assert trouble.value.ambiguous
    assert kinds(sender.send(batch)) == ["stored"] * 64


def test_a_request_that_is_too_large_is_halved(service, sender):
    service.arrays = lambda size: 413 if size > 20 else 201
    assert kinds(sender.send([row(n, float(n)) for n in range(64)])) == ["stored"] * 64
    assert len(service.stored) == 64


def test_intervals_are_sent_where_they_are_taken_and_their_end_where_they_are_not(service, sender, ids):
    sender.send([row(0, span_ms=60_000)])
    assert sender.intervals
    ids.forget()
    service.refuses = lambda cells: 400 if "/" in cells["phenomenonTime"] else 0
    service.whole = True
    assert kinds(sender.send([row(n, span_ms=60_000) for n in range(4)])) == ["stored"] * 4
    assert sender.intervals is False
    service.asked.clear()
    assert kinds(sender.send([row(n, span_ms=60_000) for n in range(4)])) == ["stored"] * 4
    assert len(service.asked) == 1


def test_a_bad_row_says_nothing_about_intervals(service, sender):
    service.whole, service.refuses = True, lambda cells: 422 if cells["result"] == 2.0 else 0
    outcomes = sender.send([row(n, float(n), span_ms=60_000) for n in range(4)])
    assert kinds(outcomes) == ["stored", "stored", "rejected", "stored"]
    assert sender.intervals


@pytest.mark.parametrize("change", [{"/Datastreams(7)": None}, {"/Datastreams(7)": "air-02/pm10"}, {"/FeaturesOfInterest(9)": None}])  # fmt: skip
def test_an_id_that_is_not_there_any_more_or_is_another_one_is_no_fault_of_the_row(service, sender, change):
    service.refuses = lambda _: 500
    service.names |= change
    with pytest.raises(Gone):
        sender.send([row(0), row(1)])


@pytest.mark.parametrize("told", [b"<html>Login</html>", b"{}", b'["x(1)"]', b'"error"'])
def test_an_answer_that_is_not_the_services_stores_nothing(service, sender, told):
    service._answer = lambda *_, **__: Answer(201, {}, told, URL)
    with pytest.raises(TargetTrouble) as trouble:
        sender.send([row(0), row(1)])
    assert trouble.value.ambiguous


def test_rows_are_grouped_by_datastream_and_come_back_in_order():
    given_ = [row(0, stream="'b'"), row(1, feature=None), row(2, stream="'b'"), row(3)]
    body, order = rows.array(given_, intervals=True)
    groups = json.loads(body)
    assert [(g["Datastream"]["@iot.id"], g["dataArray@iot.count"], len(g["components"])) for g in groups] == [
        ("b", 2, 5), (7, 1, 4), (7, 1, 5),
    ]  # fmt: skip
    assert [r.place for r in order] == [0, 2, 1, 3]
    assert groups[2]["dataArray"] == [[
        "2026-11-18T11:06:43Z", 1.0, "2026-11-18T11:06:43.500Z",
        {"boot": 1, "seq": 4, "index": 3, "quality": 1, "reason": "ok", "tests": "range=1", "received": "2026-11-18T11:06:43.500Z"},
        9,
    ]]  # fmt: skip


@given(st.integers(0, 253_402_300_799_999))
def test_times_are_written_as_they_are(ms):
    text = rows.iso(ms)
    assert round(datetime.fromisoformat(text).timestamp() * 1000) == ms
    assert rows.second_of(text) == ms // 1000
    assert rows.second_of(f"1970-01-01T00:00:00Z/{text}") == ms // 1000


@pytest.mark.parametrize("text", ["2026-11-18T10:26:43+00:00", "2026-11-18T10:26:43.9Z", "2026-11-18T17:26:43+07:00", "2026-11-18T10:26:43"])  # fmt: skip
def test_instants_are_compared_however_they_are_written(text):
    assert rows.second_of(text) == datetime(2026, 11, 18, 10, 26, 43, tzinfo=UTC).timestamp()


@pytest.mark.parametrize("text", ["", "nonsense", None, 5, "2026-13-01T00:00:00Z"])
def test_what_is_no_time_is_none(text):
    assert rows.second_of(text) == -1


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=40))
def test_spans_hold_every_time_and_do_not_meet(times_ms):
    found = rows.spans(times_ms)
    assert all(any(first <= at <= last for first, last in found) for at in times_ms)
    assert all(left[1] < right[0] for left, right in pairwise(found))
    assert all(last - first <= 2_000 + 3_602_000 * len(times_ms) for first, last in found)


@pytest.mark.parametrize(
    "link, text, number",
    [
        (f"{URL}/Observations(17)", "17", 17),
        (f"{URL}/Observations('a-b')", "'a-b'", "a-b"),
        (f"{URL}/Things('o''neil')", "'o''neil'", "o'neil"),
        (f"{URL}/Things(01a2-b)", "01a2-b", "01a2-b"),
    ],
)
def test_ids_are_taken_as_they_stand_in_links(link, text, number):
    assert literal(link) == text
    assert iot_id(text) == number
    assert id_of({"@iot.selfLink": link, "@iot.id": 1}) == text


def test_pages_end_and_follow_links_below_our_own_address():
    class Pages(Service):
        def request(self, method, path, body=None, headers=None, *, one_item=False):
            self.asked.append((method, path))
            more = (
                {}
                if "skip=2" in path
                else {"@iot.nextLink": f"http://inside:8080/sta/v1.1/Things?$skip={len(self.asked)}"}
            )
            return self._answer(200, {"value": [{"n": len(self.asked)}], **more})

    service = Pages()
    assert [found["n"] for found in Client(service).pages("/Things")] == [1, 2, 3]
    assert [path for _, path in service.asked] == ["/Things", "/Things?$skip=1", "/Things?$skip=2"]
