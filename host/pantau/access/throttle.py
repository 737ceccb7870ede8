"""Guessing made slow. Who fails waits longer each time; the wait is of name and address together, so nobody locks out another."""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

_FREE = 5  # wrong passwords that cost nothing: people mistype
_LONGEST_MS = 300_000
_FORGOTTEN_MS = 3_600_000
_MOST = 10_000  # remembered; the longest unheard of go first
_FREE_OF_ADDRESS = 30  # of one address over all names


class _Failures(NamedTuple):
    times: int
    at_ms: int


class Throttle:
    """Counts failures. Not for two threads at once."""

    def __init__(self) -> None:
        self._failed: OrderedDict[tuple[str, str], _Failures] = OrderedDict()

    def wait_ms(self, name: str, address: str, now_ms: int) -> int:
        """Return how long to wait before the next try, 0 for now."""
        return max(
            self._wait((name, address), _FREE, now_ms),
            self._wait(("", address), _FREE_OF_ADDRESS, now_ms),
        )

    def failed(self, name: str, address: str, now_ms: int) -> None:
        """Count a failure."""
        for key in ((name, address), ("", address)):
            before = self._failed.pop(key, _Failures(0, now_ms))
            times = before.times if now_ms - before.at_ms < _FORGOTTEN_MS else 0
            self._failed[key] = _Failures(times + 1, now_ms)
        while len(self._failed) > _MOST:
            self._failed.popitem(last=False)

    def worked(self, name: str, address: str) -> None:
        """Forget the failures of somebody who got it right; of the address only this try, which was counted as one."""
        self._failed.pop((name, address), None)
        whole = self._failed.get(("", address))
        if whole is not None:
            self._failed["", address] = whole._replace(times=max(0, whole.times - 1))

    def _wait(self, key: tuple[str, str], free: int, now_ms: int) -> int:
        found = self._failed.get(key)
        if found is None or found.times < free or not 0 <= now_ms - found.at_ms < _FORGOTTEN_MS:
            return 0
        wait_ms = min(_LONGEST_MS, 1000 << min(found.times - free, 16))
        return max(0, found.at_ms + wait_ms - now_ms)
