"""Everything that runs, and the faults that are done to it, each by its name."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
import time
from typing import TYPE_CHECKING

from pantau_sim.chaos import account, disk, intruder
from pantau_sim.chaos.control import Control
from pantau_sim.chaos.fleet import Fleet, connect
from pantau_sim.chaos.proxy import Proxy
from pantau_sim.chaos.servers import Bridge, Broker
from pantau_sim.chaos.steps import STEPS
from pantau_sim.load import files
from pantau_sim.load import frames as load

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from pantau_sim.chaos.schedule import Fault

CITY = "tng"
_STEP_S = 4.0  # within which an armed step must be reached
_PASSES = 6  # times at most that an armed step is passed first
_POLL_S = 0.02
_AFTER_S = 3.0  # for so long a disk or a lock may still explain that a bridge does not start
_BEHIND = {"sink_locked", "sink_slow", *(f"kill_at_{step.name}" for step in STEPS if step.behind)}
_BURST = 30  # messages of an intruder at once


class Rig:
    """Broker, proxies, bridge and fleet in one folder."""

    def __init__(self, folder: Path, nodes: int, rate: float, seed: int) -> None:
        """Make everything, start nothing. Raises MissingBrokerError."""
        self.folder = folder
        self.data = folder / "data"
        self.broker = Broker(folder / "broker")
        self.to_bridge, self.to_fleet = Proxy(self.broker.port), Proxy(self.broker.port)
        keys = load.Fleet(CITY, nodes, seed)
        self._keys = keys
        self.fleet = Fleet(keys, rate, seed)
        self.disk = disk.Disk(self.data)
        self.control = Control(folder / "control", create=True)
        self.bridge = Bridge(folder / "pantau.toml", folder / "control", folder / "bridge.log", self._excused)
        self._excuse_until = 0.0
        self._excuses = 0

    @property
    def spool(self) -> Path:
        """Return the spool's file."""
        return self.data / "spool.sqlite3"

    @property
    def city(self) -> Path:
        """Return the city store's file."""
        return self.data / "city.sqlite3"

    async def start(self) -> None:
        """Start the broker and the proxies, and write the bridge's files."""
        await self.broker.start()
        await self.to_bridge.start()
        await self.to_fleet.start()
        self.fleet.port = self.to_fleet.port
        mqtt = (
            f'host = "127.0.0.1"\nport = {self.to_bridge.port}\ntls = false\nlab_plain = true\nconnect_timeout_s = 2.0'
        )
        # The clock jumps here by years, and the account at the end wants every frame.
        extra = "[spool]\nack_interval_ms = 50\n[web]\nenabled = false\n[retention]\nspool_days = 36500\n"
        files.write_bridge(self.folder, self._keys, mqtt, extra=extra)

    def heal(self) -> None:
        """End everything that may still be wrong."""
        self.control.arm(0)
        self.control.clock_ms = 0
        self.to_bridge.heal()
        self.to_fleet.heal()
        self.disk.free()
        disk.refuse_writes(self.bridge.members(), on=False)
        self.fleet.doubled = self.fleet.disordered = False

    async def close(self) -> None:
        """Stop what is not stopped yet, and leave the folder's disk."""
        self.bridge.kill()
        await self.to_bridge.close()
        await self.to_fleet.close()
        await self.broker.stop()
        self.control.close()
        self.disk.close()

    async def do(self, fault: Fault) -> bool:
        """Do one fault and end it; False when it could not be done (its step was not reached)."""
        if fault.kind.startswith("kill_at_"):
            return await self._kill_at(fault)
        action: Callable[[Fault], Awaitable[None]] = getattr(self, f"_{fault.kind}")
        await action(fault)
        return True

    # -- processes

    async def _kill_at(self, fault: Fault) -> bool:
        name = fault.kind.removeprefix("kill_at_")
        number = next(i for i, step in enumerate(STEPS, 1) if step.name == name)
        step = STEPS[number - 1]
        self.bridge.ended.clear()
        self.bridge.hit()
        passes = 0 if step.starting or step.behind else fault.number % _PASSES  # a cursor is saved once a second
        self.control.arm(number, passes, group=bool(fault.number & 64))
        if step.starting:
            self.bridge.kill()
            self.bridge.ended.clear()
        end = time.monotonic() + _STEP_S
        while self.control.armed.step == number and time.monotonic() < end:  # noqa: ASYNC110  another process's memory
            await asyncio.sleep(_POLL_S)
        reached = self.control.armed.step != number
        self.control.arm(0)
        if reached:
            self.bridge.hit()
        return reached

    async def _kill_bridge(self, fault: Fault) -> None:
        del fault
        self.bridge.kill()

    async def _kill_one_process(self, fault: Fault) -> None:
        members = self.bridge.members()
        if members:
            self.bridge.kill(members[fault.number % len(members)])

    async def _kill_broker_wiped(self, fault: Fault) -> None:
        await self.broker.kill(wipe=True)
        await asyncio.sleep(fault.seconds / 4)
        await self.broker.start()

    async def _kill_broker(self, fault: Fault) -> None:
        await self.broker.kill(wipe=False)
        await asyncio.sleep(fault.seconds / 4)
        await self.broker.start()

    # -- the world

    async def _sink_locked(self, fault: Fault) -> None:
        with self._excusing():
            await asyncio.to_thread(_hold, self.city, fault.seconds)

    async def _sink_slow(self, fault: Fault) -> None:
        end = time.monotonic() + fault.seconds
        with self._excusing():
            while time.monotonic() < end:
                await asyncio.to_thread(_hold, self.city, 0.2)
                await asyncio.sleep(_POLL_S)

    async def _disk_full(self, fault: Fault) -> None:
        if not self.disk.mounted:
            await self._writes_refused(fault)
            return
        with self._excusing():
            await asyncio.to_thread(self.disk.fill)
            await asyncio.sleep(fault.seconds)
            await asyncio.to_thread(self.disk.free)

    async def _writes_refused(self, fault: Fault) -> None:
        end = time.monotonic() + fault.seconds
        limited: set[int] = set()
        with self._excusing():
            while time.monotonic() < end:  # a bridge that starts meanwhile too
                new = set(self.bridge.members()) - limited
                disk.refuse_writes(new, on=True)
                limited |= new
                await asyncio.sleep(_POLL_S)
            disk.refuse_writes(limited, on=False)

    async def _partition_bridge(self, fault: Fault) -> None:
        await self._refuse(self.to_bridge, fault.seconds)

    async def _partition_fleet(self, fault: Fault) -> None:
        await self._refuse(self.to_fleet, fault.seconds)

    async def _refuse(self, proxy: Proxy, seconds: float) -> None:
        proxy.refusing = True
        proxy.cut()
        await asyncio.sleep(seconds)
        proxy.refusing = False

    async def _silence_bridge(self, fault: Fault) -> None:
        await self._silence(self.to_bridge, fault)

    async def _silence_fleet(self, fault: Fault) -> None:
        await self._silence(self.to_fleet, fault)

    async def _silence(self, proxy: Proxy, fault: Fault) -> None:
        """Hold all bytes back; then they come late, or never."""
        proxy.silence(on=True)
        await asyncio.sleep(fault.seconds)
        if fault.number & 1:
            proxy.cut()
        proxy.silence(on=False)

    async def _slow_network(self, fault: Fault) -> None:
        for proxy in (self.to_bridge, self.to_fleet):
            proxy.delay_s = 0.02 + fault.number % 10 / 50
        await asyncio.sleep(fault.seconds)
        for proxy in (self.to_bridge, self.to_fleet):
            proxy.delay_s = 0.0

    async def _clock_jump(self, fault: Fault) -> None:
        """Let the bridge's clock jump, and stay there until the next jump."""
        self.control.clock_ms = fault.jump_ms if fault.number & 3 else 0
        await asyncio.sleep(fault.seconds / 2)

    # -- messages

    async def _duplicates(self, fault: Fault) -> None:
        self.fleet.doubled = True
        rng = random.Random(fault.number)
        recent = list(self.fleet.recent)
        for node, payload in rng.sample(recent, min(_BURST, len(recent))):
            self.fleet.send(node, payload)
        await asyncio.sleep(fault.seconds)
        self.fleet.doubled = False

    async def _reordered(self, fault: Fault) -> None:
        self.fleet.disordered = True
        await asyncio.sleep(fault.seconds)
        self.fleet.disordered = False

    async def _garbage(self, fault: Fault) -> None:
        rng = random.Random(fault.number)
        await self._intrude(intruder.garbage(rng, CITY, self.fleet.nodes, _BURST))

    async def _forged(self, fault: Fault) -> None:
        rng = random.Random(fault.number)
        await self._intrude(intruder.forged(rng, CITY, self.fleet.nodes, list(self.fleet.recent), _BURST))

    async def _intrude(self, messages: list[intruder.Message]) -> None:
        with contextlib.suppress(OSError):  # the broker may be down just now
            link = await connect(self.broker.port, "intruder", [], lambda _topic, _payload: None)
            for topic, payload in messages:
                link.publish(topic, payload)
            await asyncio.sleep(0.1)  # for the bytes to leave before the connection does
            link.close()

    # -- what explains that a bridge does not start

    @contextlib.contextmanager
    def _excusing(self) -> Iterator[None]:
        self._excuses += 1
        try:
            yield
        finally:
            self._excuses -= 1
            self._excuse_until = time.monotonic() + _AFTER_S

    def _excused(self) -> bool:
        return self._excuses > 0 or time.monotonic() < self._excuse_until

    async def recovered(self, kind: str, since: float, within_s: float) -> float | None:
        """Return how long after `since` all worked again, as far as this kind disturbs it; None when it did not in time."""
        end = since + within_s
        while not self.fleet.worked_since(since):
            if time.monotonic() > end:
                return None
            await asyncio.sleep(_POLL_S)
        if kind in _BEHIND:
            newest = self.fleet.newest
            while (
                newest is None
                or newest[0] < since
                or not await asyncio.to_thread(account.visible, self.city, newest[1])
            ):
                if time.monotonic() > end:
                    return None
                await asyncio.sleep(_POLL_S)
                newest = newest if newest is not None and newest[0] >= since else self.fleet.newest
        return time.monotonic() - since


def _hold(path: Path, seconds: float) -> None:
    """Keep every other writer out of a SQLite file."""
    with contextlib.suppress(sqlite3.Error):
        db = sqlite3.connect(path, timeout=1, isolation_level=None)
        try:
            db.execute("BEGIN EXCLUSIVE")
            time.sleep(seconds)
            db.execute("ROLLBACK")
        finally:
            db.close()
