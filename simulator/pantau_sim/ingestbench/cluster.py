"""Rounds of `pantau bench cluster`: the same bridge and publishers, with its own spool and with a shared log before it."""

from __future__ import annotations

import asyncio
import statistics
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, NamedTuple

from pantau import natslink
from pantau.cluster.reader import SharedReaders
from pantau.cluster.settings import ClusterTable
from pantau.spool import SpoolReader
from pantau_sim.ingestbench import process, rig
from pantau_sim.load.frames import Fleet
from pantau_sim.servers import nats

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_LOOK_S = 0.01
_READ = 5_000
_MAX_MIB = 4_096
KINDS = {"own spool": 0, "1 NATS server": 1, "3 NATS servers": 3}


class Round(NamedTuple):
    """What one round measured; `read_per_s`: frames that a follower of the shared log reads a second."""

    frames_per_s: float
    cpu_us_per_frame: float
    lost: int
    twice: int
    read_per_s: float = 0.0


def measure(frames: int, nodes: int, rounds: int, folder: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Return {"logs": {kind: medians}, "frames", "nodes", "rounds"}. Raises rig.BenchError or Missing."""
    rig.need_mosquitto()
    fleet = Fleet(rig.CITY, nodes, 1)
    done: dict[str, list[Round]] = {kind: [] for kind in KINDS}
    for number in range(rounds):
        for kind, servers in KINDS.items():
            one = _round(frames, fleet, folder / f"{number}-{servers}", servers)
            done[kind].append(one)
            read = f", read at {one.read_per_s:,.0f}" if servers else ""
            say(
                f"{kind:<15} {one.frames_per_s:>9,.0f} frames/s durable, {one.cpu_us_per_frame:.1f} us CPU a frame{read}"
            )
    own = statistics.median(one.frames_per_s for one in done["own spool"])
    logs = {
        kind: {
            "frames_per_s": round(statistics.median(one.frames_per_s for one in ones)),
            "ratio_to_own_spool": round(statistics.median(one.frames_per_s for one in ones) / own, 2),
            "cpu_us_per_frame": round(statistics.median(one.cpu_us_per_frame for one in ones), 1),
            "read_per_s": round(statistics.median(one.read_per_s for one in ones)),
            "lost": sum(one.lost for one in ones),
            "twice": sum(one.twice for one in ones),
        }
        for kind, ones in done.items()
    }
    return {"logs": logs, "frames": frames, "nodes": nodes, "rounds": rounds}


def _round(frames: int, fleet: Fleet, folder: Path, servers: int) -> Round:
    with ExitStack() as stack:
        running = stack.enter_context(nats.cluster(folder / "nats", servers)) if servers > 1 else []
        if servers == 1:
            running = [stack.enter_context(nats.running(folder / "nats"))]
        urls = ", ".join(f'"{server.url}"' for server in running)
        table = f'name = "one"\nservers = [{urls}]\nlab_plain = true\nreplicas = {servers}\nmax_mib = {_MAX_MIB}\n'
        port, _ = stack.enter_context(rig.broker(folder / "broker"))
        bridge = stack.enter_context(rig.bridge(port, fleet, folder / "bridge", cluster=table if servers else ""))
        publishers = stack.enter_context(rig.publishers(port, frames, len(fleet.nodes)))
        reader = SpoolReader(folder / "bridge" / "data" / "spool.sqlite3")
        before_us, started = process.cpu_us(bridge.pid), rig.go(publishers)
        process.until(
            lambda: reader.last_id() >= frames, rig.PATIENCE_S, "the bridge did not store all frames", _LOOK_S
        )
        seconds, cpu_us = time.perf_counter() - started, process.cpu_us(bridge.pid) - before_us
        reader.close()
        if not servers:
            return Round(frames / seconds, cpu_us / frames, 0, 0)
        settings = ClusterTable(
            servers=[server.url for server in running], lab_plain=True, name="bench", replicas=servers, max_mib=_MAX_MIB
        )
        names, read_s = asyncio.run(_read(settings))
        return Round(
            frames / seconds, cpu_us / frames, frames - len(set(names)), len(names) - len(set(names)), frames / read_s
        )


async def _read(settings: ClusterTable) -> tuple[list[tuple[str, int, int]], float]:
    """Read the whole log as a follower does; return the frames' names and the seconds that took."""
    shared = await SharedReaders.connect(rig.CITY, settings)
    reader = shared.reader()
    try:
        names: list[tuple[str, int, int]] = []
        after, began, ended = 0, time.perf_counter(), 0.0
        while some := await asyncio.to_thread(reader.read, after, _READ):
            names += [(frame.node, frame.boot, frame.seq) for frame in some]
            after, ended = some[-1].id, time.perf_counter()
        await asyncio.to_thread(reader.close)
    finally:
        await natslink.close(shared.client)
    return names, max(1e-9, ended - began)
