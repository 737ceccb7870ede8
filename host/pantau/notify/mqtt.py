"""MQTT: the state of each open alert as a retained message, taken away when it ends, for screens and programs of the city.

Topic `pantau/1/<city>/alerts/<id>`, QoS 1. Whoever subscribes sees what stands, without having listened before. Names of staff are
left out: a broker's readers are many.
"""

from __future__ import annotations

import json
import time
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, cast

from pydantic import Field, model_validator

from pantau.notify import ENDED, TEST, Outcome
from pantau.notify.payload import document, without_names
from pantau.notify.settings import ChannelTable
from pantau.problems import ConfigError
from pantau.settings import FilePath, Port, Secured
from pantau.sinks.items import TargetTrouble

if TYPE_CHECKING:
    from typing import Self

    from pantau.notify import Channel, Context, Notice
    from pantau.sinks._mqtt_link import Link
    from pantau.sinks.mqtt import MqttJsonTable

_MOST_KEPT = 5_000  # open alerts of which the message is known for a broker that forgot them
_Prefix = Annotated[str, Field(pattern=r"^[^+#/\x00-\x1f][^+#\x00-\x1f]{0,198}[^+#/\x00-\x1f]$")]


class MqttNoticeTable(ChannelTable, Secured):
    """The broker and where in it. TLS unless said otherwise, and then only where the plain flag admits it."""

    host: Annotated[str, Field(min_length=1)]
    port: Port = 8883
    tls: bool = True
    user: str | None = None
    password_file: FilePath | None = None
    token_file: FilePath | None = None  # sent as the user's name
    keepalive_s: Annotated[int, Field(ge=10, le=3600)] = 60
    timeout_s: Annotated[float, Field(gt=0, le=60)] = 10.0
    in_flight: Annotated[int, Field(ge=1, le=1_000)] = 20
    prefix: _Prefix = "pantau/1"

    @model_validator(mode="after")
    def _safe(self) -> Self:
        if not self.tls and not self.lab_plain:
            msg = "tls = false sends alerts and passwords in the clear; set lab_plain = true to accept that in a lab"
            raise ValueError(msg)
        if self.password_file is not None and self.user is None:
            msg = "password_file without user: give both or none"
            raise ValueError(msg)
        if self.token_file is not None and self.user is not None:
            msg = "token_file is sent as the user's name: give it or user"
            raise ValueError(msg)
        return self


def open_channel(settings: MqttNoticeTable, context: Context) -> Channel:
    """Return the channel. ConfigError for files that cannot be used."""
    return MqttNotices(settings, context)


class MqttNotices:
    """One broker. A new connection brings back what stands: the broker may have forgotten it."""

    def __init__(self, settings: MqttNoticeTable, context: Context) -> None:
        self.name = settings.name
        self._topic = f"{settings.prefix}/{context.city}/alerts"
        # Two of one name would throw each other out: a test beside a running bridge, and two bridges of one city.
        unique = zlib.crc32(f"{context.data_dir}/{settings.name}".encode())
        self._ids = (f"pantau-notify-{unique:08x}", f"pantau-test-{unique:08x}")
        self._table = cast("MqttJsonTable", settings)  # of which Link reads what both tables have
        self._link = self._made(self._ids[0])
        self._standing: dict[int, bytes] = {}
        self._used_at, self._idle_s = time.monotonic(), settings.keepalive_s

    def send(self, notice: Notice) -> Outcome:
        """Publish the state; a test is published without being kept."""
        if notice.action == TEST:
            return self._test(notice)
        alert = notice.alert.id
        payload = b"" if notice.action in ENDED else _bytes(notice)
        fresh = {number: kept for number, kept in self._standing.items() if number != alert}
        self._renew()
        try:
            if self._link.ready():
                self._link.send(((self._of(number), kept) for number, kept in fresh.items()), retain=True)
            if not payload:  # who listens hears how it ended; then nothing is kept
                self._link.send([(self._of(alert), _bytes(notice))])
            self._link.send([(self._of(alert), payload)], retain=True)
        except TargetTrouble as error:
            with suppress(ConfigError):  # somebody may have written another password
                self._link = self._made(self._ids[0])
            return Outcome("retry", str(error), error.wait_s)
        self._standing.pop(alert, None)
        if payload and len(self._standing) < _MOST_KEPT:
            self._standing[alert] = payload
        return Outcome("sent")

    def close(self) -> None:
        """Leave in order."""
        self._link.close()

    def _made(self, client_id: str) -> Link:
        from pantau.sinks._mqtt_link import Link  # here: not every command needs an MQTT client

        return Link(self._table, client_id, f"notify.mqtt {self.name}")

    def _renew(self) -> None:
        """Leave a connection that lay idle: nobody pinged on it, and an alert must not wait to find out that it is dead."""
        now = time.monotonic()
        if now - self._used_at > self._idle_s:
            self._link.close()
        self._used_at = now

    def _test(self, notice: Notice) -> Outcome:
        link = self._made(self._ids[1])
        try:
            link.ready()
            link.send([(f"{self._topic}/test", _bytes(notice))])
        except TargetTrouble as error:
            return Outcome("retry", str(error))
        finally:
            link.close()
        return Outcome("sent")

    def _of(self, alert: int) -> str:
        return f"{self._topic}/{alert}"


def _bytes(notice: Notice) -> bytes:
    return json.dumps(document(without_names(notice)), ensure_ascii=False, separators=(",", ":")).encode()
