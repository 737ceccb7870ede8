"""A hunt: case after case of a row of seeds, in several processes, for as long as asked; failures shrunk and saved; the tally."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pantau_sim.hunt.draw import draw
from pantau_sim.hunt.files import save, saved
from pantau_sim.hunt.player import Job, Player

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pantau_sim.hunt.invariants import Broken
    from pantau_sim.hunt.player import Done

_TWICE_EVERY = 10  # cases: one of so many is played a second time and compared
_SAY_EVERY = 10
_SHRUNK = 2  # of each mark: more of the same tell nothing new
_SHRINK_S = 180.0
_POLL_S = 1.0
_MS_PER_HOUR = 3_600_000


@dataclass(frozen=True)
class Options:
    """`minutes`: how long new cases are begun; `seed`: of the first case; `cases`: no more than these, 0 for any number."""

    minutes: float
    seed: int
    jobs: int = 1
    cases: int = 0
    found: Path = Path("found")
    shrink_s: float = _SHRINK_S


@dataclass
class Failure:
    """One broken invariant of one case, and where its file is once it has one."""

    seed: int
    broken: Broken
    file: str = ""


@dataclass
class Tally:
    """What a hunt saw."""

    first_seed: int
    counts: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)
    seconds: float = 0.0

    def report(self) -> dict[str, Any]:
        """Return it as JSON values."""
        counts = dict(self.counts)
        hours = counts.pop("node-milliseconds", 0) / _MS_PER_HOUR
        groups: dict[str, dict[str, int]] = {name: {} for name in ("fault", "client", "ailment", "checked")}
        for name in sorted(counts):
            group, _, rest = name.partition(" ")
            if group in groups:
                groups[group][rest] = counts.pop(name)
        return {
            "first_seed": self.first_seed,
            "minutes": round(self.seconds / 60, 2),
            "node_hours": round(hours, 1),
            **{name.replace(" ", "_"): value for name, value in sorted(counts.items())},
            "faults": groups["fault"],
            "clients": groups["client"],
            "ailments": groups["ailment"],
            "invariants_checked": groups["checked"],
            "failures": [
                {"seed": one.seed, "invariant": one.broken.invariant, "what": one.broken.what, "file": one.file}
                for one in self.failures
            ],
        }


class Hunt:
    """One session. `say` gets lines for people."""

    def __init__(self, options: Options, say: Callable[[str], None]) -> None:
        self._options, self._say = options, say
        self.tally = Tally(options.seed)
        self._begun = 0
        self._shrinking: Counter[str] = Counter()
        self._waiting: list[Job] = []
        self._end = 0.0

    def run(self) -> Tally:
        """Hunt, and return the tally; Ctrl-C ends it before its time. Raises MissingVmError."""
        began = time.monotonic()
        self._end = began + self._options.minutes * 60
        players = [Player() for _ in range(self._options.jobs)]
        try:
            while busy := self._busy(players):
                ready = wait([player.link for player in busy], _POLL_S)
                for player in busy:
                    if player.link in ready or player.late:
                        self._take(player.take())
        except KeyboardInterrupt:
            self._say("stopped; what was played counts")
        finally:
            for player in players:
                player.stop()
            self.tally.seconds = time.monotonic() - began
        return self.tally

    def _busy(self, players: Sequence[Player]) -> list[Player]:
        """Give everybody something to do as long as there is something; return who has."""
        for player in players:
            if player.job is None and (job := self._next()) is not None:
                player.give(job)
        return [player for player in players if player.job is not None]

    def _next(self) -> Job | None:
        if self._waiting:
            return self._waiting.pop(0)
        enough = 0 < self._options.cases <= self._begun
        if enough or time.monotonic() >= self._end:
            return None
        seed = self._options.seed + self._begun
        self._begun += 1
        return Job(seed, draw(seed), twice=seed % _TWICE_EVERY == 0)

    def _take(self, done: Done) -> None:
        if done.job.mark:
            self._keep(done)
            return
        tally = self.tally
        tally.counts += done.found.counts
        for one in done.found.broken:
            there = saved(self._options.found, one.invariant, done.job.seed)
            tally.failures.append(Failure(done.job.seed, one, str(there or "")))
            self._say(f"seed {done.job.seed}: {one.invariant}: {one.what.splitlines()[0][:300]}")
        for one in done.found.broken[:1]:  # what else broke has the same cause, most often
            again = any(failure.file for failure in tally.failures if failure.seed == done.job.seed)
            if not again and self._shrinking[one.mark] < _SHRUNK and self._options.shrink_s:
                self._shrinking[one.mark] += 1
                self._waiting.append(done.job._replace(mark=one.mark, seconds=self._options.shrink_s))
        if tally.counts["cases"] % _SAY_EVERY == 0:
            self._say(
                f"{tally.counts['cases']} cases, {tally.counts['node-milliseconds'] / _MS_PER_HOUR:.0f} node-hours, "
                f"{tally.counts['records']} records, {len(tally.failures)} failures; seeds from {tally.first_seed} to {done.job.seed}"
            )

    def _keep(self, done: Done) -> None:
        """Save a case that was made smaller; it is the file of all that it still breaks."""
        broken = {one.mark: one for one in done.found.broken}
        mine = [failure for failure in self.tally.failures if failure.seed == done.job.seed]
        shown = broken.get(done.job.mark) or next(one.broken for one in mine if one.broken.mark == done.job.mark)
        file = save(self._options.found, shown, done.job.seed, done.tables)
        for failure in mine:
            if failure.broken.mark in {done.job.mark, *broken}:
                failure.file = str(file)
        self._say(f"seed {done.job.seed}: shrunk, in {file}")
