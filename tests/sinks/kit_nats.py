"""The NATS sink on a real nats-server. What a consumer of the city makes of the messages is played here.

The stream's duplicate window is as short as the server allows: what is delivered again, the sink itself must know.
"""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import nats
import nats.errors
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import NotFoundError

from pantau.sinks import Context, Sink
from pantau.sinks.nats import NatsTable, open_sink
from pantau_sim.servers import nats as server
from sinks.kit import CITY, LOG, Row, registry

STREAM = "PANTAU_OBSERVATIONS"
_PATIENCE_S = 20.0


class Told(NamedTuple):
    """One message of the stream."""

    subject: str
    headers: dict[str, str]
    said: dict[str, Any]


class Kit:
    name = "nats"
    keyed_by = "identity"
    holds_null = True
    holds_undated = True
    takes_revisions = True
    can_lose = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stack = ExitStack()
        self.server = self._stack.enter_context(server.running(folder / "nats"))

    def settings(self, **given: Any) -> NatsTable:
        told = {"servers": [self.server.url], "lab_plain": True, "timeout_s": 1.5, "duplicate_window_s": 0.1}
        return NatsTable(**(told | given))

    def open(self, folder: Path | None = None, log: str = LOG, **given: Any) -> Sink:
        return open_sink(self.settings(**given), Context(CITY, log, folder or self.folder / "sink", registry()))

    def rows(self) -> list[Row]:
        """What a consumer knows after reading the stream from its beginning.

        A date takes the place of none; any other message about a frame that it knows is a second row.
        """
        rows: dict[tuple[Any, ...], list[Row]] = {}
        for one in self.messages():
            if ".obs." in one.subject:
                for row in observed(one.said):
                    known = rows.setdefault(row[:5], [])
                    if known and row.observed_at_ms is not None and known[-1].observed_at_ms is None:
                        known[-1] = row
                    else:
                        known.append(row)
            for told in one.said.get("revisions", ()):
                key = (one.said["node"], told["boot"], told["seq"], told["index"], told["property"])
                for at, row in enumerate(rows.get(key, ())):
                    at_ms = row.observed_at_ms if told["observed_at"] is None else told["observed_at"]
                    rows[key][at] = row._replace(quality=told["quality"], observed_at_ms=at_ms)
        return [row for known in rows.values() for row in known]

    def messages(self, stream: str = STREAM) -> list[Told]:
        return asyncio.run(messages_at(self.server.url, stream))

    def ask(self, what: Any) -> Any:
        """Return what `what`, an async function of a JetStream context, returns."""

        async def run() -> Any:
            client = await nats.connect(self.server.url)
            try:
                return await what(client.jetstream())
            finally:
                await client.close()

        return asyncio.run(run())

    def stop(self) -> None:
        self.server.stop()

    def start(self) -> None:
        self.server.start()

    def lose(self) -> None:
        self.ask(lambda js: js.delete_stream(STREAM))

    def close(self) -> None:
        self._stack.close()


def observed(said: dict[str, Any]) -> list[Row]:
    """Return the observations of one message."""
    head = (said["node"], said["boot"], said["seq"])
    rows = []
    for name, column in said["properties"].items():
        flags = {flag[0]: flag[1] for flag in column.get("flags", ())}
        indexes, times = column.get("index", said["index"]), column.get("observed_at", said["observed_at"])
        for index, value, at_ms in zip(indexes, column["values"], times, strict=True):
            rows.append(Row(*head, index, name, value, at_ms, flags.get(index, 1)))
    return rows


async def messages_at(url: str, stream: str = STREAM) -> list[Told]:
    """Return all that a stream holds. A cluster that is choosing a leader is asked again."""
    until = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return await _messages_at(url, stream)
        except nats.errors.Error:
            if time.monotonic() > until:
                raise


async def _messages_at(url: str, stream: str) -> list[Told]:
    client = await nats.connect(url)
    try:
        js = client.jetstream()
        try:
            left = (await js.stream_info(stream)).state.messages
        except NotFoundError:
            return []
        config = ConsumerConfig(deliver_policy=DeliverPolicy.ALL, ack_policy=AckPolicy.NONE)
        consumer = await js.pull_subscribe("", stream=stream, config=config)
        out: list[Told] = []
        while len(out) < left:
            some = await consumer.fetch(500, timeout=5)
            out += [Told(one.subject, dict(one.headers or {}), json.loads(one.data)) for one in some]
        return out
    finally:
        await client.close()
