"""docs/targets/postgresql.md, followed to the letter: from an empty server to OGC API Features."""

from __future__ import annotations

import json
import os
import re
import subprocess
import urllib.request
from pathlib import Path

import psycopg
import pytest

import needs
from pantau.sinks import trial
from pantau_sim.servers import free_port, wait_for
from sinks import kit as kits

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "targets" / "postgresql.md").read_text(encoding="utf-8")
PYGEOAPI = ROOT / ".servers" / "bin" / "pygeoapi"
NOW_MS = 1_795_824_000_000


def block(name):
    return re.search(rf"<!-- {name} -->\n```sql\n(.*?)```", PAGE, re.DOTALL)[1]


def psql(kit, script, database):
    command = [*kit.server.psql_command(database), "-f", "-"]
    subprocess.run(command, input=script, check=True, capture_output=True, text=True)


@pytest.fixture(scope="module")
def city(postgres):
    """The kit with the database that the page makes, one day in it, and a role that may read."""
    kit, _ = postgres
    with kit.another():
        kit.server.drop("city")
        psql(kit, block("setup"), "postgres")
        sink = kit.open(user="pantau")
        town = next(kits.towns())
        verdicts = sink.deliver([*town.day(), town.undated(1500), trial.marked(NOW_MS, "postgres")])
        assert {verdict.kind for verdict in verdicts} == {"stored"}
        sink.close()
        psql(kit, block("reader"), "city")
        yield kit


def test_the_questions_have_answers(city):
    statements = block("questions").strip().removesuffix(";").split(";")
    with psycopg.connect(f"postgresql://pantau@127.0.0.1:{city.server.port}/city", autocommit=True) as db:
        found = [db.execute(statement).fetchall() for statement in statements]
    levels, hours, rain, near, undated, silent, forgotten = found
    assert [(node, station, unit) for node, station, _, unit, *_ in levels] == [
        ("flood-00", "angke", "m"), ("mover-00", "bendung", "m"),
    ]  # fmt: skip
    assert [(count, round(mean, 2)) for _, mean, count in hours] == [(2, 5.0)]
    assert dict(rain) == {"angke": pytest.approx(0.8), "bendung": pytest.approx(0.5)}
    assert {"flood-00", "mover-00"} <= {row[0] for row in near} and "air-00" not in {row[0] for row in near}
    assert undated == [("flood-00", 4)]
    assert {"flood-00", "air-00"} <= {row[0] for row in silent}
    assert forgotten == [(0,)]


def test_readers_read_and_do_not_write(city):
    with psycopg.connect(f"postgresql://gis@127.0.0.1:{city.server.port}/city", autocommit=True) as db:
        assert db.execute("SELECT count(*) FROM pantau.readings").fetchone() == (43,)
        assert db.execute(
            "SELECT count(*) FROM pantau.series('flood-00', 'water_level', '2026-11-18', 'infinity')"
        ).fetchone() == (3,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            db.execute("DELETE FROM pantau.positions")


def test_the_mark_of_a_test_is_taken_away(city):
    count = "SELECT count(*) FROM pantau.readings WHERE node = 'pantau-test'"
    assert city.ask(count) == [(1,)]
    psql(city, block("tidy"), "city")
    assert city.ask(count) == [(0,)]


def test_pygeoapi_serves_stations_and_latest_values(city, tmp_path):
    if not PYGEOAPI.exists():
        needs.missing("pygeoapi", "constraints-servers.txt into .servers")
    port = free_port()
    text = re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[1]
    config, openapi, log = tmp_path / "pygeoapi.yml", tmp_path / "openapi.yml", tmp_path / "log"
    config.write_text(text.replace("5000", str(port)).replace("5432", str(city.server.port)))
    env = {
        **os.environ,
        "GIS_PASSWORD": "another one",
        "PYGEOAPI_CONFIG": str(config),
        "PYGEOAPI_OPENAPI": str(openapi),
    }
    subprocess.run(
        [PYGEOAPI, "openapi", "generate", config, "--output-file", openapi], env=env, check=True, capture_output=True
    )
    with log.open("wb") as said:
        server = subprocess.Popen([PYGEOAPI, "serve"], env=env, stdout=said, stderr=said)
    try:
        wait_for(port, server, log=log)
        around = "bbox=106.6395,-6.1705,106.6410,-6.1695&f=json"
        (angke,) = items(port, f"stations/items?{around}")
        assert (angke["id"], angke["geometry"]["coordinates"]) == ("angke", [106.6403, -6.1701])
        assert (angke["properties"]["name"], angke["properties"]["kemendagri"]) == (kits.ANGKE.name, "36.71.10")
        (level,) = items(port, f"latest/items?{around}&property=water_level")
        assert level["id"] == "flood-00/water_level"
        assert (level["properties"]["value"], level["properties"]["unit"]) == (pytest.approx(4.998), "m")
        assert len(items(port, "latest/items?f=json&limit=100")) == 14
    finally:
        server.terminate()
        server.wait(20)


def items(port, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/collections/{path}", timeout=20) as answer:
        return json.load(answer)["features"]
