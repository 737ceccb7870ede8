"""UDP of the simulated nodes to actors on the host, in virtual time: delayed by the link, lost while it is down, never held."""

import struct
from collections.abc import Callable, Iterable

Answer = Callable[[bytes, int], Iterable[tuple[int, bytes]]]


class Datagrams:
    """Who answers what. later(action, from_us) does something after the link's latency."""

    def __init__(self, later: Callable[[Callable[[], None], int], None], now_us: Callable[[], int]) -> None:
        self.lost = 0
        self._later = later
        self._now_us = now_us
        self._services: dict[tuple[str, int], Answer] = {}

    def serve(self, host: str, port: int, answer: Answer) -> None:
        """Let answer(data, Unix us of the arrival) -> (us until it leaves, bytes) pairs reply to what is sent to host:port."""
        self._services[host, port] = answer

    def send(self, body: bytes, t_us: int, link_up: Callable[[], bool], deliver: Callable[[bytes], None]) -> None:
        """What a node sent at t_us: u16 port, u8 length of the host's name, name, data. Nobody there: silence, as on a network."""
        port, size = struct.unpack_from("<HB", body)
        host, data = body[3 : 3 + size].decode(), body[3 + size :]

        def back(reply: bytes) -> None:
            if link_up():
                deliver(reply)
            else:
                self.lost += 1

        def there() -> None:
            answer = self._services.get((host, port))
            if answer is None or not link_up():
                self.lost += 1
                return
            now_us = self._now_us()
            for delay_us, reply in answer(data, now_us):
                self._later(lambda reply=reply: back(reply), now_us + delay_us)  # type: ignore[misc]

        if link_up():
            self._later(there, t_us)
        else:
            self.lost += 1
