"""Frames, keys and a registry for the tests of the bridge."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

from pantau import registry as registry_file
from pantau.batch import Batch
from pantau.boots import Saved
from pantau.ingest import Ingest
from pantau.keys import Keys
from pantau.registry import Registry
from pantau_wire import frame as wire
from pantau_wire import names as T
from pantau_wire import tag, topics

CITY = "tng"
NODE = "flood-01"
OTHER = "air-02"
KEY = bytes(range(32))
OTHER_KEY = bytes(range(32, 64))
KEYS = Keys({NODE: ({0: KEY}, 0), OTHER: ({0: OTHER_KEY, 1: KEY}, 1)})
NOW_MS = 1_770_000_000_000

REGISTRY = """
[[station]]
id = "angke"
name = "Kali Angke"
domain = "flood"
latitude = -6.2
longitude = 106.6
sensor_height_m = 4.0
tip_mm = 0.2
[[node]]
id = "flood-01"
station = "angke"
[[node]]
id = "air-02"
station = "angke"
"""


def registry(folder: Path) -> Registry:
    path = folder / "registry.toml"
    path.write_text(REGISTRY)
    return registry_file.load(path)


def records(
    seq: int, *, boot: int = 1, node: str = NODE, key: bytes = KEY, key_id: int = 0, distance: int = 1500
) -> bytes:
    f = wire.Frame(T.K_RECORDS, key_id)
    f.boot, f.seq, f.clock, f.base_s = boot, seq, 3, NOW_MS // 1000 + 15 * seq
    f.count, f.interval_s = 3, 1
    missing = [0, 0, wire.quality(T.R_TIMEOUT)]
    f.columns = {T.WATER_DISTANCE: ([distance, distance + 1, None], missing), T.RAIN_TIPS: ([0, 1, 0], None)}
    return bytes(wire.encode(f, node, key))


def health(seq: int, *, boot: int = 1, node: str = NODE, key: bytes = KEY, **fields: int | str) -> bytes:
    f = wire.Frame(T.K_HEALTH)
    f.boot, f.seq, f.clock, f.base_s = boot, seq, 3, NOW_MS // 1000
    f.fields = {"uptime_ms": 60_000, "utc_ms": NOW_MS, **fields}
    return bytes(wire.encode(f, node, key))


def up(node: str = NODE) -> str:
    return str(topics.topic(CITY, node, "up"))


def resign(data: bytes, node: str = NODE, key: bytes = KEY) -> bytes:
    """The bytes with the tag that they should have had."""
    return data + bytes(tag.tag(key, tag.UP, node, data))


class Memory:
    """A history in memory, and the commit that fills it."""

    def __init__(self) -> None:
        self.last_id = 0
        self.boots: dict[tuple[str, int], Saved] = {}
        self.pages: dict[tuple[str, int, int], bytes] = {}
        self.log: list[tuple[int, str, bytes]] = []
        self.frames: dict[tuple[str, int, int], bytes] = {}
        self.refused: list[str] = []
        self.checkpoint = 1

    def boot(self, node: str, boot: int) -> Saved | None:
        saved = self.boots.get((node, boot))
        return saved and saved._replace(window=saved.window.copy())

    def page(self, node: str, boot: int, number: int) -> bytes | None:
        return self.pages.get((node, boot, number))

    def tail(self) -> Iterator[tuple[int, str, bytes]]:
        return iter([row for row in self.log if row[0] >= self.checkpoint])

    def commit(self, batch: Batch) -> None:
        assert batch.first_id == self.last_id + 1
        assert sum(count for _, count in batch.runs) == len(batch.payloads) == len(batch.nodes)
        for number, (node, payload) in enumerate(zip(batch.nodes, batch.payloads, strict=True), batch.first_id):
            head = wire.header(payload)
            identity = (node, head.boot, head.seq)
            assert identity not in self.frames, "stored twice"
            self.frames[identity] = payload
            self.log.append((number, node, payload))
        self.last_id = batch.last_id
        self.checkpoint = batch.checkpoint
        for saved in batch.saves:
            self.boots[saved.node, saved.boot] = saved
            self.pages |= {(saved.node, saved.boot, number): page for number, page in saved.pages.items()}
        self.refused += [refused.reason for refused in batch.refused]


def ingest(folder: Path, memory: Memory) -> Ingest:
    return Ingest(CITY, registry(folder), KEYS, memory)


async def until(true: Callable[[], object], within_s: float = 20.0) -> None:
    """Let the loop run until a condition holds that nothing signals."""
    async with asyncio.timeout(within_s):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.001)
