"""The power-cut sweep: a scripted week of a node, cut before, within and after each operation of its flash.

The week runs once. At every operation the content of the flash is what it is; for each cut a copy of it, with the operation
not begun, torn or done, is given to a node that boots, samples on and delivers all it holds to a copy of the bridge. What the
node had committed must then be there once, or be counted as overwritten; identity and configuration must be the old or the new.

All that a node keeps is on the chip: see powercut_chip.py. Identity and configuration change in the script: see SCRIPT.
"""

from __future__ import annotations

import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pantau_sim.flash import NorFlash, cut_short
from pantau_sim.powercut_chip import FULL_SECTORS, RING_SECTORS, DiskChip, RawChip
from pantau_sim.powercut_rig import INTERVAL_S, START_MS, Bridge, Rig, config_json, identity_json, reach_firmware
from pantau_wire import names as T

if TYPE_CHECKING:
    from pantau_sim.powercut_rig import Chip

MODES = ("before", "within", "after")
WEEK_S = 7 * 86400
_EXTRA = 1 << 24  # values of the records that a node takes after a cut
_EXTRAS = 2
_NAMED = 20  # failures told in full
_AGED = 250  # times that a counter grew before, so that within the week both kinds of counters change to new flash
_RARE = 5  # so many times as many cuts are tried outside the ring, whose operations are a hundred times as many

# Outages of the link: (hour of the week at which it goes, minutes).
OUTAGES = (
    (3.0, 4), (9.2, 35), (14.0, 1), (14.1, 2), (20.5, 240), (31.0, 9), (40.0, 600), (56.0, 15), (60.0, 61),
    (72.3, 20), (80.0, 720), (97.0, 5), (101.0, 45), (110.0, 180), (118.0, 3), (131.0, 2220),
)  # fmt: skip
OVERLONG = (106.0, 3720)  # more than the smallest ring holds
# Hour of the week: what happens. "config" from afar, just before an outage it fails: 9.2, 40 and 80; before one of 3 minutes
# it is proved after it. "identity" and "file" (config.json) are put there by a technician, who restarts the node.
SCRIPT = (
    (2.0, "config"), (5.0, "flush"), (9.19, "config"), (12.0, "identity"), (13.7, "reboot"), (17.0, "flush"),
    (19.0, "file"), (26.2, "reboot"), (26.25, "reboot"), (28.0, "config"), (30.0, "flush"), (39.99, "config"),
    (47.9, "reboot"), (52.0, "identity"), (54.0, "flush"), (58.0, "config"), (66.0, "reboot"), (70.0, "flush"),
    (75.0, "file"), (79.99, "config"), (87.0, "reboot"), (94.0, "identity"), (99.0, "flush"), (104.0, "reboot"),
    (108.0, "config"), (116.0, "flush"), (117.99, "config"), (125.0, "identity"), (140.0, "reboot"), (150.0, "identity"),
    (155.0, "file"),
)  # fmt: skip


# Counted for each cut; what else a Result counts is the week's.
_SUMMED = (
    "cuts", "booted", "identity_kept", "config_kept", "orders_refused", "committed", "delivered", "lost", "duplicates",
    "overwritten", "not_drained", "refused", "rewritten_bytes",
)  # fmt: skip


