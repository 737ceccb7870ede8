"""What a simulation in virtual time knows of each of its nodes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from pantau_sim.broker import Connection
    from pantau_sim.loss import Loss
    from pantau_sim.node import SimNode

NEVER = 1 << 62


@dataclass(eq=False)
class Member:
    """A node in the simulation: when it wants to go on, and what has come in for it."""

    node: SimNode
    index: int
    wake_us: int = NEVER
    until_us: int = NEVER  # the end of its wait, whatever comes
    listens: bool = True  # a socket event ends its wait
    inbox: list[tuple[int, int, bytes]] = field(default_factory=list)
    streams: dict[int, Stream] = field(default_factory=dict)
    held: list[Callable[[], None]] = field(default_factory=list)  # traffic that waits for the link
    waiting: bool = False


class Stream:
    """One TCP connection of a node to the broker."""

    def __init__(self, member: Member, sid: int, loss: Loss) -> None:
        self.member = member
        self.sid = sid
        self.up, self.down = (loss.lane(member.index, member.node.boots, sid, way) for way in (0, 1))
        self.connection: Connection | None = None
        self.told_closed = False
