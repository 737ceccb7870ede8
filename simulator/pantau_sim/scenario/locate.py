"""In which line of a TOML text a key stands: tomllib tells values only, and people want lines.

The text has been read by tomllib, so it is well-formed: this looks at as little of the grammar as finding places takes.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

Place = tuple[int | str, ...]

_KEY = re.compile(r'[ \t]*("(?:\\.|[^"\\])*"|\'[^\']*\'|[A-Za-z0-9_-]+)[ \t]*')
_STRING = re.compile(
    r'"""(?:\\.|[^\\])*?"""(?:"{0,2})|\'\'\'.*?\'\'\'(?:\'{0,2})|"(?:\\.|[^"\\])*"|\'[^\']*\'', re.DOTALL
)
_SPACE = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_PLAIN = re.compile(r"[^,\]}#\n]*")


class Lines:
    """The line, from 1, of every key, table and array element of a TOML text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._ends = [i for i, char in enumerate(text) if char == "\n"]
        self._lines: dict[Place, int] = {}
        self._counts: dict[Place, int] = {}  # tables in each array of tables
        self._read()

    def of(self, place: Sequence[Any]) -> int:
        """Return the line of a key path, or of the nearest table around it that is written down."""
        for length in range(len(place), 0, -1):
            line = self._lines.get(tuple(place[:length]))
            if line is not None:
                return line
        return 1

    def _note(self, place: Place, at: int) -> None:
        self._lines.setdefault(place, bisect_left(self._ends, at) + 1)

    def _read(self) -> None:
        at = self._skip(0)
        table: Place = ()
        while at < len(self._text):
            if self._text[at] == "[":
                at, table = self._header(at)
            else:
                at = self._pair(at, table)
            at = self._skip(at)

    def _header(self, at: int) -> tuple[int, Place]:
        """Take [a.b] or [[a.b]]; an array of tables is gone into at its newest."""
        brackets = 2 if self._text.startswith("[[", at) else 1
        end, keys = self._keys(at + brackets)
        place: Place = ()
        for key in keys[:-1]:
            place = self._newest((*place, key))
        place = (*place, keys[-1])
        if brackets == 2:
            self._counts[place] = self._counts.get(place, -1) + 1
            self._note(place, at)
            place = self._newest(place)
        self._note(place, at)
        return end + brackets, place

    def _newest(self, place: Place) -> Place:
        return (*place, self._counts[place]) if place in self._counts else place

    def _keys(self, at: int) -> tuple[int, list[str]]:
        """Take a dotted key."""
        keys = []
        while (found := _KEY.match(self._text, at)) is not None:
            word = found[1]
            keys.append(word[1:-1] if word[0] in "\"'" else word)
            at = found.end()
            if self._text[at] != ".":
                break
            at += 1
        return at, keys

    def _pair(self, at: int, table: Place) -> int:
        """Take `key = value`."""
        end, keys = self._keys(at)
        for length in range(1, len(keys) + 1):
            self._note((*table, *keys[:length]), at)
        return self._value(self._skip(end + 1), (*table, *keys))

    def _value(self, at: int, place: Place) -> int:
        if self._text[at] == "[":
            return self._items(at, place)
        if self._text[at] == "{":
            return self._inline(at, place)
        found = _STRING.match(self._text, at) or _PLAIN.match(self._text, at)
        assert found is not None  # the plain one matches anything
        return found.end()

    def _items(self, at: int, place: Place) -> int:
        at, number = self._skip(at + 1), 0
        while self._text[at] != "]":
            self._note((*place, number), at)
            at = self._next(self._value(at, (*place, number)))
            number += 1
        return at + 1

    def _inline(self, at: int, place: Place) -> int:
        at = self._skip(at + 1)
        while self._text[at] != "}":
            at = self._next(self._pair(at, place))
        return at + 1

    def _next(self, at: int) -> int:
        at = self._skip(at)
        return self._skip(at + 1) if self._text[at] == "," else at

    def _skip(self, at: int) -> int:
        found = _SPACE.match(self._text, at)
        assert found is not None  # it matches nothing too
        return found.end()
