"""Scenario files: every mistake at once, each in its line with what to do."""

import typing
from pathlib import Path

import pytest

from pantau.problems import ConfigError
from pantau_sim.ailments import KINDS
from pantau_sim.expect import CHECKS
from pantau_sim.scenario import tables
from pantau_sim.scenario.check import look
from pantau_sim.scenario.file import load, read, shipped
from pantau_sim.scenario.locate import Lines

SMALL = """\
[scenario]
title = "A small flood"
title_id = "Banjir kecil"
about = "Rain on two streets."
start = 2028-01-12T10:00:00Z
hours = 6

[[shower]]
at_h = 1
peak_mm_h = 90
width_min = 30

[[station]]
id = "periuk"
name = "Periuk"
domain = "flood"
latitude = -6.172
longitude = 106.598
sensor_height_m = 3.0
[station.site]
kind = "street"

[[station]]
id = "batuceper"
name = "Batuceper"
domain = "air"
latitude = -6.164
longitude = 106.665
[station.site]
kind = "roadside"

[[fault]]
kind = "link"
at_h = 2

[[expect]]
name = "none-lost"
check = "nothing_lost"
"""


def mistakes(text):
    with pytest.raises(ConfigError) as raised:
        read(text, "my.toml")
    return str(raised.value).splitlines()


def changed(old, new):
    assert old in SMALL
    return SMALL.replace(old, new)


def test_a_correct_file_has_no_mistakes():
    assert [station.id for station in read(SMALL, "my.toml").station] == ["periuk", "batuceper"]


def test_every_mistake_is_told_at_once_in_the_order_of_lines():
    text = SMALL.replace("peak_mm_h", "peak_mm").replace("at_h = 2", "at_h = 7").replace("nothing_lost", "nothing_lots")
    assert mistakes(text) == [
        "my.toml:8: shower[0].peak_mm_h: is missing; add it",
        "my.toml:10: shower[0].peak_mm: unknown key; did you mean peak_mm_h?",
        "my.toml:34: fault[0].at_h: impossible time: 7 h is not within the run, which ends at 6 h",
        "my.toml:38: expect[0].check: unknown check nothing_lots; did you mean nothing_lost?",
    ]


