"""Rounds of the ingest benchmark: a broker of its own, publishers in a process, and either mosquitto_sub or the bridge behind.

Each round starts a new Mosquitto without persistence (plain TCP, MQTT 3.1.1, a window of 1,000) and sends the same frames. The
clock runs from the publishers' start to the last frame received: by mosquitto_sub, which counts and ends; by the bridge when
the frame is in its log, durably, which is also when it is confirmed to the broker.
"""

from __future__ import annotations

import json
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pantau.followers import FollowerStore
from pantau.spool import SpoolReader
from pantau_sim.ingestbench import process
from pantau_sim.load.files import write_bridge
from pantau_sim.load.frames import Fleet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CITY = "bench"
_CONNECTIONS, _WINDOW = 16, 200  # of the publishers
_LOOK_S = 0.01
_PATIENCE_S = 60.0
_BEHIND_S = 5.0  # for which the sink is watched after the last frame
_SINK = "sqlite"
_BROKER = """listener {port} 127.0.0.1
allow_anonymous true
persistence false
max_inflight_messages 1000
max_queued_messages 10000000
set_tcp_nodelay true
log_type subscribe
log_type error
user root
"""


class BenchError(RuntimeError):
    """A part of the benchmark is missing or failed; the text says which."""


class Round(NamedTuple):
    """What one round of the bridge measured."""

    frames_per_s: float
    cpu_us_per_frame: float
    sink_observations_per_s: float
    sink_lag_frames: int
    lost: int
    duplicates: int
    rss_mb: float  # of the process that receives
    rss_city_mb: float  # of the one with sinks, quality control and alerts


