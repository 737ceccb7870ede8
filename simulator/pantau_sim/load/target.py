"""The broker as a URL, and how many connections this process may have."""

from __future__ import annotations

import resource
import ssl
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from pathlib import Path

_SPARE = 64  # descriptors for everything else
_PORTS = {"mqtt": 1883, "mqtts": 8883}


class Target(NamedTuple):
    """Where to connect, as whom, and with which context (None: in the clear)."""

    host: str
    port: int
    user: str | None
    password: str | None
    context: ssl.SSLContext | None


def parse(url: str, ca: Path | None) -> Target:
    """Return the target of mqtt[s]://[user:password@]host[:port]. Raises ValueError with what is wrong."""
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname or parts.path.strip("/"):
        raise ValueError(f"--url {url}: give mqtt://HOST:PORT or mqtts://USER:PASSWORD@HOST:PORT")
    if ca is not None and parts.scheme != "mqtts":
        raise ValueError("--ca is for mqtts:// alone")
    context = None
    if parts.scheme == "mqtts":
        try:
            context = ssl.create_default_context(cafile=None if ca is None else str(ca))
        except OSError as error:  # ssl.SSLError is one
            raise ValueError(f"--ca {ca} cannot be used: {error}; it must be a PEM file") from None
    user = None if parts.username is None else unquote(parts.username)
    password = None if parts.password is None else unquote(parts.password)
    return Target(parts.hostname, parts.port or _PORTS[parts.scheme], user, password, context)


def connections_possible(wanted: int) -> int:
    """Raise the limit of open files as far as is needed and allowed; return how many connections that makes, up to `wanted`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    need = wanted + _SPARE
    if soft != resource.RLIM_INFINITY and soft < need:
        for limits in ((need, max(need, hard)), (min(need, hard), hard)):
            try:
                resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            except (ValueError, OSError):
                continue
            break
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return wanted if soft == resource.RLIM_INFINITY else max(1, min(wanted, soft - _SPARE))
