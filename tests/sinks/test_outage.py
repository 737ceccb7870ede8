"""Each target in turn is away for an hour of the city's time: the others do not notice, and it gets everything once.

Real followers over a real log, as the city process builds them, each sink on its real server. The hours are virtual: frames
carry their times, and pass as fast as they can be committed.
"""

from __future__ import annotations

import asyncio
import importlib
import threading
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

import needs
from built import T0_S, health, records
from pantau.batch import Batch
from pantau.city import Books
from pantau.decode import Decoded, Decoder
from pantau.follower import Follower
from pantau.followers import FollowerStore
from pantau.model import StoredFrame
from pantau.quality.assessor import Assessor
from pantau.sinks import Verdict
from pantau.spool import Spool, SpoolReader
from pantau_sim.servers import Missing
from pantau_wire import names as T
from sinks import kit as kits
from sinks.test_contract import NAMES

QUARTER_S, RECORDS = 900, 15
TOWNS = 1  # of four nodes
WITHIN_S = 25.0
LONG = 600  # frames that wait for a target: six deliveries
GROWN_MB = 8.0  # what one delivery holds is a third of that, all of them twice as much


class Everything:
    """A target that takes all at once: what the others must end with."""

    name = "everything"

    def __init__(self) -> None:
        self.said: list[Decoded] = []

    def position(self):
        return None

    def use(self, registry):
        return

    def deliver(self, batch):
        self.said += batch
        return [Verdict("stored")] * len(batch)

    def close(self):
        return


class Traffic:
    """What the nodes of two towns send: a frame of fifteen records a quarter of an hour each, and a boot without a clock."""

    def __init__(self) -> None:
        self.towns = [town for town, _ in zip(kits.towns(), range(TOWNS), strict=False)]
        self.nodes = [node for town in self.towns for node in town.nodes]
        self._seq: Counter[tuple[str, int]] = Counter()
        self._hours = 0

    def hour(self) -> Iterator[tuple[int, list[StoredFrame]]]:
        """Yield (received_ms, frames) of four quarters of an hour."""
        self._hours += 1
        for quarter in range(4):
            at_s = T0_S + 3600 * self._hours + QUARTER_S * quarter
            frames = [self._frame(node, at_s) for node in self.nodes]
            if quarter == 1:
                frames += self._late_clock(self.towns[0].flood, 100 + self._hours, at_s)
            yield 1000 * (at_s + QUARTER_S), frames

    def _frame(self, node: str, at_s: int) -> StoredFrame:
        steps = range(at_s // 60, at_s // 60 + RECORDS)
        columns = {
            "flood": {
                T.WATER_DISTANCE: [1500 + step % 37 for step in steps],
                T.RAIN_TIPS: [step % 3 for step in steps],
            },
            "mover": {T.WATER_DISTANCE: [2500 - step % 41 for step in steps], T.RAIN_TIPS: [0 for _ in steps]},
            "traffic": {
                T.VEHICLE_COUNT: [step % 19 for step in steps],
                T.OCCUPANCY: [100 + step % 7 for step in steps],
            },
            "air": {
                T.PM2_5: [300 + step % 23 for step in steps],
                T.AIR_TEMPERATURE: [2900 + step % 5 for step in steps],
            },
        }[node.rpartition("-")[0]]
        return records(columns, node=node, seq=self._next(node, 1), base_s=at_s, interval_s=60)

    def _late_clock(self, node: str, boot: int, at_s: int) -> list[StoredFrame]:
        """A boot of 30 s before `at_s`, whose clock was set after its first frame."""
        early = records({T.WATER_DISTANCE: [1490, 1491]}, node=node, boot=boot, seq=1, base_s=5, clock=0, interval_s=10)
        told = {"uptime_ms": 30_000, "utc_ms": 1000 * at_s + 123}
        return [early, health(told, node=node, boot=boot, seq=2)]

    def _next(self, node: str, boot: int) -> int:
        self._seq[node, boot] += 1
        return self._seq[node, boot]


class Rig:
    """The log, every kit whose server is there, and a follower for each; the followers' loop has a thread of its own."""

    def __init__(self, folder, stack: ExitStack) -> None:
        self.kits, self.missing = {}, {}
        for name in NAMES:
            (folder / name).mkdir()
            try:
                self.kits[name] = importlib.import_module(f"sinks.kit_{name}").Kit(folder / name)
            except Missing as missing:
                self.missing[name] = missing
            else:
                stack.callback(self.kits[name].close)
        self.traffic = Traffic()
        self.spool = Spool(folder / "spool.sqlite3", max_mib=64, quarantine_rows=100, quarantine_mib=1)
        self._books = Books(FollowerStore(folder / "followers.sqlite3"), self.spool)
        self.everything = Everything()
        sinks = [*(kit.open() for kit in self.kits.values()), self.everything]
        self.followers = {sink.name: self._follower(sink) for sink in sinks}
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._run(),), name="followers")
        self._thread.start()
        stack.callback(self.close)

    def _follower(self, sink) -> Follower:
        registry, store = kits.registry(), self._books.store
        quality = Assessor(registry, store.state(sink.name))
        reader = SpoolReader(self.spool.path)
        return Follower(sink, reader, Decoder(registry), quality, self._books, store.position(sink.name))

    async def _run(self) -> None:
        tasks = {asyncio.create_task(follower.run()): follower for follower in self.followers.values()}
        await self._stop.wait()
        await asyncio.gather(*(follower.stop(2.0, task) for task, follower in tasks.items()))
        await asyncio.gather(*tasks, return_exceptions=True)

    def pass_an_hour(self, after_quarter=lambda: None) -> None:
        for received_ms, frames in self.traffic.hour():
            first = self.spool.last_id + 1
            nodes, payloads = [f.node for f in frames], [f.payload for f in frames]
            self.spool.commit(Batch(first, nodes, payloads, runs=[(received_ms, len(frames))]))
            for follower in self.followers.values():
                self._loop.call_soon_threadsafe(follower.wake)
            after_quarter()

    def lag(self, name: str) -> int:
        return self.spool.last_id - self.followers[name].position

    def taken_by(self, *names: str, within_s: float = WITHIN_S) -> None:
        """Wait until followers have nothing left to deliver."""

        def late() -> dict[str, tuple[int, str]]:
            assert self._thread.is_alive()
            return {name: (self.lag(name), self.followers[name].trouble) for name in names if self.lag(name)}

        kits.until(lambda: not late(), lambda: f"nothing is left to deliver: {late()}", within_s)

    def check(self, name: str) -> None:
        kits.check(self.kits[name], self.traffic, self.everything.said)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(20)
        self._loop.close()
        self._books.close()


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    with ExitStack() as stack:
        rig = Rig(tmp_path_factory.mktemp("outage"), stack)
        rig.pass_an_hour()
        yield rig


