"""Between a SensorThings client and its server: counts requests, and loses answers that the server has given."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Proxy:
    """Relays to a server's port; `lose` says of a request whether its answer is dropped once the server has given it."""

    def __init__(self, port: int, path: str) -> None:
        self.asked: list[str] = []
        self.lose: Callable[[str], bool] = lambda _: False
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def relay(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                request = f"{self.command} {self.path}"
                outer.asked.append(request)
                upstream = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
                upstream.request(self.command, self.path, body, {"Content-Type": "application/json"})
                answer = upstream.getresponse()
                told = answer.read()
                upstream.close()
                if outer.lose(request):
                    self.close_connection = True
                    return
                self.send_response(answer.status)
                for name in ("Content-Type", "Location"):
                    if value := answer.headers.get(name):
                        self.send_header(name, value)
                if answer.status != 204:
                    self.send_header("Content-Length", str(len(told)))
                self.end_headers()
                self.wfile.write(told)

            do_GET = do_POST = do_PATCH = do_DELETE = relay  # noqa: N815  the base class asks for these names

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}{path}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def count(self, method: str, part: str) -> int:
        """Return how many requests of this kind were made."""
        return sum(request.startswith(method) and part in request for request in self.asked)

    def lose_next(self, method: str, part: str) -> None:
        """Lose the answer to the next request of this kind."""
        left = [1]

        def lose(request: str) -> bool:
            if left and request.startswith(method) and part in request:
                left.pop()
                return True
            return False

        self.lose = lose

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
