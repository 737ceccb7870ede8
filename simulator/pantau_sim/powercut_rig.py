"""The two ends of the power-cut sweep: the real node core on simulated flash, and the real gate of the bridge in memory."""

from __future__ import annotations

import json
import random
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pantau.ingest import Ingest
from pantau.keys import Keys
from pantau.registry import Placement, Registry
from pantau_sim.node import firmware_folder
from pantau_wire import frame, topics
from pantau_wire import names as T

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pantau.boots import Saved
    from pantau_sim.powercut_chip import DiskChip, RawChip

    Chip = RawChip | DiskChip

NODE, CITY = "flood-01", "sim"
KEYS = {0: bytes(range(32)), 1: bytes(range(32, 64))}
START_MS = 1_750_000_000_000
INTERVAL_S = 60
COLUMNS = (T.WATER_DISTANCE, T.RAIN_TIPS, T.AIR_TEMPERATURE, T.RELATIVE_HUMIDITY, 6, 7)
_UP = topics.topic(CITY, NODE, "up")
OUTBOX_BYTES = 65536  # of the file outbox; the ring has its partition
_MOST_STEPS = 20000
_FLOOR_S = 1_700_000_000


def reach_firmware() -> None:
    """Make the node's modules importable: the firmware folder, and `micropython.const` for CPython."""
    for folder in (firmware_folder(), Path(__file__).parent / "shims" / "cpython"):
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))  # before the VM's package, whose micropython.py is not the node's


class Bridge:
    """pantau.ingest with memory for a disk: stores, acknowledges, answers questions for the time.

    delivered: how often each record came in a frame of its own; `again`: the same frame once more, which is no fault.
    """

    def __init__(self, before: Bridge | None = None) -> None:
        self.frames: dict[tuple[int, int], bytes] = dict(before.frames) if before else {}
        self.last_id: int = before.last_id if before else 0
        self.boots: dict[int, Saved] = dict(before.boots) if before else {}
        self.pages: dict[tuple[int, int], bytes] = dict(before.pages) if before else {}
        self.delivered: Counter[int] = before.delivered.copy() if before else Counter()
        self.counter: int = before.counter if before else START_MS
        self.again = self.refused = 0
        self.reasons: Counter[str] = Counter()
        self._ingest = Ingest(CITY, Registry([], [Placement(id=NODE, station="st-1")]), _keys(), self)

    def boot(self, _node: str, boot: int) -> Saved | None:
        """Return a saved boot (pantau.boots.History)."""
        saved = self.boots.get(boot)
        return saved and saved._replace(window=saved.window.copy())

    def page(self, _node: str, boot: int, number: int) -> bytes | None:
        """Return a page of tags (pantau.boots.History)."""
        return self.pages.get((boot, number))

    def tail(self) -> Iterator[tuple[int, str, bytes]]:
        """Yield nothing: each commit saves all (pantau.boots.History)."""
        return iter(())

    def offer(self, payload: bytes, utc_ms: int) -> list[bytes]:
        """Take a frame, commit it, and return what goes down to the node."""
        verdict = self._ingest.offer(_UP, payload, utc_ms)
        if verdict.kind == "new":
            self._count(payload)
        elif verdict.kind == "redelivered":
            self.again += 1
        else:
            self.refused += 1
            self.reasons[verdict.reason] += 1
        batch = self._ingest.take(saves=sys.maxsize)
        for stored in batch.payloads:
            head = frame.header(stored)
            self.frames[head.boot, head.seq] = stored
        for saved in batch.saves:
            self.boots[saved.boot] = saved
            self.pages |= {(saved.boot, number): page for number, page in saved.pages.items()}
        self.last_id = batch.last_id
        self._ingest.settle(batch)
        acks = self._ingest.acks(len(self.boots))
        down = [self.down(T.K_ACK, {"boot": a.boot, "through": a.through, "map": a.map}) for a in acks]
        down += [self.down(T.K_TIME, {"utc_ms": utc_ms, "nonce": n}) for n in batch.time_asked.values()]
        return down

    def _count(self, payload: bytes) -> None:
        f = frame.decode(payload)
        if f.kind == T.K_RECORDS:
            self.delivered.update(value for value in f.columns[T.WATER_DISTANCE][0] if value is not None)

    def down(self, kind: int, fields: dict[str, Any]) -> bytes:
        """Return the bytes of a frame for the node."""
        self.counter += 1
        f = frame.Frame(kind)
        f.counter = self.counter
        f.fields = fields
        return bytes(frame.encode(f, NODE, KEYS[0]))


def _keys() -> Keys:
    return Keys({NODE: (KEYS, 0)})


