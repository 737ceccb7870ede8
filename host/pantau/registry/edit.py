"""Editing registry.toml in place: every byte that people wrote stays, beside what changes.

By lines, and then proven: the edited text must parse to exactly the tables that were meant. TOML libraries that keep
comments gather the entries of an array on the first edit, and a file that lists each station with its node is then
rewritten from top to bottom: a change that nobody can read in a diff.
"""

from __future__ import annotations

import copy
import json
import re
import tomllib
from datetime import datetime, timedelta, timezone
from itertools import takewhile
from typing import Any, NamedTuple

from pantau.registry.tables import EVER, NEVER

_HEADER = re.compile(r"\s*\[")
_ARRAY = re.compile(r"\s*\[\[\s*[\"']?(\w+)[\"']?\s*\]\]\s*(#.*)?$")
_KEY = r"(\s*{}\s*=\s*)([^#]*?)(\s*(?:#.*)?)$"


class EditError(Exception):
    """The edit cannot be made; the text says why and what to do."""


class Replacement(NamedTuple):
    """An edited registry: its text and tables, the node that left (None: nobody stood there), and who came."""

    text: str
    tables: dict[str, Any]
    old: str | None
    new: str
    sensors: int


def replace_node(text: str, station: str, *, new: str, old: str | None, at: datetime) -> Replacement:
    """Return `text`, a registry without mistakes, with `new` in the place of `old` at `station` from `at` on.

    The old placement ends, one of the new node begins and takes over its end; sensors said to be read by the old node are
    read by the new one from then on. Without `old` it is the one node that stands there. EditError says what does not fit;
    whether the result is free of overlaps is for the caller to check, as for any file.
    """
    tables = tomllib.loads(text)
    if not any(s["id"] == station for s in tables.get("station", ())):
        raise EditError(f"no station has the id {station}; see `pantau node placed`")
    there = [n for n in tables.get("node", ()) if n["station"] == station and _holds(n, at)]
    place = _leaving(station, [n["id"] for n in there], new, old, at)
    leaving = None if place is None else there[place]
    at = at.astimezone(_zone(tables, at))
    edit = _Edit(text, tables)
    sensors = 0
    if leaving is None:
        edit.append("node", {"id": new, "station": station, "from": at})
    else:
        edit.hand_over("node", leaving, at, {"id": new})
        for sensor in [s for s in tables.get("sensor", ()) if s["station"] == station and _holds(s, at)]:
            if sensor.get("node") == leaving["id"]:
                edit.hand_over("sensor", sensor, at, {"node": new})
                sensors += 1
    return Replacement(edit.text(), edit.tables, leaving and leaving["id"], new, sensors)


def place_node(text: str, station: str, node: str, at: datetime) -> str:
    """Return `text`, a registry without mistakes, with one more node at `station` from `at` on, beside those that stand there."""
    tables = tomllib.loads(text)
    edit = _Edit(text, tables)
    edit.append("node", {"id": node, "station": station, "from": at.astimezone(_zone(tables, at))})
    return edit.text()


def _leaving(station: str, there: list[str], new: str, old: str | None, at: datetime) -> int | None:
    """Return which of the nodes that stand at `station` leaves, None when nobody stands there."""
    if new in there:
        raise EditError(f"{new} stands at {station} already at {at.isoformat()}; nothing is to be replaced")
    if old is not None and old not in there:
        names = f"there stand {', '.join(there)}" if there else "nobody stands there"
        raise EditError(f"{old} does not stand at {station} at {at.isoformat()}: {names}")
    if old is None and len(there) > 1:
        raise EditError(
            f"{station} has {len(there)} nodes at that time; say which one leaves: --old {' | '.join(there)}"
        )
    return (there.index(old) if old is not None else 0) if there else None


def _holds(entry: dict[str, Any], at: datetime) -> bool:
    start: datetime = entry.get("from", EVER)
    end: datetime = entry.get("to", NEVER)
    return start <= at < end


def _zone(tables: dict[str, Any], at: datetime) -> timezone:
    """Return the offset in which this file writes times: that of its first, else that of `at`."""
    times = (t for entry in tables.get("node", ()) for key in ("from", "to") if (t := entry.get(key)) is not None)
    return timezone(next(times, at).utcoffset() or timedelta())


