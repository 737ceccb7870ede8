"""`pantau sink list|test`: beside a bridge's files, on real servers, and what it says when something is wrong."""

from __future__ import annotations

import importlib
import json
import re
import sqlite3
import time

import pytest
from click.testing import CliRunner

import needs
from built import records
from pantau.batch import Batch
from pantau.cli import pantau
from pantau.followers import FOLLOWERS, FollowerStore
from pantau.sinks.sqlite import CityStore
from pantau.spool import Spool
from pantau_sim.servers import Missing, free_port
from pantau_wire import names as T
from sinks import kit as kits
from sinks.kit import check, held
from sinks.test_contract import eventually, taken

CONFIG = """
[bridge]
city = "tng"
[mqtt]
host = "localhost"
tls = false
lab_plain = true
"""
REGISTRY = """
[[station]]
id = "angke"
name = "Kali Angke"
domain = "flood"
latitude = -6.2
longitude = 106.6
[[node]]
id = "flood-01"
station = "angke"
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "pantau.toml").write_text(CONFIG)
    (tmp_path / "registry.toml").write_text(REGISTRY)
    (tmp_path / "data").mkdir()
    return tmp_path


def run(folder, *words):
    return CliRunner().invoke(pantau, ["sink", *words, "-c", str(folder / "pantau.toml")])


def with_sink(folder, name, **keys):
    lines = [f"{key} = {json.dumps(value)}" for key, value in keys.items()]
    (folder / "pantau.toml").write_text("\n".join([CONFIG, f"[sinks.{name}]", *lines, ""]))


def listed(folder):
    said = run(folder, "list", "--json")
    assert said.exit_code == 0, said.output
    return {one["name"]: one for one in map(json.loads, said.output.splitlines())}


def bridge(folder):
    """A bridge's files as they are while it runs: seven frames, of which sqlite has three and line none; one dead letter."""
    spool = Spool(folder / "data" / "spool.sqlite3", max_mib=10, quarantine_rows=10, quarantine_mib=1)
    frames = [records({T.RAIN_TIPS: [1]}, seq=seq) for seq in range(1, 8)]
    at_ms = time.time_ns() // 1_000_000 - 90_000
    batch = Batch(nodes=[f.node for f in frames], payloads=[f.payload for f in frames], runs=[(at_ms, 7)])
    spool.commit(batch)
    spool.mark([(frames[1], "sink_rejected", "line: 1 of 2 observations: rain_tips[0]: no")])
    followers = FollowerStore(folder / "data" / FOLLOWERS)
    followers.save("sqlite", 3, {})
    return spool, followers


def test_list_before_anything_ran(folder):
    found = listed(folder)
    assert set(found) >= {"sqlite", "postgres", "sensorthings", "ngsi_ld", "nats", "mqtt", "line", "files"}
    assert [name for name, one in found.items() if one["configured"]] == ["sqlite"]
    assert found["sqlite"]["position"] is None and found["sqlite"]["lag_frames"] is None
    assert all(one["title"] for one in found.values())
    assert not list((folder / "data").iterdir())


def test_list_beside_a_running_bridge(folder):
    with_sink(folder, "line", url="http://127.0.0.1:1", lab_plain=True)
    spool, followers = bridge(folder)
    found = listed(folder)
    assert [found["sqlite"][key] for key in ("position", "lag_frames", "dead_letters")] == [3, 4, 0]
    assert [found["line"][key] for key in ("position", "lag_frames", "dead_letters")] == [None, 7, 1]
    assert 80 < found["line"]["lag_s"] < 600
    said = run(folder, "list").output
    assert re.search(r"^sqlite +3  4 frames, \d+ s +0  SQLite, embedded$", said, re.MULTILINE), said
    assert "quarantine list --reason sink_rejected" in said
    followers.save("sqlite", 7, {})
    assert listed(folder)["sqlite"]["lag_frames"] == 0
    spool.close()
    followers.close()


def test_list_says_what_it_cannot_read(folder):
    (folder / "data" / FOLLOWERS).write_bytes(b"not a database" * 100)
    said = run(folder, "list")
    assert said.exit_code == 1 and FOLLOWERS in said.output and "Traceback" not in said.output


