"""Line protocol: its text against a reader of our own, the sink against real servers."""

from __future__ import annotations

import json
import re
import urllib.request
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

import needs
from pantau.model import Observation, Revision
from pantau.sinks import Context, _line_text
from pantau.sinks.line import LineTable, open_sink
from pantau_sim.servers import Missing, influx
from sinks.frames import NOW_MS, frame
from sinks.kit import LOG, Row, registry
from sinks.kit_line import Kit

LEVEL, TEMP = ("m", [1.25, 1.5]), ("Cel", [27.0])
_FRESH = count(1)

names = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\\"), min_size=1, max_size=12)
texts = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=20)
numbers = st.floats(allow_nan=False, allow_infinity=False)
instants = st.integers(0, 4_000_000_000_000)


def seen(name="water_level", node="flood-01", value=1.0, at=NOW_MS, reason="ok", station=None):
    return Observation(node, 1, 1, 0, name, value, "m", 1, reason, at, None, 3, at, station)


def read_line(line):
    """Read one line as InfluxDB's documentation describes it: (measurement, tags, fields, time)."""

    def upto(at, ends):
        text = ""
        while line[at] not in ends:
            if line[at] == "\\" and line[at + 1] in ",= ":
                at += 1
            text += line[at]
            at += 1
        return text, at

    measurement, at = upto(0, ", ")
    tags, fields = {}, {}
    while line[at] == ",":
        key, at = upto(at + 1, "=")
        tags[key], at = upto(at + 1, ", ")
    while line[at] in " ,":
        if fields and line[at] == " ":
            return measurement, tags, fields, int(line[at + 1 :])
        key, at = upto(at + 1, "=")
        if line[at + 1] == '"':
            found = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL).match(line, at + 1)
            fields[key], at = re.sub(r'\\(["\\])', r"\1", found[1]), found.end()
        else:
            text, at = upto(at + 1, ", ")
            fields[key] = int(text[:-1]) if text.endswith("i") else float(text)
    raise AssertionError(line)


@given(names, names, numbers, instants, texts, st.none() | texts)
def test_what_is_written_is_what_is_read(name, node, value, at, reason, station):
    if name.startswith("#"):
        with pytest.raises(ValueError, match="comment"):
            _line_text.point(seen(name, node), texts=True)
        return
    line = _line_text.point(seen(name, node, value, at, reason, station), texts=True)
    fields = {"value": value, "quality": 1, "reason": reason} | ({} if station is None else {"station": station})
    assert read_line(line) == (name, {"node": node}, fields, at)
    assert read_line(_line_text.point(seen(name, node, value, at), texts=False))[2] == {"value": value, "quality": 1}


@pytest.mark.parametrize("name", ["", "a\\", "a\\,b", "a\nb", "a\0"])
def test_a_name_without_a_spelling_is_refused(name):
    with pytest.raises(ValueError, match="cannot spell"):
        _line_text.point(seen(name), texts=True)


@pytest.mark.parametrize("at", [9_223_372_036_854, -9_223_372_036_854])
def test_a_date_that_nanoseconds_cannot_count_is_refused(at):
    with pytest.raises(ValueError, match="2262"):
        _line_text.point(seen(at=at), texts=True)


def test_a_whole_number_is_a_float_too():
    assert " value=3.0," in _line_text.point(seen(value=3), texts=True)


def test_revisions_yield_to_what_is_told_whole_and_to_the_last_word():
    first = frame(1, {"water_level": LEVEL})
    key, at = first.observations[0].key, first.observations[0].observed_at_ms
    other = first.observations[1]
    words = (
        Revision(key, 3, "spike", "", at),
        Revision(key, 4, "rate", "", at),
        Revision(other.key, 9, "timeout", "", other.observed_at_ms),
        Revision(other.key, 3, "rate", "", None),
    )
    told = frame(2, {"water_level": LEVEL}, revisions=words)
    assert _line_text.revisions([told], texts=True) == [f'water_level,node=flood-01 quality=4i,reason="rate" {at}']
    assert _line_text.revisions([told, first], texts=True) == []
    own = frame(3, {"water_level": LEVEL}, revisions=(Revision(("flood-01", 1, 3, 0, "water_level"), 3, "x", "", at),))
    assert _line_text.revisions([own], texts=True) == []


