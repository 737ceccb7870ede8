"""What the fold knows of its own way: which frames it judged, since when it listens, the next number of an alert."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pantau.decode import Decoded

_SKIPPED = 1000  # frames that could not be judged and may come again after a repair
_EARLY = 10_000  # alarm frames that were judged before their turn
_ALIVE_EVERY_MS = 60_000
_ABSENT_MS = 300_000  # a bridge that did not tick for so long was not listening: silence then proves nothing


@dataclass(slots=True)
class Ledger:
    """Saved with everything else, in one transaction."""

    position: int = 0
    received_ms: int = 0
    skipped: list[int] = field(default_factory=list)
    early: list[int] = field(default_factory=list)
    alive_ms: int = 0
    listening_ms: int = 0
    next_id: int = 1
    dirty: bool = False

    @classmethod
    def load(cls, text: str) -> Ledger:
        """Return the ledger that `dump` gave, after its way through JSON."""
        return cls(**json.loads(text))

    def dump(self) -> dict[str, Any]:
        """Return JSON values."""
        names = ("position", "received_ms", "skipped", "early", "alive_ms", "listening_ms", "next_id")
        return {name: getattr(self, name) for name in names}

    def admit(self, frame: Decoded) -> bool:
        """Return whether a frame is to be judged, and note that it was.

        Ids of a log only grow. A known id that was received later than all before belongs to a new log: the old one was
        lost, and the city must not be blind until the new one has grown as long.
        """
        if frame.id in self.skipped:
            self.skipped.remove(frame.id)
        elif frame.id <= self.position and (frame.received_ms <= self.received_ms or not self.received_ms):
            return False  # `received_ms` is 0 where the store was told to begin behind a place in the log
        else:
            self.position, self.received_ms = frame.id, max(self.received_ms, frame.received_ms)
        self.dirty = True
        if frame.error is not None:
            self.skip(frame.id)
            return False
        return True

    def overtakes(self, frame: Decoded) -> bool:
        """Note an alarm frame that is judged before its turn; False when it has been judged."""
        if frame.error is not None or not frame.alarm or frame.id <= self.position or frame.id in self.early:
            return False
        self.early = [*self.early, frame.id][-_EARLY:]
        self.dirty = True
        return True

    def overtook(self, number: int) -> bool:
        """Return whether the alarm of a frame was judged before; it is forgotten, its turn having come."""
        if number not in self.early:
            return False
        self.early.remove(number)
        self.dirty = True
        return True

    def skip(self, number: int) -> None:
        """Note a frame that could not be judged: when it comes again, it is."""
        self.position = max(self.position, number)
        self.skipped = [*self.skipped, number][-_SKIPPED:]
        self.dirty = True

    def tick(self, now_ms: int) -> bool:
        """Note that the bridge listens; return whether its clock went back.

        Saved once a minute, and only that is looked at: a restart must not make a difference.
        """
        back = now_ms < self.alive_ms
        if back:
            self.listening_ms = min(self.listening_ms, now_ms)
        elif now_ms - self.alive_ms > _ABSENT_MS:
            self.listening_ms = now_ms
        elif now_ms - self.alive_ms < _ALIVE_EVERY_MS:
            return False
        self.alive_ms, self.dirty = now_ms, True
        return back
