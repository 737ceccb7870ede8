"""Cases of the hunt: drawn the same for a seed, valid as files, of every kind; made smaller; saved and never overwritten."""

from __future__ import annotations

import tomllib

import pytest

from pantau.problems import ConfigError
from pantau_sim.hunt.draw import draw
from pantau_sim.hunt.files import save, saved
from pantau_sim.hunt.invariants import Broken
from pantau_sim.hunt.shrink import Shrinker
from pantau_sim.hunt.text import text
from pantau_sim.scenario.file import read
from pantau_sim.scenario.make import make
from pantau_sim.scenario.tables import Client, Fault

SEEDS = range(40)


def test_a_seed_draws_the_same_case_and_another_draws_another():
    assert text(draw(7)) == text(draw(7))
    assert text(draw(7)) != text(draw(8))


def test_every_case_is_a_scenario_that_its_text_makes_again():
    for seed in SEEDS:
        tables = draw(seed)
        scenario = read(text(tables), f"{seed}.toml")
        plan = make("case", scenario, seed)
        assert plan.seed == seed
        assert len(plan.faults) == len(tables.get("fault", ()))
        assert plan.calm_us == plan.end_us - round(scenario.scenario.calm_h * 3.6e9)
        assert plan.end_us - plan.start_us <= 6.5 * 3.6e9


def test_a_mouth_is_one_of_a_river():
    """Seed 2001 drew one of none: the file was taken, and the world then refused it."""
    tables = draw(0)
    tables["station"] = [tables["station"][0] | {"domain": "flood", "sensor_height_m": 3.0, "site": {"kind": "mouth"}}]
    for name in ("fault", "client", "ailment", "river"):
        tables.pop(name, None)
    with pytest.raises(ConfigError, match="river is missing"):
        read(text(tables), "mouth.toml")


def test_all_that_can_go_wrong_is_drawn():
    rows = [draw(seed) for seed in range(200)]
    for name, table in (("fault", Fault), ("client", Client)):
        kinds = {row["kind"] for tables in rows for row in tables.get(name, ())}
        assert kinds == set(table.model_fields["kind"].annotation.__args__)
    whats = {row["what"] for tables in rows for row in tables.get("fault", ()) if "what" in row}
    assert {"corrupt", "drop", "truncate", "garbage", "nack", "silence", "lost_echo"} <= whats
    assert {place["domain"] for tables in rows for place in tables["station"]} == {"flood", "air", "traffic"}
    assert {tables["profile"]["raw_flash"] for tables in rows} == {True, False}
    assert {tables["scenario"]["calm_h"] for tables in rows} >= {0.0, 1.0}


def big():
    return next(tables for tables in map(draw, range(200)) if len(tables.get("fault", ())) > 20 < len(text(tables)))


def test_a_case_shrinks_to_what_makes_it_fail():
    tables = big()
    wanted = tables["fault"][11]

    def fails(case):
        read(text(case), "case.toml")  # a candidate is always a scenario
        return any(
            (row["kind"], row["at_h"]) == (wanted["kind"], wanted["at_h"]) and row["for_min"] >= wanted["for_min"] * 0.9
            for row in case.get("fault", ())
        )

    shrinker = Shrinker(tables, fails, lambda: False)
    small = shrinker.run()
    assert len(small["fault"]) == len(small["station"]) == 1
    assert not {"client", "ailment", "shower", "haze"} & small.keys()
    assert small["scenario"]["hours"] < tables["scenario"]["hours"]
    assert small["profile"] == {
        "interval_s": 60, "batch": 5, "health_s": 900, "latency_ms": 40, "loss": 0.0, "raw_flash": True
    }  # fmt: skip
    assert shrinker.tries < 200


def test_shrinking_ends_with_its_time():
    left = iter([False] * 20)
    shrinker = Shrinker(big(), lambda _case: True, lambda: next(left, True))
    shrinker.run()
    assert shrinker.tries <= 20


def test_a_finding_is_saved_with_what_it_showed_and_never_overwritten(tmp_path):
    tables = draw(3)
    broken = Broken("nothing-lost", 'kampung lost 3\n"""of""" 90')
    path = save(tmp_path, broken, 3, tables)
    assert path.name == "nothing-lost-3.toml"
    assert "# kampung lost 3" in path.read_text()
    assert tomllib.loads(path.read_text()) == tomllib.loads(text(tables))
    before = path.read_bytes()
    assert save(tmp_path, broken, 3, draw(4)) == path
    assert path.read_bytes() == before
    assert saved(tmp_path, "nothing-lost", 3) == path
    assert saved(tmp_path, "nothing-lost", 4) is None


def test_errors_are_told_apart_by_their_kind_and_losses_are_alike():
    assert Broken("runs-through", "WorkerError: KeyError: 'x'\n  File").mark == "runs-through: WorkerError: KeyError"
    assert Broken("nothing-lost", "kampung lost 3 of 4: a").mark == Broken("nothing-lost", "pasar lost 1").mark