def test_settings_that_do_not_fit_are_refused():
    for wrong in ({"api": "v2"}, {"org": "x"}, {"api": "v2", "org": "a", "bucket": "b", "create": True}, {"db": "a b"}):
        with pytest.raises(ValidationError):
            LineTable(url="http://127.0.0.1:1", lab_plain=True, **wrong)


# The real InfluxDB 1.x


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    try:
        kit = Kit(tmp_path_factory.mktemp("line"))
    except Missing as missing:
        needs.missing(missing.what, missing.package)
    yield kit
    kit.close()


@pytest.fixture
def kit(server):
    """An InfluxDB that holds the database and nothing else."""
    server.lose()
    server.query('CREATE DATABASE "city"', "POST")
    return server


def kinds(verdicts):
    return [verdict.kind for verdict in verdicts]


def test_the_server_reads_what_was_meant(kit):
    sink = kit.open()
    written = {}

    @settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.lists(st.tuples(names, names, numbers, instants, texts), min_size=5, max_size=20))
    def check(rows):
        number = next(_FRESH)
        batch = [frame(number, {})]
        points = [seen(name, node, value, at, reason) for name, node, value, at, reason in rows if name[0] != "#"]
        object.__setattr__(batch[0], "observations", tuple(points))
        assert kinds(sink.deliver(batch)) == ["stored"]
        written.update({(o.property, o.node, o.observed_at_ms): (o.value, o.reason) for o in points})

    check()
    found = {
        (series["name"], dict(zip(series["columns"], row, strict=True))["node"], row[0]): (float(row[-1]), row[-2])
        for series in kit.query('SELECT "node", "reason", "value" FROM /.*/')
        if series["name"] != "pantau_bridge"
        for row in series["values"]
    }
    assert len(written) > 100
    assert found == written


def test_what_is_missing_or_undated_waits_and_the_rest_is_read_back(kit):
    sink = kit.open(gzip=True)
    batch = [
        frame(1, {"water_level": ("m", [1.25, None]), "air_temperature": TEMP}),
        frame(2, {"water_level": LEVEL}, at_ms=None),
    ]
    assert kinds(sink.deliver(batch)) == ["stored", "stored"]
    at = batch[0].observations[0].observed_at_ms
    expected = [
        Row("flood-01", None, None, None, "air_temperature", 27.0, at, 1),
        Row("flood-01", None, None, None, "water_level", 1.25, at, 1),
    ]
    assert kit.rows() == expected
    assert "value=1.25 quality=1 reason=ok" in sink.find(batch[0].observations[0])
    assert sink.find(batch[1].observations[0]) is None
    for again in ([batch[1]], [batch[0]], batch):
        assert kinds(kit.open().deliver(again)) == ["stored"] * len(again)
    assert kit.rows() == expected


def test_a_verdict_that_changes_overwrites_the_verdict_alone(kit):
    sink = kit.open()
    first = frame(1, {"water_level": LEVEL})
    at = first.observations[0].observed_at_ms
    sink.deliver([first])
    sink.deliver([frame(2, {}, revisions=(Revision(first.observations[0].key, 3, "spike", "spike=3", at),))])
    assert [(row.value, row.quality) for row in kit.rows()] == [(1.25, 3), (1.5, 1)]
    assert "reason=spike" in sink.find(first.observations[0])


def test_a_measurement_of_another_type_costs_its_points_alone(kit):
    kit.open().deliver([frame(1, {"water_level": LEVEL})])
    theirs = f"air_temperature,node=x value=1i {NOW_MS}".encode()
    urllib.request.urlopen(f"{kit.server.url}/write?db=city&precision=ms", data=theirs, timeout=5).close()
    sink = kit.open()
    posts, write = [], sink._target.write
    sink._target.write = lambda body, headers: (posts.append(body), write(body, headers))[1]
    batch = [frame(n, {"water_level": LEVEL, "air_temperature": TEMP}) for n in range(2, 202)]
    batch[5] = frame(7, {"water_level": LEVEL})
    verdicts = sink.deliver(batch)
    assert verdicts[5].kind == "stored"
    assert kinds(verdicts[:5]) == ["rejected"] * 5 and kinds(verdicts[6:]) == ["rejected"] * 194
    assert "1 of 3 observations: air_temperature[0]: " in verdicts[0].reason and "type conflict" in verdicts[0].reason
    assert len([row for row in kit.rows() if row.property == "water_level"]) == 2 * 201 - 200
    assert len(posts) < 30
    assert sink.position() == 201


