"""Logging in and out, and the log of what was changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from pantau.access.model import Role, Who
from pantau.access.passwords import BadPasswordError
from pantau.access.store import AccessStore, LoginError
from pantau.web.gate import SIGN, address_of, cookie_name, needs, who_of
from pantau.web.geojson import iso
from pantau.web.query import RequestError

if TYPE_CHECKING:
    from pantau.web.parts import Parts

_WEEK_S = 7 * 86_400


class Session(BaseModel):
    """Who asks. `possible` says whether anybody can log in here at all."""

    name: str
    role: Literal["public", "viewer", "operator", "admin"]
    via: Literal["anonymous", "session", "token"]
    possible: bool


class Login(BaseModel):
    """A name and its password."""

    model_config = ConfigDict(extra="forbid")
    name: Annotated[str, Field(max_length=64)]
    password: Annotated[str, Field(max_length=256)]


class NewPassword(BaseModel):
    """The password of now and the one from now on."""

    model_config = ConfigDict(extra="forbid")
    old: Annotated[str, Field(max_length=256)]
    new: Annotated[str, Field(max_length=256)]


class AuditRecord(BaseModel):
    """One thing that somebody did."""

    number: int
    at: str | None
    name: str
    via: str
    address: str
    action: str
    subject: str
    detail: str


class AuditLog(BaseModel):
    """What was done, the newest first; `next_before` is where an older page goes on."""

    entries: list[AuditRecord]
    next_before: int | None


def router(parts: Parts) -> APIRouter:
    """Return the routes."""
    api = APIRouter(tags=["access"])

    @api.get("/session")
    def session(request: Request, response: Response) -> Session:
        """Return who asks."""
        response.headers["cache-control"] = "no-store"
        return _session(parts, who_of(request))

    @api.post("/session")
    def login(body: Login, request: Request, response: Response) -> Session:
        """Log in: the answer sets a cookie."""
        _from_page(request)
        secret, who = _log_in(_store(parts), body.name, body.password, request, parts.now_ms())
        _set(response, request, secret)
        return _session(parts, who)

    @api.delete("/session")
    def logout(request: Request, response: Response) -> Session:
        """Log out."""
        _from_page(request)
        cookie = request.cookies.get(cookie_name(request.url.scheme), "")
        if parts.access is not None and cookie:
            parts.access.logout(cookie)
        response.delete_cookie(
            cookie_name(request.url.scheme),
            path="/",
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="strict",
        )
        return Session(name="", role="public", via="anonymous", possible=_possible(parts))

    @api.post("/session/password")
    def password(
        body: NewPassword, request: Request, response: Response, who: Annotated[Who, Depends(needs(Role.VIEWER))]
    ) -> Session:
        """Change one's own password; every other session of this name ends."""
        store = _store(parts)
        if who.via != "session":
            raise RequestError(403, "Not allowed", "A token has no password: make a new token instead.")
        _log_in(store, who.name, body.old, request, parts.now_ms())
        try:
            store.set_password(who.name, body.new, who, parts.now_ms())
        except BadPasswordError as error:
            raise RequestError(400, "Not a good password", str(error), {"new": str(error)}) from None
        secret, who = _log_in(store, who.name, body.new, request, parts.now_ms())
        _set(response, request, secret)
        return _session(parts, who)

    _audit(api, parts)
    return api


def _audit(api: APIRouter, parts: Parts) -> None:
    @api.get("/audit", dependencies=[Depends(needs(Role.ADMIN))])
    def audit(
        before: Annotated[int | None, Query(ge=1, le=2**53 - 1)] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> AuditLog:
        """Return what was changed, by whom and from where."""
        found = _store(parts).log(limit, before)
        entries = [
            AuditRecord(at=iso(one.at_ms), **{n: v for n, v in one._asdict().items() if n != "at_ms"}) for one in found
        ]
        return AuditLog(entries=entries, next_before=entries[-1].number if len(entries) == limit else None)


def _possible(parts: Parts) -> bool:
    return parts.access is not None and parts.access.known()


def _session(parts: Parts, who: Who) -> Session:
    return Session.model_validate(
        {"name": who.name, "role": who.role.name.lower(), "via": who.via, "possible": _possible(parts)}
    )


def _store(parts: Parts) -> AccessStore:
    if parts.access is None:
        raise RequestError(
            404, "Nobody can log in", "This bridge knows no people: pantau access add NAME --role operator."
        )
    return parts.access


def _from_page(request: Request) -> None:
    """Refuse what another site's form could send: it would log somebody in under a name of its choice."""
    if SIGN not in request.headers:
        raise RequestError(
            403, "Not from this page", f"This needs the header {SIGN}: 1, which this bridge's page sends."
        )


def _log_in(store: AccessStore, name: str, password: str, request: Request, now_ms: int) -> tuple[str, Who]:
    try:
        return store.login(name, password, address_of(request), now_ms)
    except LoginError as error:
        if error.wait_ms:
            wait_s = -(-error.wait_ms // 1000)
            refusal = RequestError(429, "Too many tries", f"Too many wrong passwords from here: wait {wait_s} s.")
            refusal.headers["retry-after"] = str(wait_s)
            raise refusal from None
        raise RequestError(401, "Not logged in", "Wrong name or password.") from None


def _set(response: Response, request: Request, secret: str) -> None:
    response.headers["cache-control"] = "no-store"
    secure = request.url.scheme == "https"
    response.set_cookie(
        cookie_name(request.url.scheme),
        secret,
        max_age=_WEEK_S,
        path="/",
        secure=secure,
        httponly=True,
        samesite="strict",
    )
