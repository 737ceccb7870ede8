"""Alarms first: a node's alarm is judged at once, however much of the log waits before it.

After an outage a city's backlog takes minutes to decode. The alarm frames in it, and those that come meanwhile, overtake.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING

from pantau.log import event
from pantau.spool import SpoolReader
from pantau.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pantau.alerts.store import AlertStore
    from pantau.decode import Decoder

_log = logging.getLogger("pantau.alerts")
_MOST = 10_000  # ids that wait; the oldest go first, and come to their turn in the log
_NEAR = 50  # frames that the follower takes in less time than this detour


class Express:
    """The way of alarm frames past the follower of the alerts. The frames come again in their turn."""

    def __init__(self, spool: Path, decoder: Decoder, alerts: AlertStore) -> None:
        self.decoder = decoder
        self._reader = SpoolReader(spool)
        self._alerts = alerts
        self._waiting: deque[int] = deque(maxlen=_MOST)
        self._some = asyncio.Event()

    def put(self, ids: list[int]) -> None:
        """Take ids of alarm frames that are in the log."""
        self._waiting.extend(ids)
        self._some.set()

    async def run(self, position: Callable[[], int]) -> None:
        """Judge what comes until cancelled; `position` tells how far the follower is."""
        worker = Worker("express")
        try:
            while True:
                await self._some.wait()
                self._some.clear()
                ids = [number for number in self._waiting if number > position() + _NEAR]
                self._waiting.clear()
                if ids:
                    await worker.call(self._judge, ids)
        finally:
            worker.stop()

    def _judge(self, ids: list[int]) -> None:
        try:
            frames = [self.decoder.decode(frame) for frame in self._reader.get(ids)]
            self._alerts.express(frames)
        except Exception as error:  # noqa: BLE001  they come to their turn in the log anyway
            event(_log, logging.WARNING, "alerts.express_failed", reason=repr(error), frames=len(ids))
