"""Receipts of messages on their way to a stream: each is awaited, and no more than a bounded number is out at a time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pantau.sinks._json import loads
from pantau.sinks.items import DUPLICATE, STORED, Outcome

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

    from nats.aio.msg import Msg

_TOO_LARGE = frozenset({10054, 10097})  # JetStream's codes: the message, its headers
_NO_RESPONDERS = "503"


class Receipts:
    """Of one publication at a time. `failed` says why no more should be sent; `sequence` is the highest that was told."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        self.failed = ""
        self.sequence = 0
        self._inbox = ""
        self._run = 0
        self._out: set[int] = set()
        self._moved = asyncio.Event()

    async def listen(self, inbox: str, subscribe: Callable[..., Awaitable[Any]]) -> None:
        """Take receipts on a new connection."""
        self._inbox = inbox
        await subscribe(f"{inbox}.*", cb=self._came)

    def begin(self, number: int) -> None:
        """Expect so many. Late ones of an earlier publication are not meant any more."""
        self._run += 1
        self._out.clear()
        self.outcomes = [STORED] * number
        self.failed = ""

    def reply(self, number: int) -> str:
        """Note that message `number` goes out now, and return where its receipt is to come."""
        self._out.add(number)
        return f"{self._inbox}.{self._run}-{number}"

    async def fewer(self, most: int, within_s: float) -> None:
        """Return when less than `most` are out, or one has failed. TimeoutError when none comes for `within_s`."""
        while len(self._out) >= most and not self.failed:
            self._moved.clear()
            async with asyncio.timeout(within_s):
                await self._moved.wait()

    async def _came(self, message: Msg) -> None:
        run, _, number = message.subject.rpartition(".")[2].partition("-")
        if int(run) != self._run or int(number) not in self._out:
            return
        self._out.discard(int(number))
        self._moved.set()
        if message.headers and message.headers.get("Status") == _NO_RESPONDERS:
            self.failed = self.failed or "no stream takes our subjects: it was deleted, or has no leader now"
            return
        said = loads(message.data)
        if (error := said.get("error")) is None:
            self.sequence = max(self.sequence, said["seq"])
            if said.get("duplicate"):
                self.outcomes[int(number)] = DUPLICATE
        elif error.get("err_code") in _TOO_LARGE:
            self.outcomes[int(number)] = Outcome("rejected", f"the stream refuses it: {error.get('description')}")
        else:
            self.failed = self.failed or f"the stream refuses it: {error.get('description')}"