@dataclass
class Result:
    """What the sweep found; committed, delivered, lost, duplicates and overwritten count records, summed over the cuts."""

    arrangement: str = ""
    cuts: int = 0
    cuts_of: dict[str, int] = field(default_factory=dict)
    booted: int = 0
    identity_kept: int = 0
    config_kept: int = 0
    orders_refused: int = 0
    committed: int = 0
    delivered: int = 0
    lost: int = 0
    duplicates: int = 0
    overwritten: int = 0
    operations: int = 0
    erases: int = 0
    records: int = 0
    proved: int = 0
    taken_back: int = 0
    provisioned: int = 0
    not_drained: int = 0
    refused: int = 0
    rewritten_bytes: int = 0
    seconds: float = 0.0
    failures: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether every cut left a whole node and every record once."""
        kept = self.cuts == self.booted == self.identity_kept == self.config_kept == self.orders_refused
        return kept and not (
            self.lost or self.duplicates or self.not_drained or self.refused or self.rewritten_bytes or self.failures
        )

    def add(self, other: Result) -> None:
        """Add what another process has found in the same week."""
        for name in _SUMMED:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for part, cuts in other.cuts_of.items():
            self.cuts_of[part] = self.cuts_of.get(part, 0) + cuts
        self.failures = (self.failures + other.failures)[:_NAMED]

    def report(self) -> dict[str, object]:
        """Return the result for a report file."""
        return {**asdict(self), "good": self.good}


def sweep(
    every: int = 1, seed: int = 0, hours: float = 168.0, arrangement: str = "ring", jobs: int | None = None
) -> Result:
    """Run the week and try each `every`-th of its cuts, more of the partitions that are rarely written; hours shortens it.

    arrangement: "ring" (nothing is overwritten), "full" (the smallest ring, which overwrites) or "files" (littlefs). jobs:
    processes that share the cuts, each with a week of its own; the cuts and what they leave do not depend on it.
    """
    if arrangement == "files":
        import littlefs  # noqa: F401  named before any work is done
    started = time.monotonic()
    jobs = jobs or os.cpu_count() or 1
    if jobs == 1:
        results = [_share(every, seed, hours, arrangement, 0, 1)]
    else:
        with ProcessPoolExecutor(jobs) as pool:
            asked = [pool.submit(_share, every, seed, hours, arrangement, i, jobs) for i in range(jobs)]
            results = [one.result() for one in asked]
    whole = results[0]
    for other in results[1:]:
        whole.add(other)
    whole.seconds = round(time.monotonic() - started, 1)
    return whole


def _share(every: int, seed: int, hours: float, arrangement: str, mine: int, jobs: int) -> Result:
    """Run the week with the cuts of one process."""
    reach_firmware()
    with tempfile.TemporaryDirectory(prefix="pantau-powercut-") as folder:
        chips: list[Chip] = []
        for name in ("node", "after"):
            place = Path(folder) / name
            place.mkdir()
            sectors = FULL_SECTORS if arrangement == "full" else RING_SECTORS
            chips.append(DiskChip() if arrangement == "files" else RawChip(place, sectors))
        week = _Week(chips[0], chips[1], Result(arrangement), every, seed, (mine, jobs))
        try:
            week.run(int(hours * 3600))
        finally:
            RawChip(Path(folder)).use()
    return week.result


@dataclass
class _Cut:
    """An operation of the flash, what was before it, and what must be there after it."""

    op: tuple[str, int, bytes]
    number: int
    part: str
    modes: list[str]
    image: bytes
    files: dict[str, bytes]
    bridge: Bridge
    committed: int
    identities: set[int]
    profiles: set[int]
    floor_s: int
    order: bytes


class _Week:
    def __init__(self, chip: Chip, after: Chip, result: Result, every: int, seed: int, share: tuple[int, int]) -> None:
        self.result = result
        self._chip = chip
        self._after = after  # what a cut leaves is put here
        self._every = every
        self._seed = seed
        self._share = share  # this process, of how many
        self._found = 0
        self._random = random.Random(seed)
        self._bridge = Bridge()
        self._cuts: list[_Cut] = []
        self._points: Counter[str] = Counter()
        self._now_s = 0
        self._committed = 0  # records 1.. up to this one are durable
        self._identities = {1}  # generations that may be in force
        self._profiles = {1}
        self._floor_s = _AGED
        self._order = b""
        self._boots = 0
        chip.power_on()
        chip.put("identity.json", identity_json(1))
        chip.put("config.json", config_json(1))

    def run(self, seconds: int) -> None:
        """Play the script; what is to be tried is noted in the flash's hook and tried between two steps."""
        rig = self._boot()  # what a bench does: not cut
        for days in range(1, _AGED + 1):
            rig.storage.floor.advance(days)
        flash = self._chip.flash
        flash.hook = self._on_operation
        todo = {int(hour * 3600) // INTERVAL_S: what for hour, what in SCRIPT}
        outages = (*OUTAGES, OVERLONG) if self.result.arrangement == "full" else OUTAGES
        off = {
            step for at, minutes in outages for step in range(int(at * 60), int(at * 60) + minutes * 60 // INTERVAL_S)
        }
        for step in range(1, seconds // INTERVAL_S + 1):
            self._now_s = step * INTERVAL_S
            self._chip.use()
            rig.link(step not in off)
            rig.record(step, alarm=self._random.random() < 0.004)
            self._committed = step
            if step % 1440 == 0:
                rig.storage.floor.advance(self._now_s)
                self._floor_s = self._now_s
            rig = self._do(rig, todo.get(step, ""), step)
            rig.pump(self._bridge, self._utc_ms(), rig.now + 30000)
            if rig.restart:
                self.result.taken_back += rig.state == 1
                rig = self._boot()
            self._settle(rig)
            self._try_all()
        flash.hook = None
        self.result.operations = flash.ops
        self.result.erases = sum(flash.erases)
        self.result.records = self._committed
        if self._chip.kind == "raw":
            self.result.rewritten_bytes += flash.overwrites

    def _do(self, rig: Rig, what: str, step: int) -> Rig:
        """Let something happen."""
        if what == "flush" and rig.up:
            order = self._bridge.down(T.K_COMMAND, {"id": step, "name": "flush", "args": "", "expires_s": 0})
            rig.node.on_message(order)
            self._order = order
        elif what == "config" and rig.up:
            self._profiles.add(step)
            fields = {"id": step, "generation": step, "body": json.dumps({"profile": step})}
            order = self._bridge.down(T.K_CONFIG, fields)
            rig.node.on_message(order)
            self._order = order
        elif what == "identity":
            generation = max(self._identities) + 1
            self._identities.add(generation)
            self._chip.put("identity.json", identity_json(generation))
            rig = self._boot()
            assert rig.who.generation == generation, rig.told
            self._identities = {generation}
            self.result.provisioned += 1
        elif what == "file":
            self._profiles.add(step)
            self._chip.put("config.json", config_json(step))
            rig = self._boot()
            assert rig.conf.profile == step, rig.told
        elif what == "reboot":
            rig = self._boot()
        return rig

    def _settle(self, rig: Rig) -> None:
        """What is in force and neither on trial nor waiting for a restart is the only configuration from now on."""
        if rig.state == 1 and rig.trial.state == 0:
            rig.state = 0
            self.result.proved += 1
        waits = any(generation > rig.trial.generation for generation, _ in rig.storage.config.read())
        if rig.trial.state in (0, 2) and not waits:
            self._profiles = {rig.conf.profile}

    def _boot(self) -> Rig:
        self._boots += 1
        return Rig(self._chip, self._seed + self._boots)

    def _utc_ms(self) -> int:
        return START_MS + self._now_s * 1000

    def _on_operation(self, flash: NorFlash, op: tuple[str, int, bytes]) -> None:
        modes = []
        part = self._chip.part_at(op[1])
        every = self._every if part in ("ring", "files") else max(1, self._every // _RARE)
        for mode in MODES:
            self._points[part] += 1
            if self._points[part] % every == 0:
                self._found += 1
                if self._found % self._share[1] == self._share[0]:
                    modes.append(mode)
        if modes:
            what = (op, flash.ops + 1, part, modes, flash.snapshot(), self._chip.files(), Bridge(self._bridge))
            wanted = (self._committed, set(self._identities), set(self._profiles), self._floor_s, self._order)
            self._cuts.append(_Cut(*what, *wanted))

    def _try_all(self) -> None:
        cuts, self._cuts = self._cuts, []
        for cut in cuts:
            for mode in cut.modes:
                self._try(cut, mode)
                if self._share[0] == 0 and self.result.cuts % 500 == 0:
                    print(f"about {self.result.cuts * self._share[1]} cuts", file=sys.stderr)

    def _try(self, cut: _Cut, mode: str) -> None:
        kind, at, data = cut.op
        flash = self._after.flash
        flash.restore(cut.image)
        cut_short(flash.data, kind, at, data, mode, random.Random(self._seed << 32 | cut.number).getrandbits)
        self._after.set_files(cut.files)
        self.result.cuts += 1
        self.result.cuts_of[cut.part] = self.result.cuts_of.get(cut.part, 0) + 1
        what = f"cut {mode} operation {cut.number} ({cut.part}: {kind} at {at}, {len(data)} bytes), minute {self._now_s // 60}"
        before = flash.overwrites
        try:
            self._judge(cut, what)
        except Exception as error:  # noqa: BLE001  a node that cannot run on is the finding
            self._fail(f"{what}: {error!r}")
        if self._after.kind == "raw":  # littlefs programs over what a cut has left, and reads back
            self.result.rewritten_bytes += flash.overwrites - before

    def _judge(self, cut: _Cut, what: str) -> None:
        result, bridge = self.result, Bridge(cut.bridge)
        rig = Rig(self._after, cut.number)
        result.booted += 1
        who = rig.who.node == "flood-01" and rig.who.generation in cut.identities and not rig.problems
        who = who and rig.boot > max(bridge.boots, default=0) and rig.storage.floor.value >= cut.floor_s
        conf = rig.state != 3 and rig.conf.profile in cut.profiles
        forged = rig.node.forged
        if cut.order:
            rig.node.on_message(cut.order)  # replayed: the counter of orders must know it
        refused = rig.node.forged - forged == bool(cut.order)
        for i in range(_EXTRAS):
            rig.record(_EXTRA + i)
        rig.node.flush()
        drained = rig.drain(bridge, self._utc_ms())
        conf = conf and rig.trial.state in (0, 2) and not rig.restart
        result.identity_kept += who
        result.config_kept += conf
        result.orders_refused += refused
        if not (who and conf and refused):
            self._fail(f"{what}: identity kept {who}, configuration kept {conf}, replay refused {refused}")
        self._count(rig, cut, bridge, what, drained=drained)

    def _count(self, rig: Rig, cut: _Cut, bridge: Bridge, what: str, *, drained: bool) -> None:
        result = self.result
        wanted = set(range(1, cut.committed + 1)).union(range(_EXTRA, _EXTRA + _EXTRAS))
        expected, missing = len(wanted), len(wanted.difference(bridge.delivered))
        overwritten = min(missing, rig.box.overwritten_records)
        twice = sum(bridge.delivered.values()) - len(bridge.delivered)
        rig.box.close()
        again = rig.storage.outbox(rig.conf.outbox_bytes)
        held = bool(again.index.live or again.overwritten_records != rig.box.overwritten_records)
        again.close()
        result.committed += expected
        result.delivered += expected - missing
        result.overwritten += overwritten
        result.lost += missing - overwritten
        result.duplicates += twice
        result.not_drained += bool(not drained or held)
        result.refused += bridge.refused
        if missing - overwritten or twice or not drained or held or bridge.refused:
            self._fail(
                f"{what}: lost {missing - overwritten}, twice {twice}, drained {drained}, held after a restart {held}, "
                f"refused {dict(bridge.reasons)}"
            )

    def _fail(self, text: str) -> None:
        if len(self.result.failures) < _NAMED:
            self.result.failures.append(text)
