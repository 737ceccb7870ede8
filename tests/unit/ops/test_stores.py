"""Every store version that was ever in the field opens with today's code and loses nothing on the way."""

from __future__ import annotations

import pytest

from pantau.decode import Decoded
from pantau.model import Revision
from pantau.sinks import sqlite as city
from pantau.spool import Spool, SpoolReader
from pantau.spool_schema import SCHEMA as SPOOL
from unit.host import bridge_kit as kit
from unit.ops import stores

ALL_SPOOL = stores.versions("spool")
ALL_CITY = stores.versions("city")


@pytest.mark.parametrize("found,schema", [(ALL_SPOOL, SPOOL), (ALL_CITY, city.SCHEMA)])
def test_there_is_a_fixture_of_each_version_that_was_released(found, schema):
    assert list(range(1, found[-1] + 1)) == found
    assert set(schema.steps) <= set(found) and schema.version - 1 <= found[-1]


@pytest.mark.parametrize("version", ALL_SPOOL)
def test_the_spool_comes_up_with_every_frame_and_knows_each_again(tmp_path, version):
    path = stores.build("spool", version, tmp_path / "spool.sqlite3")
    frames = stores.rows(path, "SELECT id, node, boot, seq, received_ms, payload FROM frames") if version == 1 else None
    kept = "SELECT reason, detail, node, seq, frame_id, count, payload, replay FROM quarantine ORDER BY id"
    before = stores.rows(path, kept)
    spool = Spool(path, max_mib=64, quarantine_rows=100, quarantine_mib=1)
    reader = SpoolReader(path)
    try:
        held = reader.read(0, 1000)
        if frames is not None:
            assert [tuple(frame.__getattribute__(name) for name in frame.__slots__) for frame in held] == frames
        assert spool.last_id == 10 and stores.rows(path, kept) == before
        gate = kit.ingest(tmp_path, spool)
        for frame in held:
            assert gate.offer(kit.up(frame.node), frame.payload, kit.NOW_MS).kind == "redelivered"
        assert gate.offer(kit.up(), kit.records(2, distance=9), kit.NOW_MS).kind == "conflict"
        assert gate.offer(kit.up(), kit.records(9), kit.NOW_MS).kind == "new"
        spool.commit(gate.take())
        assert spool.last_id == 11
    finally:
        reader.close()
        spool.close()
    assert version == SPOOL.version or path.with_name(f"spool.sqlite3.v{version}").exists()


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
