"""Every store version that was ever in the field opens with today's code and loses nothing on the way."""

from __future__ import annotations

import pytest

from pantau.decode import Decoded
from pantau.model import Revision
from pantau.sinks import sqlite as city
from unit.ops import stores

ALL_CITY = stores.versions("city")


def test_there_is_a_fixture_of_each_version_that_was_released():
    assert list(range(1, ALL_CITY[-1] + 1)) == ALL_CITY
    assert set(city.SCHEMA.steps) <= set(ALL_CITY)
    assert city.SCHEMA.version - 1 <= ALL_CITY[-1]


@pytest.mark.parametrize("version", ALL_CITY)
def test_the_city_store_comes_up_with_all_it_held(tmp_path, version):
    path = stores.build("city", version, tmp_path / "city.sqlite3")
    names = "node, station, property, value, unit, quality, reason, observed_at_ms, boot, seq, idx, clock, dated_later"
    kept = (f"SELECT {names} FROM readings ORDER BY 1, 9, 10, 11, 3", "SELECT * FROM nodes", "SELECT * FROM clock_maps",
            "SELECT node, property, value, quality, observed_at FROM latest", "SELECT * FROM stations", "SELECT * FROM meta")  # fmt: skip
    before = [stores.rows(path, query) for query in kept]
    assert len(before[0]) == 72 and {row[-1] for row in before[0]} == {0, 1}
    store = city.CityStore(path)
    try:
        assert [stores.rows(path, query) for query in kept] == before
        assert stores.rows(path, "SELECT DISTINCT tests FROM readings") == [("",)]
        fresh = city.CityStore(tmp_path / "new.sqlite3")
        fresh.close()
        assert stores.shape(path) == stores.shape(tmp_path / "new.sqlite3")
        # and it is one to work on: what came before is a duplicate, an old reading can be revised
        old = Revision(("air-02", 1, 1, 0, "rain_tips"), 3, "spike", "spike=3", None)
        assert store.deliver([Decoded(99, "air-02", 1, 2, 0, revisions=(old,))])[0].kind == "stored"
        assert stores.rows(path, "SELECT node, seq, quality FROM readings WHERE tests = 'spike=3'") == [
            ("air-02", 1, 3)
        ]
    finally:
        store.close()
