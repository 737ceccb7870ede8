"""Rounds of the ingest benchmark: a broker of its own, publishers in a process, and either mosquitto_sub or the bridge behind.

Each round starts a new Mosquitto without persistence (plain TCP, MQTT 3.1.1, a window of 1,000) and sends the same frames. The
clock runs from the publishers' start to the last frame received: by mosquitto_sub, which counts and ends; by the bridge when
the frame is in its log, durably, which is also when it is confirmed to the broker.
"""

from __future__ import annotations

import statistics
import subprocess
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple

from pantau.followers import FollowerStore
from pantau.spool import SpoolReader
from pantau_sim.ingestbench import process, rig, slow
from pantau_sim.load.frames import Fleet

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_LOOK_S = 0.01
_BEHIND_S = 8.0  # for which the sink is watched after the last frame
_SINK = "sqlite"


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
    """Return the report: medians of `rounds`, reference and bridge in turn, and the quiet end. Raises rig.BenchError."""
    rig.need_mosquitto()
    fleet = Fleet(rig.CITY, nodes, 1)
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
    calm = slow.measure(fleet, folder / "slow", slow.SECONDS)
    say(slow.line(calm))
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
        **calm,
    }


def _reference(frames: int, nodes: int, folder: Path) -> float:
    with rig.broker(folder) as (port, log), rig.publishers(port, frames, nodes) as publishers:
        words = ("-q", "1", "-N", "-C", str(frames), "-t", f"pantau/v1/{rig.CITY}/+/+/up")
        with (folder / "sub.out").open("wb") as out:
            sub = subprocess.Popen(["mosquitto_sub", "-h", "127.0.0.1", "-p", str(port), *words], stdout=out)
        try:
            process.until(lambda: "/+/+/up" in log.read_text(), rig.PATIENCE_S, "mosquitto_sub did not subscribe")
            started = rig.go(publishers)
            sub.wait(rig.PATIENCE_S)
            return frames / (time.perf_counter() - started)
        except subprocess.TimeoutExpired:
            raise rig.BenchError("mosquitto_sub did not get all messages") from None
        finally:
            sub.kill()
            sub.wait()


def _bridge(frames: int, fleet: Fleet, folder: Path) -> Round:
    with (
        rig.broker(folder) as (port, _),
        rig.bridge(port, fleet, folder) as running,
        rig.publishers(port, frames, len(fleet.nodes)) as publishers,
    ):
        found = _watch(running.pid, publishers, frames, folder / "data")
    stored, distinct = _count(folder / "data" / "spool.sqlite3")
    return found._replace(lost=frames - distinct, duplicates=stored - distinct)


def _watch(pid: int, publishers: subprocess.Popen[str], frames: int, data: Path) -> Round:
    """Let the publishers go and measure until all is durable, and the sink for some seconds more."""
    before_us = process.cpu_us(pid)
    with closing(SpoolReader(data / "spool.sqlite3")) as reader:
        started = rig.go(publishers)
        process.until(
            lambda: reader.last_id() >= frames, rig.PATIENCE_S, "the bridge did not store all frames", _LOOK_S
        )
    seconds = time.perf_counter() - started
    cpu_us = process.cpu_us(pid) - before_us
    taken, before, ended = _taken(data), _observations(data), time.perf_counter()
    time.sleep(_BEHIND_S)  # the flood is over, and the sink has its time to itself
    observations, over_s = _observations(data) - before, time.perf_counter() - ended
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
