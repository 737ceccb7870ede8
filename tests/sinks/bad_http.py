"""A server that stands before the real one and misbehaves on demand: what HTTP targets and what is between do to clients.

Well-behaved it hands every request on. A `Fault` takes one request, or all of them while it is set, into its own hands.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_HOP = frozenset({"connection", "transfer-encoding", "content-length", "keep-alive", "host"})
_HANG_S = 20.0  # longer than every timeout in these tests; a released proxy ends it at once

Fault = Callable[["Exchange"], None]


class Exchange:
    """One request in the hands of a fault: answer it, hand it on, change it, or drop it."""

    def __init__(self, handler: _Handler, proxy: BadHttp, body: bytes) -> None:
        self._handler = handler
        self._proxy = proxy
        self.method: str = handler.command
        self.path: str = handler.path
        self.body = body
        self.headers = {name: value for name, value in handler.headers.items() if name.lower() not in _HOP}

    @property
    def writes(self) -> bool:
        return self.method in {"POST", "PATCH", "PUT", "DELETE"}

    def ask(self, body: bytes | None = None) -> tuple[int, dict[str, str], bytes]:
        """Return the real server's answer to this request, with another body where one is given."""
        connection = http.client.HTTPConnection("127.0.0.1", self._proxy.behind, timeout=_HANG_S)
        # The real server builds its links from our name or from its own; both reach it, the first one through us.
        headers = {**self.headers, "Host": f"127.0.0.1:{self._proxy.behind}"}
        try:
            connection.request(self.method, self.path, self.body if body is None else body, headers)
            answer = connection.getresponse()
            said = {name: value for name, value in answer.getheaders() if name.lower() not in _HOP}
            return answer.status, said, answer.read()
        except OSError:
            return 502, {"Content-Type": "text/html"}, b"<h1>502 Bad Gateway</h1>"
        finally:
            connection.close()

    def answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        """Answer in the server's place; what it links to itself comes through us."""
        real, ours = (f"127.0.0.1:{port}".encode() for port in (self._proxy.behind, self._proxy.port))
        headers = {name: value.replace(real.decode(), ours.decode()) for name, value in headers.items()}
        body = body.replace(real, ours)
        self.raw(status, headers, len(body), [body])

    def raw(self, status: int, headers: dict[str, str], length: int, pieces: Iterator[bytes] | list[bytes]) -> None:
        """Answer with so many bytes announced, whatever follows."""
        handler = self._handler
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        if status != 204:
            handler.send_header("Content-Length", str(length))
        handler.end_headers()
        for piece in pieces:
            if piece and status != 204:
                handler.wfile.write(piece)
                handler.wfile.flush()

    def hand_on(self) -> None:
        self.answer(*self.ask())

    def wait(self, seconds: float) -> bool:
        """Wait, but not beyond the proxy's good behaviour; return whether it still misbehaves."""
        return not self._proxy.released.wait(seconds)

    def drop(self) -> None:
        """Close the connection without a word."""
        self._handler.close_connection = True
        with contextlib.suppress(OSError):
            self._handler.connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # what we say in two pieces would wait 40 ms for the second
    server: _Server

    def _do(self) -> None:
        proxy = self.server.proxy
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        exchange = Exchange(self, proxy, body)
        fault = proxy.take(exchange)
        with contextlib.suppress(OSError):  # a client that had enough of us
            (fault or Exchange.hand_on)(exchange)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _do  # noqa: N815

    def log_message(self, *args: object) -> None:
        return


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    proxy: BadHttp

    def handle_error(self, request: object, client_address: object) -> None:
        return  # the client went away; what matters is what it makes of us


class BadHttp:
    """Listens on `port`, before the server on the port `behind`. `asked` counts the requests that came."""

    def __init__(self, behind: int) -> None:
        self.behind = behind
        self.asked = self.faults = 0
        self.released = threading.Event()
        self._fault: Fault | None = None
        self._when: Callable[[Exchange], bool] = lambda _: True
        self._left = 0
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.proxy = self
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="bad-http", daemon=True)
        self._thread.start()

    def misbehave(
        self, fault: Fault, times: int = 1_000_000, when: Callable[[Exchange], bool] = lambda _: True
    ) -> None:
        """Give the next so many requests that fit `when` to `fault`."""
        with self._lock:
            self._fault, self._left, self._when, self.faults = fault, times, when, 0
            self.released.clear()

    def behave(self) -> None:
        """Be the real server again; requests that hang are dropped."""
        with self._lock:
            self._fault = None
        self.released.set()

    def take(self, exchange: Exchange) -> Fault | None:
        with self._lock:
            self.asked += 1
            if self._fault is None or not self._left or not self._when(exchange):
                return None
            self._left -= 1
            self.faults += 1
            return self._fault

    def close(self) -> None:
        self.behave()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


