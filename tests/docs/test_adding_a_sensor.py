"""docs/adding-a-sensor.md names the files of a sensor: every sensor of the catalog has them, and those it names exist."""

import json
import re
from pathlib import Path

import pytest

from pantau_node.sensors.catalog import load, models

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "adding-a-sensor.md").read_text(encoding="utf-8")
ROWS = [re.search(r"`([^`]*<file>[^`]*)`", line)[1] for line in PAGE.splitlines() if re.match(r"\|.*<file>", line)]
FILES = sorted(set(models().values()))
CONTACTS = ("pulse", "pulses", "contact")
# Sensors whose vectors and dual tests came before this page, or lie with a sister's: where.
ELSEWHERE = {
    ("sps30_uart", "host/pantau/sensors/portable/map_<file>.py"): "host/pantau/sensors/portable/map_sps30.py",
    ("sps30_uart", "tests/dual/test_sensors_<file>.py"): "tests/dual/test_sensors_sps30.py",
    ("a02yyuw", "tests/dual/test_sensors_<file>.py"): "tests/dual/test_sensors_drivers.py",
    ("ld2451", "tests/dual/test_sensors_<file>.py"): "tests/dual/test_sensors_drivers.py",
    ("pulse", "tests/dual/test_sensors_<file>.py"): "tests/dual/test_sensors_stations.py",
    ("pulse", "tests/unit/sensors/test_<file>.py"): "tests/unit/sensors/test_against_emulators.py",
    ("tipping_bucket", "tests/dual/test_sensors_<file>.py"): "tests/dual/test_sensors_stations.py",
    ("bme280", "tests/dual/test_sensors_<file>.py"): "tests/dual/test_sensors_stations.py",
    ("sht4x", "tests/dual/test_sensors_<file>.py"): "tests/dual/test_sensors_stations.py",
}


def test_the_page_names_the_six_files():
    assert len(ROWS) == 6


@pytest.mark.parametrize("file", FILES)
def test_each_sensor_has_the_files_that_the_page_names(file):
    contact = load(next(model for model, name in models().items() if name == file)).BUS in CONTACTS
    for row in ROWS:
        if contact and ("captures" in row or "map_" in row):
            continue
        wanted = ELSEWHERE.get((file, row), row).replace("<file>", file)
        if "<origin>" in wanted:
            captures = (ROOT / "tests" / "captures").glob("*.json")
            assert any(json.loads(path.read_text())["file"] == file for path in captures), wanted
        else:
            assert (ROOT / wanted).is_file(), wanted


def test_what_the_page_links_and_names_is_there():
    for path in re.findall(r"`((?:firmware|schemas|host|simulator|tests)/[\w./-]+)`", PAGE):
        assert (ROOT / path).exists(), path
