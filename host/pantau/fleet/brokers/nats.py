"""nats-server 2.12 with its MQTT listener: nats.conf. It needs MQTT users and their permissions in one file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pantau.fleet.brokers import LISTEN, WINDOW
from pantau.fleet.keystore import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pantau.fleet.brokers import Setup

TITLE = "nats-server 2.12"
_ROUNDS = (
    4  # log 2, of bcrypt, its least: as for Mosquitto, the passwords are long and random, and a city has ten thousand
)


def files(setup: Setup) -> dict[str, str]:
    """Return its one file. A user of MQTT needs `$MQTT.>` too: there the server delivers a session's own QoS 1 messages."""
    try:
        import bcrypt
    except ImportError:
        raise StoreError(
            "nats-server takes passwords as bcrypt has them, which is not installed: pip install bcrypt"
        ) from None
    users = []
    for one in setup.permissions:
        user: dict[str, object] = {
            "user": one.user,
            "permissions": {"publish": _subjects(one.publish), "subscribe": [*_subjects(one.subscribe), "$MQTT.>"]},
        }
        if one.user in setup.passwords:
            user["password"] = bcrypt.hashpw(setup.passwords[one.user].encode(), bcrypt.gensalt(_ROUNDS)).decode()
            users.append(user)
    conf = {
        "server_name": f"pantau-{setup.city}",
        "listen": "127.0.0.1:4222",
        "jetstream": {"store_dir": f"{setup.folder}/store"},
        "mqtt": {
            "listen": f"0.0.0.0:{LISTEN}",
            "tls": {"cert_file": f"{setup.folder}/server.pem", "key_file": f"{setup.folder}/server.key"},
            "max_ack_pending": WINDOW,
        },
        "authorization": {"users": users},
    }
    return {"nats.conf": json.dumps(conf, indent=1) + "\n"}


def _subjects(topics: Iterable[str]) -> list[str]:
    """Return MQTT topics as the server's subjects; one that nothing may be sent to where there is none, for none means all there."""
    return [topic.replace("/", ".").replace("+", "*") for topic in topics] or ["pantau.nobody"]
