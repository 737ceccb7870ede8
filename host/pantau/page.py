"""The page's server: uvicorn in our own loop, its socket bound before anything else, so that a taken port has a name."""

from __future__ import annotations

import contextlib
import errno
import socket
from typing import TYPE_CHECKING

import uvicorn

from pantau.access.store import FILE, AccessStore
from pantau.problems import ConfigError, Problem
from pantau.web.app import create_app

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
        self._listener = _listen(web.listen, web.address)
        app = create_app(
            store,
            status,
            public_read=web.public_read,
            city=config.bridge.city,
            title=web.title,
            registry=registry,
            licence=web.licence,
            alert_store=alerts,
            access=AccessStore(config.bridge.data_dir / FILE),
            basemap=web.basemap,
            cap=config.cap,
            public_url=web.public_url or "",
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
        await self._server.serve([self._listener])

    def stop(self) -> None:
        """End the live streams, and the server once what it answers is answered."""
        self._server.should_exit = True
        self._end_streams()


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
