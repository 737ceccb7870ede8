"""Who may pass: each request is told who sends it, and each route asks for a role."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from typing import TYPE_CHECKING, cast

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser

from pantau.access.model import ANYBODY, Role, Who
from pantau.web.query import RequestError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from pantau.web.parts import Parts

    Endpoint = Callable[[Request], Awaitable[Response]]

COOKIE, SECURE_COOKIE = "pantau", "__Host-pantau"  # the second cannot be set from plain HTTP, nor by another host
SIGN = "x-pantau"  # a header that no other site's page can send to us: a change by cookie needs it
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_SAME_FOR_ALL = ("/static/", "/vendor/")  # and "/": the page itself comes even when nobody can be looked up
_LOOK_AGAIN_S = 15.0  # a live stream outlasts sessions: so often it is looked whether its reader still is who they were
_CLOSED = (
    "Reading is closed. To open it to everybody who can reach this port, set `public_read = true` under [web] in "
    "pantau.toml and restart the bridge."
)
_NOBODY = " Or let somebody log in: pantau access add NAME --role operator."


def address_of(request: Request) -> str:
    """Return where the request came from; behind a trusted proxy that of its client."""
    return request.client.host if request.client is not None else ""


def cookie_name(scheme: str) -> str:
    """Return the session cookie's name: one that only HTTPS can set, where it is HTTPS."""
    return SECURE_COOKIE if scheme == "https" else COOKIE


class Gate:
    """Sets `request.state.who`; refuses tokens that open nothing, and changes that another site's page could have sent."""

    def __init__(self, app: ASGIApp, parts: Parts) -> None:
        self._app, self._parts = app, parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its sender."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if scope["path"] == "/" or scope["path"].startswith(_SAME_FOR_ALL):
            await self._app(scope, receive, send)
            return
        try:
            who = await identify(self._parts, headers, scope.get("scheme", "http"))
            if who.via == "session" and scope["method"] not in _SAFE and SIGN not in headers:
                raise RequestError(
                    403, "Not from this page", f"A change needs the header {SIGN}: 1, which this bridge's page sends."
                )
        except RequestError as error:
            await error.response()(scope, receive, send)
            return
        except sqlite3.Error as error:
            detail = f"Who you are cannot be looked up ({error}): check the disk and the owner of access.sqlite3."
            await RequestError(503, "Access unavailable", detail).response()(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        state["who"], state["public_read"] = who, self._parts.public_read
        state["people"] = self._parts.access is not None

        async def personal(message: Message) -> None:
            if message["type"] == "http.response.start":  # what a person is told must not stay in a cache between us
                MutableHeaders(scope=message)["cache-control"] = "private, no-store"
            await send(message)

        await self._app(scope, receive, send if who is ANYBODY else personal)


async def identify(parts: Parts, headers: Headers, scheme: str) -> Who:
    """Return who shows this token or cookie. Raises RequestError for a token that opens nothing, and sqlite3.Error."""
    access = parts.access
    shown = headers.get("authorization")
    if shown is not None:
        kind, _, secret = shown.partition(" ")
        found = None
        if access is not None and kind.lower() == "bearer" and len(secret) <= 200:
            found = await run_in_threadpool(access.token, secret.strip(), parts.now_ms())
        if found is None:
            raise RequestError(
                401,
                "Token refused",
                "This token opens nothing: it is mistyped, revoked or has run out. Ask for a new one.",
            )
        return found
    cookie = cookie_parser(headers.get("cookie", "")).get(cookie_name(scheme), "")
    if access is None or not cookie or len(cookie) > 200:
        return ANYBODY
    return await run_in_threadpool(access.session, cookie, parts.now_ms()) or ANYBODY


async def while_the_same(
    parts: Parts, request: Request, stream: AsyncIterator[str], clock: Callable[[], float] = time.monotonic
) -> AsyncIterator[str]:
    """Pass a live stream on until its reader is somebody else: logged out, removed, of another role, the token revoked."""
    who, looked_s = who_of(request), clock()
    async with contextlib.aclosing(cast("AsyncGenerator[str]", stream)) as parted:
        async for part in parted:
            if who is not ANYBODY and clock() - looked_s >= _LOOK_AGAIN_S:
                looked_s = clock()
                try:
                    if await identify(parts, request.headers, request.url.scheme) != who:
                        return
                except RequestError:
                    return
                except sqlite3.Error:
                    pass  # not known to be somebody else; looked at again
            yield part


def who_of(request: Request) -> Who:
    """Return who sent the request."""
    who: Who = request.state.who
    return who


def require(request: Request, role: Role) -> Who:
    """Return who asks. Raises RequestError when they may not; the public may read where the operator opened reading."""
    who = who_of(request)
    asked = Role.VIEWER if role is Role.PUBLIC and not request.state.public_read else role
    if who.role >= asked:
        return who
    if who.role > Role.PUBLIC:
        raise RequestError(
            403, "Not allowed", f"This needs the role {asked.name.lower()}; {who.name} is {who.role.name.lower()}."
        )
    if role > Role.PUBLIC:
        raise RequestError(401, "Log in", f"This needs somebody of the role {asked.name.lower()}: log in.")
    raise RequestError(403, "Reading is closed", _CLOSED + (_NOBODY if request.state.people else ""))


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
