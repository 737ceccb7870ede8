"""docs/quality.md says what the code does: its table of limits, its tests, its settings and their defaults."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from pantau.quality.flags import ORDER
from pantau.quality.limits import BY_PROPERTY
from pantau.quality.pkji import SERVICE, TABLE
from pantau.quality.site import AirSite, FloodSite, RainFed, RainSite, RoadSite
from pantau_wire import names as T

PAGE = (Path(__file__).parents[3] / "docs" / "quality.md").read_text()
UNITS = {row[0]: row[1] for row in T.PROPERTIES.values()}


def number(value):
    return f"{value:.6g}"


def span(pair):
    return "-" if pair is None else f"{number(pair[0])} to {number(pair[1])}"


def two(first, second, factor=1.0):
    return " / ".join("-" if v is None else number(v * factor) for v in (first, second)) if first is not None else "-"


def row(name, limits):
    flat = two(limits.flat_s, limits.flat_fail_s, 1 / 3600)
    if limits.flat_s is not None:
        flat += f" within {number(limits.flat_tolerance)}"
    cells = [
        f"{name}, {UNITS[name]}", span(limits.fail), span(limits.suspect), two(limits.rate, limits.rate_fail, 60),
        two(limits.spike, limits.spike_fail), flat, limits.source,
    ]  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def test_the_table_of_limits_is_the_data():
    told = [line for line in PAGE.splitlines() if line.startswith("| ") and line[2:].split(",")[0] in BY_PROPERTY]
    assert told == [row(name, limits) for name, limits in BY_PROPERTY.items()]


def test_every_test_is_explained_and_every_reason_has_a_meaning():
    told = [match[1] for match in re.finditer(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)]
    assert told == list(ORDER)
    node = {name for name, _ in T.REASONS.values()}
    assert {"out_of_range" if name == "range" else name for name in ORDER} <= node | T.HOST_REASONS.keys()


def test_the_example_names_every_setting_with_its_default():
    example = tomllib.loads(re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL)[1])["station"][0]
    for table, model in (("flood", FloodSite), ("rain", RainSite), ("road", RoadSite), ("air", AirSite)):
        said, fields = example[table], model.model_fields
        assert said.keys() <= fields.keys()
        plain = model().model_dump()
        settled = {name for name, value in plain.items() if value is not None and name not in ("limits", "profiles")}
        assert settled <= said.keys(), table
        for name in settled - {"filters"}:
            assert said[name] == plain[name], (table, name)
        model.model_validate(said)
    assert example["flood"]["filters"] == FloodSite().filters.model_dump()
    fed = RainFed().model_dump()
    assert example["flood"]["rain_fed"] == fed | {"gauges": example["flood"]["rain_fed"]["gauges"]}


def test_the_page_has_the_figures_of_pkji():
    cuts = ", ".join(f"{cut:.2f}" for cut in SERVICE)
    assert cuts in PAGE
    for flow, _, low, high in TABLE.values():
        assert all(f"{value:.2f}" in PAGE for value in (low.motorcycle, high.motorcycle)) and f"{flow:,}" in PAGE
