"""The plot of a run: what it shows is what stores, truth and plan hold; the same bytes each time; words of both languages."""

from __future__ import annotations

import json
import re
import struct
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from click.testing import CliRunner

from pantau.alerts.files import defaults
from pantau.alerts.store import AlertStore
from pantau.cli import pantau
from pantau.registry.model import Registry
from pantau.sinks.sqlite import CityStore
from pantau_sim import plot
from pantau_sim.plot.model import Band
from pantau_sim.plot.picture import ticks
from unit.sim import plot_kit as kit

MINUTE_MS = 60_000
START_MS = kit.START_S * 1000


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return kit.outcome(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def chart(run):
    return plot.chart(run, [], "en")


def lane(place, name):
    return next(one for one in place.lanes if one.name == name)


def test_level_is_truth_raw_value_and_verdict_on_one_scale(run, chart):
    river = chart.places[0]
    level, rain = river.panels
    assert (level.what, level.unit, rain.what, rain.unit) == ("water_level", "m", "rain", "mm/h")
    truth = dict(level.truth)
    assert len(level.node) == len(level.judged) == kit.MINUTES
    apart = {at_ms: abs(value - truth[at_ms]) for at_ms, value in level.node if at_ms in truth}
    off = [START_MS + m * MINUTE_MS for m in (40, 41, 250)]
    assert all(0.69 < apart.pop(at_ms) < 0.71 for at_ms in off)  # a refused value is shown as it was sent
    assert max(apart.values()) < 0.004
    refused = {j.at_ms for j in level.judged if j.quality == 4}
    assert refused >= set(off) and all(min(abs(at_ms - o) for o in off) <= MINUTE_MS for at_ms in refused)
    assert level.limits == (("waspada", 1.5), ("siaga", 2.0), ("awas", 9.0))
    assert max(value for _, value in rain.node) == pytest.approx(60)
    assert max(j.value for j in rain.judged) == pytest.approx(57, abs=1)


def test_what_waited_for_the_link_is_told_apart(chart):
    late = [j.at_ms for j in chart.places[0].panels[0].judged if j.late]
    assert late == [START_MS + m * MINUTE_MS for m in range(75, 89)]  # received at 99, stale after 10


def test_counts_of_both_directions_are_flow(chart):
    flow, speed = chart.places[1].panels
    truth = dict(flow.truth)
    assert {truth[at_ms] - value for at_ms, value in flow.node if at_ms in truth} == {
        60.0
    }  # the kit's radar misses one a minute
    assert {value for _, value in speed.truth} == {34.0}
    assert [panel.what for panel in chart.places[2].panels] == ["pm2_5", "humidity"]


def test_alerts_are_bands_by_severity_from_when_the_city_knew(run, chart):
    siaga = lane(chart.places[0], "siaga").bands
    assert [band.severity for band in siaga] == [1, 3, 1]
    assert all(a.end_ms == b.start_ms for a, b in pairwise(siaga))
    decided = [r.entry.decided_ms for r in run.decisions() if r.alert.rule == "siaga"]
    assert [siaga[0].start_ms, siaga[-1].end_ms] == [decided[0], decided[-1]]
    late = lane(chart.places[0], "late").bands
    assert len(late) == 1 and (late[0].end_ms - late[0].start_ms) < 20 * MINUTE_MS


def test_faults_ailments_and_intruders_stand_where_they_belong(chart):
    def band(a, b):
        return (Band(START_MS + a * MINUTE_MS, START_MS + b * MINUTE_MS),)

    river, road, air = chart.places
    assert lane(river, "link").bands == band(75, 95)
    assert lane(river, "pulse_chain").bands == band(38, 60)
    assert lane(road, "power").bands == band(300, 301)
    assert air.lanes == ()
    assert {(one.kind, one.name, one.bands) for one in chart.lanes} == {
        ("fault", "broker", band(180, 182)), ("client", "forger", band(200, 260)),
    }  # fmt: skip
    assert [event.at_ms for event in chart.events] == sorted(event.at_ms for event in chart.events)


def test_an_alert_that_stands_ends_with_the_run(run, tmp_path):
    alerts = AlertStore(tmp_path / "alerts.sqlite3", defaults(), Registry([], []))
    alerts.close()
    raised = run.decisions()
    cut = replace(run, _raised=raised[: next(i for i, r in enumerate(raised) if r.entry.action == "escalate")])
    bands = lane(plot.chart(cut, ["kali-1"], "en").places[0], "siaga").bands
    assert [band.end_ms for band in bands] == [cut.plan.end_us // 1000]


def test_chosen_stations_and_those_with_most_alerts(run):
    assert [place.id for place in plot.chart(run, ["udara-1"], "en").places] == ["udara-1"]
    many = replace(
        run.plan.world,
        sites=tuple(replace(run.plan.world.sites[0], id=f"s{i}") for i in range(9)) + run.plan.world.sites,
    )
    crowded = replace(run, plan=replace(run.plan, world=many))
    assert plot.pick(crowded) == ["s0", "s1", "s2", "s3", "s4", "kali-1"]
    with pytest.raises(plot.PlotError, match="no station 'kali-9'; it has: jalan-1, kali-1, udara-1"):
        plot.chart(run, ["kali-9"], "en")


def test_the_axis_is_local_time():
    day = 1_795_000_000_000 // 86_400_000 * 86_400_000 - 7 * 3_600_000  # midnight in Tangerang
    assert ticks(day, day + 6 * 3_600_000, "en")[:2] == [(day, "00:00\n18 Nov"), (day + 1_800_000, "00:30")]
    week = ticks(day, day + 7 * 86_400_000, "id")
    assert len(week) <= 15 and week[0][1] == "00:00\n18 Nov" and "\n19 Nov" in week[2][1]
    may = ticks(1_778_000_400_000, 1_778_000_400_000 + 3_600_000, "id")
    assert "Mei" in may[0][1]


def test_a_picture_is_the_same_bytes_without_date_or_version(run, tmp_path):
    for suffix in (".png", ".html"):
        pictures = []
        for number in range(2):
            path = tmp_path / f"{number}{suffix}"
            plot.draw(run, ["kali-1"], path)
            pictures.append(path.read_bytes())
        assert pictures[0] == pictures[1]
        assert not re.search(rb"<dc:date|Matplotlib v|tEXt", pictures[0])
    png = (tmp_path / "0.png").read_bytes()
    assert png.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", png[16:24])
    assert width == 1430 and 500 < height < 1200


class Page(HTMLParser):
    """Titles, cells and what a page would fetch."""

    def __init__(self, text):
        super().__init__()
        self.cells, self.fetched, self.attributes, self._in = [], [], {}, ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self._in = tag
        self.attributes.setdefault(tag, given)
        self.fetched += [v for k, v in attrs if k in {"src", "href"} and not v.startswith(("#", "data:"))]
        if tag in {"script", "link", "iframe"}:
            self.fetched.append(tag)

    def handle_data(self, data):
        if self._in in {"td", "th", "caption", "h1"}:
            self.cells.append(data)


@pytest.mark.parametrize(
    "lang, words",
    [
        ("en", ["Water level", "link down: begins", "Alert"]),
        ("id", ["Tinggi muka air", "jaringan putus: mulai", "Peringatan"]),
    ],
)
def test_the_page_needs_nothing_else_and_tells_all_in_tables(run, tmp_path, lang, words):
    plot.draw(run, [], tmp_path / "plot.html", lang)
    page = Page((tmp_path / "plot.html").read_text(encoding="utf-8"))
    assert page.fetched == []
    assert page.attributes["html"]["lang"] == lang and page.attributes["svg"]["role"] == "img"
    assert "A wave, a jam and an outage" in page.attributes["svg"]["aria-label"]
    assert set(words) <= set(page.cells)
    assert "Kali <Angke> $hilir$" in page.cells  # and nothing of it was taken for a tag or a formula
    said = [r.entry.indonesian if lang == "id" else r.entry.english for r in run.decisions()]
    assert set(said) <= set(page.cells)
    assert "18 Nov 19:15:00 WIB" in page.cells


def test_an_ending_that_is_no_picture_is_refused(run, tmp_path):
    with pytest.raises(plot.PlotError, match=r"plot.pdf: a plot is one of .png, .svg, .html"):
        plot.draw(run, [], tmp_path / "plot.pdf")


# --- the command

SCENARIO = """
[scenario]
title = "Calm"
title_id = "Tenang"
about = "Nothing happens."
start = 2027-03-01T00:00:00+07:00
hours = 2.0
[[station]]
id = "kali-1"
name = "Kali Angke"
domain = "flood"
latitude = -6.2
longitude = 106.6
sensor_height_m = 3.0
[station.site]
kind = "street"
[[expect]]
name = "nothing-is-lost"
check = "nothing_lost"
"""


@pytest.fixture
def kept(tmp_path):
    """A folder as `pantau sim run --keep` leaves it, of a run in which nothing was stored."""
    file = tmp_path / "calm.toml"
    file.write_text(SCENARIO)
    folder = tmp_path / "run"
    (folder / "city").mkdir(parents=True)
    CityStore(folder / "city" / "city.sqlite3").close()
    AlertStore(folder / "city" / "alerts.sqlite3", defaults(), Registry([], [])).close()
    said = {
        "scenario": "calm", "seed": 4, "start": "2027-02-28T17:00:00Z", "end": "2027-02-28T19:00:00Z", "nodes": 1, "digest": "d",
        "quarantined_by_reason": {}, "sensor_faults": {}, "conflicts": 0,
    }  # fmt: skip
    (folder / "report.json").write_text(json.dumps(said))
    return folder, file


def command(*args):
    return CliRunner().invoke(pantau, ["sim", "plot", *map(str, args)])


def test_a_kept_run_is_drawn(kept):
    folder, file = kept
    said = command(folder, "--scenario", file, "--lang", "id")
    assert said.exit_code == 0, said.output
    page = Page((folder / "plot.html").read_text(encoding="utf-8"))
    assert "Kali Angke (kali-1)" in page.cells and "tidak ada" in page.cells


def test_what_cannot_be_drawn_is_said_with_what_to_do(kept):
    folder, file = kept
    for change, args, words in (
        (lambda: None, (), "give its file with --scenario"),
        (lambda: None, ("--scenario", file, "--station", "x"), "no station 'x'"),
        (lambda: None, ("--scenario", file, "--out", folder / "a.pdf"), "a plot is one of"),
        (lambda: file.write_text(file.read_text().replace("hours = 2.0", "hours = 3.0")), ("--scenario", file), "is now calm"),
        ((folder / "city" / "alerts.sqlite3").unlink, (), "lacks alerts.sqlite3"),
        ((folder / "report.json").unlink, (), "pantau sim run SCENARIO --keep DIR"),
    ):  # fmt: skip
        change()
        said = command(folder, *args)
        assert said.exit_code == 2, said.output
        assert words in said.output
