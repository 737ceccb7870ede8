"""A connection to a NATS server or cluster: settings, secrets, TLS, and words for what goes wrong."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

from pydantic import Field

from pantau import keys
from pantau.problems import ConfigError, Problem
from pantau.settings import FilePath, Login, read_secret

if TYPE_CHECKING:
    from nats.aio.client import Client

_RECONNECT_S = 1.0
_LOOK_S = 1.0  # whether the package has given up
_PING_S = 5  # a server that hangs is left for another one after three of these


class NatsLink(Login):
    """How to reach NATS. TLS unless `lab_plain` admits plain; secrets stand in files of mode 0600."""

    servers: Annotated[
        list[Annotated[str, Field(pattern=r"^(nats|tls)://[^\s/@]+$")]], Field(min_length=1, max_length=16)
    ]
    credentials_file: FilePath | None = None  # of nsc: user JWT and key
    nkey_file: FilePath | None = None  # a seed, SU...
    timeout_s: Annotated[float, Field(gt=0, le=60)] = 5.0


def options(link: NatsLink, key: str) -> dict[str, Any]:
    """Return what nats.connect takes beside its callbacks. `key` names the table. ConfigError for files and the extra."""
    try:
        import nats  # noqa: F401
        import nkeys  # noqa: F401
    except ImportError as missing:
        raise ConfigError([Problem("", key, f"needs the package {missing.name}: install pantau[nats]")]) from None
    found: dict[str, Any] = {
        "servers": list(link.servers),
        "connect_timeout": link.timeout_s,
        "reconnect_time_wait": _RECONNECT_S,
        "max_reconnect_attempts": -1,
        "allow_reconnect": True,
        "ping_interval": _PING_S,
        "max_outstanding_pings": 2,
    }
    if not link.lab_plain:
        found["tls"] = _tls(link, key)
    if link.user is not None and link.password_file is not None:
        found |= {"user": link.user, "password": read_secret(link.password_file, f"{key}.password_file")}
    if link.token_file is not None:
        found["token"] = read_secret(link.token_file, f"{key}.token_file")
    if link.credentials_file is not None:
        keys.require_private(link.credentials_file)
        found["user_credentials"] = str(link.credentials_file)
    if link.nkey_file is not None:
        found["nkeys_seed_str"] = read_secret(link.nkey_file, f"{key}.nkey_file")
    return found


async def connect(link: NatsLink, key: str, name: str) -> Client:
    """Return a connected client that reconnects by itself. Raises ConfigError, or OSError with words within the time-out."""
    given = options(link, key)
    import nats.errors
    import nkeys

    said: list[Exception] = []

    async def failed(error: Exception) -> None:
        if not said or not isinstance(
            error, OSError
        ):  # a word of the server's tells more than the pipe that then breaks
            said[:] = [error]

    client = _client(plain=link.lab_plain)
    try:
        async with asyncio.timeout(link.timeout_s):
            await client.connect(**given, name=name, error_cb=failed)
    except (OSError, TimeoutError, ValueError, nats.errors.Error, nkeys.NkeysError) as error:  # the last: a bad seed
        why = said[0] if said and not str(error) else error
        await close(client)
        raise OSError(
            f"NATS at {', '.join(link.servers)}: {why or 'no answer'}; check the server and [{key}]"
        ) from None
    return client


async def ended(client: Client) -> NoReturn:
    """Raise OSError when the connection has ended for good: after some words of a server the package gives up."""
    while not client.is_closed:  # noqa: ASYNC110  nothing of the package's can be awaited for it
        await asyncio.sleep(_LOOK_S)
    raise OSError(f"NATS ended the connection: {client.last_error or 'no word why'}")


async def close(client: Client) -> None:
    """Close a connection, however it is: a server that hangs does not keep it."""
    with contextlib.suppress(Exception):
        if client.is_connected and client.pending_data_size:
            await asyncio.wait_for(client.flush(), _RECONNECT_S)
    # What the package would still wait for: that all is sent. It has had its time.
    client._pending, client._pending_data_size = [], 0  # noqa: SLF001
    with contextlib.suppress(Exception):
        await asyncio.wait_for(client.close(), _RECONNECT_S)
    writer = getattr(client._transport, "_io_writer", None)  # noqa: SLF001
    if writer is not None:
        writer.transport.abort()
        await asyncio.sleep(0)


def _client(*, plain: bool) -> Client:
    """Return a client that says nothing, no password above all, to a server that does not speak TLS, unless `plain`."""
    import nats.aio.client

    class Careful(nats.aio.client.Client):
        def _connect_command(self) -> bytes:  # the package speaks plainly with a server that asks for no TLS
            if not plain and not self._server_info.get("tls_required"):
                raise OSError(
                    "the server does not ask for TLS; give it a certificate, or set lab_plain in a laboratory"
                )
            command: bytes = super()._connect_command()
            return command

    return Careful()


def _tls(link: NatsLink, key: str) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=None if link.ca is None else str(link.ca))
        if link.certificate is not None and link.private_key is not None:
            context.load_cert_chain(link.certificate, link.private_key)
    except OSError as error:  # ssl.SSLError is one
        what = f"ca, certificate or private_key cannot be used: {error.strerror or error}; they must be PEM files"
        raise ConfigError([Problem("", key, what)]) from None
    return context
