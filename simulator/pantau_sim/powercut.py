"""The power-cut sweep: a scripted week of a node, cut before, within and after each operation of its flash.

The week runs once. At every operation the content of the flash is what it is; for each cut a copy of it, with the operation
not begun, torn or done, is given to a node that boots, samples on and delivers all it holds to a copy of the bridge. What the
node had committed must then be there once, or be counted as overwritten.

Identity, configuration, boot counter and the counter of orders are files on the node's file system, whose writes are not cut here.
"""

from __future__ import annotations

import random
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pantau_sim.flash import NorFlash, program, tear
from pantau_sim.powercut_rig import INTERVAL_S, START_MS, Bridge, Rig, copy_counters, provision, reach_firmware
from pantau_wire import _tables as T

if TYPE_CHECKING:
    from collections.abc import Callable

MODES = ("before", "within", "after")
SECTORS = 16  # the smallest ring: it goes round several times in the week
WEEK_S = 7 * 86400
_EXTRA = 1 << 24  # values of the records that a node takes after a cut
_EXTRAS = 2
_NAMED = 20  # failures told in full

# Outages of the link: (hour of the week at which it goes, minutes). The last one is longer than the ring.
OUTAGES = (
    (3.0, 4), (9.2, 35), (14.0, 1), (14.1, 2), (20.5, 240), (31.0, 9), (40.0, 600), (56.0, 15), (60.0, 61),
    (72.3, 20), (80.0, 720), (97.0, 5), (101.0, 45), (110.0, 180), (118.0, 3), (131.0, 2220),
)  # fmt: skip
REBOOTS_H = (13.7, 26.2, 26.25, 47.9, 66.0, 87.0, 104.0, 140.0)
ORDERS_H = (5.0, 17.0, 30.0, 54.0, 70.0, 99.0, 116.0)