@pytest.mark.parametrize(
    "old, new, line, words",
    [
        ("at_h = 2", "at_h = 5.5", 34, "lies in the calm hours, from 5 h on"),
        ("at_h = 2", "at_h = 2\nuntil_h = 3", 35, "needs every_h"),
        ("at_h = 2", "at_h = 2\nevery_h = 0.5\nuntil_h = 1", 36, "1 h is not after at_h"),
        ("at_h = 2", "at_h = 2\nfor_min = [9, 3]", 35, "exchange the two"),
        ("at_h = 2", 'at_h = 2\nfor_min = "x"', 35, "valid number, or: input should be a valid list"),
        ("at_h = 2", "at_h = 2\nevery_h = 0.00001", 35, "are these hours, not minutes?"),
        ("at_h = 2", 'at_h = 2\nstations = ["periuk", "batucepr"]', 35, "did you mean batuceper?"),
        ('kind = "link"', 'kind = "broker"\nstations = ["periuk"]', 34, "everybody's; leave the stations out"),
        ('kind = "link"', 'kind = "sensor"', 32, "names `sensor` and `what`"),
        ('kind = "link"', 'kind = "sensor"\nsensor = "a02yyu"\nwhat = "zero"', 34, "did you mean a02yyuw?"),
        ('kind = "link"', 'kind = "sensor"\nsensor = "a02yyuw"\nwhat = "zer"', 35, "did you mean zero?"),
        ('kind = "link"', 'kind = "sensor"\nsensor = "a02yyuw"\nwhat = "nack"', 35, "has no fault nack"),
        ('kind = "link"', 'kind = "sensor"\nsensor = "scd4x"\nwhat = "crc"', 34, "no station has a scd4x"),
        (
            'kind = "link"',
            'kind = "sensor"\nsensor = "a02yyuw"\nwhat = "zero"\nstations = ["batuceper"]',
            36,
            "batuceper has no a02yyuw; it has: pms5003, bme280",
        ),
        ("2028-01-12", "2026-01-12", 5, "before the nodes' firmware was made"),
        ("hours = 6", "hours = 6\ncalm_h = 6", 7, "leaves nothing of the 6 hours"),
        ('kind = "street"', 'kind = "road"', 21, "a flood station does not stand at a road"),
        ('kind = "street"', 'kind = "river"', 20, "name the [[river]]"),
        ('kind = "street"', 'kind = "river"\nriver = "angke"', 22, "there is no [[river]]"),
        ("sensor_height_m = 3.0\n", "", 13, "a level is made of it"),
        ("sensor_height_m = 3.0", "sensor_height_m = 7.9", 19, "a01nyub sees 7.5 m"),
        (
            "sensor_height_m = 3.0",
            "sensor_height_m = 3.0\nflood = { siaga_3 = 1.0, siaga_1 = 2.98 }",
            20,
            "nearer to the sensor than a02yyuw can see",
        ),
        ("sensor_height_m = 3.0", "sensor_height_m = 3.0\ntip_mm = 0.5", 20, "tips every 0.2 mm"),
        ('id = "batuceper"', 'id = "periuk"', 14, "occurs 2 times; ids are unique"),
        ('id = "batuceper"', 'id = "a-station-with-a-long-name"', 24, "where 23 are allowed; shorten it"),
        (
            'id = "batuceper"',
            'id = "periuk-1"\nneighbours = ["periuc"]',
            25,
            "no station has the id periuc; did you mean periuk?",
        ),
        ("[station.site]\nkind = \"street\"", "[station.node]\ncount = 2\n[station.site]\nkind = \"street\"", 0, ""),
        ('kind = "street"', 'kind = "street"\n[station.node]\nbatch = 300', 22, "the node would refuse sampling.batch"),
        (
            'kind = "street"',
            'kind = "street"\n[station.node]\nsensors = [\n  { model = "a02yyuw", uart = 1 },\n  { model = "mb7389", uart = 1 },\n]',
            25,
            "uart 1 is taken by a02yyuw",
        ),
        (
            'kind = "street"',
            'kind = "street"\n[station.node]\nsensors = [{ model = "sht4x", i2c = 0 }, { model = "sht3x", i2c = 0 }]',
            23,
            "i2c 0 address 68 is taken by sht4x",
        ),
        (
            'kind = "street"',
            'kind = "street"\n[station.node]\nsensors = [{ model = "a02yyuw", uart = 3 }]',
            23,
            "has no uart 3; it has: 1, 2",
        ),
        (
            'kind = "street"',
            'kind = "street"\n[station.node]\nsensors = [{ model = "a02yyuw", pulse = 0 }]',
            23,
            "is connected by uart; remove this",
        ),
        ("peak_mm_h = 90", "peak_mm_h = 90\nlatitude = -6.2", 8, "longitude is missing"),
        ("at_h = 1", "at_h = 8", 9, "after the end of the run"),
        ("[[fault]]", '[[ailment]]\nkind = "cobwep"\n\n[[fault]]', 33, "did you mean cobweb?"),
        (
            "[[fault]]",
            '[[ailment]]\nkind = "cobweb"\nstations = ["batuceper"]\n\n[[fault]]',
            34,
            "batuceper observes air; cobweb is an ailment of flood",
        ),
        ('check = "nothing_lost"', 'check = "nothing_lost"\nat_most = 1', 39, "does not take this; it takes: no key"),
        ('check = "nothing_lost"', 'check = "completeness"', 36, "completeness needs at_least or at_most; add it"),
        ('check = "nothing_lost"', 'check = "completeness"\nat_least = 99', 39, "is a share: from 0 to 1"),
        (
            'check = "nothing_lost"',
            'check = "alert"\nrule = "siagga"\nstations = ["periuk"]',
            39,
            "unknown alert rule siagga; did you mean siaga?",
        ),
        ('check = "nothing_lost"', 'check = "no_alert"\nseverity = "sevre"', 39, "did you mean severe?"),
        ('check = "nothing_lost"', 'check = "clean"\nproperty = "water_levl"\nat_least = 1', 39, "mean water_level?"),
        ('check = "nothing_lost"', 'check = "quarantined"\nreason = "bad_tagg"\nat_least = 1', 39, "mean bad_tag?"),
        ('check = "nothing_lost"', 'check = "siaga_reached"\nstations = ["periuk"]\nlevel = 4', 40, "3 waspada, 2 siaga"),
    ],
)  # fmt: skip
def test_a_mistake_has_its_line_and_words(old, new, line, words):
    text = changed(old, new)
    if not line:
        read(text, "my.toml")
        return
    found = mistakes(text)
    assert len(found) <= 2, found
    assert any(one.startswith(f"my.toml:{line}: ") and words in one for one in found), found


