"""Somebody who holds a broker account that may publish anywhere, but no node's key: what they send must change nothing."""

from __future__ import annotations

import secrets
import ssl
import time
from typing import TYPE_CHECKING

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from pantau_wire import frame, topics
from pantau_wire import names as T

if TYPE_CHECKING:
    from pathlib import Path

_TIMEOUT_S = 10
FORGED_SEQ = 1_000_000  # no node comes this far in a demo: what stands under it was forged


def forged_records(node: str, boot: int) -> bytes:
    """Return a RECORDS frame in the node's name, well formed in every way but the key: a flood that is not there."""
    made = frame.Frame(T.K_RECORDS)
    made.boot, made.seq, made.clock, made.base_s = boot, FORGED_SEQ, 3, int(time.time())
    made.count, made.interval_s, made.profile = 5, 1, 1
    made.columns = {T.WATER_DISTANCE: ([100, 90, 80, 70, 60], None)}
    return bytes(frame.encode(made, node, secrets.token_bytes(32)))


def forged_ack(node: str, boot: int) -> bytes:
    """Return an ACK to the node that claims its first 64 frames are stored: believed, it would delete flood data."""
    made = frame.Frame(T.K_ACK)
    made.counter = int(time.time() * 1000)
    made.fields = {"boot": boot, "through": 0, "map": (1 << 64) - 1}
    return bytes(frame.encode(made, node, secrets.token_bytes(32)))


def attack(city: str, node: str, boot: int, port: int, password: str, ca: Path, server_name: str) -> int:
    """Publish a forged frame, a forged ack and plain garbage; return how many messages were sent. Blocks: call in a thread.

    Raises OSError or RuntimeError when the broker does not take them, because then nothing was shown.
    """
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id="intruder", clean_session=True)
    client.username_pw_set("intruder", password)
    client.tls_set_context(ssl.create_default_context(cafile=str(ca)))
    client.connect(server_name, port)
    client.loop_start()
    try:
        messages = [
            (topics.topic(city, node, "up"), forged_records(node, boot)),
            (topics.topic(city, node, "ack"), forged_ack(node, boot)),
            (topics.topic(city, node, "up"), b"\xff garbage"),
        ]
        for topic, payload in messages:
            sent = client.publish(topic, payload, qos=1)
            sent.wait_for_publish(_TIMEOUT_S)
            if not sent.is_published():
                raise RuntimeError("the broker did not take the intruder's message: nothing was tested")
        return len(messages)
    finally:
        client.disconnect()
        client.loop_stop()
