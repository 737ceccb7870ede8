"""`pantau sim load`: a fleet from one process, in an open loop, with the latencies to broker and bridge."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pantau_sim.load import bodies
from pantau_sim.load.client import Client
from pantau_sim.load.frames import Fleet
from pantau_sim.load.offered import Offered
from pantau_sim.load.target import Target, connections_possible
from pantau_wire import topics

if TYPE_CHECKING:
    from collections.abc import Callable

_TICK_S = 0.002
_OWN_WINDOW = 8  # unconfirmed frames, as in the firmware (sender.py)
_SHARED_WINDOW = 1000  # of a connection that carries many nodes
_AT_ONCE = 64  # connections being made at a time
_BACK_S = 1.0  # before a broken connection is made again
_DRAIN_S = 15.0  # after the last instant, for acknowledgements to come
_SILENT_S = 3.0  # without a word of the bridge, after which there is none
_POLL_S = 0.02
_SAY_S = 5.0
BACKLOG = 200_000  # frames that may wait for room: beyond it they are shed, counted and said


class LoadError(RuntimeError):
    """The load could not be begun; the text says why."""


@dataclass(frozen=True)
class Options:
    """What the user chose. `rate`: frames a second, of all nodes; `connections` None: one per node if possible."""

    target: Target
    city: str
    nodes: int
    rate: float
    seconds: float
    seed: int
    connections: int | None = None
    broker_only: bool = False
    backlog: int = BACKLOG


class Load:
    """One run."""

    def __init__(self, options: Options, fleet: Fleet, say: Callable[[str], None]) -> None:
        self._options, self._fleet, self._say = options, fleet, say
        boot = int(time.time())  # greater each time, so that no frame of an earlier run is repeated
        self._account = Offered(fleet, boot, options.rate, options.seconds, options.seed)
        self._started = 0.0
        self._closing = False
        self.reconnects = 0
        self.trouble = ""
        self._clients = self._make(self._count())
        self._backlog = 0

    async def run(self) -> dict[str, Any]:
        """Connect all, then offer the load, then wait for what is on its way. Raises LoadError."""
        keepers: list[asyncio.Task[None]] = []
        try:
            began = time.monotonic()
            await self._connect_all()
            self._say(f"{len(self._clients)} connections in {time.monotonic() - began:.1f} s")
            keepers = [asyncio.create_task(self._keep(client)) for client in self._clients]
            self._started = time.monotonic()
            await self._offer()
            took = self._now()
            await self._drain()
        finally:
            self._closing = True
            for task in keepers:
                task.cancel()
            for client in self._clients:
                client.close()
            await asyncio.gather(*keepers, return_exceptions=True)
        return self._report(took)

    def _now(self) -> float:
        return time.monotonic() - self._started

    def _count(self) -> int:
        """Return how many connections to make, and say when it is not one per node."""
        options = self._options
        wanted = min(options.connections or options.nodes, options.nodes)
        possible = connections_possible(wanted)
        if possible < wanted:
            self._say(f"only {possible} connections: the limit of open files (ulimit -n) does not allow {wanted}")
        elif wanted < options.nodes:
            self._say(f"{wanted} connections for {options.nodes} nodes")
        return possible

    def _make(self, count: int) -> list[Client]:
        city, account, nodes = self._options.city, self._account, self._fleet.nodes
        one_each = count == len(nodes)

        def filters(number: int) -> list[str]:
            if self._options.broker_only:
                return []
            if one_each:
                return [topics.topic(city, nodes[number].id, "ack")]
            return [f"pantau/v1/{city}/+/+/ack"] if number == 0 else []

        return [
            Client(
                nodes[number].id if one_each else f"load-{account.boot}-{number}",
                filters(number),
                _OWN_WINDOW if one_each else _SHARED_WINDOW,
                lambda due: account.on_puback(due, self._now()),
                self._acked,
            )
            for number in range(count)
        ]

    def _acked(self, topic: str, data: bytes) -> None:
        self._account.on_ack(topic, data, self._now())

    async def _connect_all(self) -> None:
        gate = asyncio.Semaphore(_AT_ONCE)

        async def one(client: Client) -> None:
            async with gate:
                await client.connect(self._options.target)

        try:
            async with asyncio.TaskGroup() as group:
                for client in self._clients:
                    group.create_task(one(client))
        except* OSError as errors:
            where = f"{self._options.target.host}:{self._options.target.port}"
            raise LoadError(f"broker {where}: {_first(errors)}") from None

    async def _keep(self, client: Client) -> None:
        while True:
            await client.lost.wait()
            if self._closing:
                return
            self.reconnects += 1
            await asyncio.sleep(_BACK_S)
            try:
                await client.connect(self._options.target)
            except OSError as error:
                self.trouble = str(error)
                client.lost.set()

    async def _offer(self) -> None:
        """Hand each frame over at its instant, or say that it was shed."""
        account, fleet, clients = self._account, self._fleet, self._clients
        said = 0.0
        while not account.finished:
            now = self._now()
            base_s = int(time.time()) - bodies.RECORDS * bodies.INTERVAL_S
            touched: dict[int, Client] = {}
            for due in account.due(now):
                place = due.number % len(clients)
                client = clients[place]
                if client.backlog and self._waiting() > self._options.backlog:
                    account.shed += 1
                    continue
                data = fleet.frame(due.number, account.boot, due.seq, base_s)
                account.sent(due)
                client.offer((due, fleet.nodes[due.number], data))
                touched[place] = client
            for client in touched.values():
                client.flush()
            if now - said >= _SAY_S:
                said = now
                self._tell(now)
            await asyncio.sleep(_TICK_S)

    def _waiting(self) -> int:
        account = self._account
        return account.offered - account.shed - account.pubacked

    async def _drain(self) -> None:
        """Wait for what is on its way; not for a bridge that has not said a word so far."""
        began = time.monotonic()
        while (passed := time.monotonic() - began) < _DRAIN_S:
            confirmed = all(client.idle for client in self._clients)
            if confirmed and (self._all_acked() or (not self._account.acked and passed > _SILENT_S)):
                return
            await asyncio.sleep(_POLL_S)

    def _all_acked(self) -> bool:
        account = self._account
        return self._options.broker_only or account.acked >= account.total - account.shed

    def _tell(self, now: float) -> None:
        account = self._account
        self._say(
            f"{now:6.0f} s  {account.offered} offered, {self._waiting()} unconfirmed, {account.shed} shed, "
            f"{account.acked} acknowledged by the bridge"
        )

    def _report(self, took_s: float) -> dict[str, Any]:
        account = self._account
        sent = account.total - account.shed
        return {
            "nodes": self._options.nodes,
            "connections": len(self._clients),
            "rate": self._options.rate,
            "seconds": round(took_s, 3),
            "offered": account.total,
            "sent": sent,
            "shed": account.shed,
            "pubacked": account.pubacked,
            "acked": account.acked,
            "unacked": 0 if self._options.broker_only else sent - account.acked,
            "forged_acks": account.forged,
            "reconnects": self.reconnects,
            "generator_behind_ms": round(1000 * account.behind_s, 1),
            "latency_ms": {"broker": account.to_broker.figures_ms(), "bridge": account.to_bridge.figures_ms()},
            "histograms": {"broker": account.to_broker.lines(), "bridge": account.to_bridge.lines()},
            "trouble": self.trouble,
        }


def _first(errors: BaseExceptionGroup[OSError]) -> str:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error) or "it does not answer: check address and firewall"


async def run(options: Options, fleet: Fleet, say: Callable[[str], None]) -> dict[str, Any]:
    """Run the load and return its report. Raises LoadError."""
    return await Load(options, fleet, say).run()
