"""Who may pass: each request is told who sends it, and each route asks for a role."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import Request

from pantau.access.model import ANYBODY, Role, Who
from pantau.web.query import RequestError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

    from pantau.web.parts import Parts

    Endpoint = Callable[[Request], Awaitable[Response]]

_CLOSED = (
    "Reading is closed. To open it to everybody who can reach this port, set `public_read = true` under [web] in "
    "pantau.toml and restart the bridge."
)


class Gate:
    """Sets `request.state.who`."""

    def __init__(self, app: ASGIApp, parts: Parts) -> None:
        self._app, self._parts = app, parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its sender."""
        if scope["type"] == "http":
            scope.setdefault("state", {})["who"] = ANYBODY
            scope["state"]["public_read"] = self._parts.public_read
        await self._app(scope, receive, send)


def who_of(request: Request) -> Who:
    """Return who sent the request."""
    who: Who = request.state.who
    return who


def require(request: Request, role: Role) -> Who:
    """Return who asks. Raises RequestError when they may not; the public may read where the operator opened reading."""
    who = who_of(request)
    asked = Role.VIEWER if role is Role.PUBLIC and not request.state.public_read else role
    if who.role < asked:
        raise RequestError(403, "Reading is closed", _CLOSED)
    return who


def needs(role: Role) -> Callable[[Request], Who]:
    """Return a FastAPI dependency that lets `role` pass and gives who it is."""

    def asked(request: Request) -> Who:
        return require(request, role)

    return asked


def gated(role: Role, endpoint: Endpoint) -> Endpoint:
    """Return a Starlette endpoint that lets `role` pass."""

    async def gate(request: Request) -> Response:
        require(request, role)
        return await endpoint(request)

    return gate
