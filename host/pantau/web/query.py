"""Clear refusals: RFC 9457 problem documents that name every bad parameter at once."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from starlette.requests import Request
from starlette.responses import JSONResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MAX_LIMIT = 10_000
DEFAULT_LIMIT = 1_000
DAY_MS = 86_400_000
_MAX_TEXT = 64  # longer than any node id or property name: longer input is not echoed nor looked up
_LAST_MS = 253_402_300_800_000  # year 10000: datetime holds nothing beyond


class RequestError(Exception):
    """A request that cannot be answered; `errors` maps parameter to what is wrong with it and what would be right."""

    def __init__(self, status: int, title: str, detail: str, errors: Mapping[str, str] | None = None) -> None:
        """Keep what the client is told."""
        super().__init__(detail)
        self.status = status
        self.title = title
        self.detail = detail
        self.errors = dict(errors or {})
        self.headers: dict[str, str] = {"www-authenticate": "Bearer"} if status == 401 else {}

    def response(self) -> JSONResponse:
        """Return the problem document."""
        body: dict[str, object] = {
            "type": "about:blank",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
        }
        if self.errors:
            body["errors"] = [{"name": name, "reason": reason} for name, reason in self.errors.items()]
        return JSONResponse(body, self.status, self.headers, media_type="application/problem+json")


class SeriesQuery(NamedTuple):
    """A checked question for one series: from_ms <= observed_at < to_ms, Unix ms UTC."""

    node: str
    property: str
    from_ms: int
    to_ms: int
    limit: int


def instant(text: str) -> int:
    """Return Unix ms UTC of an ISO 8601 time with offset, or of digits that are Unix ms. Raises ValueError."""
    if text.isascii() and text.isdigit():
        value = int(text[:16])
    else:
        parsed = datetime.fromisoformat(text)
        if parsed.tzinfo is None:
            raise ValueError(text)
        value = round(parsed.timestamp() * 1000)
    if not 0 <= value < _LAST_MS:
        raise ValueError(text)
    return value


def span(start: str | None, end: str | None, now_ms: int, latest_ms: int, errors: dict[str, str]) -> tuple[int, int]:
    """Return [from, to) in Unix ms; without `end` until `latest_ms`, without `start` a day before `end` or now. Mistakes go to `errors`."""
    found = {"from": start, "to": end}
    instants: dict[str, int] = {}
    for name, text in found.items():
        if text is not None:
            try:
                instants[name] = instant(text.replace(" ", "+"))  # a plus sign that was not escaped arrives as a space
            except (ValueError, OverflowError):
                errors[name] = "not a time: ISO 8601 with offset (2026-11-24T03:00:00Z) or Unix milliseconds"
    to_ms = instants.get("to", latest_ms)
    from_ms = instants.get("from", max(0, min(to_ms, now_ms) - DAY_MS))
    if not {"from", "to"} & errors.keys() and from_ms >= to_ms:
        errors["from"] = "not before `to`"
    return from_ms, to_ms


def only(*known: str) -> Callable[[Request], None]:
    """Return a FastAPI dependency that refuses parameters of other names, and one that is given twice.

    A typing error must not be an answer to something else.
    """

    def check(request: Request) -> None:
        said = f"known are {', '.join(known)}" if known else "there are none here"
        given = [name for name, _ in request.query_params.multi_items()]
        wrong = {name[:_MAX_TEXT]: f"unknown parameter; {said}" for name in given if name not in known}
        wrong |= {name: "given more than once" for name in given if name in known and given.count(name) > 1}
        if wrong:
            raise RequestError(400, "Bad parameters", "The request was not understood: see errors.", wrong)

    return check


def series_query(given: Mapping[str, str], now_ms: int) -> SeriesQuery:
    """Return the checked query; the default range is the last 24 h. Raises RequestError 400 with every mistake."""
    errors: dict[str, str] = {}
    known = ("node", "property", "from", "to", "limit")
    for name in given:
        if name not in known:
            errors[name[:_MAX_TEXT]] = f"unknown parameter; known are {', '.join(known)}"
    for name in ("node", "property"):
        if not given.get(name):
            errors[name] = "required"
        elif len(given[name]) > _MAX_TEXT:
            errors[name] = f"longer than {_MAX_TEXT} characters"
    from_ms, to_ms = span(given.get("from"), given.get("to"), now_ms, now_ms, errors)
    limit = given.get("limit", str(DEFAULT_LIMIT))
    rows = int(limit) if limit.isascii() and limit.isdigit() and len(limit) <= len(str(MAX_LIMIT)) else 0
    if not 1 <= rows <= MAX_LIMIT:
        errors["limit"] = f"not a number from 1 to {MAX_LIMIT}"
    if errors:
        raise RequestError(400, "Bad parameters", "The request was not understood: see errors.", errors)
    return SeriesQuery(given["node"], given["property"], from_ms, to_ms, rows)
