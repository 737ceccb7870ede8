"""A process that plays cases, and can be ended with all that it has started: a case may hang, and the hunt must not."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from pantau_sim.hunt.case import Found, play
from pantau_sim.hunt.invariants import Broken
from pantau_sim.hunt.shrink import Shrinker
from pantau_sim.vm import MissingVmError

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

Tables = dict[str, Any]

HANGS = "ends-in-time"
_CASE_S = 420  # real time of one case, on a machine that is busy; one takes seconds
_END_S = 10


class Job(NamedTuple):
    """A case to play, or to shrink: until `mark` fails no more, for `seconds` at most."""

    seed: int
    tables: Tables
    twice: bool = False
    mark: str = ""
    seconds: float = 0.0


class Done(NamedTuple):
    """What came of a job; `tables` is the case, made smaller if that was the job."""

    job: Job
    found: Found
    tables: Tables


class Player:
    """One such process. `give` it a job, then `take` what came of it once `link` has something or `late` is true."""

    def __init__(self) -> None:
        self.job: Job | None = None
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.link, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,))  # no daemon: it has children of its own
        self._process.start()
        theirs.close()

    def give(self, job: Job) -> None:
        """Begin with a job."""
        self.job, self._until = job, time.monotonic() + job.seconds + _CASE_S
        self.link.send(job)

    @property
    def late(self) -> bool:
        """Return whether the job takes too long."""
        return self.job is not None and time.monotonic() > self._until

    def take(self) -> Done:
        """Return what came of the job; a process that hangs or died is replaced. Raises MissingVmError."""
        job, self.job = self.job, None
        assert job is not None
        try:
            if self.link.poll():
                answer = self.link.recv()
                if isinstance(answer, MissingVmError):
                    raise answer
                done: Done = answer
                return done
            what = f"not over after {_CASE_S} s"
        except EOFError:
            what = "its process died"
        self.stop()
        self._start()
        return Done(job, Found([Broken(HANGS, what)]), job.tables)

    def stop(self) -> None:
        """End the process, and with it what it plays."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid or 0, signal.SIGKILL)
        self._process.kill()
        self._process.join(_END_S)
        self.link.close()


def _serve(link: Connection) -> None:
    """Play what comes until nobody asks any more: the process's whole life."""
    os.setpgid(0, 0)
    with suppress(EOFError, BrokenPipeError, KeyboardInterrupt):
        while True:
            job: Job = link.recv()
            try:
                link.send(_do(job))
            except MissingVmError as error:
                link.send(error)


def _do(job: Job) -> Done:
    if not job.mark:
        return Done(job, play(job.tables, twice=job.twice), job.tables)
    end = time.monotonic() + job.seconds
    last: list[Found] = []

    def fails(tables: Tables) -> bool:
        found = play(tables, twice=job.twice)
        if not any(one.mark == job.mark for one in found.broken):
            return False
        last[:] = [found]
        return True

    smallest = Shrinker(job.tables, fails, lambda: time.monotonic() > end).run()
    return Done(job, last[0] if last else Found([]), smallest)
