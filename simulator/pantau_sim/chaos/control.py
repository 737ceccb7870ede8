"""What the chaos tells the bridge's processes while they run: a page of shared memory in a file."""

from __future__ import annotations

import mmap
import struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

_SIZE = mmap.PAGESIZE
_ARMED = struct.Struct(
    "<HHH"
)  # number of the step, from 1, 0 for none; times it may still be passed; 1 = the whole group
_CLOCK = struct.Struct("<q")
_CLOCK_AT = 8
_WRAPPED = struct.Struct("<I")
_WRAPPED_AT = 16


class Armed(NamedTuple):
    """Which step is deadly (0: none), after how many passes, and for whom."""

    step: int
    passes: int
    group: bool


class Control:
    """Both sides' view. Written by the chaos; a bridge process only counts down, and says that it is wrapped."""

    def __init__(self, path: Path, *, create: bool = False) -> None:
        if create:
            path.write_bytes(bytes(_SIZE))
        with path.open("r+b") as file:
            self._page = mmap.mmap(file.fileno(), _SIZE)

    def close(self) -> None:
        """Release the page."""
        self._page.close()

    @property
    def armed(self) -> Armed:
        """Return what is armed."""
        step, passes, group = _ARMED.unpack_from(self._page)
        return Armed(step, passes, bool(group))

    def arm(self, step: int, passes: int = 0, *, group: bool = False) -> None:
        """Let the process die that comes to this step after so many passes; 0 disarms."""
        _ARMED.pack_into(self._page, 0, step, passes, int(group))

    @property
    def clock_ms(self) -> int:
        """Return how far the bridge's wall clock is from ours."""
        return int(_CLOCK.unpack_from(self._page, _CLOCK_AT)[0])

    @clock_ms.setter
    def clock_ms(self, value: int) -> None:
        _CLOCK.pack_into(self._page, _CLOCK_AT, value)

    @property
    def wrapped(self) -> int:
        """Return how many processes came up wrapped: without them no step would ever be reached."""
        return int(_WRAPPED.unpack_from(self._page, _WRAPPED_AT)[0])

    def count_wrapped(self) -> None:
        """Say that this process is wrapped."""
        _WRAPPED.pack_into(self._page, _WRAPPED_AT, self.wrapped + 1)