def test_what_is_older_than_the_retention_is_told(kit):
    kit.query('CREATE RETENTION POLICY "short" ON "city" DURATION 1h REPLICATION 1 DEFAULT', "POST")
    sink = kit.open()
    verdicts = sink.deliver([frame(1, {"water_level": LEVEL}), frame(2, {})])
    assert kinds(verdicts) == ["rejected", "stored"]
    assert "retention policy" in verdicts[0].reason
    assert sink.position() == 2


def test_the_position_is_the_highest_of_its_log_and_gone_with_the_data(kit):
    sink = kit.open()
    assert sink.position() == 0
    sink.deliver([frame(7, {"water_level": LEVEL})])
    sink.deliver([frame(3, {"water_level": LEVEL})])
    assert kit.open().position() == 7
    other = open_sink(kit.settings(), Context("tng", "o'ther log", kit.folder, registry()))
    assert other.position() == 0
    other.deliver([frame(2, {})])
    assert other.position() == 2 and sink.position() == 7
    kit.lose()
    (verdict,) = sink.deliver([frame(8, {"water_level": LEVEL})])
    assert verdict.kind == "retry" and "was created" in verdict.reason
    assert sink.position() == 0
    assert kinds(sink.deliver([frame(8, {"water_level": LEVEL})])) == ["stored"]
    assert sink.position() == 8
    assert len(kit.rows()) == 2


def test_a_database_that_we_may_not_make_is_asked_for(kit):
    kit.lose()
    sink = kit.open()
    sink._target._create = False
    (verdict,) = sink.deliver([frame(1, {"water_level": LEVEL})])
    assert verdict.kind == "retry" and "CREATE DATABASE" in verdict.reason
    assert sink.position() == 0


def test_a_server_that_is_away_is_a_retry_and_no_position(kit):
    sink = kit.open()
    kit.stop()
    try:
        (verdict,) = sink.deliver([frame(1, {"water_level": LEVEL})])
        assert verdict.kind == "retry" and "nothing listens" in verdict.reason
        assert sink.position() is None
    finally:
        kit.start()
    assert kinds(sink.deliver([frame(1, {"water_level": LEVEL})])) == ["stored"]
    assert sink.position() == 1


# VictoriaMetrics


def test_victoriametrics_takes_numbers_and_tells_the_position(tmp_path):
    try:
        with influx.victoriametrics(tmp_path / "vm") as server:
            _victoria(server, tmp_path)
    except Missing as missing:
        needs.missing(missing.what, missing.package)


def _victoria(server, tmp_path):
    table = LineTable(url=server.url, lab_plain=True, api="victoriametrics", db="city")
    sink = open_sink(table, Context("tng", LOG, tmp_path, registry()))
    sink._target._written -= 60  # nothing was written before
    assert sink.position() == 0
    batch = [frame(1, {"water_level": LEVEL, "air_temperature": TEMP}), frame(3, {"water_level": LEVEL})]
    for _ in range(2):
        assert kinds(sink.deliver(batch)) == ["stored", "stored"]
    assert sink.position() == 3
    assert "1.25" in sink.find(batch[0].observations[0])
    with urllib.request.urlopen(f"{server.url}/api/v1/export?match[]=%7Bnode!=%22%22%7D", timeout=5) as answer:
        series = [json.loads(line) for line in answer.read().splitlines()]
    # Each once, for the server is told to drop the same again; words it would hold as the number 0, so none are sent.
    assert {
        one["metric"]["__name__"]: sorted(zip(one["timestamps"], one["values"], strict=True)) for one in series
    } == {
        name: sorted({(o.observed_at_ms, getattr(o, name.removeprefix(f"{o.property}_"))) for o in told})
        for kind in ("value", "quality")
        for prop in ("water_level", "air_temperature")
        for name in [f"{prop}_{kind}"]
        for told in [[o for d in batch for o in d.observations if o.property == prop]]
    }
