"""A publisher process for benchmarks: QoS 1 over raw sockets, a fixed window per connection, as little CPU as Python can.

    python -m pantau_sim.load.publisher --host H --port P --nodes N --frames M [--connections 16 --window 200 ...]

prints one JSON line, {"sent", "acked", "seconds"}. Frames are made and connections stand before the clock starts. With
--gate it first prints {"ready": true} and starts at a line on its standard input, so that the caller can have everything
else in place. Packets lie end to end in memory and leave as slices; acknowledgements are counted by their bytes.
"""

from __future__ import annotations

import argparse
import json
import select
import socket
import sys
import time
from typing import TYPE_CHECKING

from pantau_sim.load import bodies
from pantau_sim.load.frames import Fleet, Packets, mqtt_packets
from pantau_wire import mqtt

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_PUBACK = 4  # bytes; on such a connection nothing else comes
_PATIENCE_S = 30.0  # without any acknowledgement, after which the rest is given up and said
_PIECE = 262_144  # bytes of acknowledgements read at once
_TICK_S = 0.002  # of pacing: what a rate allows leaves in steps of this


class PublisherError(Exception):
    """The broker refused or left; the text says which and what to do."""


class Stream:
    """One connection: packets that wait, the window, and what was acknowledged."""

    def __init__(self, sock: socket.socket, packets: Packets, window: int, *, coarse: bool) -> None:
        self.sock = sock
        self._data = memoryview(packets.data)
        self._ends = packets.ends
        self._window = window
        self.total = len(packets.ends)
        self.sent = 0  # packets handed to the kernel, the last perhaps in part
        self._acked_bytes = 0
        self._at = 0  # bytes sent
        # Brokers write every PUBACK alone. To be woken for each costs more than all the rest: a quarter of the window will do.
        if coarse:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, max(1, window // 4) * _PUBACK)

    @property
    def acked(self) -> int:
        """Return how many were acknowledged."""
        return self._acked_bytes // _PUBACK

    def push(self, allowed: int) -> bool:
        """Send what window and `allowed` (packets in all so far) permit; return whether the kernel had no room."""
        upto = min(self.total, self.acked + self._window, allowed)
        self.sent = max(self.sent, upto)
        if self.sent == self.total:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
        end = self._ends[self.sent - 1] if self.sent else 0
        while self._at < end:
            try:
                self._at += self.sock.send(self._data[self._at : end])
            except BlockingIOError:
                return True
        return False

    def pull(self) -> None:
        """Count the acknowledgements that have come. Raises PublisherError when the broker closes."""
        try:
            data = self.sock.recv(_PIECE)
        except BlockingIOError:
            return
        if not data:
            raise PublisherError("the broker closed a connection: look at its log and limits")
        self._acked_bytes += len(data)


def connect(host: str, port: int, client: str, user: str | None, password: str | None) -> socket.socket:
    """Return a non-blocking socket with an MQTT session of its own. Raises OSError or PublisherError."""
    sock = socket.create_connection((host, port), timeout=_PATIENCE_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.sendall(mqtt.connect(client, user, password, keepalive=0, clean=True))
    answer = b""
    while len(answer) < 4:
        more = sock.recv(4 - len(answer))
        if not more:
            raise PublisherError("the broker closed the connection before it answered")
        answer += more
    if answer[0] >> 4 != mqtt.CONNACK or answer[3]:
        raise PublisherError(f"the broker refused the connection (code {answer[3]}): check user and password")
    sock.setblocking(False)
    return sock


def run(streams: Sequence[Stream], rate: float | None, now: Callable[[], float] = time.perf_counter) -> float:
    """Send all packets of all streams and wait for their acknowledgements; return the seconds that took.

    `rate`: packets a second over all streams; None is as fast as the windows allow. Ends early, with what was reached, when
    nothing is acknowledged for 30 s.
    """
    poller = select.epoll()
    by_handle = {stream.sock.fileno(): stream for stream in streams}
    for handle in by_handle:
        poller.register(handle, select.EPOLLIN)
    started = heard = now()
    total = sum(stream.total for stream in streams)
    blocked: set[int] = set()
    acked = 0
    due: list[Stream] = list(streams)
    while acked < total and now() - heard < _PATIENCE_S:
        share = None if rate is None else rate * (now() - started) / total
        for stream in due:
            allowed = stream.total if share is None else min(stream.total, int(share * stream.total) + 1)
            full = stream.push(allowed)
            handle = stream.sock.fileno()
            if full != (handle in blocked):
                (blocked.add if full else blocked.discard)(handle)
                poller.modify(handle, select.EPOLLIN | select.EPOLLOUT if full else select.EPOLLIN)
        events = poller.poll(1.0 if rate is None else _TICK_S)
        for handle, what in events:
            if what & ~select.EPOLLOUT:
                by_handle[handle].pull()
        due = [by_handle[handle] for handle, _ in events] if rate is None else list(streams)
        if events:
            before, acked = acked, sum(stream.acked for stream in streams)
            heard = now() if acked != before else heard
    poller.close()
    return now() - started


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m pantau_sim.load.publisher", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--user")
    parser.add_argument("--password")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--window", type=int, default=200, help="unacknowledged packets per connection, below 65,535")
    parser.add_argument("--city", default="tng")
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--frames", type=int, required=True, help="over all nodes, which take turns")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--boot", type=int, default=1, help="another one for each run on the same bridge")
    parser.add_argument("--first-seq", type=int, default=1)
    parser.add_argument("--rate", type=float, help="frames a second; without it as fast as the windows allow")
    parser.add_argument("--gate", action="store_true", help="print a line when ready, start at a line on stdin")
    args = parser.parse_args(words)
    if not 0 < args.window < 65_535:
        parser.error("--window: 1 to 65,534, as packet ids have 16 bits")
    return args


def main(words: Sequence[str] | None = None) -> int:
    """Run the command; 0 when all was acknowledged."""
    args = _arguments(words)
    fleet = Fleet(args.city, args.nodes, args.seed)
    laps = -(-args.frames // args.nodes)
    base_s = int(time.time()) - laps * bodies.RECORDS * bodies.INTERVAL_S  # the last record is of about now
    connections = max(1, min(args.connections, args.nodes, args.frames))
    packets = mqtt_packets(
        fleet, args.frames, connections=connections, boot=args.boot, first_seq=args.first_seq, base_s=base_s
    )
    del fleet
    try:
        streams = [
            Stream(
                connect(args.host, args.port, f"load-{args.boot}-{n}", args.user, args.password),
                each,
                args.window,
                coarse=args.rate is None,
            )
            for n, each in enumerate(packets)
        ]
        if args.gate:
            print(json.dumps({"ready": True}), flush=True)
            sys.stdin.readline()
        seconds = run(streams, args.rate)
    except (OSError, PublisherError) as error:
        print(f"{args.host}:{args.port}: {error}", file=sys.stderr)
        return 1
    for stream in streams:
        stream.sock.close()
    result = {"sent": sum(s.sent for s in streams), "acked": sum(s.acked for s in streams), "seconds": seconds}
    print(json.dumps(result), flush=True)
    return 0 if result["acked"] == args.frames else 1


if __name__ == "__main__":
    sys.exit(main())
