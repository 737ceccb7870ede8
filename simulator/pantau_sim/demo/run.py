"""The demo's story: a city comes up, is sensed, is attacked and loses its broker; then it drains and is held to account."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pantau_sim.demo import certificates, city, intruder, measure
from pantau_sim.demo.nats import Broker
from pantau_sim.demo.nats import find as find_broker
from pantau_sim.node import SimNode
from pantau_sim.vm import check_vm, find_vm
from pantau_sim.world import World

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_READY_S = 20
_STOP_S = 15
_DRAIN_S = 30  # after sampling stops: reconnects back off to 2 s, so this is long
_LEAST_RUN_S = 5
_ENDS_S = 6  # what starting and draining take of the time that the user gave
_THIRD_S = 0.3  # nodes are switched on early in a second: see measure.Watched.instant


class DemoError(Exception):
    """The demo could not be run or did not end clean; the text says why and where to look."""


@dataclass
class Options:
    """What the user chose. `listen` is HOST:PORT of the page; `folder` holds everything the demo writes."""

    nodes: int
    seconds: int
    listen: str
    folder: Path
    seed: int


@dataclass
class Demo:
    """The running parts."""

    options: Options
    say: Callable[[str], None]
    progress: Callable[[str], None]
    world: World = field(init=False)
    people: list[city.DemoNode] = field(init=False)
    words: city.Secrets = field(default_factory=city.Secrets)
    broker: Broker | None = None
    bridge: asyncio.subprocess.Process | None = None
    running: list[SimNode] = field(default_factory=list)
    watched: list[measure.Watched] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.world = World(self.options.seed)
        # a shower over the next minutes, so that there is something to see
        self.world.storm(time.time() + self.run_s / 2, 45.0, max(20.0, self.run_s / 2))
        self.people = city.settle(self.options.nodes, self.world)

    @property
    def run_s(self) -> int:
        """Return how long the nodes sample: the rest of the time is for draining."""
        return max(_LEAST_RUN_S, self.options.seconds - _ENDS_S)

    @property
    def data(self) -> Path:
        """Return the bridge's data folder."""
        return self.options.folder / "data"

    async def start(self) -> None:
        """Bring up broker, bridge and nodes, in this order."""
        folder = self.options.folder
        folder.mkdir(parents=True, exist_ok=True)
        certificates.make(folder)
        self.broker = Broker(folder, city.broker_users(self.people, self.words))
        await self.broker.start()
        self.say(f"broker   nats-server, MQTT over TLS on 127.0.0.1:{self.broker.port}")
        config = city.write_bridge(folder, self.people, self.words, self.broker.port, self.options.listen)
        await asyncio.to_thread(city.let_in, folder, self.words)
        with (folder / "bridge.log").open("ab") as log:
            self.bridge = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "pantau", "bridge", "run", "-c", str(config)),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        await self._bridge_ready()
        self.say(f"bridge   reads, keeps and serves; the page: http://{self.options.listen}/")
        self.say(f"         to acknowledge alerts there, log in as {city.OPERATOR} with {self.words.operator}")
        ca = (folder / "ca.der").read_bytes()
        for index, person in enumerate(self.people):
            root = folder / "nodes" / person.id
            city.write_node(root, person, self.broker.port, self.run_s, ca)
            node = SimNode(root, wiring=city.wire(person, self.world, self.options.seed + index), seed=index)
            node.mounts()  # not between the look at the clock and the switching on
            if (fraction := time.time() % 1) > _THIRD_S:
                await asyncio.sleep(1 - fraction)
            self.running.append(node)
            await node.start()
            seen = measure.Watched(
                person, root, node.boot_utc_ms, self.run_s, city.INTERVAL_S * 1000, faults=node.faults.injected
            )
            self.watched.append(seen)
        number = len(self.running)
        self.say(
            f"nodes    {number} MicroPython VM{'s' * (number > 1)} with the unmodified firmware: a record a second each"
        )

    async def _bridge_ready(self) -> None:
        try:
            async with asyncio.timeout(_READY_S):
                while await asyncio.to_thread(self._health) is None:
                    if self.bridge is None or self.bridge.returncode is not None:
                        raise DemoError(f"the bridge stopped at once: {self._last_words()}")
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise DemoError(f"the bridge did not serve its page within {_READY_S} s: {self._last_words()}") from None

    def _last_words(self) -> str:
        log = self.options.folder / "bridge.log"
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() if log.exists() else []
        return f"{lines[-1] if lines else 'it said nothing'} (log: {log})"

    def _health(self) -> dict[str, Any] | None:
        try:
            with urllib.request.urlopen(f"http://{self.options.listen}/healthz", timeout=2) as answer:
                return dict(json.load(answer))
        except (OSError, urllib.error.URLError, ValueError):
            return None

    async def story(self) -> None:
        """Let time pass and spoil things: a bad sensor packet, forged messages, a broker restart."""
        begin = time.monotonic()
        plan = [(0.25, self._bad_packet), (0.4, self._forge), (0.55, self._restart_broker)]
        while (elapsed := time.monotonic() - begin) < self.run_s:
            while plan and elapsed >= plan[0][0] * self.run_s:
                await plan.pop(0)[1]()
            self._check_alive()
            have = sum((await asyncio.to_thread(measure.stored, self.data)).values())
            self.progress(f"{elapsed:3.0f}/{self.run_s} s sampling, {have} records stored")
            await asyncio.sleep(0.5)

    async def _bad_packet(self) -> None:
        victim, seen = self.running[0], self.watched[0]
        victim.faults.corrupt_next(city.SENSORS[seen.node.domain][0]["model"])
        seen.fault_ms.append(int(time.time() * 1000))
        self.say(f"fault    a bit turned in one sensor packet of {seen.node.id}: its check must catch it")

    async def _forge(self) -> None:
        if self.broker is None:
            return
        node, ca = self.people[0].id, self.options.folder / "ca.pem"
        sent = await asyncio.to_thread(
            intruder.attack, city.CITY, node, 1, self.broker.port, self.words.intruder, ca, certificates.SERVER_NAME
        )
        self.say(f"attack   {sent} messages in the name of {node}: a forged flood, a forged ack, garbage")

    async def _restart_broker(self) -> None:
        if self.broker is None:
            return
        await self.broker.stop()
        self.say("fault    the broker is down; nodes go on measuring")
        await asyncio.sleep(1.5)
        await self.broker.start()
        self.say("fault    the broker is back")

    def _check_alive(self) -> None:
        if self.bridge is None or self.bridge.returncode is not None:
            raise DemoError(f"the bridge died: {self._last_words()}")
        for node, person in zip(self.running, self.people, strict=True):
            if not node.running:
                raise DemoError(f"node {person.id} died; its log: {node.log_path}")

    async def drain(self) -> None:
        """Wait until all that was due is stored and the node's refusal is told, as long as is sensible; the report shows the rest."""
        due = {seen.node.id: seen.due for seen in self.watched}
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_S):
                while True:
                    have = await asyncio.to_thread(measure.stored, self.data)
                    self.progress(f"draining: {sum(have.values())} of {sum(due.values())} records stored")
                    whole = all(have.get(node, 0) >= number for node, number in due.items())
                    told = await asyncio.to_thread(measure.forged_at_nodes, self.data) if whole else 0
                    if told:
                        return
                    self._check_alive()
                    await asyncio.sleep(0.25)

    async def stop(self) -> list[str]:
        """Stop everything, in the reverse order; return what did not stop clean."""
        troubles = []
        for seen, node in zip(self.watched, self.running, strict=False):
            seen.off_ms, seen.boots = int(time.time() * 1000), node.boots
        for node, person in zip(self.running, self.people, strict=False):
            try:
                await node.stop()
            except Exception as error:  # noqa: BLE001  every part is to be stopped, whatever the one before did
                troubles.append(f"node {person.id}: {error}")
        if self.bridge is not None and self.bridge.returncode is None:
            self.bridge.terminate()
            try:
                async with asyncio.timeout(_STOP_S):
                    await self.bridge.wait()
            except TimeoutError:
                self.bridge.kill()
                await self.bridge.wait()
                troubles.append(f"the bridge did not stop within {_STOP_S} s of SIGTERM")
        if self.bridge is not None and self.bridge.returncode:
            troubles.append(f"the bridge ended with status {self.bridge.returncode}; see bridge.log")
        if self.broker is not None:
            await self.broker.stop()
        return troubles


async def run(options: Options, say: Callable[[str], None], progress: Callable[[str], None]) -> dict[str, Any]:
    """Run the whole story and return the report. SIGINT, SIGTERM and SIGHUP end it early: CancelledError.

    Raises DemoError when a part fails, MissingVmError or MissingBrokerError before anything is started.
    """
    check_vm(find_vm())
    find_broker()
    demo = Demo(options, say, progress)
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None
    for number in _SIGNALS:
        loop.add_signal_handler(number, task.cancel)
    try:
        await demo.start()
        await demo.story()
        say("drain    sampling is over; the outboxes empty")
        await demo.drain()
    finally:
        # From here on a signal changes nothing: it must not leave children behind, nor change how an interrupted demo ends.
        interrupted = isinstance(sys.exc_info()[1], asyncio.CancelledError)
        for number in _SIGNALS:
            loop.add_signal_handler(number, lambda: None)
        troubles = await demo.stop()
        for number in _SIGNALS if interrupted else ():
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_IGN)
    if troubles:
        raise DemoError("; ".join(troubles))
    await asyncio.to_thread(measure.record_truth, options.folder / "truth.jsonl", demo.watched, demo.world)
    return await asyncio.to_thread(measure.report, demo.data, demo.watched, demo.world)
