"""Roles and who is asking. Pure."""

from __future__ import annotations

from enum import IntEnum
from ipaddress import IPv6Address, ip_address, ip_network
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


def sender_of(address: str) -> str:
    """Return what counts as one sender: an IPv4 address, or the /64 of an IPv6 one, which a single line has to itself."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(found, IPv6Address):
        return address
    return str(found.ipv4_mapped or ip_network((int(found), 64), strict=False))
