"""How long a bridge takes to open its log after a kill, by the size of the log: it must not grow with it."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import statistics
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from pantau import keys as key_file
from pantau import registry as registry_file
from pantau.ingest import Ingest
from pantau.spool import Spool
from pantau_sim.load.files import write_registry
from pantau_sim.load.frames import Fleet

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pantau.keys import Keys
    from pantau.registry import Registry

CITY = "bench"
_BATCH = 5_000
_ROUNDS = 3
_MAX_MIB = 1 << 20
_TIMES, _MORE_S = 3.0, 0.5  # the larger log may take so many times the smaller one's start, and this beside it


class Start(NamedTuple):
    """One opening: seconds, frames read again from the tail, frames in the log, boots known."""

    seconds: float
    again: int
    frames: int
    boots: int


def measure(sizes_gb: tuple[float, ...], nodes: int, folder: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Return {size in GB: figures} and whether the start grows with the log."""
    fleet = Fleet(CITY, nodes, 1)
    write_registry(folder, fleet)
    report: dict[str, Any] = {}
    for gb in sizes_gb:
        path = folder / f"{gb:g}.sqlite3"
        child = multiprocessing.get_context("spawn").Process(target=fill, args=(folder, path, nodes, gb))
        child.start()
        child.join()
        killed = statistics.median(_copied(folder, path).seconds for _ in range(_ROUNDS))
        one = _copied(folder, path)
        clean = opened(folder, path)  # settles it
        clean = opened(folder, path)
        report[f"{gb:g}"] = {
            "frames": one.frames, "after_kill_s": round(killed, 3), "frames_read_again": one.again,
            "after_stop_s": round(clean.seconds, 3), "boots": one.boots,
        }  # fmt: skip
        say(
            f"{gb:>6g} GB  {one.frames:>10,} frames  start after a kill {killed:.3f} s "
            f"({one.again:,} frames of the tail read again), after a stop {clean.seconds:.3f} s"
        )
    first, last = (report[f"{gb:g}"]["after_kill_s"] for gb in (min(sizes_gb), max(sizes_gb)))
    return {"sizes_gb": report, "grows": last > _TIMES * first + _MORE_S}


def fill(folder: Path, path: Path, nodes: int, gb: float) -> None:
    """Write a log of `gb` GB and end like a kill -9: nothing is saved that no commit saved."""
    fleet = Fleet(CITY, nodes, 1)
    registry, keys = registry_file.load(folder / "registry.toml"), key_file.load(folder / "keys.json")
    spool, gate = _open(registry, keys, path)
    topics = [node.topic[2:] for node in fleet.nodes]
    batch: tuple[list[bytes], list[bytes]] = ([], [])
    for number, _, payload in fleet.frames(1 << 31, boot=1, first_seq=1, base_s=1_700_000_000):
        batch[0].append(topics[number])
        batch[1].append(payload)
        if len(batch[1]) == _BATCH:
            gate.offer_many(*batch, time.time_ns() // 1_000_000)
            made = gate.take()
            spool.commit(made)
            gate.settle(made)
            batch = ([], [])
            if spool.bytes >= gb * 1e9:
                os._exit(0)


def opened(folder: Path, path: Path) -> Start:
    """Open the log as a bridge does, and leave it as a bridge does that is stopped in order."""
    registry, keys = registry_file.load(folder / "registry.toml"), key_file.load(folder / "keys.json")
    began = time.perf_counter()
    spool, gate = _open(registry, keys, path)
    seconds = time.perf_counter() - began
    again = sum(1 for _ in spool.tail())
    boots = gate.unsaved
    while gate.unsaved:
        made = gate.take(saves=_BATCH)
        spool.commit(made)
        gate.settle(made)
    start = Start(seconds, again, spool.last_id, boots)
    spool.close()
    return start


def _copied(folder: Path, path: Path) -> Start:
    """Open a copy of the log as the kill left it, with its write-ahead log."""
    copy = path.with_name("copy.sqlite3")
    for ending in ("", "-wal"):
        if path.with_name(path.name + ending).exists():
            shutil.copyfile(path.with_name(path.name + ending), copy.with_name(copy.name + ending))
    try:
        return opened(folder, copy)
    finally:
        for ending in ("", "-wal", "-shm"):
            copy.with_name(copy.name + ending).unlink(missing_ok=True)


def _open(registry: Registry, keys: Keys, path: Path) -> tuple[Spool, Ingest]:
    spool = Spool(path, max_mib=_MAX_MIB, quarantine_rows=100, quarantine_mib=1)
    return spool, Ingest(CITY, registry, keys, spool)
