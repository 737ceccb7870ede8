"""The power-cut sweep of an update: the power goes before, within and after each operation of the flash while it runs.

The node is what powercut_rig.py has, on a littlefs, with the real launcher and the real update on top. A small application
stands in for the whole one: what matters is each kind of write, and of these there are as many. After each cut the node must
start the old or the new version, whole; the sender goes on, and in the end the new one must be accepted and each record be
at the bridge once.
"""

from __future__ import annotations

import os
import random
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa

from pantau.fleet import bundle
from pantau_sim.flash import NorFlash, cut_short
from pantau_sim.powercut_rig import START_MS, reach_firmware
from pantau_sim.powercut_update_rig import (
    BOARD,
    POWER_ON,
    Life,
    Memory,
    UpdateBridge,
    UpdateChip,
    as_modules,
    install,
    launched,
    version,
)

MODES = ("before", "within", "after")
_MOST_TURNS = 8000
_EXTRA = 1 << 24
_NAMED = 20


@dataclass
class Result:
    """What the sweep found. old, new: what the first start after a cut ran; neither: no whole version, which must not be."""

    cuts: int = 0
    booted: int = 0
    old: int = 0
    new: int = 0
    neither: int = 0
    accepted: int = 0
    committed: int = 0
    delivered: int = 0
    lost: int = 0
    duplicates: int = 0
    operations: int = 0
    seconds: float = 0.0
    failures: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether every cut left a whole node that took the update in the end, and every record once."""
        whole = self.cuts == self.booted == self.accepted == self.old + self.new
        return whole and not (self.neither or self.lost or self.duplicates or self.failures)

    def add(self, other: Result) -> None:
        """Add what another process has found."""
        for name in (
            "cuts",
            "booted",
            "old",
            "new",
            "neither",
            "accepted",
            "committed",
            "delivered",
            "lost",
            "duplicates",
        ):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.failures = (self.failures + other.failures)[:_NAMED]

    def report(self) -> dict[str, object]:
        """Return the result for a report file."""
        return {**asdict(self), "good": self.good}


def sweep(every: int = 1, seed: int = 0, jobs: int | None = None) -> Result:
    """Run one update and try each `every`-th of its cuts; jobs: processes that share them."""
    import littlefs  # noqa: F401  named before any work is done

    started = time.monotonic()
    jobs = jobs or os.cpu_count() or 1
    key, later = (rsa.generate_private_key(65537, 3072) for _ in range(2))
    moduli = [bundle.modulus(one.public_key()) for one in (key, later)]
    with tempfile.TemporaryDirectory(prefix="pantau-update-") as folder:
        made = [version(Path(folder) / name, mark) for name, mark in (("old", 1), ("new", 2))]
        unsigned = bundle.build(Path(folder) / "new", version="0.2.0", release=2, board=[BOARD], trust=moduli)
    data = bundle.sign(unsigned, key, 0)
    given = (every, seed, made[0], made[1], data, [moduli[0].hex()] * 2)
    if jobs == 1:
        results = [_share(*given, 0, 1)]
    else:
        with ProcessPoolExecutor(jobs) as pool:
            asked = [pool.submit(_share, *given, i, jobs) for i in range(jobs)]
            results = [one.result() for one in asked]
    whole = results[0]
    for other in results[1:]:
        whole.add(other)
    whole.seconds = round(time.monotonic() - started, 1)
    return whole


def _share(
    every: int,
    seed: int,
    old: dict[str, bytes],
    new: dict[str, bytes],
    data: bytes,
    trusted: list[str],
    mine: int,
    jobs: int,
) -> Result:
    """Run the update with the cuts of one process."""
    reach_firmware()
    with as_modules():
        return _Sweep(every, seed, (old, new), data, trusted, (mine, jobs)).run()


@dataclass
class _Cut:
    """An operation of the flash, what was before it, and what must be there after it."""

    op: tuple[str, int, bytes]
    number: int
    modes: list[str]
    image: bytes
    bridge: UpdateBridge
    committed: int
    now_ms: int


class _Sweep:
    def __init__(
        self,
        every: int,
        seed: int,
        versions: tuple[dict[str, bytes], dict[str, bytes]],
        data: bytes,
        trusted: list[str],
        share: tuple[int, int],
    ) -> None:
        self.result = Result()
        self._every, self._seed, self._share = every, seed, share
        self._old, self._new = versions
        self._data = data
        self._chip, self._after = UpdateChip(), UpdateChip()
        self._points = self._found = 0
        self._cuts: list[_Cut] = []
        install(self._chip, self._old, trusted)
        self._life = Life(self._chip, UpdateBridge(), data, seed << 16, 0)

    def run(self) -> Result:
        """Update, note each operation that is to be tried, try it between two turns."""
        flash, life = self._chip.flash, self._life
        flash.hook = self._on_operation
        for _ in range(_MOST_TURNS):
            self._chip.use()
            life.turn()
            self._try_all()
            if life.done:
                break
        flash.hook = None
        self._judge_end(life, "without a cut")
        self.result.operations = self._points // len(MODES)
        return self.result

    def _on_operation(self, flash: NorFlash, op: tuple[str, int, bytes]) -> None:
        modes = []
        for mode in MODES:
            self._points += 1
            if self._points % self._every == 0:
                self._found += 1
                if self._found % self._share[1] == self._share[0]:
                    modes.append(mode)
        if modes:
            life = self._life
            bridge = UpdateBridge(life.bridge)
            self._cuts.append(_Cut(op, flash.ops + 1, modes, flash.snapshot(), bridge, self._committed(), life.now_ms))

    def _committed(self) -> int:
        """Return how many records are durable for certain: the one that is being written is not."""
        return self._life.value - self._life.taking

    def _try_all(self) -> None:
        cuts, self._cuts = self._cuts, []
        for cut in cuts:
            for mode in cut.modes:
                self._try(cut, mode)

    def _try(self, cut: _Cut, mode: str) -> None:
        kind, at, data = cut.op
        flash = self._after.flash
        flash.restore(cut.image)
        cut_short(flash.data, kind, at, data, mode, random.Random(self._seed << 32 | cut.number).getrandbits)
        self.result.cuts += 1
        what = f"cut {mode} operation {cut.number} ({kind} at {at}, {len(data)} bytes), second {cut.now_ms // 1000}"
        try:
            self._go_on(cut, what)
        except Exception as error:  # noqa: BLE001  a node that cannot run on is the finding
            self._fail(f"{what}: {error!r}")

    def _go_on(self, cut: _Cut, what: str) -> None:
        """Start after the cut, and go on until the update is through."""
        result = self.result
        life = Life(self._after, UpdateBridge(cut.bridge), self._data, cut.number, _EXTRA)
        life.now_ms = cut.now_ms
        result.booted += 1
        name = life.folder.lstrip("/")
        slots: dict[str, dict[str, bytes]] = {
            one: self._after.below(f"/{one}") for one in self._after.listing() if one in ("a", "b")
        }
        ready = {one: files for one, files in slots.items() if "ready" in files}  # any of them may be started one day
        old, new = ({**files, "ready": b""} for files in (self._old, self._new))
        result.old += ready.get(name) == old
        result.new += ready.get(name) == new
        if name not in ready or any(files not in (old, new) for files in ready.values()):
            result.neither += 1
            self._fail(f"{what}: starts {name!r}; a slot that is ready holds no whole version")
        for _ in range(_MOST_TURNS):
            life.turn()
            if life.done and not life.rig.node.restless():
                break
        self._judge_end(life, what)
        wanted = set(range(1, cut.committed + 1)).union(range(_EXTRA + 1, life.value + 1))
        self._count(life, wanted, what)

    def _judge_end(self, life: Life, what: str) -> None:
        """The new version must run, whole and accepted, with nothing left over."""
        said = life.bridge.said[-1]["detail"] if life.bridge.said else "nothing"
        starts, folder = launched(Memory(), POWER_ON)
        whole = life.chip.whole(folder, self._new)
        rest = {"try", "update.bin", "update.new", "try.new", "slot.new"}.intersection(life.chip.listing())
        from pantau_node import trust

        keys = trust.load("/") == bundle.read(self._data).moduli
        if said == "accepted: release 2" and starts.name == "b" and whole and keys and not rest:
            self.result.accepted += what != "without a cut"
        else:
            self._fail(
                f"{what}: the node said {said!r}, starts {starts.name!r}, whole {whole}, keys {keys}, left {sorted(rest)}"
            )

    def _count(self, life: Life, wanted: set[int], what: str) -> None:
        result = self.result
        life.rig.node.flush()
        drained = life.rig.drain(life.bridge, START_MS + life.now_ms)
        delivered = life.bridge.delivered
        missing = len(wanted.difference(delivered))
        twice = sum(delivered.values()) - len(delivered)
        result.committed += len(wanted)
        result.delivered += len(wanted) - missing
        result.lost += missing
        result.duplicates += twice
        if missing or twice or not drained:
            self._fail(f"{what}: lost {missing}, twice {twice}, drained {drained}")

    def _fail(self, text: str) -> None:
        if len(self.result.failures) < _NAMED:
            self.result.failures.append(text)