# ---- what servers, and what is between, do


_PAGE = b"<!DOCTYPE html><html><title>Welcome to the hotel</title><form action=login></form></html>"


def page(status: int) -> Fault:
    """Whoever stands between answers with a page of its own: a captive portal, a proxy, a parked domain."""
    return lambda exchange: exchange.answer(status, {"Content-Type": "text/html"}, _PAGE)


def login(exchange: Exchange) -> None:
    exchange.answer(302, {"Location": "https://login.example/?next=/"}, b"")


def unauthorized(exchange: Exchange) -> None:
    exchange.answer(401, {"WWW-Authenticate": "Bearer"}, b'{"message":"who are you?"}')


def forbidden(exchange: Exchange) -> None:
    exchange.answer(403, {}, b"no")


def too_many(exchange: Exchange) -> None:
    exchange.answer(429, {"Retry-After": "17"}, b"slow down")


def unavailable(exchange: Exchange) -> None:
    exchange.answer(503, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, b"maintenance")


def broken(exchange: Exchange) -> None:
    exchange.answer(500, {"Content-Type": "text/plain"}, b"Internal Server Error: NullPointerException")


def hang(exchange: Exchange) -> None:
    """Take the request and never answer."""
    exchange.wait(_HANG_S)
    exchange.drop()


def vanish(exchange: Exchange) -> None:
    """Take the request, close the connection."""
    exchange.drop()


def done_and_silent(exchange: Exchange) -> None:
    """Do what was asked, and lose the answer."""
    exchange.ask()
    exchange.drop()


def done_and_500(exchange: Exchange) -> None:
    """Do what was asked, and answer that it failed."""
    exchange.ask()
    broken(exchange)


def cut_short(exchange: Exchange) -> None:
    """Do what was asked, and break off within the answer."""
    status, headers, body = exchange.ask()
    if body:
        exchange.raw(status, headers, len(body) + 10, [body[: len(body) // 2]])
    exchange.drop()


def drip(exchange: Exchange) -> None:
    """Do what was asked, and answer a byte at a time: each of them in time, all of them never."""
    status, headers, body = exchange.ask()
    body += b" " * 10_000
    status = 200 if status == 204 else status
    exchange.raw(status, headers, len(body), (body[at : at + 1] for at in range(len(body)) if exchange.wait(0.05)))
    exchange.drop()


def endless(exchange: Exchange) -> None:
    """Answer with 100 MB."""
    piece = b"[" * (1 << 20)
    exchange.raw(200, {"Content-Type": "application/json"}, 100 << 20, (piece for _ in range(100)))


def nonsense(exchange: Exchange) -> None:
    """JSON, and not what anybody asked for."""
    exchange.answer(200, {"Content-Type": "application/json"}, json.dumps([None, {"a": 1}, "error", 7]).encode())


def at_most(size: int) -> Fault:
    """Refuse larger requests, as a proxy before the server does."""

    def fault(exchange: Exchange) -> None:
        if len(exchange.body) > size:
            page(413)(exchange)
        else:
            exchange.hand_on()

    return fault


def half(split: Callable[[bytes], bytes | None]) -> Fault:
    """Let the real server take what `split` leaves of a batch, and answer 500."""

    def fault(exchange: Exchange) -> None:
        first = split(exchange.body)
        if first is not None:
            exchange.ask(first)
        broken(exchange)

    return fault


def half_of_json(body: bytes) -> bytes | None:
    """Return the first half of a JSON array, or of each dataArray within: None when there is nothing to halve."""
    try:
        whole: Any = json.loads(body)
    except ValueError:
        return None
    if not isinstance(whole, list) or not whole:
        return None
    if len(whole) > 1:
        return json.dumps(whole[: len(whole) // 2]).encode()
    rows = whole[0].get("dataArray") if isinstance(whole[0], dict) else None
    if not rows or len(rows) < 2:
        return None
    few = rows[: len(rows) // 2]
    return json.dumps([{**whole[0], "dataArray": few, "dataArray@iot.count": len(few)}]).encode()


def half_of_lines(body: bytes) -> bytes | None:
    lines = body.splitlines(keepends=True)
    return b"".join(lines[: len(lines) // 2]) if len(lines) > 1 else None
