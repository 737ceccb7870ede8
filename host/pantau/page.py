"""The page's server: uvicorn in our own loop, its socket bound before anything else, so that a taken port has a name."""

from __future__ import annotations

import contextlib
import errno
import socket
import sqlite3
from typing import TYPE_CHECKING

import uvicorn

from pantau.access.store import FILE, AccessStore
from pantau.ops.migrate import StoreError
from pantau.problems import ConfigError, Problem
from pantau.web.app import create_app

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pantau.alerts.store import AlertStore
    from pantau.config import Config
    from pantau.registry import Registry
    from pantau.web.parts import Status, Store

_STOP_S = 2.0


class PortTakenError(RuntimeError):
    """Something else listens where the page should; the text says where and what to do."""


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the bridge: it has more to stop than the page."""
        yield


class Page:
    """The page of one bridge. Raises PortTakenError or ConfigError when its address cannot be had."""

    def __init__(
        self,
        config: Config,
        store: Store,
        status: Status,
        registry: Callable[[], Registry],
        alerts: AlertStore | None = None,
    ) -> None:
        web = config.web
        self._access = _people(config.bridge.data_dir / FILE)
        try:
            self._listener = _listen(web.listen, web.address)
        except BaseException:
            self._access.close()
            raise
        app = create_app(
            store,
            status,
            public_read=web.public_read,
            city=config.bridge.city,
            title=web.title,
            registry=registry,
            licence=web.licence,
            alert_store=alerts,
            access=self._access,
            basemap=web.basemap,
            cap=config.cap,
            public_url=web.public_url or "",
            open_metrics=web.metrics == "open",
        )
        self._end_streams = app.state.hub.close
        settings = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            ws="none",
            log_config=None,
            timeout_graceful_shutdown=int(_STOP_S),
            ssl_certfile=web.certificate,
            ssl_keyfile=web.private_key,
            proxy_headers=bool(web.trusted_proxies),
            forwarded_allow_ips=web.trusted_proxies,
        )
        self._server = _Server(settings)

    async def run(self) -> None:
        """Serve until `stop`."""
        try:
            await self._server.serve([self._listener])
        finally:
            self._access.close()

    def stop(self) -> None:
        """End the live streams, and the server once what it answers is answered."""
        self._server.should_exit = True
        self._end_streams()


def _people(path: Path) -> AccessStore:
    try:
        return AccessStore(path)
    except (OSError, sqlite3.Error, StoreError) as error:
        said = f"{path} cannot be used ({error}); look at the disk and the file's owner, or take it back from a backup"
        raise ConfigError([Problem("", "bridge.data_dir", said)]) from None


def _listen(named: str, address: tuple[str, int]) -> socket.socket:
    try:
        return socket.create_server(address, family=socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
    except (OSError, UnicodeError) as error:  # a name with a label that is too long is a UnicodeError
        why = getattr(error, "strerror", None) or error
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            raise PortTakenError(
                f"web.listen: {named} is taken; stop what listens there or choose another port"
            ) from None
        raise ConfigError([Problem("", "web.listen", f"{named} cannot be used ({why}); correct it")]) from None
