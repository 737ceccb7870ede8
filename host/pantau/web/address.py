"""Where a client reaches us: what absolute links begin with."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.requests import Request

    from pantau.web.parts import Parts


def base_url(request: Request, parts: Parts) -> str:
    """Return the URL of this server without a slash at its end: the configured one, else as the request was addressed."""
    return parts.public_url.rstrip("/") or f"{request.url.scheme}://{request.url.netloc}"
