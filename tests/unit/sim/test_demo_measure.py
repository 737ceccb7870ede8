"""The demo's judge: every way to lose, double, invent or falsify a record that was thought of is seen."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pantau_sim.demo import city, measure
from pantau_sim.demo.intruder import FORGED_SEQ
from pantau_sim.world import World

BOOT_MS = 1_770_000_000_200
RUN_S = 20
BATCH = 5
READINGS = "node, boot, seq, idx, property, value, quality, observed_at_ms, uptime_ms, received_ms"


def honest(folder: Path, world: World, seen: measure.Watched) -> None:
    """Write what a bridge stores of a run in which all went well."""
    health = json.dumps({"forged": 1, "sensor_errors": [[0, "checksum", 1]]})
    with sqlite3.connect(folder / "city.sqlite3") as db:
        db.execute(f"CREATE TABLE readings ({READINGS})")
        db.execute("CREATE TABLE nodes (node, health)")
        db.execute("INSERT INTO nodes VALUES (?, ?)", (seen.node.id, health))
        for k in range(1, seen.due + 1):
            at_ms = (BOOT_MS + k * 1000) // 1000 * 1000
            values = {
                name: world.truth(seen.node.station, name, at_ms / 1000)
                for name in measure.TRUE["flood"]
                if name != "water_level"
            }
            values["water_level"] = seen.node.sensor_height_m - values["water_distance"]
            values["rain_tips"] = world.interval(seen.node.station, "rain_tips", at_ms / 1000 - 1, at_ms / 1000) or 0
            for name, value in values.items():
                row = (
                    seen.node.id,
                    1,
                    2 + (k - 1) // BATCH,
                    (k - 1) % BATCH,
                    name,
                    value,
                    1,
                    at_ms,
                    None,
                    at_ms + 2000,
                )
                db.execute("INSERT INTO readings VALUES (?,?,?,?,?,?,?,?,?,?)", row)
    with sqlite3.connect(folder / "spool.sqlite3") as db:
        db.execute("CREATE TABLE quarantine (reason, count)")
        db.execute("INSERT INTO quarantine VALUES ('bad_tag', 1)")


@pytest.fixture
def judged(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Return a function that tampers with an honest store by SQL and reports on it."""
    world = World(1)
    node = city.settle(1, world)[0]
    faults = {"corrupt": 1}
    seen = measure.Watched(node, tmp_path, BOOT_MS, RUN_S, 1000, fault_ms=[BOOT_MS + 3000], faults=faults)
    honest(tmp_path, world, seen)

    def report(*statements: str, store: str = "city.sqlite3") -> dict[str, Any]:
        with sqlite3.connect(tmp_path / store) as db:
            for statement in statements:
                assert db.execute(statement).rowcount, f"changes nothing: {statement}"
        return measure.report(tmp_path, [seen], world)

    return report


def test_an_honest_run_is_clean(judged: Callable[..., dict[str, Any]]) -> None:
    said = judged()
    assert (said["records_sampled"], said["records_stored"]) == (RUN_S, RUN_S)
    assert [said[name] for name in ("lost", "duplicates", "records_unexplained", "wrong")] == [0, 0, 0, []]
    assert said["max_value_error"]["water_distance"] == 0
    assert said["latency_p50_s"] == pytest.approx(1.8)


COPY = "INSERT INTO readings SELECT node, {boot}, {seq}, idx, property, value, quality, {at}, {up}, received_ms FROM readings WHERE seq = 3"


@pytest.mark.parametrize(
    "statement, lost, duplicates, unexplained",
    [
        ("DELETE FROM readings WHERE seq = 4 AND idx = 2", 1, 0, 0),
        (COPY.format(boot=1, seq=90, at="observed_at_ms", up="NULL"), 0, 5, 0),
        (COPY.format(boot=2, seq="seq", at="observed_at_ms", up="NULL"), 0, 5, 0),
        (COPY.format(boot=1, seq=90, at="observed_at_ms + 1", up="NULL"), 0, 5, 0),
        (COPY.format(boot=1, seq=90, at="NULL", up=f"observed_at_ms - {BOOT_MS}"), 0, 5, 0),
        ("UPDATE readings SET observed_at_ms = observed_at_ms + 5000 WHERE seq = 3", 5, 5, 0),
        ("UPDATE readings SET observed_at_ms = observed_at_ms + 86400000 WHERE seq = 3", 5, 0, 5),
    ],
)
def test_a_loss_is_not_made_up_for(
    judged: Callable[..., dict[str, Any]], statement: str, lost: int, duplicates: int, unexplained: int
) -> None:
    """Counts of records would not show most of these: what is lost and what stands twice are told apart by instant."""
    said = judged(statement)
    assert (said["lost"], said["duplicates"], said["records_unexplained"]) == (lost, duplicates, unexplained)


@pytest.mark.parametrize(
    "statement, word",
    [
        (
            "UPDATE readings SET value = value + 1 WHERE property = 'water_distance' AND seq = 4",
            "water_distance is off",
        ),
        ("UPDATE readings SET quality = 9, value = NULL WHERE property = 'air_temperature'", "no good air_temperature"),
        ("DELETE FROM readings WHERE property = 'rain_tips'", "no good rain_tips"),
        ("UPDATE readings SET value = 40 WHERE property = 'rain_tips' AND seq = 4 AND idx = 1", "rain_tips is off"),
        (COPY.format(boot=1, seq=FORGED_SEQ, at="observed_at_ms", up="NULL"), "forged frame were stored"),
        ("UPDATE nodes SET health = '{\"forged\": 0}'", "not refused by name"),
        ("UPDATE nodes SET health = '{\"forged\": 1}'", "bad sensor packets"),
    ],
)
def test_a_wrong_value_a_dead_sensor_and_an_unseen_attack_are_told(
    judged: Callable[..., dict[str, Any]], statement: str, word: str
) -> None:
    """Each makes the demo fail, by name."""
    assert any(word in sentence for sentence in judged(statement)["wrong"])


def test_what_the_bridge_did_not_refuse_is_told(judged: Callable[..., dict[str, Any]]) -> None:
    """The bridge's own quarantine has to name the forged tag."""
    said = judged("UPDATE quarantine SET reason = 'truncated'", store="spool.sqlite3")
    assert any("not refused by name" in sentence for sentence in said["wrong"])
