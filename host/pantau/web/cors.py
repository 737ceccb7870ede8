"""Other sites' pages may read open data: where everybody may read, and never with credentials."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_OPEN = ("/api/", "/sta/", "/ogc")
# No `access-control-allow-credentials` and no `authorization`: a browser gives a foreign page only what the public may see.
_ALLOW = [(b"access-control-allow-origin", b"*"), (b"access-control-expose-headers", b"content-crs")]
_ASKED = b"access-control-request-method"  # only a browser's question has it; any other OPTIONS is for the route
_PREFLIGHT = [
    *_ALLOW,
    (b"access-control-allow-methods", b"GET, HEAD"),
    (b"access-control-allow-headers", b"accept, content-type"),
    (b"access-control-max-age", b"86400"),
    (b"content-length", b"0"),
]


class OpenToSites:
    """Adds the headers of CORS to reads of open data. Changes get none, so no foreign page sees an answer to one."""

    def __init__(self, app: ASGIApp, *, public_read: bool) -> None:
        self._app, self._public_read = app, public_read

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; answer the question that a browser asks before one."""
        if scope["type"] != "http" or not self._public_read or not scope["path"].startswith(_OPEN):
            await self._app(scope, receive, send)
            return
        if scope["method"] == "OPTIONS" and any(name == _ASKED for name, _ in scope["headers"]):
            await send({"type": "http.response.start", "status": 204, "headers": _PREFLIGHT})
            await send({"type": "http.response.body", "body": b""})
            return

        async def allowing(message: Message) -> None:
            if message["type"] == "http.response.start" and scope["method"] in ("GET", "HEAD"):
                message["headers"] = [*message.get("headers", []), *_ALLOW]
            await send(message)

        await self._app(scope, receive, allowing)
