"""The energy model: sums that a person can check, monotone where physics is, wakes and connections of the real planner."""

from pathlib import Path

import pytest

from pantau.bench import energy
from pantau_sim.node import firmware_folder


def rows_of(vm):
    return energy.profiles(vm, firmware_folder())


def row(rows, *name):
    keys = ("profile", "station", "interval_s", "report_s", "static_ip")
    return next(r for r in rows if tuple(r[key] for key in keys) == name)


def test_the_published_case_comes_out_as_published():
    """288 connections of 108.6 mC, of which the wake is counted apart, are the 8.7 mAh of the experiments."""
    mc = 288 * (energy.BOOT_MC + (energy.STATIC_MC - energy.BOOT_MC))
    assert mc / 3600 == pytest.approx(8.7, abs=0.05)
    assert pytest.approx(47, abs=0.5) == energy.CPU_MA
    assert pytest.approx(149.6, abs=0.1) == energy.RADIO_MA


def test_a_day_without_a_wake_is_the_sleep_current():
    found = energy.per_day("flood", {"wakes": 0, "connects": 0, "awake_ms": 0}, static_ip=True)
    assert found["mah_per_day"] == pytest.approx(24 * energy.SLEEP_MA, abs=0.05)
    assert found["wake_mah"] == found["link_mah"] == found["sensors_mah"] == 0


def test_the_parts_are_the_sum_and_the_watt_hours_are_at_five_volts():
    found = energy.per_day("air", {"wakes": 96, "connects": 24, "awake_ms": 3000000}, static_ip=False)
    parts = sum(found[name + "_mah"] for name in ("wake", "link", "sensors", "sleep"))
    assert found["mah_per_day"] == pytest.approx(parts, abs=0.1)
    assert found["wh_per_day"] == pytest.approx(found["mah_per_day"] * 5 / 1000, abs=0.001)
    assert energy.days(0.5, 10) == 20


def test_wakes_and_connections_come_from_the_planner(vm):
    rows = rows_of(vm)
    found = row(rows, "battery", "flood", 60, 900, True)
    assert (found["wakes"], found["connects"]) == (1440, 96)
    # A wake is at least its start, the lead that is left and the sample.
    assert found["awake_ms"] >= 1440 * (energy.BOOT_MS + energy.MOUNT_MS + energy.IMPORT_MS + 2120)
    assert row(rows, "battery", "flood", 300, 3600, True)["connects"] == 24


def test_less_often_and_a_fixed_address_cost_less_and_mains_costs_most(vm):
    rows = rows_of(vm)
    mah = {r["mah_per_day"] for r in rows if r["profile"] == "battery"}
    assert max(mah) < min(r["mah_per_day"] for r in rows if r["profile"] == "mains")
    often = row(rows, "battery", "flood", 60, 900, True)["mah_per_day"]
    assert row(rows, "battery", "flood", 60, 900, False)["mah_per_day"] > often
    assert row(rows, "battery", "flood", 300, 900, True)["mah_per_day"] < often / 2


def test_the_table_names_every_row_its_source_and_its_assumptions(vm):
    rows = rows_of(vm)
    text = energy.lines(rows)
    assert len(text) == 1 + len(rows) + 1 + len(energy.FIGURES) + len(energy.ASSUMPTIONS)
    assert "not measured on a chip" in "\n".join(text)
    assert all(r["source"] for r in rows)


def test_a_vm_that_does_not_answer_is_named():
    with pytest.raises(RuntimeError, match="/nowhere/vm gave no answer"):
        energy.plan_days(Path("/nowhere/vm"), firmware_folder(), [])
    with pytest.raises(RuntimeError, match="gave no answer"):
        energy.plan_days(Path("/bin/true"), firmware_folder(), [])
