"""The reference of the MQTT JSON sink: mosquitto_pub at QoS 1, fed with the lines of the same messages."""

from __future__ import annotations

import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pantau.sinks import _mqtt_text as text
from pantau.sinks import mqtt as sink
from pantau_sim.servers import mosquitto

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pantau.decode import Decoded
    from pantau.sinks import Context, Sink
    from pantau_sim.servers.mosquitto import Server

REFERENCE = "mosquitto_pub -q 1 -l of prepared messages"
_LONGEST_S = 600


@contextmanager
def serve(folder: Path) -> Iterator[Server]:
    """Run Mosquitto. Nobody subscribes: what a platform does with the messages is not measured."""
    mosquitto.find("mosquitto_pub")
    with mosquitto.running(folder / "mosquitto") as server:
        yield server


def open(server: Server, context: Context) -> Sink:  # noqa: A001  the name that every bench of a sink has
    """Return the sink on that broker."""
    return sink.open_sink(_table(server), context)


def reference(server: Server, batches: Sequence[Sequence[Decoded]], folder: Path) -> float:
    """Return the seconds from the tool's start to its end: it leaves when it has all receipts."""
    table = _table(server)
    lines = folder / "lines"
    with lines.open("wb") as out:
        for batch in batches:
            told = text.telemetry(batch, table.device, "bench")
            out.writelines(payload + b"\n" for payload in text.messages(told.series, table.max_bytes - 64))
    words = (
        mosquitto.find("mosquitto_pub"),
        "-h",
        server.host,
        "-p",
        str(server.port),
        "-q",
        "1",
        "-t",
        table.topic,
        "-l",
    )
    with lines.open("rb") as fed:
        began = time.perf_counter()
        subprocess.run(words, stdin=fed, check=True, timeout=_LONGEST_S)
        return time.perf_counter() - began


def _table(server: Server) -> sink.MqttJsonTable:
    return sink.MqttJsonTable(host=server.host, port=server.port, tls=False, lab_plain=True)
