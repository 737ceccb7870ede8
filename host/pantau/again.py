"""Spans of the log that a sink is to get once more: asked for by a command, served by the sink's follower. I/O-free.

A decode bug is repaired so: new code, the same frames, a sink that takes revisions. Requests are facts noted in the spool,
one for each sink; a second one widens the first, for delivering more than was asked changes nothing.
"""

from __future__ import annotations

import json
from typing import NamedTuple, Protocol


class Notes(Protocol):
    """Where facts are noted: the spool."""

    def note(self, key: str, value: str) -> None:
        """Remember one fact."""

    def noted(self, key: str) -> str | None:
        """Return what `note` remembered."""


class Span(NamedTuple):
    """Frames by their ids in the log, both ends included."""

    first: int
    last: int

    def __contains__(self, number: object) -> bool:
        return isinstance(number, int) and self.first <= number <= self.last

    def wider(self, other: Span | None) -> Span:
        """Return the least span that holds both."""
        return self if other is None else Span(min(self.first, other.first), max(self.last, other.last))


def _key(sink: str) -> str:
    return f"again:{sink}"


def ask(notes: Notes, sink: str, span: Span) -> Span:
    """Ask for `span` to be delivered to `sink` once more; return what is asked for now."""
    wider = span.wider(asked(notes, sink))
    notes.note(_key(sink), json.dumps(list(wider)))
    return wider


def asked(notes: Notes, sink: str) -> Span | None:
    """Return what `sink` is to get once more, None for nothing. A note that nobody can read asks for nothing."""
    try:
        first, last = json.loads(notes.noted(_key(sink)) or "")
    except (ValueError, TypeError):
        return None
    return Span(first, last) if isinstance(first, int) and isinstance(last, int) and 0 < first <= last else None


def served(notes: Notes, sink: str, through: int) -> Span | None:
    """Note that `sink` has got everything up to the frame `through`; return what is left to deliver."""
    span = asked(notes, sink)
    if span is None or through < span.first:
        return span
    left = Span(through + 1, span.last) if through < span.last else None
    notes.note(_key(sink), json.dumps(list(left)) if left else "")
    return left
