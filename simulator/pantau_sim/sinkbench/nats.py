"""The reference of the NATS sink: the Python client, publishing messages that were prepared beforehand into another stream."""

from __future__ import annotations

import asyncio
import itertools
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pantau.sinks import _nats_text as text
from pantau.sinks import nats as sink
from pantau_sim.servers import nats as servers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pantau.decode import Decoded
    from pantau.sinks import Context, Sink
    from pantau.sinks._nats_text import Message
    from pantau_sim.servers.nats import Server

REFERENCE = "nats-py publish_async of prepared messages"
_RUNS = itertools.count(1)


@contextmanager
def serve(folder: Path) -> Iterator[Server]:
    """Run nats-server with JetStream."""
    with servers.running(folder / "nats") as server:
        yield server


def open(server: Server, context: Context) -> Sink:  # noqa: A001  the name that every bench of a sink has
    """Return the sink on that server."""
    return sink.open_sink(_table(server), context)


def reference(server: Server, batches: Sequence[Sequence[Decoded]], folder: Path) -> float:  # noqa: ARG001
    """Return the seconds from the first message to the last receipt, with as many on their way as the sink has."""
    run = next(_RUNS)
    subjects = text.Subjects(f"reference{run}", "bench")
    prepared = [
        message for batch in batches for decoded in batch for message in text.messages(decoded, decoded.id, subjects)
    ]
    return asyncio.run(_publish(server, f"REFERENCE{run}", subjects, prepared))


async def _publish(server: Server, stream: str, subjects: text.Subjects, prepared: Sequence[Message]) -> float:
    import nats

    table = _table(server)
    said = [(m.subject, text.write(m).payload, text.headers("bench", m, 0)) for m in prepared]
    client = await nats.connect(server.url)
    try:
        js = client.jetstream(publish_async_max_pending=table.in_flight)
        await js.add_stream(name=stream, subjects=subjects.all(), duplicate_window=table.duplicate_window_s)
        began = time.perf_counter()
        receipts = [await js.publish_async(subject, payload, headers=headers) for subject, payload, headers in said]
        await js.publish_async_completed()
        took = time.perf_counter() - began
        for receipt in receipts:
            receipt.result()
        await js.delete_stream(stream)
    finally:
        await client.close()
    return took


def _table(server: Server) -> sink.NatsTable:
    return sink.NatsTable(servers=[server.url], lab_plain=True)
