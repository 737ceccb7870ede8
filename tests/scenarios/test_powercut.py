"""The power goes at every flash operation of a scripted week; every 25th in the short tier."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


def sweep(report: Path, *words: str) -> dict[str, int]:
    command = [sys.executable, "-m", "pantau", "sim", "powercut", "--report", str(report), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(os.environ))
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(report.read_text())


def check(said: dict[str, int]) -> None:
    assert said["booted"] == said["identity_kept"] == said["cuts"]
    assert said["lost"] == said["duplicates"] == said["not_drained"] == said["refused"] == said["rewritten_bytes"] == 0
    assert said["committed"] == said["delivered"] + said["overwritten"]
    assert said["operations"] > 12000 and said["erases"] > 40 and said["records"] == 7 * 1440


@pytest.mark.timeout(150)
def test_every_25th_cut_loses_nothing(tmp_path: Path) -> None:
    said = sweep(tmp_path / "report.json", "--every", "25")
    assert said["cuts"] > 1500 and said["overwritten"] > 0
    check(said)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_no_cut_loses_anything(tmp_path: Path) -> None:
    said = sweep(tmp_path / "report.json", "--seed", "1")
    assert said["cuts"] == 3 * said["operations"]
    check(said)
