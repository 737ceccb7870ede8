"""How much one sender may ask: a bucket of requests for each address and each token, and a bound on what is sent to us.

Meant to be unnoticed by people: a wall-board and ten pages behind one address load at once and then ask little. It keeps a
script in a loop, or somebody who guesses, from taking the place of the others.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException

from pantau.access.model import sender_of
from pantau.web.query import RequestError

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

BURST = 600.0  # requests at once: ten pages load some 40 files and questions each
PER_S = 50.0
MOST_BODY = 1 << 16  # bytes; the largest thing that anybody sends is a password
_LARGE = f"A body has {MOST_BODY >> 10} KiB at most."
_MOST_KNOWN = 10_000  # senders; those longest unheard of are forgotten, and begin anew with a full bucket
_FREE = ("/healthz", "/metrics", "/static/", "/vendor/")  # monitors, and files that cost nothing


class _Bucket(NamedTuple):
    tokens: float
    at_s: float


class Buckets:
    """A bucket for each sender, bounded in number."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: OrderedDict[str, _Bucket] = OrderedDict()

    def wait_s(self, sender: str) -> float:
        """Take one from the sender's bucket; return 0, or how long it takes until there is one."""
        now = self._clock()
        before = self._known.pop(sender, _Bucket(BURST, now))
        tokens = min(BURST, before.tokens + (now - before.at_s) * PER_S)
        wait_s = 0.0 if tokens >= 1 else (1 - tokens) / PER_S
        self._known[sender] = _Bucket(tokens - (not wait_s), now)
        if len(self._known) > _MOST_KNOWN:
            self._known.popitem(last=False)
        return wait_s


class Limits:
    """Refuses who asks too much, and bodies that are too large."""

    def __init__(self, app: ASGIApp, buckets: Buckets | None = None) -> None:
        self._app, self._buckets = app, buckets or Buckets()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer that it is too much."""
        if scope["type"] != "http" or scope["path"].startswith(_FREE):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        client = scope.get("client")
        senders = [sender_of(client[0]) if client else "", headers.get("authorization", "")[:200]]
        if wait_s := max(self._buckets.wait_s(sender) for sender in senders if sender or sender is senders[0]):
            refusal = RequestError(
                429, "Too many requests", f"More than {PER_S:g} requests a second for long: wait a moment."
            )
            refusal.headers["retry-after"] = str(max(1, round(wait_s)))
            await refusal.response()(scope, receive, send)
            return
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit()) or len(length) > 9 or int(length) > MOST_BODY:
            await RequestError(413, "Too large", _LARGE).response()(scope, receive, send)
            return
        taken = 0

        async def bounded() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > MOST_BODY:  # without a length, or with a wrong one
                raise HTTPException(413, _LARGE)
            return message

        await self._app(scope, bounded, send)