@dataclass
class Result:
    """What the sweep found; committed, delivered, lost, duplicates and overwritten count records, summed over the cuts."""

    cuts: int = 0
    booted: int = 0
    identity_kept: int = 0
    committed: int = 0
    delivered: int = 0
    lost: int = 0
    duplicates: int = 0
    overwritten: int = 0
    operations: int = 0
    erases: int = 0
    records: int = 0
    not_drained: int = 0
    refused: int = 0
    rewritten_bytes: int = 0
    seconds: float = 0.0
    failures: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether every cut left a whole node and every record once."""
        kept = self.cuts == self.booted == self.identity_kept
        return kept and not (self.lost or self.duplicates or self.not_drained or self.refused or self.rewritten_bytes)

    def report(self) -> dict[str, object]:
        """Return the result for a report file."""
        return {**asdict(self), "good": self.good}


def sweep(every: int = 1, seed: int = 0, hours: float = 168.0, progress: Callable[[int], None] | None = None) -> Result:
    """Run the week and try each `every`-th of its cuts; hours shortens the week."""
    reach_firmware()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="pantau-powercut-") as folder:
        week = _Week(Path(folder), every, seed, progress)
        week.run(int(hours * 3600))
    week.result.seconds = round(time.monotonic() - started, 1)
    return week.result


class _Week:
    def __init__(self, folder: Path, every: int, seed: int, progress: Callable[[int], None] | None) -> None:
        self.result = Result()
        self._every = every
        self._seed = seed
        self._progress = progress
        self._random = random.Random(seed)
        self._folder = folder / "node"
        self._trial = folder / "trial"
        for place in (self._folder, self._trial):
            place.mkdir()
            provision(place)
        self._flash = NorFlash(SECTORS)
        self._bridge = Bridge()
        self._committed: set[int] = set()
        self._order = b""
        self._points = 0
        self._now_s = 0
        self._wear_seen: set[str] = set()

    def run(self, seconds: int) -> None:
        """Play the script; the cuts happen in the flash's hook."""
        self._flash.hook = self._on_operation
        rig = self._boot(0)
        steps = seconds // INTERVAL_S
        reboots = {int(h * 3600) // INTERVAL_S for h in REBOOTS_H}
        orders = {int(h * 3600) // INTERVAL_S for h in ORDERS_H}
        off = {
            step for at, minutes in OUTAGES for step in range(int(at * 60), int(at * 60) + minutes * 60 // INTERVAL_S)
        }
        for step in range(1, steps + 1):
            self._now_s = step * INTERVAL_S
            rig.link(step not in off)
            rig.record(step, alarm=self._random.random() < 0.004)
            self._committed.add(step)
            if step in orders and rig.up:
                self._order = self._bridge.down(T.K_COMMAND, {"id": step, "name": "flush", "args": "", "expires_s": 0})
                rig.node.on_message(self._order)
            rig.pump(self._bridge, self._utc_ms(), rig.now + 30000)
            if step in reboots:
                rig = self._boot(step)
        self._flash.hook = None
        self.result.operations = self._flash.ops
        self.result.erases = sum(self._flash.erases)
        self.result.records = len(self._committed)
        self.result.rewritten_bytes += self._flash.overwrites

    def _boot(self, step: int) -> Rig:
        return Rig(self._folder, self._flash, self._seed + step)

    def _utc_ms(self) -> int:
        return START_MS + self._now_s * 1000

    def _on_operation(self, flash: NorFlash, op: tuple[str, int, bytes]) -> None:
        for mode in MODES:
            self._points += 1
            if self._points % self._every == 0:
                self._try(flash, op, mode)

    def _try(self, flash: NorFlash, op: tuple[str, int, bytes], mode: str) -> None:
        kind, at, data = op
        copy = NorFlash(flash.sectors, flash.data)
        if mode == "within":
            tear(copy.data, kind, at, data, self._random.getrandbits)
        elif mode == "after" and kind == "program":
            program(copy.data, at, data)
        elif mode == "after":
            copy.ioctl(6, at // 4096)
        result = self.result
        result.cuts += 1
        what = f"cut {mode} operation {flash.ops + 1} ({kind} at {at}, {len(data)} bytes), minute {self._now_s // 60}"
        try:
            self._judge(copy, what)
        except Exception as error:  # noqa: BLE001  a node that cannot run on is the finding
            self._fail(f"{what}: {error!r}")
        if self._progress and result.cuts % 100 == 0:
            self._progress(result.cuts)

    def _judge(self, flash: NorFlash, what: str) -> None:
        result, bridge = self.result, Bridge(self._bridge)
        copy_counters(self._folder, self._trial)
        rig = Rig(self._trial, flash, result.cuts)
        result.booted += 1
        kept = rig.who.node == "flood-01" and not rig.problems and rig.boot > max(bridge.windows, default=0)
        forged = rig.node.forged
        if self._order:
            rig.node.on_message(self._order)  # replayed: the counter of orders must know it
            kept = kept and rig.node.forged == forged + 1
        result.identity_kept += kept
        for i in range(_EXTRAS):
            rig.record(_EXTRA + i)
        rig.node.flush()
        drained = rig.drain(bridge, self._utc_ms())
        self._count(rig, bridge, what, kept=kept, drained=drained)
        result.rewritten_bytes += flash.overwrites

    def _count(self, rig: Rig, bridge: Bridge, what: str, *, kept: bool, drained: bool) -> None:
        result = self.result
        wanted = self._committed.union(range(_EXTRA, _EXTRA + _EXTRAS))
        expected, missing = len(wanted), len(wanted.difference(bridge.delivered))
        overwritten = min(missing, rig.box.overwritten_records)
        twice = sum(bridge.delivered.values()) - len(bridge.delivered)
        again = type(rig.box)(rig.box.device)
        held = again.index.live or again.overwritten_records != rig.box.overwritten_records
        result.committed += expected
        result.delivered += expected - missing
        result.overwritten += overwritten
        result.lost += missing - overwritten
        result.duplicates += twice
        result.not_drained += bool(not drained or held)
        result.refused += bridge.refused
        if missing - overwritten or twice or not drained or held or bridge.refused or not kept:
            self._fail(
                f"{what}: lost {missing - overwritten}, twice {twice}, drained {drained}, held after a restart {held}, "
                f"refused {dict(bridge.reasons)}, identity kept {kept}"
            )

    def _fail(self, text: str) -> None:
        if len(self.result.failures) < _NAMED:
            self.result.failures.append(text)