class _Facts:
    def note(self) -> None:
        pass

    def errors(self) -> bytes:
        return b""

    def fields(self) -> dict[str, Any]:
        return {"firmware": "sweep", "heap_free": 60000, "heap_min": 50000, "reset_cause": 1, "rssi": -63}


class Rig:
    """One time with the power on: all that the node keeps is on `chip`, started as the application does it."""

    def __init__(self, chip: Chip, seed: int) -> None:
        from pantau_node import clock, config, identity, provision
        from pantau_node.node import Node
        from pantau_node.storage import Storage
        from pantau_node.trial import Trial

        self.now = 200
        self.instant_s = 0
        self.restart = ""
        self.on_action: Callable[[str, Any], None] = lambda _name, _value: None
        self._random = random.Random(seed)
        chip.power_on()
        chip.use()
        place = chip.root.rstrip("/") + "/"
        self.storage = Storage(chip, chip.root)
        told = [provision.identity(self.storage.identity, place + "identity.json")]
        told.append(provision.config(self.storage.config, self.storage.committed, place + "config.json", config.build))
        self.who = identity.load(self.storage.identity)
        self.trial = Trial(self.storage.later, self.storage.committed, config.build)
        self.body, _, self.state = self.trial.load(self.who.rescue)
        self.conf, problems = config.build(self.body)
        self.problems = [*self.storage.problems, *problems]  # what provisioning tells may be due to the cut
        self.told = [text for text in told if text]
        self.box = self.storage.outbox(self.conf.outbox_bytes)
        self.boot = max(self.storage.boots.value, self.box.last_boot) + 1
        self.storage.boots.advance(self.boot)
        self.clock = clock.Clock(lambda: self.now & 0x3FFFFFFF, _FLOOR_S)
        self.up = False
        self.node: Any = Node(
            self.who,
            self.conf,
            self.clock,
            self.box,
            self.boot,
            COLUMNS,
            self.storage.orders,
            _Facts(),
            self._random.getrandbits,
            self.problems,
            self.trial,
        )
        self.emit: Callable[..., Any] = self.node.on_record

    def link(self, up: bool) -> None:
        """The link comes or goes."""
        if up != self.up:
            self.up = up
            self.node.on_link(up)

    def record(self, value: int, *, alarm: bool = False) -> None:
        """Take the record of the next sampling instant; `value` tells it from all others."""
        self.instant_s += INTERVAL_S
        self.now = max(self.now, self.instant_s * 1000)
        draw = self._random.getrandbits(32)
        row = {T.WATER_DISTANCE: (value, 0), T.RAIN_TIPS: (draw >> 3 & 1, 0), T.AIR_TEMPERATURE: (2800 + draw % 9, 0)}
        row.update({T.RELATIVE_HUMIDITY: (7000 + draw % 13, 0), 6: (draw % 5, 0), 7: (15, 0)})
        self.emit(self.instant_s, row, alarm)

    def pump(self, bridge: Bridge, utc_ms: int, until_ms: int) -> None:
        """Let node and bridge talk until nothing is due before uptime until_ms."""
        for _ in range(_MOST_STEPS):
            self.node.on_tick()
            data = self.node.next_send() if self.up else None
            while (action := self.node.take_action()) is not None:
                if action[0] == "restart":
                    self.restart = action[1]
                self.on_action(*action)
            if self.restart:
                return
            if data is None:
                due = max(1, self.node.due_ms())
                if self.now + due > until_ms:
                    return
                self.now += due
                continue
            for answer in bridge.offer(data, utc_ms):
                self.node.on_message(answer)

    def drain(self, bridge: Bridge, utc_ms: int) -> bool:
        """Deliver all that is held; whether nothing is left."""
        self.link(True)
        for _ in range(60):
            if not self.box.index.live:
                return True
            self.pump(bridge, utc_ms, self.now + 20000)
        return False


def identity_json(generation: int) -> bytes:
    """Return what a technician writes: the keys of a node, the generation tells which of them signs."""
    keys = {str(i): key.hex() for i, key in KEYS.items()}
    rescue = {"node": NODE, "broker": {"host": "rescue"}}
    return json.dumps(
        {"node": NODE, "generation": generation, "keys": keys, "key_id": generation % 2, "rescue": rescue}
    ).encode()


def config_json(profile: int) -> bytes:
    """Return a whole configuration, told from others by its profile."""
    config = {
        "node": NODE,
        "city": CITY,
        "profile": profile,
        "broker": {"host": "broker", "tls": False, "lab_plain": True},
        "sampling": {"interval_s": INTERVAL_S, "batch": 15, "health_s": 900},
        "outbox": {"bytes": OUTBOX_BYTES},
    }
    return json.dumps(config).encode()
