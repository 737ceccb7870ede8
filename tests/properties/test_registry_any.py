"""Whatever stands in registry.toml, reading it gives a registry or a ConfigError that names places, and nothing else."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from pantau import registry
from pantau.problems import ConfigError
from pantau.registry.tables import ROWS

IDS = st.sampled_from(["a", "b", "c"])
ZONES = st.sampled_from([UTC, timezone(timedelta(hours=7)), timezone(timedelta(hours=-23, minutes=-59)), None])
TIMES = st.one_of(
    st.datetimes(timezones=ZONES),
    st.sampled_from([datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=timezone(timedelta(hours=14)))]),
)
NUMBERS = st.one_of(
    st.sampled_from([0, 1, 2, -6.2, 106.6, 1.5, 10**400, float("nan"), float("inf")]), st.floats(), st.integers()
)
VALUES = st.one_of(
    IDS, NUMBERS, TIMES, st.booleans(), st.just(date(2026, 1, 1)), st.lists(IDS, max_size=2), st.dictionaries(IDS, NUMBERS, max_size=2)
)  # fmt: skip
FIGURES = st.sampled_from([0.5, 0.6, 1.0, 1.1, 4])
LIKELY = {
    "latitude": st.sampled_from([-6.2, -6.1]), "longitude": st.sampled_from([106.6, 106.7]), "domain": st.just("flood"),
    "from": TIMES, "to": TIMES, "version": st.integers(1, 9), "property": st.just("water_level"), "value": FIGURES,
    "sensor_height_m": FIGURES, "level_offset_m": FIGURES, "level_slope": FIGURES, "tip_mm": FIGURES, "hysteresis": FIGURES,
    "nodes_at_once": st.integers(1, 2), "neighbours": st.lists(IDS, max_size=2),
    "flood": st.dictionaries(st.sampled_from(["siaga_1", "siaga_2", "datum"]), FIGURES, max_size=1),
}  # fmt: skip
TEXTS = {"id", "name", "station", "node", "model", "downstream", "datum", "serial", "pm_profile"}


def rows(array: str) -> st.SearchStrategy:
    """Rows of which most are as they should be: contradictions are found among those."""
    needed = {f.alias or name: f.is_required() for name, f in ROWS[array].model_fields.items()}
    likely = {key: LIKELY.get(key, IDS) for key in needed if key in LIKELY or key in TEXTS}
    well = st.fixed_dictionaries(
        {key: value for key, value in likely.items() if needed[key]},
        optional={key: value for key, value in likely.items() if not needed[key]},
    )
    anyhow = st.dictionaries(st.sampled_from([*needed, "zzz"]), VALUES, max_size=8)
    return st.one_of(
        st.lists(well, max_size=4), st.lists(well, max_size=4), st.lists(st.one_of(well, anyhow, VALUES), max_size=3)
    )


EVERY = [{"id": i, "name": i, "domain": "flood", "latitude": -6.2, "longitude": 106.6} for i in ("a", "b", "c")]
TABLES = st.fixed_dictionaries(
    {"station": st.one_of(st.builds(lambda: list(EVERY)), rows("station"))},
    optional={array: st.one_of(rows(array), VALUES) for array in ROWS if array != "station"},
)


@given(tables=TABLES)
@settings(max_examples=400, deadline=None)
def test_any_tables_give_a_registry_or_named_mistakes(tables):
    try:
        found = registry.read(tables, Path("registry.toml"))
    except ConfigError as error:
        found, problems = None, error.problems
    if found is None:
        assert problems and all(p.key and p.message for p in problems)
        return
    for name in found.stations:
        epochs = found.epochs(name)
        assert [e.start_ms for e in epochs] == sorted({e.start_ms for e in epochs})
    for node in found.nodes:
        for place in found.placements(node):
            assert found.place_of(node, place.start_ms) is place
            assert node in found.nodes_at(place.station, place.end_ms - 1)
            assert found.place_of(node, place.end_ms) is not place
