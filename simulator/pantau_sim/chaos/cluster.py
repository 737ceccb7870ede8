"""Several bridges on one city: a broker, a NATS cluster as the log, two bridges, a city process behind it; some are killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from pantau import natslink
from pantau.cluster.log import messages
from pantau.cluster.message import unpack
from pantau.cluster.settings import ClusterTable
from pantau_sim.chaos import account
from pantau_sim.chaos.control import Control
from pantau_sim.chaos.fleet import Fleet
from pantau_sim.chaos.servers import Bridge, Broker
from pantau_sim.load import files
from pantau_sim.load import frames as load
from pantau_sim.servers import nats
from pantau_wire import frame as wire
from pantau_wire import names as T
from pantau_wire import topics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pantau_sim.chaos.node import Identity

CITY = "tng"
_POLL_S = 0.05
_MQTT = 'host = "127.0.0.1"\nport = {port}\ntls = false\nlab_plain = true\nconnect_timeout_s = 2.0'
_EXTRA = """[spool]
ack_interval_ms = 50
[web]
enabled = false
[retention]
spool_days = 36500
[cluster]
name = "{name}"
servers = [{servers}]
lab_plain = true
replicas = 3
max_mib = 64
lease_s = {lease_s}
timeout_s = 2.0
"""


class ClusterError(RuntimeError):
    """The cluster did not come to a state in time; the text says which."""


class Found(NamedTuple):
    """What stands in the shared log: how often each frame, and those that came behind a later one of their boot."""

    times: Counter[Identity]
    disordered: list[Identity]


class Rig:
    """Everything in one folder. Use as a context; `start` it."""

    def __init__(self, folder: Path, *, nodes: int, rate: float, seed: int, lease_s: float = 2.0) -> None:
        """Make everything, start only the NATS servers (in `__aenter__`)."""
        self.folder, self.lease_s = folder, lease_s
        self.broker = Broker(folder / "broker")
        self._keys = load.Fleet(CITY, nodes, seed)
        self.fleet = Fleet(self._keys, rate, seed)
        self.rng = random.Random(seed)
        self.nats: list[nats.Server] = []
        self.control = Control(folder / "control", create=True)
        self.bridges: list[Bridge] = []
        self.city: Bridge | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._stack = contextlib.ExitStack()

    async def __aenter__(self) -> Self:
        """Start the servers and write the files of two bridges and a city."""
        self.nats = await asyncio.to_thread(self._stack.enter_context, nats.cluster(self.folder / "nats"))
        await self.broker.start()
        self.fleet.port = self.broker.port
        for name in ("one", "two", "city"):
            extra = _EXTRA.format(
                name=name, servers=", ".join(f'"{server.url}"' for server in self.nats), lease_s=self.lease_s
            )
            config = files.write_bridge(
                self.folder / name, self._keys, _MQTT.format(port=self.broker.port), extra=extra
            )
            command = "city" if name == "city" else "bridge"
            made = Bridge(config, self.folder / "control", self.folder / f"{name}.log", lambda: True, command)
            if name == "city":
                self.city = made
            else:
                self.bridges.append(made)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop everything."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for process in (*self.bridges, self.city):
            if process is not None:
                process.kill()
        await self.broker.stop()
        await asyncio.to_thread(self._stack.close)
        self.control.close()

    def run(self, process: Bridge) -> None:
        """Keep a process running from now on."""
        self._tasks.add(asyncio.create_task(process.run()))

    def produce(self) -> None:
        """Let the nodes begin."""
        self._tasks.add(asyncio.create_task(self.fleet.run()))

    async def until(self, what: str, true: Callable[[], bool], within_s: float) -> float:
        """Wait until something is true and return the seconds that took. Raises ClusterError."""
        began = time.monotonic()
        while not true():
            if time.monotonic() - began > within_s:
                raise ClusterError(f"{what}: not within {within_s:g} s; the logs are in {self.folder}")
            await asyncio.sleep(_POLL_S)
        return time.monotonic() - began

    async def works(self, within_s: float) -> float:
        """Wait until every node has an acknowledgement for something that it sealed from now on."""
        since = time.monotonic()
        return await self.until("every node is served", lambda: self.fleet.all_worked_since(since), within_s)

    @property
    def shared(self) -> bool:
        """Return whether every partition has a session, of one bridge or the other."""
        held = [bridge.sessions for bridge in self.bridges]
        return sum(held) == topics.PARTITIONS and all(held)

    @property
    def store(self) -> Path:
        """Return the city store behind the shared log."""
        return self.folder / "city" / "data" / "city.sqlite3"

    async def log(self) -> Found:
        """Read the whole shared log."""
        settings = ClusterTable(
            servers=[server.url for server in self.nats if server.pid], lab_plain=True, name="account"
        )
        client = await natslink.connect(settings, "cluster", "account")
        times: Counter[Identity] = Counter()
        newest: dict[tuple[str, int], int] = {}
        disordered: list[Identity] = []
        try:
            async for one in messages(client.jetstream(), settings.stream(CITY), 0):
                for node, payload, _ in unpack(one.data).frames:
                    head = wire.header(payload)
                    identity = (node, head.boot, head.seq)
                    times[identity] += 1
                    if head.kind != T.K_RECORDS or not payload[0] & 1:  # alarms overtake
                        if newest.get(identity[:2], 0) > head.seq:
                            disordered.append(identity)
                        newest[identity[:2]] = head.seq
        finally:
            await natslink.close(client)
        return Found(times, disordered)

    def stored(self) -> int:
        """Return how many observations that the nodes measured the city store holds."""
        return account.city_rows(self.store)


async def killed(rig: Rig, seconds: float) -> dict[str, Any]:
    """Kill a bridge and a server under load, bring both back, and account for everything at the end."""
    one, two = rig.bridges
    assert rig.city is not None
    for process in (one, two, rig.city):
        rig.run(process)
    shared = await rig.until("both bridges share the partitions", lambda: rig.shared, 40)
    rig.produce()
    report: dict[str, Any] = {"shared_after_s": shared, "served_after_s": await rig.works(40)}
    await asyncio.sleep(seconds / 4)
    _signal(one, signal.SIGSTOP)
    report["takeover_s"] = await rig.works(20 + 5 * rig.lease_s)
    leader = rig.rng.choice(rig.nats)
    await asyncio.to_thread(leader.kill)
    report["without_a_server_s"] = await rig.works(40)
    await asyncio.sleep(seconds / 4)
    _signal(one, signal.SIGCONT)  # it wakes with what it had in hand: the log must not take it twice
    await asyncio.sleep(seconds / 4)
    one.kill()  # and is started again
    await asyncio.to_thread(leader.start)
    await asyncio.sleep(seconds / 4)
    report["both_again_s"] = await rig.until("both bridges share again", lambda: rig.shared, 40)
    rig.fleet.stop_producing()
    report["emptied_s"] = await rig.until("every outbox is empty", lambda: not rig.fleet.held, 60)
    expected = account.observations_of(rig.fleet.produced)
    report["stored_s"] = await rig.until("the city store has everything", lambda: rig.stored() >= expected, 60)
    found = await rig.log()
    report |= {
        "frames": len(rig.fleet.produced),
        "lost": len(rig.fleet.produced.keys() - found.times.keys()),
        "twice": sum(count - 1 for count in found.times.values()),
        "disordered": len(found.disordered),
        "observations": expected,
        "observations_stored": rig.stored(),
        "examples": [str(identity) for identity in (*_twice(found), *found.disordered)][:5],
    }
    return report


def _twice(found: Found) -> Iterator[Identity]:
    return (identity for identity, count in found.times.items() if count > 1)


def _signal(process: Bridge, what: signal.Signals) -> None:
    for pid in process.members():
        os.kill(pid, what)