class _Edit:
    """The lines of a file and the tables that they should give, changed side by side."""

    def __init__(self, text: str, tables: dict[str, Any]) -> None:
        self.tables = copy.deepcopy(tables)
        self._was = tables
        self._newline = "\r\n" if "\r\n" in text else "\n"
        self._lines = [line for line in re.split(r"(?<=\n)", text) if line]
        if self._lines and not self._lines[-1].endswith("\n"):
            self._lines[-1] += self._newline
        self._changes: list[tuple[int, int, list[str]]] = []  # first line, line behind, what comes there

    def hand_over(self, array: str, entry: dict[str, Any], at: datetime, changed: dict[str, Any]) -> None:
        """End `entry` at `at`, and begin after it another like it with `changed`, until when the first would have ended."""
        number = next(i for i, e in enumerate(self._was[array]) if e is entry)
        first, last = self._block(array, number)
        heir = {k: v for k, v in entry.items() if k not in {"from", "to"}} | changed | {"from": at}
        heir |= {"to": entry["to"]} if "to" in entry else {}
        place = next(i for i, e in enumerate(self.tables[array]) if e == entry)
        self.tables[array][place] = entry | {"to": at}
        self.tables[array].insert(place + 1, heir)
        block = self._lines[first:last]
        # The comments of the old entry tell of the old one: they stay with it.
        lines = [*self._set(block, "to", at), self._newline, *self._rows(array, heir)]
        self._changes.append((first, last, lines))

    def append(self, array: str, entry: dict[str, Any]) -> None:
        """Add `entry` after the last of its array, at the end of the file when it is the first."""
        self.tables.setdefault(array, []).append(entry)
        count = len(self._was.get(array, ()))
        line = self._block(array, count - 1)[1] if count else len(self._lines)
        self._changes.append((line, line, [self._newline, *self._rows(array, entry)]))

    def text(self) -> str:
        """Return the edited text; EditError when the file is written in a way that lines do not show."""
        lines = list(self._lines)
        for first, last, new in sorted(self._changes, reverse=True):  # from the end: so that numbers stay true
            lines[first:last] = new
        text = "".join(lines)
        try:
            meant = tomllib.loads(text) == self.tables
        except tomllib.TOMLDecodeError:
            meant = False
        if not meant:
            raise EditError("this registry is written in a form that cannot be edited by itself; edit it by hand")
        return text

    def _block(self, array: str, number: int) -> tuple[int, int]:
        """Return the lines of the `number`-th entry, from its header to behind its last key."""
        heads = [i for i, line in enumerate(self._lines) if (m := _ARRAY.match(line)) and m[1] == array]
        if len(heads) != len(self._was[array]):
            raise EditError(f"{array} entries that do not stand under [[{array}]] cannot be edited; edit them by hand")
        first = heads[number]
        body = list(takewhile(lambda line: not _HEADER.match(line), self._lines[first + 1 :]))
        while body and (not body[-1].strip() or body[-1].lstrip().startswith("#")):
            body.pop()
        return first, first + 1 + len(body)

    def _rows(self, array: str, entry: dict[str, Any]) -> list[str]:
        return [f"[[{array}]]{self._newline}", *(f"{k} = {_toml(v)}{self._newline}" for k, v in entry.items())]

    def _set(self, block: list[str], key: str, value: Any) -> list[str]:
        """Return the lines of one entry with `key` set, where it stands or as a line at the end."""
        pattern = re.compile(_KEY.format(key))
        for index, line in enumerate(block):
            if found := pattern.match(line.rstrip("\r\n")):
                changed = f"{found[1]}{_toml(value)}{found[3]}{self._newline}"
                return [*block[:index], changed, *block[index + 1 :]]
        indent = re.match(r"\s*", block[-1])
        return [*block, f"{indent[0] if indent else ''}{key} = {_toml(value)}{self._newline}"]


def _toml(value: Any) -> str:
    """Return a text, a time or a list of texts as TOML."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds").replace("+00:00", "Z")
    return json.dumps(value, ensure_ascii=False)
