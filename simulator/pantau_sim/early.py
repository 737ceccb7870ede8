"""A UART asked early, in virtual time: what its sensor will send over a coming window, in one round trip.

An emulator that is asked for the future has moved there. What the node then does to it (a command, another baud rate) acts at its
own instant all the same: the emulator is put back to where the window began and brought to that instant once more, and the
node forgets what it had fetched beyond it.
"""

from __future__ import annotations

import copy
import struct
from bisect import bisect_right
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from pantau_sim.sensors.base import Emulator, UartEmulator

_FIRST_US, _MOST_US = 2000000, 600000000  # made at once: little of a sensor that was spoken to and may be again
_MADE_BYTES = 131072  # about; less is made at once of a sensor that says more
_WINDOW_BYTES = 8192  # of the VM's heap, for one window
_HEAD = struct.Struct("<QHHH")  # until (us, uptime), us a byte, packets, bytes that are there already
_KEPT = ("fault", "injected", "_due")  # what others have asked for meanwhile stays

Packets = tuple[list[int], list[int], bytes]  # when each begins in us, where it ends in the bytes, the bytes


class Early:
    """The windows of one UART: packets are made far ahead, and handed to the node a window at a time."""

    def __init__(self, emulator: UartEmulator) -> None:
        self.handed_us = 0  # up to when the node knows what arrives
        self._emulator = emulator
        self._until_us = 0  # up to when packets are made
        self._span_us = _FIRST_US
        self._made: Packets = ([], [], b"")
        self._next = 0  # the first packet that the node has not got
        self._before: dict[str, Any] = {}
        emulator.bulk = _bulk(emulator.MODEL)

    def fetch(self, t_us: int, window_us: int, horizon_us: int) -> Packets:
        """The packets of the next window, from `handed_us` on, which is then where it ends: as a rule after t_us, by window_us at most.

        Packets are not made beyond horizon_us. A window ends between two packets.
        """
        if self._next == len(self._made[0]) and t_us >= self._until_us:
            self._make(min(horizon_us, t_us + self._span_us))
        starts, ends, data = self._made
        first = self._next
        begin = ends[first - 1] if first else 0
        most = bisect_right(starts, t_us + window_us, first)
        last = min(most, max(bisect_right(ends, begin + _WINDOW_BYTES, first), bisect_right(starts, t_us, first)))
        self._next = last
        self.handed_us = starts[last] - 1 if last < len(starts) else self._until_us
        some = [end - begin for end in ends[first:last]]
        size = some[-1] if some else 0
        if some:  # the window may end in a silence, but not in a packet
            length = ends[last - 1] - (ends[last - 2] if last > 1 else 0)
            window_us = max(window_us, starts[last - 1] - t_us + length * (10000000 // self._emulator.BAUD))
        self.handed_us = min(self.handed_us, t_us + window_us)
        return starts[first:last], some, data[begin : begin + size]

    def take_back(self, t_us: int) -> None:
        """Let the emulator be at t_us, where the node or a fault does something to it."""
        self.handed_us = t_us
        self._span_us = _FIRST_US
        self._made, self._next = ([], [], b""), 0
        if t_us >= self._until_us:
            return
        self._until_us = 0
        emulator = self._emulator
        kept = {name: value for name, value in vars(emulator).items() if name in _KEPT}
        vars(emulator).update(self._before)
        emulator.fault, emulator._due = None, None  # noqa: SLF001  what arrived up to t_us was made without a fault
        emulator.stretch(t_us)
        vars(emulator).update(kept)

    def _make(self, until_us: int) -> None:
        self._until_us = until_us
        self._before = _state(self._emulator)
        self._made, self._next = self._emulator.stretch(until_us), 0
        size = len(self._made[2])
        if size > _MADE_BYTES:
            self._span_us //= 2
        elif 2 * size <= _MADE_BYTES:
            self._span_us = min(2 * self._span_us, _MOST_US)


def reply(t_us: int, until_us: int, byte_us: int, there: bytes, coming: Packets) -> bytes:
    """Return the bytes for the VM: what is there, and what arrives; until_us: uptime; packets begin so long after t_us."""
    starts, ends, data = coming
    head = _HEAD.pack(until_us, byte_us, len(starts), len(there))
    at_us = struct.pack(f"<{len(starts)}i", *[start - t_us for start in starts])
    return head + at_us + struct.pack(f"<{len(ends)}H", *ends) + there + data


def _state(thing: Emulator) -> dict[str, Any]:
    """What changes in an emulator; the truth that it asks, and all else that only it reads, are shared."""
    return {name: _own(value) for name, value in vars(thing).items()}


def _own(value: Any) -> Any:
    if isinstance(value, (list, dict, set)):
        return value.copy()
    if type(value).__module__.startswith("pantau_sim.sensors."):
        own = copy.copy(value)
        vars(own).update({name: _own(inner) for name, inner in vars(value).items()})
        return own
    return value


def _bulk(model: str) -> Callable[..., tuple[list[int], bytes]] | None:
    """The faster form of a model's packets, where there is one and numpy for it."""
    if model != "ld2451":
        return None
    try:
        from pantau_sim import radar
    except ImportError:
        return None
    return radar.reports
