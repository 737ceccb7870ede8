"""A week that loses nothing: one flood node with its whole firmware, a bridge, and everything that a street cabinet does to them.

run() plays it in virtual time from a seed; week_account.py does the sums.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from typing import TYPE_CHECKING, Any

from pantau_node import BUILT_S
from pantau_sim import sntp
from pantau_sim.clock import VirtualClock
from pantau_sim.run.lives import LivedNode
from pantau_sim.sensors import a02yyuw, sht4x, tipping_bucket
from pantau_sim.virtual import Simulation
from pantau_sim.world import World
from scenarios.week_bridge import DEAF, GONE, HERE, Bridge

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

KEY = bytes(range(32))
NODE, CITY = "flood-01", "tng"
INTERVAL_S = 60
RAW = {"pantau_ring": 256, "pantau_id": 2, "pantau_cfg": 4}  # the partitions of an image that has them
START_S = max(1798761600, BUILT_S + 86400)  # 1 Jan 2027, or later: no node believes a time from before it was made
_S = 1000000
_MINUTE, _HOUR = 60 * _S, 3600 * _S

CONFIG: dict[str, Any] = {
    "node": NODE, "city": CITY, "profile": 1, "board": "esp32-generic", "station": "flood",
    "link": {"kind": "wifi", "ssid": "city", "password": "secret"},
    "broker": {
        "host": "broker", "port": 1883, "tls": False, "ca": "", "server_name": "broker", "lab_plain": True,
        "keepalive_s": 60,
    },
    "sampling": {"interval_s": INTERVAL_S, "batch": 5, "run_s": 0, "health_s": 900},
    "sensors": [
        {"model": "a02yyuw", "uart": 1}, {"model": "tipping_bucket", "pulse": 0},
        {"model": "sht4x", "i2c": 0, "address": 68},
    ],
    "time": {"sntp": "ntp.city"},
    "alarm": {"rise_mm_min": 0},  # no event: the sums count instants of one interval
}  # fmt: skip
IDENTITY = {
    "node": NODE, "generation": 1, "keys": {"0": KEY.hex()}, "key_id": 0, "mqtt_user": NODE, "mqtt_password": "p",
}  # fmt: skip


class Week:
    """The scene and its faults. config: what replaces members of CONFIG; counts: what was done to it; down_us: how long the link was cut while the schedule ran."""

    def __init__(
        self,
        folder: Path,
        seed: int,
        partitions: Mapping[str, int] | None = None,
        firmware: Path | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        self.simulation = simulation = Simulation(VirtualClock(START_S))
        self.counts: Counter[str] = Counter()
        self.down_us = 0
        self.rand = random.Random(seed)
        self._on = False
        self._link_down_since: int | None = None
        self._generation = 1
        world = World(seed)
        station = world.station(NODE)
        wiring = {
            "uart": {1: a02yyuw.Emulator(station, seed)},
            "i2c": {(0, 0x44): sht4x.Emulator(station, seed)},
            "pulse": {0: tipping_bucket.Emulator(station, seed)},
        }
        root = folder / "node"
        root.mkdir(parents=True)
        (root / "config.json").write_text(json.dumps({**CONFIG, **(config or {})}))
        (root / "identity.json").write_text(json.dumps(IDENTITY))
        self.node = LivedNode(root, firmware, wiring, clock=simulation.clock, seed=seed, partitions=partitions)
        simulation.add(self.node)
        self.bridge = Bridge(simulation, CITY, NODE, KEY)
        self.time = sntp.SntpServer()
        simulation.datagrams.serve("ntp.city", sntp.PORT, self.time.answer)
        self.start_us = simulation.clock.now_us()

    # -- what may happen

    def power(self, *, on: bool) -> None:
        """Switch the supply; RTC and its memory are lost with it."""
        if on == self._on:
            return
        self._on = on
        if on:
            self.simulation.power_on(self.node)
            return
        self.counts["power cut"] += 1
        self.node.ended(self.simulation.clock.now_us())
        self.simulation.power_off(self.node)

    def link(self, *, up: bool) -> None:
        """Cut or restore the link."""
        now = self.simulation.clock.now_us()
        if not up and self._link_down_since is None:
            self.counts["link cut"] += 1
            self._link_down_since = now
        elif up and self._link_down_since is not None:
            self.down_us += now - self._link_down_since
            self._link_down_since = None
        self.simulation.set_link(self.node, up=up)

    def broker(self, *, up: bool, keep: bool = True) -> None:
        """Stop the broker, with or without its sessions, or start it again; the bridge comes back by itself."""
        simulation = self.simulation
        simulation.broker_up = up
        if up:
            self.bridge.connect()
        else:
            self.counts["broker restart" if keep else "broker wiped"] += 1
            simulation.restart_broker(keep_sessions=keep)

    def configure(self) -> None:
        """Change what does not change the grid of instants."""
        self.counts["configuration"] += 1
        self._generation += 1
        self.bridge.configure(self._generation, {"sampling": {"batch": self.rand.choice([3, 5, 10])}})

    # -- when

    def schedule(self, hours: float) -> None:
        """Plan the faults of so many hours: link down a fifth of the time, the others a few times a day."""
        end = self.start_us + int(hours * _HOUR)
        self._at(self.start_us, lambda: self.power(on=True))
        self._stretches(end)
        self._pairs(end, 5 * _HOUR, (_S, 20 * _MINUTE), lambda: self.power(on=False), lambda: self.power(on=True))
        self._pairs(end, 9 * _HOUR, (0, 2 * _S), lambda: self.power(on=False), lambda: self.power(on=True))
        self._pairs(end, 8 * _HOUR, (2 * _S, _MINUTE), lambda: self.broker(up=False), lambda: self.broker(up=True))
        self._pairs(
            end, 8 * _HOUR, (2 * _S, _MINUTE), lambda: self.broker(up=False, keep=False), lambda: self.broker(up=True)
        )
        back = lambda: self.bridge.go(HERE)  # noqa: E731
        self._pairs(end, 20 * _HOUR, (_HOUR, _HOUR), lambda: self.bridge.go(GONE), back)
        self._pairs(end, 20 * _HOUR, (_HOUR, _HOUR), lambda: self.bridge.go(DEAF), back)
        self._pairs(end, 3 * _HOUR, (_S, _MINUTE), lambda: self.bridge.command("ping"), self._health)
        self._pairs(end, 12 * _HOUR, (0, 0), self.configure, lambda: None)

    def _health(self) -> None:
        self.bridge.command(self.rand.choice(["health", "flush"]))

    def _stretches(self, end: int) -> None:
        """Link up and down in turn, down 2 min to 3 h, four times as long up."""
        at = self.start_us + 10 * _MINUTE
        while at < end:
            down = self._between(2 * _MINUTE, 3 * _HOUR)
            self._at(at, lambda: self.link(up=False))
            self._at(min(at + down, end), lambda: self.link(up=True))
            at += down + int(4 * down * self.rand.uniform(0.7, 1.3))

    def _pairs(
        self, end: int, every: int, lasts: tuple[int, int], begin: Callable[[], object], over: Callable[[], object]
    ) -> None:
        """Something that begins and is over, `every` us on average; all is over by the end."""
        at = self.start_us + int(every * self.rand.uniform(0.2, 1))
        while at < end:
            last = self._between(*lasts)
            self._at(at, begin)
            self._at(min(at + last, end), over)
            at += last + int(every * self.rand.uniform(0.4, 1.6))

    def _between(self, least: int, most: int) -> int:
        """A duration, as likely short as long (log-uniform)."""
        return int(max(1, least) * (most / max(1, least)) ** self.rand.random()) if most else 0

    def _at(self, t_us: int, action: Callable[[], object]) -> None:
        self.simulation.at(t_us, lambda: (action(), None)[1])


def run(
    folder: Path,
    hours: float,
    seed: int,
    partitions: Mapping[str, int] | None = None,
    *,
    calm_hours: float = 0,
    firmware: Path | None = None,
) -> Week:
    """The week (or less), then some hours without faults, in which what is left may go out."""
    week = Week(folder, seed, partitions, firmware)
    week.schedule(hours)
    try:
        week.simulation.run((hours + calm_hours) * 3600)
    finally:
        week.simulation.close()
    week.node.ended(week.simulation.clock.now_us())
    return week