@pytest.mark.parametrize("name", NAMES)
def test_an_hour_without_its_target(rig, name):
    if name in rig.missing:
        needs.missing(rig.missing[name].what, rig.missing[name].package)
    others = [other for other in rig.followers if other != name]
    rig.taken_by(*rig.followers)
    follower, before = rig.followers[name], rig.followers[name].position
    rig.kits[name].stop()
    try:
        rig.pass_an_hour(after_quarter=lambda: rig.taken_by(*others))
        kits.until(lambda: follower.trouble, f"{name} says what is wrong")
        assert follower.position == before
        assert [problem for problem in follower.problems() if problem.startswith(f"sink {name}: ")]
        assert not any(rig.followers[other].trouble for other in others)
    finally:
        rig.kits[name].start()
    rig.taken_by(name)
    assert not follower.trouble and not follower.rejected
    rig.check(name)


def test_after_all_hours_each_holds_everything_once(rig):
    rig.taken_by(*rig.followers)
    for name in rig.kits:
        rig.check(name)
    told = kits.told(rig.everything.said)
    assert sum(o.clock == 0 and o.observed_at_ms is not None for o in told) >= 4, "nothing was dated later"
    assert len(told) > len(rig.kits) * 4 * len(rig.traffic.nodes) * RECORDS * 2


class Away(Everything):
    """A target that is never there."""

    asked = 0

    def deliver(self, batch):
        self.asked += 1
        return [Verdict("retry", "nobody there; start the server")] * len(batch)


def test_what_waits_for_a_target_waits_on_the_disk(tmp_path):
    with closing(Spool(tmp_path / "spool.sqlite3", max_mib=64, quarantine_rows=100, quarantine_mib=1)) as spool:
        raws = list(range(1500, 1500 + RECORDS))
        frames = [
            records(
                {T.WATER_DISTANCE: raws, T.RAIN_TIPS: [0] * RECORDS}, node="flood-00", seq=seq, base_s=T0_S + 900 * seq
            )
            for seq in range(1, LONG + 1)
        ]
        nodes, payloads = ["flood-00"] * LONG, [frame.payload for frame in frames]
        spool.commit(Batch(nodes=nodes, payloads=payloads, runs=[(frames[-1].received_ms, LONG)]))
        del frames, payloads
        sink, registry = Away(), kits.registry()
        follower = Follower(sink, SpoolReader(spool.path), Decoder(registry), Assessor(registry, {}), None, 0)

        async def run() -> None:
            task = asyncio.create_task(follower.run())
            while sink.asked < 3:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            await follower.stop(1.0, task)

        tracemalloc.start()
        try:
            asyncio.run(run())
            peak_mb = tracemalloc.get_traced_memory()[1] / 1e6
        finally:
            tracemalloc.stop()
    assert follower.position == 0 and follower._delivery.waiting <= 100
    assert peak_mb < GROWN_MB
