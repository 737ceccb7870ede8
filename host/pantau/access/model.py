"""Roles and who is asking. Pure."""

from __future__ import annotations

from enum import IntEnum
from typing import Literal, NamedTuple


class Role(IntEnum):
    """What somebody may do; each may do what those before may. Anybody who can reach the port is `PUBLIC`."""

    PUBLIC = 0
    VIEWER = 1
    OPERATOR = 2
    ADMIN = 3


class Who(NamedTuple):
    """Who sent a request. Nobody that we know has no name."""

    name: str
    role: Role
    via: Literal["anonymous", "session", "token", "command"]


ANYBODY = Who("", Role.PUBLIC, "anonymous")
