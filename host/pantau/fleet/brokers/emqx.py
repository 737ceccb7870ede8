"""EMQX 5: acl.conf for its file source, users.csv for `emqx ctl users import` or the dashboard. Written after its documentation, not run here."""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pantau.fleet.brokers import Setup

TITLE = "EMQX 5"
_SALT = 16


def files(setup: Setup) -> dict[str, str]:
    """Return both files: rules end with one that denies; passwords are salted SHA-256, salt first, as its built-in database takes them."""
    acl = ["%% Made by `pantau fleet`. authorization.no_match = deny"]
    for one in setup.permissions:
        for action, topics in (("publish", one.publish), ("subscribe", one.subscribe)):
            if topics:
                listed = ", ".join(f'"{topic}"' for topic in topics)
                acl.append(f'{{allow, {{user, "{one.user}"}}, {action}, [{listed}]}}.')
    users = ["user_id,password_hash,salt,is_superuser"]
    for one in setup.permissions:
        if one.user in setup.passwords:
            salt = secrets.token_hex(_SALT)
            digest = hashlib.sha256((salt + setup.passwords[one.user]).encode()).hexdigest()
            users.append(f"{one.user},{digest},{salt},false")
    return {"acl.conf": "\n".join([*acl, "{deny, all}."]) + "\n", "users.csv": "\n".join(users) + "\n"}