def test_the_embedded_store_beside_its_bridge(folder):
    store = CityStore(folder / "data" / "city.sqlite3")
    store.use(kits.registry())
    town = next(kits.towns())
    taken(store, town.day())
    with sqlite3.connect(store.path) as db:
        before = list(db.iterdump())
    said = run(folder, "test", "sqlite")
    assert said.exit_code == 0, said.output
    assert "stored" in said.output and "read back" in said.output and "taken away" in said.output
    with sqlite3.connect(store.path) as db:
        after = list(db.iterdump())
    changed = {line for line in set(after) ^ set(before) if "stations" not in line and "placements" not in line}
    assert all("air_temperature" in line or "words" in line for line in changed), changed
    taken(store, town.day(at_s=kits.T0_S + 900))
    store.close()


@pytest.fixture(scope="module", params=["line", "mqtt", "nats", "ngsi_ld"])
def kit(request, tmp_path_factory):
    try:
        kit = importlib.import_module(f"sinks.kit_{request.param}").Kit(tmp_path_factory.mktemp(request.param))
    except Missing as missing:
        needs.missing(missing.what, missing.package)
    yield kit
    kit.close()


def settings(kit):
    if kit.name == "nats":
        return {"servers": [kit.server.url], "lab_plain": True}
    if kit.name == "mqtt":
        return {"host": kit.server.host, "port": kit.server.port, "tls": False, "lab_plain": True}
    more = {"db": "city", "create": True} if kit.name == "line" else {}
    return {"url": kit.server.url, "lab_plain": True, **more}


def test_a_real_target_beside_the_bridges_sink(folder, kit):
    with_sink(folder, kit.name, **settings(kit))
    said = run(folder, "test", kit.name)  # a target that is new
    assert said.exit_code == 0, said.output
    town = next(kits.towns())
    sink = kit.open()
    eventually(sink, town.day())
    before = sink.position()
    said = run(folder, "test", kit.name)
    assert said.exit_code == 0, said.output
    value = re.search(r"air_temperature = (\d+\.\d+) Cel", said.output)[1]
    shown = "not tried: this target cannot be asked" if kit.name == "mqtt" else rf"in \d+\.\d\d s: .*{re.escape(value)}"
    assert re.search(f"read back  {shown}", said.output), said.output
    assert "left there this observation of the node pantau-test" in said.output
    assert sink.position() == before
    taken(sink, town.day(at_s=kits.T0_S + 900))
    sink.close()
    check(kit, town)
    rows = [row for row in held(kit, ["pantau-test"]) if row.property == "air_temperature"]
    assert float(value) in {row.value for row in rows}
    assert not list((folder / "data").iterdir()), "the bridge's folder was touched"


def test_a_target_that_is_away(folder):
    with_sink(folder, "line", url=f"http://127.0.0.1:{free_port()}", lab_plain=True)
    began = time.monotonic()
    said = run(folder, "test", "line", "--within", "0.5")
    assert said.exit_code == 3 and time.monotonic() - began < 5
    assert "nothing listens" in said.output and "[sinks.line]" in said.output


@pytest.mark.parametrize(
    "name, words",
    [("postgres", "no [sinks.postgres]"), ("influx", "there is no sink influx; there are sqlite, postgres")],
)
def test_what_is_not_configured(folder, name, words):
    said = run(folder, "test", name)
    assert said.exit_code == 2 and words in said.output


def test_a_secret_that_is_open_to_others_is_wrong_configuration(folder):
    (folder / "token").write_text("x")
    (folder / "token").chmod(0o644)
    with_sink(folder, "line", url="http://127.0.0.1:1", lab_plain=True, token_file="token")
    said = run(folder, "test", "line")
    assert said.exit_code == 2 and "token" in said.output


def test_a_bridge_that_never_ran(folder):
    (folder / "data").rmdir()
    said = run(folder, "test", "sqlite")
    assert said.exit_code == 3 and "has the bridge run yet" in said.output
