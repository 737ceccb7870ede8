"""No broker at all: a socket that answers CONNECT and SUBSCRIBE, then sends PUBLISH as fast as a window allows.

    python -m pantau_sim.ingestbench.fakebroker --connections C --messages M

prints {"port"}, takes C clients in, prints {"ready": true}, and starts at a line on its standard input. So a client shows its own
ceiling, without a broker that is slower than itself. MQTT 3.1.1; every four bytes that come back count as one PUBACK.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
import time

from pantau_sim.load import publisher
from pantau_sim.load.frames import Fleet, mqtt_packets
from pantau_wire import mqtt, mqtt_more
from pantau_wire.errors import WireError

WINDOW = 1000
_NODES = 1000
_PATIENCE_S = 30.0
_MAX_PACKET = 4096


def welcome(sock: socket.socket) -> None:
    """Answer until the client has subscribed. Raises OSError, WireError, or EOFError when it leaves."""
    sock.settimeout(_PATIENCE_S)
    reader = mqtt.Reader(_MAX_PACKET)
    while True:
        while (packet := reader.next()) is None:
            data = sock.recv(_MAX_PACKET)
            if not data:
                raise EOFError("a client left before it had subscribed")
            reader.feed(data)
        kind, _, body = packet
        if kind == mqtt_more.CONNECT:
            sock.sendall(mqtt_more.connack(False, 0))
        elif kind == mqtt_more.SUBSCRIBE:
            pid, filters = mqtt_more.parse_subscribe(body)
            sock.sendall(mqtt_more.suback(pid, [1] * len(filters)))
            return


def main() -> int:
    """Run the command; 0 when everything was acknowledged."""
    parser = argparse.ArgumentParser(prog="python -m pantau_sim.ingestbench.fakebroker", description=__doc__)
    parser.add_argument("--connections", type=int, default=1)
    parser.add_argument("--messages", type=int, required=True, help="over all connections")
    args = parser.parse_args()
    fleet = Fleet("bench", _NODES, 1)
    packets = mqtt_packets(fleet, args.messages, connections=args.connections, base_s=int(time.time()))
    with socket.create_server(("127.0.0.1", 0), backlog=args.connections) as server:
        server.settimeout(_PATIENCE_S)
        print(json.dumps({"port": server.getsockname()[1]}), flush=True)
        try:
            socks = [_accept(server) for _ in range(args.connections)]
            # Woken by every PUBACK (not `coarse`): a client that writes each alone would otherwise wait for us, not we for it.
            streams = [
                publisher.Stream(sock, each, WINDOW, coarse=False) for sock, each in zip(socks, packets, strict=True)
            ]
            print(json.dumps({"ready": True}), flush=True)
            sys.stdin.readline()
            publisher.run(streams, None)
        except (OSError, EOFError, WireError) as error:
            print(f"fake broker: {error}", file=sys.stderr)
            return 1
        except publisher.PublisherError:
            pass  # a client that has all may go before its last acknowledgements are read
    return 0 if all(stream.acked >= stream.total for stream in streams) else 1


def _accept(server: socket.socket) -> socket.socket:
    sock = server.accept()[0]
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    welcome(sock)
    sock.setblocking(False)
    return sock


if __name__ == "__main__":
    sys.exit(main())
