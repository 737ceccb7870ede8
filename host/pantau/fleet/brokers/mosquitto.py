"""Eclipse Mosquitto 2: mosquitto.conf, acl, passwd."""

from __future__ import annotations

import base64
import hashlib
import secrets
from typing import TYPE_CHECKING

from pantau.fleet.brokers import LISTEN, WINDOW

if TYPE_CHECKING:
    from pantau.fleet.brokers import Setup

TITLE = "Eclipse Mosquitto 2"
_ROUNDS = 101  # of PBKDF2, as mosquitto_passwd has it: the passwords are random and 144 bits long, and a city has ten thousand
_SALT = 12
_LARGEST = 65_536  # bytes; no frame comes near it
_WAITING = 100_000  # messages that wait for a bridge that is away: the nodes keep them too, until it has acknowledged


def hashed(password: str, salt: bytes) -> str:
    """Return a password as mosquitto_passwd writes it: PBKDF2-HMAC-SHA-512, `$7$rounds$salt$hash`."""
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ROUNDS)
    return f"$7${_ROUNDS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def files(setup: Setup) -> dict[str, str]:
    """Return the three files. Certificates take the place of passwords, they are not asked for both."""
    who = (
        "require_certificate true\nuse_identity_as_username true\ncrlfile {folder}/crl.pem\n"
        if setup.certificates
        else "password_file {folder}/passwd\n"
    )
    conf = (
        "# Made by `pantau fleet`; changes of your own belong into another file of include_dir.\n"
        f"per_listener_settings false\nlistener {LISTEN}\n"
        "cafile {folder}/ca.pem\ncertfile {folder}/server.pem\nkeyfile {folder}/server.key\ntls_version tlsv1.2\n"
        f"{who}allow_anonymous false\nacl_file {{folder}}/acl\n"
        f"max_inflight_messages {WINDOW}\nmax_queued_messages {_WAITING}\nmessage_size_limit {_LARGEST}\npersistence true\npersistent_client_expiration 30d\n"
    ).replace("{folder}", setup.folder)
    acl = []
    for one in setup.permissions:
        acl += [
            f"user {one.user}",
            *(f"topic write {topic}" for topic in one.publish),
            *(f"topic read {topic}" for topic in one.subscribe),
            "",
        ]
    passwd = "".join(
        f"{one.user}:{hashed(setup.passwords[one.user], secrets.token_bytes(_SALT))}\n"
        for one in setup.permissions
        if one.user in setup.passwords
    )
    return {"mosquitto.conf": conf, "acl": "\n".join(acl), "passwd": passwd}
