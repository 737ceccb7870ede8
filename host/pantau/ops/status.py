"""bridge.sock: the running bridge says how it is, one JSON object (pantau.ops.snapshot) per connection, to its own user.

The bridge's side, five lines:

    status = StatusServer(config.bridge.data_dir / "bridge.sock", self, city=config.bridge.city, store=config.store_path)
    others.add(asyncio.create_task(status.run(), name="status"))      # until cancelled; the socket goes with it

where `self` has `figures()` and `problems()`, as for the page.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
import time
from typing import TYPE_CHECKING, Any, Protocol

from pantau.log import event
from pantau.ops import snapshot
from pantau.ops.figures import disk_figures
from pantau.ops.late import late_nodes
from pantau.ops.snapshot import Rates

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_log = logging.getLogger("pantau.status")
_LOOK_S = 5.0
_CALLERS = 8  # at a time; a person has one or two terminals open
_SEND_S = 5.0
MAX_ANSWER = 1 << 20
SOCKET = "bridge.sock"


class NotRunningError(Exception):
    """No bridge answers on the socket."""


class Source(Protocol):
    """What a snapshot is made of."""

    def figures(self) -> Mapping[str, float]:
        """Return plain numbers, named as in pantau.ops.figures."""

    def problems(self) -> Sequence[str]:
        """Return what is wrong now, each with what to do."""


class StatusServer:
    """Answers on a unix socket of mode 0600. Whoever connects gets one object and is let go."""

    def __init__(self, path: Path, source: Source, *, city: str, store: Path | None = None) -> None:
        """`store` is the city store that late nodes are read from, None to leave them out."""
        self._path, self._source, self._city, self._store = path, source, city, store
        self._rates = Rates()
        self._callers = 0

    async def run(self) -> None:
        """Serve until cancelled. A socket that cannot be made costs the view, never the bridge."""
        try:
            listener = _listen(self._path)
        except OSError as error:
            event(
                _log, logging.WARNING, "status.unavailable", socket=self._path, reason=error,
                meaning="pantau bridge status cannot ask; shorten data_dir or look at its mode",
            )  # fmt: skip
            await asyncio.Event().wait()
            return
        server = await asyncio.start_unix_server(self._answer, sock=listener)
        try:
            while True:
                self._rates.look(self._source.figures(), time.monotonic())
                await asyncio.sleep(_LOOK_S)
        finally:
            server.close()
            self._path.unlink(missing_ok=True)

    async def snapshot(self) -> dict[str, Any]:
        """Return the state now."""
        now_ms = time.time_ns() // 1_000_000
        figures = dict(self._source.figures())
        figures |= {name: value for name, value in disk_figures(self._path.parent).items() if name not in figures}
        found = None if self._store is None else await asyncio.to_thread(late_nodes, self._store, now_ms)
        if found is not None and not any(name.startswith("nodes{") for name in figures):
            figures |= {f'nodes{{state="{state}"}}': count for state, count in found[1].items()}
        return snapshot.build(
            figures,
            self._source.problems(),
            city=self._city,
            now_ms=now_ms,
            rates=self._rates.now(),
            late=None if found is None else found[0],
        )

    async def _answer(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._callers >= _CALLERS:
            writer.close()
            return
        self._callers += 1
        try:
            writer.write(json.dumps(await self.snapshot(), separators=(",", ":")).encode() + b"\n")
            async with asyncio.timeout(_SEND_S):
                await writer.drain()
        except (OSError, TimeoutError):
            writer.transport.abort()  # who does not read gets nothing
        finally:
            self._callers -= 1
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


def _listen(path: Path) -> socket.socket:
    """Return a listening socket that only our user can reach; one that a killed bridge left is replaced.

    Two bridges cannot meet here: whoever serves holds the lock of the data folder.
    """
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        os.chmod(path, 0o600)  # noqa: PTH101  before listen: nobody can connect yet
        listener.listen(_CALLERS)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener


def ask(path: Path, timeout_s: float = 5.0) -> dict[str, Any]:
    """Return the snapshot of the bridge that serves `path`. Raises NotRunningError with what to do."""
    data = bytearray()
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
            caller.settimeout(timeout_s)
            caller.connect(str(path))
            while (part := caller.recv(65_536)) and len(data) <= MAX_ANSWER:
                data += part
        if not data:
            raise NotRunningError(f"the bridge on {path.parent} stops, or answers too many others: ask again")
        answer = json.loads(data)
    except (FileNotFoundError, ConnectionRefusedError):
        raise NotRunningError(f"no bridge runs on {path.parent}: start it with `pantau bridge run`") from None
    except PermissionError:
        raise NotRunningError(f"{path} belongs to another user: ask as the user of the bridge, or as root") from None
    except TimeoutError:
        raise NotRunningError(
            f"the bridge on {path.parent} does not answer within {timeout_s:.0f} s: it hangs"
        ) from None
    except (OSError, ValueError) as error:
        raise NotRunningError(f"{path}: {error}; is it the socket of a bridge?") from None
    if not isinstance(answer, dict):
        raise NotRunningError(f"{path} gave something else than a bridge's state")
    return answer
