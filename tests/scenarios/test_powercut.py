"""The power goes at every flash operation of a scripted week; every 50th in the short tier."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import vms
from needs import missing
from pantau_sim.powercut_chip import DiskChip


def sweep(report: Path, *words: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "pantau", "sim", "powercut", "--report", str(report), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(os.environ))
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(report.read_text())


def check(said: dict[str, Any]) -> None:
    assert said["booted"] == said["identity_kept"] == said["config_kept"] == said["orders_refused"] == said["cuts"]
    assert said["lost"] == said["duplicates"] == said["not_drained"] == said["refused"] == said["rewritten_bytes"] == 0
    assert said["committed"] == said["delivered"] + said["overwritten"]
    assert said["records"] == 7 * 1440
    assert (said["proved"], said["taken_back"]) == ((5, 4) if said["arrangement"] == "full" else (7, 4))
    assert said["provisioned"] == 5


def check_ring(said: dict[str, Any]) -> None:
    check(said)
    assert said["operations"] > 12000
    assert said["erases"] > 40
    assert set(said["cuts_of"]) == {"identity", "config", "counters", "ring"}


@pytest.mark.timeout(180)
def test_every_50th_cut_loses_nothing(tmp_path: Path) -> None:
    said = sweep(tmp_path / "report.json", "--every", "50")
    assert said["cuts"] > 750
    assert said["committed"] == said["delivered"]
    check_ring(said)


@pytest.mark.timeout(180)
def test_a_ring_that_is_too_small_counts_what_it_overwrites(tmp_path: Path) -> None:
    said = sweep(tmp_path / "report.json", "--every", "250", "--full")
    assert said["overwritten"] > 0
    check_ring(said)


@pytest.mark.timeout(180)
def test_files_on_littlefs_lose_nothing_either(tmp_path: Path) -> None:
    said = sweep(tmp_path / "report.json", "--every", "5000", "--fallback")
    assert said["cuts"] > 100
    assert said["committed"] == said["delivered"]
    check(said)


@pytest.mark.long
@pytest.mark.timeout(5400)
def test_no_cut_loses_anything(tmp_path: Path) -> None:
    said = sweep(tmp_path / "report.json", "--seed", "1")
    assert said["cuts"] > 3 * 12000
    assert said["committed"] == said["delivered"]
    check_ring(said)


@pytest.mark.long
@pytest.mark.timeout(5400)
@pytest.mark.parametrize("every, how", [("5", "--full"), ("97", "--fallback")])
def test_few_cuts_of_the_other_arrangements_are_left_out(tmp_path: Path, every: str, how: str) -> None:
    check(sweep(tmp_path / "report.json", "--seed", "1", "--every", every, how))


def test_a_flush_of_micropythons_littlefs_is_durable_and_ours_is_the_same_file_system() -> None:
    script = Path(__file__).with_name("littlefs_vm.py")
    try:
        done = vms.run("unix", script, paths=(*vms.SHARED, vms.ROOT / "simulator"))
    except vms.MissingVmError as error:
        missing("the unix VM", error.package)
    *lines, image = done.stdout.splitlines()
    assert lines == [
        "written b''",
        "flushed b'one'",
        "appended b'onetwo'",
        "renamed b'whole' b'missing'",
    ], done.stdout[:500] + done.stderr
    chip = DiskChip(16)
    chip.flash.restore(bytes.fromhex(image.split()[1]))
    chip.power_on()
    assert chip.listing() == ["log"]


def check_update(said: dict[str, Any]) -> None:
    assert said["booted"] == said["old"] + said["new"] == said["accepted"] == said["cuts"]
    assert said["neither"] == said["lost"] == said["duplicates"] == 0
    assert said["committed"] == said["delivered"]


@pytest.mark.timeout(180)
def test_a_cut_in_an_update_leaves_the_old_or_the_new_version(tmp_path: Path) -> None:
    said = sweep(tmp_path / "report.json", "--update", "--every", "83")
    assert said["cuts"] >= 15 and said["old"] and said["new"]
    check_update(said)


@pytest.mark.long
@pytest.mark.timeout(5400)
def test_no_cut_in_an_update_leaves_neither_version(tmp_path: Path) -> None:
    said = sweep(tmp_path / "report.json", "--update", "--seed", "1")
    assert said["cuts"] > 1200
    check_update(said)
