"""A plain TCP proxy before a server: it hands on, or swallows, cuts, drips, or answers as somebody else."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import Literal

_PIECE = 1 << 16
_DRIP_S = 0.4  # four bytes, the least that any of these servers answers, take longer than the sinks wait
_PAGE = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nno"

Mode = Literal["well", "swallow", "mute", "refuse", "drip", "page"]


class BadTcp:
    """Listens on `port`, before the server on the port `behind`.

    swallow: takes everything and says nothing, as a machine that vanished. mute: hands on what the client says, and keeps the
    answers. refuse: closes what comes. drip: hands the answers on a byte at a time. page: answers as a web server.
    """

    def __init__(self, behind: int) -> None:
        self.behind = behind
        self.mode: Mode = "well"
        self._left: int | None = None  # bytes that the client may still say before it is cut off
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, name="bad-tcp", daemon=True).start()

    def behave(self, mode: Mode = "well", *, cut_after: int | None = None) -> None:
        """Behave so from now on, towards open connections too; well again, those that were kept waiting are closed."""
        spoilt = self.mode != "well"
        self.mode, self._left = mode, cut_after
        if mode == "refuse" or (mode == "well" and spoilt):
            self.cut()

    def cut(self) -> None:
        """Close every connection, to both sides."""
        with self._lock:
            doomed, self._open = self._open, set()
        for one in doomed:
            _shut(one)

    def close(self) -> None:
        self._closed.set()
        _shut(self._listener)
        self.cut()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client = self._listener.accept()[0]
                if self.mode == "refuse":
                    client.close()
                elif self.mode == "page":
                    threading.Thread(target=_page, args=(client,), daemon=True).start()
                else:
                    self._join(client)

    def _join(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self.behind))
        except OSError:
            client.close()
            return
        with self._lock:
            self._open |= {client, server}
        for part in ((client, server, True), (server, client, False)):
            threading.Thread(target=self._pump, args=part, daemon=True).start()

    def _pump(self, source: socket.socket, to: socket.socket, up: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(_PIECE):
                if up and self._left is not None:
                    data, self._left = data[: self._left], max(0, self._left - len(data))
                    if not self._left:
                        to.sendall(data)
                        break
                if self.mode == "swallow" or (self.mode == "mute" and not up):
                    continue
                if self.mode == "drip" and not up:
                    self._drip(data, to)
                else:
                    to.sendall(data)
        _shut(source)
        _shut(to)

    def _drip(self, data: bytes, to: socket.socket) -> None:
        for at in range(len(data)):
            if self.mode != "drip":
                break
            to.sendall(data[at : at + 1])
            time.sleep(_DRIP_S)


def _page(client: socket.socket) -> None:
    with contextlib.suppress(OSError):
        client.recv(_PIECE)
        client.sendall(_PAGE)
    client.close()


def _shut(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