def test_two_expectations_of_one_name_are_a_mistake():
    text = SMALL + '\n[[expect]]\nname = "none-lost"\ncheck = "no_duplicates"\n'
    assert mistakes(text)[0] == "my.toml:37: expect[0].name: none-lost occurs 2 times; names are unique"


def test_what_is_no_toml_and_who_is_not_there_is_said_in_words(tmp_path):
    assert "my.toml: is not TOML: " in mistakes("[scenario\n")[0]
    with pytest.raises(ConfigError, match="did you mean cisadane-flood"):
        load("cisadane-flod")
    with pytest.raises(ConfigError, match="cannot be read"):
        load(str(tmp_path / "none.toml"))
    (tmp_path / "mine.toml").write_text(SMALL)
    assert load(str(tmp_path / "mine.toml"))[0] == "mine"


def test_lines_are_found_whatever_way_a_key_is_written():
    lines = Lines(
        '# [x]\n[[a]]\ns = """\n[[a]]\n"""\n[[a]]\nb.c = 1\n"d e" = [ # ]\n  { f = "}" },\n  { g = 2 },\n]\n[a.h]\ni = \'#\'\n'
    )
    places = {
        ("a", 0): 2, ("a", 0, "s"): 3, ("a", 1): 6, ("a", 1, "b", "c"): 7, ("a", 1, "d e", 1, "g"): 10,
        ("a", 1, "h", "i"): 13, ("a", 1, "h", "none"): 12, ("a", 1, "d e", 0, "none"): 9, ("none",): 1,
    }  # fmt: skip
    assert {place: lines.of(place) for place in places} == places


def test_the_shipped_scenarios_are_there_and_right():
    names = [
        "bad-grid",
        "byzantine",
        "calm-week",
        "cisadane-flood",
        "flash-flood-night",
        "haze-episode",
        "rollout-goes-wrong",
        "rush-hour-rain",
    ]
    assert list(shipped()) == names
    for name in names:
        assert load(name)[1].expect


def test_the_page_for_those_who_write_one_has_every_key_and_its_example_is_right(tmp_path):
    page = (Path(__file__).parents[3] / "docs" / "scenarios.md").read_text(encoding="utf-8")
    own = [tables.SiteTable, tables.NodeTable, tables.SensorTable]
    forms = [*own, *(typing.get_args(f.annotation)[0] if typing.get_args(f.annotation) else f.annotation
                     for f in tables.Scenario.model_fields.values())]  # fmt: skip
    keys = {key for form in forms if form is not tables.PlaceTable for key in form.model_fields}
    kinds = {
        kind for form in (tables.Fault, tables.Client) for kind in typing.get_args(form.model_fields["kind"].annotation)
    }
    for word in keys | kinds | CHECKS.keys() | KINDS.keys() | shipped().keys() - {"node", "site"}:
        assert f"`{word}`" in page or f"{word} =" in page, word
    (tmp_path / "my.toml").write_text(page.split("```toml\n")[1].split("```")[0])
    assert look(str(tmp_path / "my.toml")).problems == []
