"""A follower with a sink whose answers a test decides."""

from __future__ import annotations

import asyncio

from pantau.decode import Decoder
from pantau.follower import Follower
from pantau.ingest import Ingest
from pantau.sinks import Verdict
from pantau.spool import SpoolReader
from unit.host import bridge_kit as kit


class Target:
    """A sink whose answers a test decides."""

    name = "target"

    def __init__(self, answer=lambda _: Verdict("stored")):
        self.answer = answer
        self.holds = None  # as a target that cannot tell
        self.got = []
        self.asked = 0
        self.closed = False

    def position(self):
        return self.holds

    def use(self, registry):
        pass

    def deliver(self, batch):
        self.asked += 1
        verdicts = [self.answer(item) for item in batch]
        if not any(v.kind == "retry" for v in verdicts):
            self.got += [item.seq for item in batch]
        return verdicts

    def close(self):
        self.closed = True


def fill(tmp_path, spool, *payloads):
    gate = Ingest(kit.CITY, kit.registry(tmp_path), kit.KEYS, spool)
    for payload in payloads:
        gate.offer(kit.up(), payload, kit.NOW_MS)
    batch = gate.take()
    spool.commit(batch)
    gate.settle(batch)


class Plain:
    """A fold that counts what it sees: its state says how often."""

    def __init__(self, seen=0):
        self.seen = seen

    def assess(self, decoded):
        self.seen += 1
        return decoded

    def changed(self):
        return {"seen": str(self.seen)}

    def saved(self):
        pass


class Books:
    """The writers of the real ones, without threads of their own."""

    def __init__(self, spool, store=None):
        self.spool, self.store = spool, store
        self.saved = {}

    async def mark(self, marks):
        self.spool.mark(marks)

    async def resolved(self, entries):
        self.spool.resolve(entries)

    async def save(self, sink, position, state):
        self.saved[sink] = position
        if self.store is not None:
            self.store.save(sink, position, state)


def follow(tmp_path, spool, sink, position=0, books=None, quality=None):
    books = books or Books(spool)
    return Follower(sink, SpoolReader(spool.path), Decoder(kit.registry(tmp_path)), quality or Plain(), books, position)


async def to_the_end(follower, within_s=10.0):
    task = asyncio.create_task(follower.run())
    await follower.stop(within_s, task)
    return task