def measure(frames: int, nodes: int, rounds: int, folder: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Return the report: medians of `rounds`, reference and bridge in turn. Raises BenchError."""
    for tool in ("mosquitto", "mosquitto_sub"):
        if shutil.which(tool) is None and not Path(f"/usr/sbin/{tool}").exists():
            raise BenchError(f"{tool} is not there: install the Debian packages mosquitto and mosquitto-clients")
    fleet = Fleet(CITY, nodes, 1)
    reference: list[float] = []
    ours: list[Round] = []
    for number in range(1, rounds + 1):
        reference.append(_reference(frames, nodes, folder / f"reference-{number}"))
        say(f"round {number}: mosquitto_sub  {reference[-1]:>9,.0f} messages/s")
        ours.append(_bridge(frames, fleet, folder / f"bridge-{number}"))
        say(
            f"round {number}: bridge         {ours[-1].frames_per_s:>9,.0f} frames/s durable, "
            f"{ours[-1].cpu_us_per_frame:.1f} us CPU a frame, sink {ours[-1].sink_observations_per_s:,.0f} observations/s"
        )
    rate, against = statistics.median(r.frames_per_s for r in ours), statistics.median(reference)
    return {
        "frames_per_s": round(rate),
        "reference_msgs_per_s": round(against),
        "ratio": round(rate / against, 3),
        "cpu_us_per_frame": round(statistics.median(r.cpu_us_per_frame for r in ours), 2),
        "sink_observations_per_s": round(statistics.median(r.sink_observations_per_s for r in ours)),
        "sink_lag_frames": round(statistics.median(r.sink_lag_frames for r in ours)),
        "lost": sum(r.lost for r in ours),
        "duplicates": sum(r.duplicates for r in ours),
        "rss_mb": round(max(r.rss_mb for r in ours), 1),
        "rss_city_mb": round(max(r.rss_city_mb for r in ours), 1),
        "frames": frames,
        "nodes": nodes,
        "rounds": rounds,
    }


def _reference(frames: int, nodes: int, folder: Path) -> float:
    with _broker(folder) as (port, log), _publishers(port, frames, nodes) as publishers:
        words = ("-q", "1", "-N", "-C", str(frames), "-t", f"pantau/v1/{CITY}/+/+/up")
        with (folder / "sub.out").open("wb") as out:
            sub = subprocess.Popen(["mosquitto_sub", "-h", "127.0.0.1", "-p", str(port), *words], stdout=out)
        try:
            process.until(lambda: "/+/+/up" in log.read_text(), _PATIENCE_S, "mosquitto_sub did not subscribe")
            started = _go(publishers)
            sub.wait(_PATIENCE_S)
            return frames / (time.perf_counter() - started)
        except subprocess.TimeoutExpired:
            raise BenchError("mosquitto_sub did not get all messages") from None
        finally:
            sub.kill()
            sub.wait()


def _bridge(frames: int, fleet: Fleet, folder: Path) -> Round:
    with _broker(folder) as (port, _):
        mqtt = f'host = "127.0.0.1"\nport = {port}\ntls = false\nlab_plain = true\n'
        config = write_bridge(folder, fleet, mqtt)
        with (folder / "bridge.log").open("wb") as log:
            # In our own session, as all others here: Linux shares the processor among sessions before it looks at priorities.
            bridge = subprocess.Popen([sys.executable, "-m", "pantau", "bridge", "run", "-c", str(config)], stderr=log)
        try:
            text = folder / "bridge.log"
            process.until(
                lambda: "connected=64" in text.read_text(), _PATIENCE_S, f"the bridge did not start: see {text}"
            )
            process.until(
                lambda: "city.ready" in text.read_text(), _PATIENCE_S, f"the bridge did not start: see {text}"
            )
            with _publishers(port, frames, len(fleet.nodes)) as publishers:
                found = _watch(bridge.pid, publishers, frames, folder / "data")
            bridge.send_signal(signal.SIGTERM)
            bridge.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            raise BenchError(f"the bridge did not end; see {folder}/bridge.log") from None
        finally:
            if bridge.poll() is None:
                bridge.kill()  # its second process ends when it sees that
                bridge.wait()
        stored, distinct = _count(folder / "data" / "spool.sqlite3")
        return found._replace(lost=frames - distinct, duplicates=stored - distinct)


def _watch(pid: int, publishers: subprocess.Popen[str], frames: int, data: Path) -> Round:
    """Let the publishers go and measure until all is durable, and the sink for some seconds more."""
    before_us = process.cpu_us(pid)
    with closing(SpoolReader(data / "spool.sqlite3")) as reader:
        started = _go(publishers)
        process.until(lambda: reader.last_id() >= frames, _PATIENCE_S, "the bridge did not store all frames", _LOOK_S)
    seconds = time.perf_counter() - started
    cpu_us = process.cpu_us(pid) - before_us
    taken = _taken(data)
    time.sleep(_BEHIND_S)
    observations, over_s = _observations(data), time.perf_counter() - started
    rss = [process.peak_rss_mb(number) for number in (pid, *process.children(pid))]
    return Round(frames / seconds, cpu_us / frames, observations / over_s, frames - taken, 0, 0, rss[0], sum(rss[1:]))


def _taken(data: Path) -> int:
    with closing(FollowerStore(data / "followers.sqlite3")) as store:
        return store.position(_SINK) or 0


def _observations(data: Path) -> int:
    return process.count(data / "city.sqlite3", "observations")


def _count(spool: Path) -> tuple[int, int]:
    """Return (frames in the log, different ones among them)."""
    seen: set[tuple[str, int, int]] = set()
    stored = at = 0
    with closing(SpoolReader(spool)) as reader:
        while batch := reader.read(at, 5000):
            at = batch[-1].id
            stored += len(batch)
            seen.update((frame.node, frame.boot, frame.seq) for frame in batch)
    return stored, len(seen)


def _go(publishers: subprocess.Popen[str]) -> float:
    assert publishers.stdin is not None
    publishers.stdin.write("\n")
    publishers.stdin.flush()
    return time.perf_counter()


@contextmanager
def _broker(folder: Path) -> Iterator[tuple[int, Path]]:
    """Give (port, log file) of a Mosquitto of our own."""
    folder.mkdir(parents=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    (folder / "mosquitto.conf").write_text(_BROKER.format(port=port))
    log = folder / "mosquitto.log"
    exe = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
    with log.open("wb") as out:
        broker = subprocess.Popen([exe, "-c", str(folder / "mosquitto.conf")], stderr=out, stdout=out)
    try:
        process.until(lambda: process.listens(port), _PATIENCE_S, f"mosquitto does not listen: see {log}")
        yield port, log
    finally:
        broker.kill()
        broker.wait()


@contextmanager
def _publishers(port: int, frames: int, nodes: int) -> Iterator[subprocess.Popen[str]]:
    """Give the publisher process with its frames made and its connections standing, at its gate."""
    words = {
        "port": port,
        "connections": _CONNECTIONS,
        "window": _WINDOW,
        "city": CITY,
        "nodes": nodes,
        "frames": frames,
    }
    arguments = [word for name, value in words.items() for word in (f"--{name}", str(value))]
    publishers = subprocess.Popen(
        [sys.executable, "-m", "pantau_sim.load.publisher", *arguments, "--gate"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert publishers.stdout is not None
        if json.loads(publishers.stdout.readline() or "{}") != {"ready": True}:
            raise BenchError("the publishers did not start")
        yield publishers
    finally:
        publishers.kill()
        publishers.communicate()
