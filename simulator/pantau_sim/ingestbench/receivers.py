"""One MQTT client as a process: it subscribes, receives a number of QoS 1 messages, acknowledges each, and says so.

    python -m pantau_sim.ingestbench.receivers NAME --port P --messages M

prints {"ready": true} when subscribed, and {"cpu_us": for all messages} with the last message. Each does with a message what
costs least: it counts it, and its bytes. Nothing is stored. Ours acknowledges when a chunk has come, paho in its callback. The
two others acknowledge by themselves: gmqtt before it calls us, aiomqtt when the message is in its queue.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import sys
import time
from typing import TYPE_CHECKING, Any

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from pantau.sources import Inbox
from pantau.sources.dialect import Login, Mqtt311
from pantau.sources.session import Session
from pantau_sim.ingestbench.rig import CITY
from pantau_wire import topics

if TYPE_CHECKING:
    from collections.abc import Callable

    from pantau.sources import Chunk

_HOST = "127.0.0.1"
_ALL = f"pantau/v1/{CITY}/+/+/up"
_KEEPALIVE_S = 600  # longer than a round: a ping would stand among the acknowledgements that the fake broker counts


class Count:
    """Counts to the last message, and says what the CPU did from `ready` on."""

    def __init__(self, goal: int) -> None:
        self._left = goal
        self._size = 0
        self._before_ns = 0

    def ready(self) -> None:
        """Say that messages may come."""
        print(json.dumps({"ready": True}), flush=True)
        self._before_ns = time.process_time_ns()

    def add(self, messages: int, size: int) -> bool:
        """Count; return whether these were the last."""
        self._left -= messages
        self._size += size
        if self._left > 0:
            return False
        print(
            json.dumps({"cpu_us": (time.process_time_ns() - self._before_ns) / 1000, "bytes": self._size}), flush=True
        )
        return True


class _Confirmed(Inbox):
    """Takes what our session hands over, and confirms it at once: the client alone, without a log behind it."""

    def __init__(self, count: Count) -> None:
        super().__init__()
        self._count = count
        self.done = asyncio.Event()

    def put(self, chunk: Chunk) -> None:
        chunk.channel.confirm(chunk.pids)
        if self._count.add(len(chunk.payloads), chunk.size):
            self.done.set()


async def _ours(port: int, count: Count, connections: int) -> None:
    """Receive with the bridge's own session, over one connection or one for each partition."""
    loop, inbox = asyncio.get_running_loop(), _Confirmed(count)
    sessions = []
    for number in range(connections):
        partition: int | str = "+" if connections == 1 else number
        filters = [(f"pantau/v1/{CITY}/{partition}/+/up", 1)]
        login = Login(f"ours-{number}", keepalive_s=_KEEPALIVE_S, keep=False)
        session = Session(Mqtt311(), login, filters, inbox)
        await loop.create_connection(lambda made=session: made, _HOST, port)  # type: ignore[misc]
        await session.ready
        sessions.append(session)
    count.ready()
    await inbox.done.wait()
    for session in sessions:
        session.leave()


def _paho(port: int, count: Count) -> None:
    client = paho.Client(CallbackAPIVersion.VERSION2, "paho", clean_session=True, manual_ack=True)

    def on_message(_client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        client.ack(message.mid, message.qos)
        if count.add(1, len(message.payload)):
            client.disconnect()

    def on_connect(*_: object) -> None:
        client.subscribe(_ALL, 1)

    client.on_connect = on_connect
    client.on_subscribe = lambda *_: count.ready()
    client.on_message = on_message
    client.connect(_HOST, port, _KEEPALIVE_S)
    client.loop_forever()


async def _gmqtt(port: int, count: Count) -> None:
    gmqtt: Any = importlib.import_module("gmqtt")
    client = gmqtt.Client("gmqtt", clean_session=True)
    done, subscribed = asyncio.Event(), asyncio.Event()

    def on_message(_client: Any, _topic: str, payload: bytes, _qos: int, _properties: Any) -> int:
        if count.add(1, len(payload)):
            done.set()
        return 0

    client.on_message = on_message
    client.on_subscribe = lambda *_: subscribed.set()
    await client.connect(_HOST, port, version=gmqtt.constants.MQTTv311, keepalive=_KEEPALIVE_S)
    client.subscribe(_ALL, qos=1)
    await subscribed.wait()
    count.ready()
    await done.wait()
    await client.disconnect()


async def _aiomqtt(port: int, count: Count) -> None:
    aiomqtt: Any = importlib.import_module("aiomqtt")
    async with aiomqtt.Client(_HOST, port, identifier="aiomqtt", keepalive=_KEEPALIVE_S) as client:
        await client.subscribe(_ALL, 1)
        count.ready()
        async for message in client.messages:
            if count.add(1, len(message.payload)):
                return


RECEIVERS: dict[str, Callable[[int, Count], None]] = {
    "ours, 1 connection": lambda port, count: asyncio.run(_ours(port, count, 1)),
    f"ours, {topics.PARTITIONS} connections": lambda port, count: asyncio.run(_ours(port, count, topics.PARTITIONS)),
    "paho": _paho,
    "gmqtt": lambda port, count: asyncio.run(_gmqtt(port, count)),
    "aiomqtt": lambda port, count: asyncio.run(_aiomqtt(port, count)),
}


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m pantau_sim.ingestbench.receivers", description=__doc__)
    parser.add_argument("name", choices=RECEIVERS)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--messages", type=int, required=True)
    args = parser.parse_args()
    RECEIVERS[args.name](args.port, Count(args.messages))
    return 0


if __name__ == "__main__":
    sys.exit(main())
