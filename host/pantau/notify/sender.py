"""One channel's own way through what waits for it: tell, note the outcome, try again. It never holds up another."""

from __future__ import annotations

import asyncio
import logging
import random
import sqlite3
import time
from typing import TYPE_CHECKING

from pantau.log import event
from pantau.notify import Outcome, compose
from pantau.reconnect import Backoff
from pantau.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from pantau.notify import Channel, Context
    from pantau.notify.outbox import Load, Outbox, Waiting
    from pantau.notify.settings import ChannelTable
    from pantau.ops.figures import Histogram

_log = logging.getLogger("pantau.notify")
_IDLE_S, _BARRED_S = 60.0, 1.0
_DISK_S = 5.0
_BAD_AFTER_S = 60.0  # a channel may be away for a moment
_HANGS_AFTER_S = 90.0
_CAP_S = 30.0  # between two tries at a channel that is away: the next alert must not wait long behind it
_NOTICE_BASE_S, _NOTICE_CAP_S = 1.0, 60.0  # between two tries of one notice
_HOUR_MS = 3_600_000
_REFUSED_S = 3600.0  # for so long it is said that somebody was not told


class Rate:
    """A bucket of tokens: as many as `per_minute` at once, then one after another."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._clock = float(per_minute), clock
        self._tokens, self._at = self._most, clock()

    def wait_s(self) -> float:
        """Return how long to wait before the next may go, 0 for now."""
        self._fill()
        return max(0.0, (1.0 - self._tokens) * 60.0 / self._most)

    def take(self) -> None:
        """Note that one goes."""
        self._fill()
        self._tokens -= 1.0

    def _fill(self) -> None:
        now = self._clock()
        self._tokens = min(self._most, self._tokens + (now - self._at) * self._most / 60.0)
        self._at = now


class Sender:
    """Tells one channel what waits for it, in order of severity and for each alert in order of time."""

    def __init__(
        self, policy: ChannelTable, channel: Channel, outbox: Outbox, books: Worker, context: Context, now_ms: Callable[[], int],
        delay: Histogram,
    ) -> None:  # fmt: skip
        """`books` is the thread that owns the outbox."""
        self.policy = policy
        self._channel, self._outbox, self._books, self._context = channel, outbox, books, context
        self._now_ms, self._delay = now_ms, delay
        self._thread = Worker(f"notify-{policy.name}")
        self._rate = Rate(policy.per_minute)
        self._backoff = Backoff(base_s=1.0, cap_s=_CAP_S)
        self._rng = random.Random()
        self._wake, self._stop = asyncio.Event(), asyncio.Event()
        self._unmarked: Callable[[], None] | None = None  # what was told and could not be noted yet
        self._busy_since: float | None = None
        self._trouble_since: float | None = None
        self.trouble = ""
        self._disk_fails = False  # the trouble is that of our own file
        self._refused: tuple[float, str] | None = None
        self.sent = self.failed = 0
        self.load: Load | None = None

    def wake(self) -> None:
        """Look at what waits."""
        self._wake.set()

    async def run(self) -> None:
        """Tell until `stop`."""
        while not self._stop.is_set():
            self._wake.clear()
            try:
                pause_s = await self._turn()
                if self._disk_fails:
                    self._disk_fails, self.trouble, self._trouble_since = False, "", None
            except sqlite3.Error as error:
                self._disk_fails = True
                self._in_trouble(f"{self._outbox.path}: {error}; look at the disk and its free space")
                pause_s = -_DISK_S
            if pause_s:
                await _pause(self._wake if pause_s > 0 else self._stop, abs(pause_s))

    async def stop(self, within_s: float, task: asyncio.Task[None]) -> None:
        """End after what is being told, for which there are `within_s`; the rest waits in the outbox for the next start."""
        self._stop.set()
        self._wake.set()
        done, _ = await asyncio.wait({task}, timeout=within_s)
        if not done:
            task.cancel()
            await asyncio.wait({task})
        else:
            try:
                await self._thread.call(self._channel.close)
            except Exception as error:  # noqa: BLE001  whatever it is, we end
                event(_log, logging.WARNING, "notify.close_failed", channel=self.policy.name, reason=error)
        self._thread.stop()

    def problems(self) -> list[str]:
        """Return what is wrong for long."""
        said = f"notify channel {self.policy.name}"
        waits = f"; {self.load.waiting} notices wait" if self.load is not None and self.load.waiting else ""
        since, busy = self._trouble_since, self._busy_since
        if busy is not None and time.monotonic() - busy > _HANGS_AFTER_S:
            return [f"{said} has not come back for {time.monotonic() - busy:.0f} s; look at its server{waits}"]
        if since is not None and time.monotonic() - since > _BAD_AFTER_S:
            return [f"{said}: {self.trouble}{waits}"]
        if self._refused is not None and time.monotonic() - self._refused[0] < _REFUSED_S:
            return [f"{said} refused a notice within the hour: {self._refused[1]}"]
        return []

    async def _turn(self) -> float:
        """Tell one notice; return how long to wait then, below 0 when nothing may cut that short."""
        name = self.policy.name
        if self._unmarked is not None:  # told already: until that is noted it must not be told again
            await self._books.call(self._unmarked)
            self._unmarked = None
        if (full_s := self._rate.wait_s()) > 0:
            return -full_s
        now = self._now_ms()
        expired = await self._books.call(self._outbox.expire, name, now - _HOUR_MS * self.policy.keep_trying_h, now)
        if expired:
            self.failed += expired
            event(_log, logging.ERROR, "notify.expired", channel=name, notices=expired, hours=self.policy.keep_trying_h)
        rows = await self._books.call(self._outbox.ready, name, now, self.policy.gather_above)
        if not rows:
            self.load = await self._books.call(self._outbox.load, name)
            return self._idle_s(self.load.next_ms)
        outcome = await self._tell(rows)
        self.load = await self._books.call(self._outbox.load, name)
        if outcome.kind == "retry":
            return -max(outcome.wait_s, self._backoff.next())
        self._backoff.worked(self._backoff.settled_s)
        return 0.0

    async def _tell(self, rows: list[Waiting]) -> Outcome:
        attempt, key = await self._books.call(self._outbox.begin, self.policy.name, rows, self._now_ms())
        self._rate.take()
        self._busy_since = time.monotonic()
        try:
            notice = compose.notice(rows, key, self._context, self._now_ms())
            outcome = await self._thread.call(self._channel.send, notice)
        except Exception as error:  # noqa: BLE001  a defect of ours in one channel must not end the others
            outcome = Outcome("retry", f"internal: {type(error).__name__}: {error}; report it")
        self._busy_since = None
        now = self._now_ms()
        again_s = max(outcome.wait_s, self._apart_s(rows[0].attempts))
        self._unmarked = lambda: self._outbox.end(attempt, rows, outcome, now + int(1000 * again_s), now)
        self._take_note(rows, key, outcome, now)
        await self._books.call(self._unmarked)
        self._unmarked = None
        return outcome

    def _idle_s(self, next_ms: int | None) -> float:
        """Return how long there is nothing to do, unless we are woken. What waits behind earlier news has been due already."""
        if next_ms is None:
            return _IDLE_S
        ahead_s = (next_ms - self._now_ms()) / 1000
        return min(_IDLE_S, ahead_s) if ahead_s > 0 else _BARRED_S

    def _apart_s(self, attempts: int) -> float:
        """Return how long a notice waits after so many tries: longer each time, and not in step with others."""
        return self._rng.uniform(_NOTICE_BASE_S, min(_NOTICE_CAP_S, _NOTICE_BASE_S * 2.0 ** min(attempts + 1, 10)))

    def _take_note(self, rows: list[Waiting], key: str, outcome: Outcome, now: int) -> None:
        name = self.policy.name
        if outcome.kind == "retry":
            self._disk_fails = False
            self._in_trouble(outcome.reason)
            return
        if self.trouble:
            event(_log, logging.INFO, "notify.works_again", channel=name)
            self.trouble, self._trouble_since = "", None
        if outcome.kind == "sent":
            self.sent += len(rows)
            for row in rows:
                self._delay.observe(max(0, now - row.due_ms) / 1000)
            event(_log, logging.INFO, "notify.sent", channel=name, notice=key, notices=len(rows), note=outcome.reason)
        elif outcome.kind == "skipped":
            event(_log, logging.INFO, "notify.skipped", channel=name, notice=key, reason=outcome.reason)
        else:
            self.failed += len(rows)
            self._refused = (time.monotonic(), outcome.reason)
            event(_log, logging.ERROR, "notify.refused", channel=name, notice=key, reason=outcome.reason)

    def _in_trouble(self, reason: str) -> None:
        if reason != self.trouble:
            event(_log, logging.WARNING, "notify.retry", channel=self.policy.name, reason=reason)
        self._trouble_since = self._trouble_since or time.monotonic()
        self.trouble = reason


async def _pause(until: asyncio.Event, within_s: float) -> None:
    try:
        async with asyncio.timeout(within_s):
            await until.wait()
    except TimeoutError:
        return
