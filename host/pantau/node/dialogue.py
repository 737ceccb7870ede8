"""A console's bytes taken apart, I/O-free: packets, and the lines of the log between them. docs/console.md."""

from __future__ import annotations

from typing import NamedTuple

from pantau_wire import line
from pantau_wire.errors import WireError

_LINE = 1024  # of a log; a longer one is told in pieces
_ZERO = b"\0"
_SAY = line.packet(line.SAY)[2:3]  # near the beginning of every answer, and in no text


class Packet(NamedTuple):
    """What pantau_wire.line.parse returns."""

    what: str
    node: str
    payload: bytes


def clean(data: bytes) -> str:
    """Return a log's text for a terminal: what could move its cursor or colour it is a question mark."""
    return "".join(c if c.isprintable() or c == "\t" else "?" for c in data.decode("utf-8", "replace"))


class Splitter:
    """Bytes in, packets and lines of text out; begins anywhere and holds less than a packet and a line.

    passed: chunks that may have been damaged packets, so far.
    """

    def __init__(self) -> None:
        self.passed = 0
        self._text = b""
        self._chunk: bytes | None = None  # since a zero that may open a packet; None between packets

    def feed(self, data: bytes) -> list[Packet | str]:
        """Take bytes as they arrived; return what is whole with them, in their order."""
        found: list[Packet | str] = []
        pieces = data.split(_ZERO)
        for place, piece in enumerate(pieces):
            if place:
                self._at_zero(found)
            if self._chunk is None:
                self._add(piece, found)
            else:
                self._chunk += piece
                if len(self._chunk) > line.MAX_PACKET:
                    self._no_packet(found)
        return found

    def idle(self) -> list[Packet | str]:
        """Take that nothing came for a while: a packet comes at once, so what lies there is text."""
        found: list[Packet | str] = []
        self._no_packet(found)
        if self._text:
            found.append(clean(self._text))
            self._text = b""
        return found

    def _at_zero(self, found: list[Packet | str]) -> None:
        if not self._chunk:  # between packets, or two zeros in a row: one opens now
            self._chunk = b""
            return
        try:
            found.append(Packet(*line.parse(self._chunk)))
        except WireError:  # text, and this zero opens one; or a damaged packet, and the next zero sets it right
            self.passed += 1
            self._add(self._chunk, found)
            self._chunk = b""
        else:
            self._chunk = None

    def _no_packet(self, found: list[Packet | str]) -> None:
        chunk, self._chunk = self._chunk, None
        self._add(chunk or b"", found)

    def _add(self, data: bytes, found: list[Packet | str]) -> None:
        self.passed += _SAY in data  # a packet that has lost the zero before it
        *whole, self._text = (self._text + data).split(b"\n")
        found.extend(clean(text.rstrip(b"\r")) for text in whole)
        while len(self._text) > _LINE:
            found.append(clean(self._text[:_LINE]))
            self._text = self._text[_LINE:]
