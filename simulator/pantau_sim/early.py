"""A UART asked early, in virtual time: what its sensor will send over a coming window, in one round trip.

An emulator that is asked for the future has moved there. What the node then does to it (a command, another baud rate) acts at its
own instant all the same: the emulator is put back to where the window began and brought to that instant once more, and the
node forgets what it had fetched beyond it.
"""

from __future__ import annotations

import copy
import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from pantau_sim.sensors.base import Emulator, UartEmulator

_FIRST_US = 2000000  # of a sensor that may be spoken to again at once
_MOST_US = 60000000
_MOST_BYTES = 8192  # about, of the VM's heap: windows get shorter where a sensor says more
_HEAD = struct.Struct("<QHHH")  # until (us, uptime), us a byte, packets, bytes that are there already
_KEPT = ("fault", "injected", "_due")  # what others have asked for meanwhile stays


class Early:
    """The window of one UART."""

    def __init__(self, emulator: UartEmulator) -> None:
        self.until_us = 0  # up to when the emulator was asked
        self._emulator = emulator
        self._window_us = _FIRST_US
        self._before: dict[str, Any] = {}
        emulator.bulk = _bulk(emulator.MODEL)

    def fetch(self, t_us: int, until_us: int) -> tuple[int, list[int], list[int], bytes]:
        """Return (end of the window, when each packet begins, where it ends in the bytes, the bytes) of what arrives after t_us."""
        self.until_us = min(until_us, t_us + self._window_us)
        self._before = _state(self._emulator)
        starts, ends, data = self._emulator.stretch(self.until_us)
        if len(data) > _MOST_BYTES:
            self._window_us //= 2
        elif 2 * len(data) <= _MOST_BYTES:
            self._window_us = min(2 * self._window_us, _MOST_US)
        return self.until_us, starts, ends, data

    def take_back(self, t_us: int) -> None:
        """Let the emulator be at t_us, where the node does something to it."""
        self._window_us = _FIRST_US
        if t_us >= self.until_us:
            return
        self.until_us = 0
        emulator = self._emulator
        kept = {name: value for name, value in vars(emulator).items() if name in _KEPT}
        vars(emulator).update(self._before)
        emulator.fault, emulator._due = None, None  # noqa: SLF001  what arrived up to t_us was made without a fault
        emulator.stretch(t_us)
        vars(emulator).update(kept)


def reply(
    t_us: int, boot_us: int, byte_us: int, there: bytes, coming: tuple[int, list[int], list[int], bytes]
) -> bytes:
    """Return the bytes for the VM; instants are told from t_us on."""
    until_us, starts, ends, data = coming
    head = _HEAD.pack(until_us - boot_us, byte_us, len(starts), len(there))
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
