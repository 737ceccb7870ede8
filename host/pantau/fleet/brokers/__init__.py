"""Who may say and hear what at the city's broker: one model, and one file for each broker that it is written for.

Every node has lines of its own, for its own topics and no pattern: a broker that reads a pattern differently opens nothing.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING, NamedTuple, Protocol

from pantau_wire import topics

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

BRIDGE, OPERATOR = "bridge", "operator"  # users beside the nodes; node ids that are equal are refused
LISTEN = 8883
WINDOW = 2000  # messages of a session in flight; the bridge sets and checks the same figure


class Permission(NamedTuple):
    """One user of the broker, and the topics that it may publish to and subscribe to (+ is one level)."""

    user: str
    publish: tuple[str, ...]
    subscribe: tuple[str, ...]


class Setup(NamedTuple):
    """What a broker's files are made of. `folder` is where they lie on the broker's machine, with ca.pem, crl.pem, server.pem and server.key.

    passwords: of each user, in the clear here and only here; certificates: clients show one, whose CN is their user.
    """

    city: str
    folder: str
    permissions: tuple[Permission, ...]
    passwords: Mapping[str, str]
    certificates: bool


class Writer(Protocol):
    """What a module of this package exposes: TITLE, and the files of a setup by name. Secret ones are written with mode 0600."""

    TITLE: str

    def files(self, setup: Setup) -> dict[str, str]:
        """Return {name: text}."""


def permissions(city: str, nodes: Iterable[str]) -> tuple[Permission, ...]:
    """Return what each node, the bridge and an operator who only listens may do."""

    def everybody(what: str) -> str:
        return f"pantau/v1/{city}/+/+/{what}"

    found = [
        Permission(
            BRIDGE,
            (everybody("ack"), everybody("cmd")),
            # Its own orders: so it measures how many messages the broker lets wait for it (pantau.sources.granted).
            tuple(everybody(what) for what in ("up", "res", "will", "cmd")),
        ),
        Permission(OPERATOR, (), tuple(everybody(what) for what in topics.WHAT)),
    ]
    for node in sorted(nodes):
        if node in {BRIDGE, OPERATOR}:
            raise ValueError(f"{node} is a user of the broker beside the nodes: name the node otherwise")
        up = tuple(topics.topic(city, node, what) for what in ("up", "res", "will"))
        down = tuple(topics.topic(city, node, what) for what in ("ack", "cmd"))
        found.append(Permission(node, up, down))
    return tuple(found)


def names() -> list[str]:
    """Return the brokers that there is a file for."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def writer(name: str) -> Writer:
    """Return the module of a broker. KeyError for one that has none."""
    if name not in names():
        raise KeyError(name)
    module: Writer = importlib.import_module(f"{__name__}.{name}")
    return module
