"""Every figure that a node's energy, heap and flash are computed from says where it is from, in the code and in the report."""

from __future__ import annotations

import pytest

from pantau.bench import energy, figures, node
from pantau_node.sensors import a02yyuw, pms5003
from pantau_sim import flash, nodebench

TABLES = {"energy": energy.FIGURES, "goals": node.FIGURES, "rig": nodebench.FIGURES}
COMPUTED = {"DAY_MS", "BATTERY_WH", "TIMEOUT_S"}  # a convention, a product of two figures, and no figure


@pytest.mark.parametrize("name, figure", [(f"{t}.{n}", f) for t, table in TABLES.items() for n, f in table.items()])
def test_each_figure_has_a_value_and_a_source(name, figure):
    assert figure.value > 0, name
    assert figure.how in figures.HOW, name
    assert len(figure.source) > 10, name
    if figure.how == figures.PUBLISHED:
        assert any(character.isdigit() or character == "/" for character in figure.source), f"{name}: which document?"
    if figure.how == figures.ASSUMED and figure.unit in ("ms", "us"):
        assert "not measured on a chip" in figure.source or "datasheet" in figure.source, name


def test_the_energy_model_has_no_number_beside_its_figures():
    numbers = {name for name, value in vars(energy).items() if name.isupper() and isinstance(value, int | float)}
    assert numbers - COMPUTED == {name.upper() for name in energy.FIGURES} & numbers
    assert all(getattr(energy, name) == energy.FIGURES[name.lower()].value for name in numbers - COMPUTED)
    stations = {f"{name}_{key}" for name, place in energy.STATIONS.items() for key in place}
    known = {name.lower() for name in numbers} | stations | {"cell_wh", "usable"}
    assert known >= energy.FIGURES.keys(), "a figure that nothing is computed from"


def test_what_is_derived_from_the_drivers_is_still_what_they_say():
    def lead(driver):
        return driver.WARM_UP_MS + 2 * driver.PERIOD_MS

    assert energy.FIGURES["flood_lead_ms"].value == lead(a02yyuw)
    assert energy.FIGURES["air_lead_ms"].value == lead(pms5003)
    assert energy.FIGURES["flood_sample_ms"].value == 7 * a02yyuw.PERIOD_MS + 20


def test_the_simulated_flash_takes_the_times_that_are_named():
    chip = flash.NorFlash(1)
    named = nodebench.FIGURES
    chip.ioctl(6, 0)
    assert chip.us >= named["erase_us"].value
    assert chip.us <= named["erase_us"].value + 2 * named["call_us"].value


def test_the_report_says_where_each_figure_is_from():
    said = node.sources(nodebench.FIGURES)
    assert {row for row, _ in node._ROWS} == said["figures"].keys()
    assert all(text.startswith(("measured", "derived")) for text in said["figures"].values())
    for part, table in TABLES.items():
        assert said[part].keys() == table.keys()
        assert all(one["source"] and one["how"] for one in said[part].values())
    assert node.STATED["source"]
