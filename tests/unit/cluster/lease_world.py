"""Bridges that share leases over a store whose answers are late, lost and out of date; clocks differ in rate; seeded."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from pantau.cluster.lease import Entry, Identity, LeaseSettings, Lessee, Lost, Release, Write

PARTITIONS = 8
LEASE = LeaseSettings(lease_s=10.0)
DRIFT = 0.01


class Store:
    """Compares and sets in one order; of each key the newest entry is kept."""

    def __init__(self) -> None:
        self.revision = 0
        self.entries: dict[str, Entry] = {}

    def write(self, write: Write) -> int | None:
        known = self.entries.get(write.key)
        if write.over != (known.revision if known else 0):
            return None
        self.revision += 1
        self.entries[write.key] = Entry(write.key, write.value, self.revision)
        return self.revision

    def after(self, revision: int) -> list[Entry]:
        return sorted((e for e in self.entries.values() if e.revision > revision), key=lambda e: e.revision)


@dataclass
class Bridge:
    """One machine: its clock, its run, and how well it reaches the store."""

    name: str
    rate: float
    offset: float
    lessee: Lessee | None = None
    run: int = 0
    up: bool = False
    paused: bool = False
    cut: bool = False  # nothing reaches the store, nothing comes back
    blind: bool = False  # writes pass, the view stands still
    waiting: list[Callable[[], None]] = field(default_factory=list)  # what came while it was paused
    view: int = 0


class World:
    """Runs them, and looks after each event whether a partition is held twice."""

    def __init__(self, seed: int, names: list[str], *, delay_s: float = 0.3, loss: float = 0.0) -> None:
        self.strays = 0.5  # of what is lost: it was only held up on its way
        self.rng = random.Random(seed)
        self.now = 0.0
        self.store = Store()
        self.delay_s, self.loss = delay_s, loss
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self.epochs: dict[int, int] = {}
        self.moves = 0
        self.bridges = [
            Bridge(name, self.rng.uniform(1 - DRIFT, 1 + DRIFT), self.rng.uniform(0, 1e6)) for name in names
        ]

    # --- time

    def at(self, delay_s: float, what: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._queue, (self.now + delay_s, self._count, what))

    def clock(self, bridge: Bridge) -> float:
        return bridge.offset + bridge.rate * self.now

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self._queue and self._queue[0][0] <= end:
            self.now, _, what = heapq.heappop(self._queue)
            what()
            self.check()
        self.now = end
        self.check()

    def check(self) -> None:
        """No partition is held twice, by whoever believes it and passes its own fence, paused ones too."""
        held: dict[int, str] = {}
        for bridge in self.bridges:
            if bridge.lessee is None:
                continue
            for number in bridge.lessee.held(self.clock(bridge)):
                assert number not in held, f"{number}: {held[number]} and {bridge.name} at {self.now}"
                held[number] = bridge.name

    def held(self, bridge: Bridge) -> frozenset[int]:
        return bridge.lessee.held(self.clock(bridge)) if bridge.lessee is not None else frozenset()

    # --- bridges

    def start(self, bridge: Bridge, *, same_folder: bool = True) -> None:
        predecessor = f"{bridge.name}/{bridge.run}" if same_folder and bridge.run else ""
        bridge.run += 1
        who = Identity(bridge.name, f"{bridge.name}/{bridge.run}", predecessor)
        bridge.lessee = Lessee(who, LEASE, PARTITIONS)
        bridge.up, bridge.paused, bridge.view = True, False, 0
        bridge.waiting.clear()
        self.look_anew(bridge)
        self._wake(bridge, bridge.lessee)
        self._look(bridge, bridge.lessee)

    def stop(self, bridge: Bridge) -> None:
        """It is gone: nothing that comes later is heard, what it has sent is still under way."""
        bridge.lessee, bridge.up, bridge.paused = None, False, False

    def pause(self, bridge: Bridge) -> None:
        bridge.paused = bridge.up

    def resume(self, bridge: Bridge) -> None:
        bridge.paused = False
        waiting, bridge.waiting = bridge.waiting, []
        self.rng.shuffle(waiting)
        for what in waiting:
            what()
            self.check()

    def look_anew(self, bridge: Bridge) -> None:
        """The view begins again, at a replica that may be far behind."""
        if bridge.lessee is not None:
            bridge.lessee.looks_anew()
            bridge.view = 0

    def _for(self, bridge: Bridge, lessee: Lessee, what: Callable[[], None]) -> Callable[[], None]:
        def told() -> None:
            if bridge.lessee is not lessee:
                return
            if bridge.paused:
                bridge.waiting.append(told)
            else:
                what()

        return told

    def _wake(self, bridge: Bridge, lessee: Lessee) -> None:
        """The edge's own loop: it wakes when asked to and whenever something was told."""

        def woken() -> None:
            self._act(bridge, lessee)
            wait_s = max(0.01, lessee.next_at() - self.clock(bridge)) / bridge.rate
            self.at(min(wait_s, LEASE.beat_s) + self.rng.uniform(0, 0.05), self._for(bridge, lessee, woken))

        self.at(self.rng.uniform(0, 0.05), self._for(bridge, lessee, woken))

    def _look(self, bridge: Bridge, lessee: Lessee) -> None:
        """What the store has written by now comes, in order; superseded entries do not."""

        def looked() -> None:
            self.at(self.rng.uniform(0.1, 0.1 + 2 * self.delay_s), self._for(bridge, lessee, looked))
            if bridge.cut or bridge.blind:
                return
            found = self.store.after(bridge.view)
            some = found[: self.rng.randint(0, len(found))] if self.rng.random() < 0.3 else found
            complete = len(some) == len(found)
            if some:
                bridge.view = some[-1].revision

            for entry in some:
                lessee.saw(entry, self.clock(bridge))
                self._act(bridge, lessee)
            if complete:
                lessee.saw_all()
            self._act(bridge, lessee)

        self.at(0.0, self._for(bridge, lessee, looked))

    def _act(self, bridge: Bridge, lessee: Lessee) -> None:
        for action in lessee.tick(self.clock(bridge)):
            if isinstance(action, Write):
                self._send(bridge, lessee, action)
            elif isinstance(action, Release):
                self._leave(bridge, lessee, action.partition)
            else:
                assert isinstance(action, Lost) and action.partitions

    def _leave(self, bridge: Bridge, lessee: Lessee, number: int) -> None:
        def left() -> None:
            lessee.left(number, self.clock(bridge))
            self._act(bridge, lessee)

        self.at(self.rng.uniform(0, 1), self._for(bridge, lessee, left))

    def _send(self, bridge: Bridge, lessee: Lessee, write: Write) -> None:
        """A write arrives late, very late, or never; its answer too; the edge gives up waiting after a beat."""
        answered = [False]

        def answer(revision: int | None) -> None:
            if answered[0]:
                return
            answered[0] = True
            if lessee.done(write, revision, self.clock(bridge)):
                assert write.partition is not None
                assert write.epoch > self.epochs.get(write.partition, 0), "epochs rise"
                self.epochs[write.partition] = write.epoch
                self.moves += 1
            self._act(bridge, lessee)

        def arrive() -> None:
            revision = self.store.write(write)
            if not bridge.cut and self.rng.random() >= self.loss:
                self.at(self._delay(), self._for(bridge, lessee, lambda: answer(revision)))

        if not bridge.cut and self.rng.random() >= self.loss:
            self.at(self._delay(), arrive)
        elif self.rng.random() < self.strays:
            self.at(self.rng.uniform(0, 5 * LEASE.lease_s), arrive)
        self.at(LEASE.beat_s / bridge.rate, self._for(bridge, lessee, lambda: answer(None)))

    def _delay(self) -> float:
        return self.rng.uniform(0, self.delay_s) if self.rng.random() < 0.95 else self.rng.uniform(0, 10 * self.delay_s)
