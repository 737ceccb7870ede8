"""JSON over MQTT, in the form of a ThingsBoard gateway; by its settings also for consumers of any broker.

One message carries readings of many devices. A receipt says that the broker has the message, nothing about what becomes of it:
the target overwrites by device, key and time, so whatever is in doubt is sent again. It cannot be asked what it holds.
"""

from __future__ import annotations

import time
import zlib
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from pantau.settings import FilePath, Port, Secured
from pantau.sinks import Verdict
from pantau.sinks import _mqtt_text as text
from pantau.sinks._json import dumps
from pantau.sinks._mqtt_link import Link
from pantau.sinks.about import About
from pantau.sinks.items import TargetTrouble, retry

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Self

    from pantau.decode import Decoded
    from pantau.registry import Registry
    from pantau.sinks import Context, Sink

ABOUT = About(
    title="MQTT JSON, as a ThingsBoard gateway",
    key="time",
    late="telemetry like any other, with its own `ts`",
    undated="skipped until the date is known",
    missing="not sent",
    revisions="`<property>_quality` at the same `ts`; the value stays",
    receipt="PUBACK of the broker",
)
_PUBLISH = 4  # bytes of a PUBLISH beside topic and payload that a server counts: length of the topic, packet id
_Topic = Annotated[str, Field(pattern=r"^[^+#\x00]{1,200}$")]


class MqttJsonTable(Secured):
    """The broker and what it is told. TLS unless said otherwise, and then only where the plain flag admits it."""

    host: Annotated[str, Field(min_length=1)]
    port: Port = 8883
    tls: bool = True
    user: str | None = None
    password_file: FilePath | None = None
    token_file: FilePath | None = None  # of a ThingsBoard gateway: sent as the user's name
    client_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")] | None = None
    keepalive_s: Annotated[int, Field(ge=10, le=3600)] = 60
    timeout_s: Annotated[float, Field(gt=0, le=600)] = 10.0
    topic: _Topic = "v1/gateway/telemetry"
    attributes_topic: _Topic | Literal[""] = "v1/gateway/attributes"
    connect_topic: _Topic | Literal[""] = "v1/gateway/connect"
    device: Annotated[str, Field(pattern=r"^[^\x00-\x1f]{1,128}$")] = "{node}"
    max_bytes: Annotated[int, Field(ge=text.LEAST_BYTES, le=16 << 20)] = 65_536
    in_flight: Annotated[int, Field(ge=1, le=1_000)] = 20

    @model_validator(mode="after")
    def _safe(self) -> Self:
        problems = []
        if not self.tls and not self.lab_plain:
            problems.append(
                "tls = false sends readings and passwords in the clear; set lab_plain = true to accept that in a lab"
            )
        if self.password_file is not None and self.user is None:
            problems.append("password_file without user: give both or none")
        if self.token_file is not None and self.user is not None:
            problems.append("token_file is sent as the user's name: give it or user")
        if "{node}" not in self.device:
            problems.append("device must have {node} in it: readings of different nodes would overwrite each other")
        if problems:
            raise ValueError("; ".join(problems))
        return self


def open_sink(settings: MqttJsonTable, context: Context) -> Sink:
    """Return the sink; nothing is connected yet. ConfigError for files that cannot be used."""
    return MqttSink(settings, context)


class MqttSink:
    """Publishes readings, and of each node once a connection who it is; how it is when that is news."""

    name = "mqtt"

    def __init__(self, settings: MqttJsonTable, context: Context) -> None:
        self._settings, self._city, self._registry = settings, context.city, context.registry
        # Two of one name would throw each other out: those of another log go by another.
        log = zlib.crc32(context.log.encode())
        self._link = Link(settings, settings.client_id or f"pantau-{context.city}-{log:08x}")
        self._introduced: set[str] = set()
        self._health: dict[str, tuple[int, int]] = {}  # by node: boot and seq of the newest that was told
        topic = max(len(topic.encode()) for topic in (settings.topic, settings.attributes_topic))
        self._most = settings.max_bytes - _PUBLISH - topic

    def position(self) -> int | None:
        """Return None: a broker does not say what became of what it took."""
        return None

    def use(self, registry: Registry) -> None:
        """Take over another registry: every node is introduced anew."""
        self._registry = registry
        self._introduced.clear()

    def deliver(self, batch: Sequence[Decoded]) -> list[Verdict]:
        """Publish what the batch says; stored is what the broker confirmed."""
        told = text.telemetry(batch, self._settings.device, self._city)
        nodes = {decoded.node for decoded in batch if not decoded.error}
        health = self._newer(batch)
        try:
            if self._link.ready():
                self._introduced.clear()
            new = nodes - self._introduced
            self._link.send(self._introductions(sorted(new), health))
            self._link.send((self._settings.topic, payload) for payload in text.messages(told.series, self._most))
        except TargetTrouble as error:
            return retry(batch, error)
        self._introduced |= new
        self._health.update({node: (decoded.boot, decoded.seq) for node, decoded in health.items()})
        return [
            Verdict("rejected", reason) if (reason := decoded.error or told.refused.get(at, "")) else Verdict("stored")
            for at, decoded in enumerate(batch)
        ]

    def close(self) -> None:
        """Leave the broker."""
        self._link.close()

    def _newer(self, batch: Sequence[Decoded]) -> dict[str, Decoded]:
        """Return by node the frame with its newest health, where that is news: attributes have no time of their own."""
        newest: dict[str, Decoded] = {}
        for decoded in batch:
            if decoded.health is None:
                continue
            before = newest.get(decoded.node)
            known = self._health.get(decoded.node, (-1, -1)) if before is None else (before.boot, before.seq)
            if (decoded.boot, decoded.seq) > known:
                newest[decoded.node] = decoded
        return newest

    def _introductions(self, new: Sequence[str], health: dict[str, Decoded]) -> Iterator[tuple[str, bytes]]:
        settings, now_ms = self._settings, time.time_ns() // 1_000_000
        if settings.connect_topic:
            for node in new:
                yield settings.connect_topic, dumps({"device": self._device(node)})
        if settings.attributes_topic:
            said: dict[str, dict[str, Any]] = {}
            for node in dict.fromkeys([*new, *health]):
                station = self._registry.station_of(node, now_ms) if node in new else None
                found = text.attributes(station, health[node].health if node in health else None)
                if found:
                    said[self._device(node)] = found
            for payload in text.objects(said, self._most):
                yield settings.attributes_topic, payload

    def _device(self, node: str) -> str:
        return text.device(self._settings.device, self._city, node)
