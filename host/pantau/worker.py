"""One daemon thread that runs calls for the event loop, in order: blocking work without a hold on the loop or the exit."""

from __future__ import annotations

import asyncio
import queue
import threading
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")


class Worker:
    """A thread for one owner. Callers await their call, so at most one call per caller waits here.

    The thread is a daemon, unlike an executor's: a target that hangs must not keep a stopped bridge from ending.
    """

    def __init__(self, name: str) -> None:
        self._calls: queue.SimpleQueue[tuple[asyncio.Future[Any], Callable[[], Any]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    async def call(self, function: Callable[..., _T], *values: Any) -> _T:
        """Run `function(*values)` in the thread and return what it returns, or raise what it raises."""
        future: asyncio.Future[_T] = asyncio.get_running_loop().create_future()
        self._calls.put((future, lambda: function(*values)))
        # Once begun a call ends; a caller that is cancelled leaves it to its end.
        return await asyncio.shield(future)

    def stop(self) -> None:
        """Let the thread end after the calls that wait."""
        self._calls.put(None)

    def _run(self) -> None:
        while (item := self._calls.get()) is not None:
            future, function = item
            try:
                result, error = function(), None
            except Exception as raised:  # noqa: BLE001  carried over to the caller whole
                result, error = None, raised
            try:
                future.get_loop().call_soon_threadsafe(_settle, future, result, error)
            except RuntimeError:
                return  # the loop is closed: nobody waits


def _settle(future: asyncio.Future[Any], result: object, error: Exception | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
