"""Rows of PostgreSQL's binary COPY, without a server: what is told of an observation before anything is sent."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest

from pantau.model import Observation
from pantau.problems import ConfigError
from pantau.sinks import Context, postgres
from pantau.sinks import _postgres_rows as rows

NOW_MS = 1_795_824_000_000
SEEN = Observation("flood-01", 1, 7, 3, "water_level", 1.25, "m", 1, "ok", NOW_MS - 1000, None, 3, NOW_MS, "angke")
STORED = rows.Stored(77, 5, rows.micros(NOW_MS))
IDS = {"water_level": 11, "rain_amount": 12}


def encoder(stations=None):
    def learn(seen):
        if "\0" in seen.reason:
            raise ValueError("a zero character")
        return rows.tag(IDS[seen.property], seen.quality, seen.clock, 21, 22)

    return rows.Encoder({}, learn, (stations or {"angke": 31}).__getitem__)


def fields(row):
    """A row as {column: bytes or None}, read by the format's own description."""
    (count,) = struct.unpack_from(">h", row)
    at, found = 2, []
    for _ in range(count):
        (size,) = struct.unpack_from(">i", row, at)
        at += 4
        found.append(None if size == -1 else row[at : at + size])
        at += max(size, 0)
    assert at == len(row)
    return dict(zip(rows.COLUMNS.split(", "), found, strict=True))


def one(seen):
    made, bad = encoder().rows([seen], STORED)
    assert not bad, bad
    return fields(made[0])


def test_a_row_is_what_the_format_says():
    row = one(SEEN)
    assert struct.unpack(">qqiihhhiihqd", b"".join(part for part in row.values() if part is not None)) == (
        77, STORED.received_us, 5, 31, 11, 1, 3, 21, 22, 3, rows.micros(NOW_MS - 1000), 1.25,
    )  # fmt: skip
    assert row["uptime_ms"] is None


def test_what_is_missing_is_null():
    row = one(replace(SEEN, value=None, observed_at_ms=None, uptime_ms=20_000, station=None))
    assert [name for name, part in row.items() if part is None] == ["station", "observed_at", "value"]
    assert row["uptime_ms"] == struct.pack(">q", 20_000)


def test_time_counts_from_2000_to_the_millisecond():
    assert rows.micros(946_684_800_001) == 1000
    assert rows.millis(rows.micros(NOW_MS)) == NOW_MS


@pytest.mark.parametrize(
    "fields", [
        {"index": 70_000}, {"quality": 2**20}, {"observed_at_ms": 10**17}, {"observed_at_ms": -(10**17)},
        {"observed_at_ms": 2**80}, {"value": 10**400}, {"value": "1.2"}, {"uptime_ms": 2**63}, {"reason": "\0"},
    ],
)  # fmt: skip
def test_what_a_column_cannot_hold_is_told_of_this_observation_only(fields):
    odd = replace(SEEN, **fields)
    made, bad = encoder().rows([SEEN, odd, SEEN], STORED)
    assert len(made) == 2
    assert [(told.observation, bool(told.reason)) for told in bad] == [(odd, True)]


def test_an_observation_never_gets_the_station_of_the_one_before():
    def station(name):
        if name != "angke":
            raise ValueError(name)
        return 31

    made, bad = rows.Encoder({}, encoder()._learn, station).rows(
        [SEEN, replace(SEEN, station="odd"), replace(SEEN, station="odd"), replace(SEEN, station=None), SEEN], STORED
    )
    assert [fields(row)["station"] for row in made] == [struct.pack(">i", 31), None, struct.pack(">i", 31)]
    assert len(bad) == 2


def test_what_is_not_known_yet_ends_the_frame():
    with pytest.raises(LookupError):
        rows.Encoder({}, rows.unknown, {}.__getitem__).rows([SEEN], STORED)


def test_the_newest_of_each_property_but_no_date_that_its_receipt_contradicts():
    made = encoder()
    later = replace(SEEN, index=4, observed_at_ms=NOW_MS)
    ahead = replace(SEEN, index=5, observed_at_ms=NOW_MS + rows.FUTURE_TOLERANCE_MS + 1)
    rain = replace(SEEN, property="rain_amount", observed_at_ms=NOW_MS + rows.FUTURE_TOLERANCE_MS)
    made.rows([later, SEEN, ahead, rain, replace(SEEN, observed_at_ms=None, uptime_ms=1)], STORED)
    made.rows([SEEN], STORED)
    newest = {key: fields(row)["idx"] for key, (_, row) in made.newest.items()}
    assert newest == {(5, 11): struct.pack(">h", 4), (5, 12): struct.pack(">h", 3)}


def test_a_date_of_the_future_is_better_than_none():
    made = encoder()
    made.rows([replace(SEEN, observed_at_ms=NOW_MS + 10**9)], STORED)
    assert len(made.newest) == 1


def table(**given):
    return postgres.PostgresTable.model_validate(
        {"host": "db.kota.example", "dbname": "city", "user": "pantau", **given}
    )


def test_tls_with_a_verified_name_unless_said_otherwise(tmp_path):
    told = table().conninfo()
    assert (told["sslmode"], told["sslrootcert"]) == ("verify-full", "system")
    assert table(ca=str(tmp_path / "ca.pem")).conninfo()["sslrootcert"] == str(tmp_path / "ca.pem")
    assert table(lab_plain=True).conninfo()["sslmode"] == "disable"


@pytest.mark.parametrize(
    "given", [{"schema": 'x"; DROP'}, {"schema": ""}, {"certificate": "c.pem"}, {"port": 0}, {"timeout_s": 0.0}]
)
def test_settings_that_cannot_be_meant(given):
    with pytest.raises(ValueError):
        table(**given)


def test_a_password_that_others_may_read(tmp_path):
    secret = tmp_path / "password"
    secret.write_text("hush")
    secret.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        postgres.open_sink(table(password_file=str(secret)), Context("tng", "test", tmp_path, None))


def test_the_extra_is_named_when_it_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pantau.sinks._postgres_link", None)
    with pytest.raises(ConfigError, match=r"pantau\[postgres\]"):
        postgres.open_sink(table(), Context("tng", "test", tmp_path, None))
