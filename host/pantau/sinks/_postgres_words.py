"""Texts that rows name by number: nodes, stations, properties, reasons. Held here as they are in the database, within a bound."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pantau.sinks import _postgres_rows as rows
from pantau.sinks import _postgres_sql as sql

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pantau.model import Observation
    from pantau.sinks._postgres_link import Connection
    from pantau.sinks._postgres_rows import Tag, TagKey

    Say = Callable[[str], bytes]

_MOST = 1 << 17  # texts or tags held: a few for each node, tens for each kind of observation


class Words:
    """The ids of texts. `forget` whenever a transaction that may have made some is undone, or the database is another."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._ids: dict[tuple[str, str], int] = {}
        self._properties: dict[str, tuple[int, str]] = {}
        self.tags: dict[TagKey, Tag] = {}

    def forget(self) -> None:
        """Know nothing again."""
        self._ids.clear()
        self._properties.clear()
        self.tags.clear()

    def bound(self) -> None:
        """Let go of everything when it has become too much. Called between deliveries."""
        if len(self._ids) > _MOST or len(self.tags) > _MOST:
            self.forget()

    def ids(self, db: Connection, table: str, texts: Iterable[str]) -> dict[str, int]:
        """Return the ids of `texts` in `table`, made where they are new. ValueError for what is no text to PostgreSQL."""
        wanted = set(texts)
        unknown = [text for text in wanted if (table, text) not in self._ids]
        for text in unknown:
            _checked(text)
        if unknown:
            found = db.execute(self._say(sql.FIND[table]), (unknown,)).fetchall()
            new = sorted(set(unknown) - {text for text, _ in found})
            if new:  # in one order everywhere, so that two bridges do not wait for each other
                db.execute(self._say(sql.ADD[table]), (new,))
                found += db.execute(self._say(sql.FIND[table]), (new,)).fetchall()
            for text, number in found:
                self._ids[table, text] = number
        return {text: self._ids[table, text] for text in wanted}

    def id(self, db: Connection, table: str, text: str) -> int:
        """Return the id of one text, as `ids`."""
        known = self._ids.get((table, text))
        return self.ids(db, table, [text])[text] if known is None else known

    def station(self, name: str) -> int:
        """Return the id of a station that is held here. LookupError for another."""
        return self._ids["stations", name]

    def known_property(self, db: Connection, name: str) -> int:
        """Return the id of a property that is there. LookupError for another."""
        return self._property(db, name)[0]

    def property(self, db: Connection, name: str, unit: str) -> int:
        """Return the id of a property, made where it is new. ValueError when it is stored in another unit, or is no text."""
        try:
            number, held = self._property(db, name)
        except LookupError:
            db.execute(self._say(sql.ADD_PROPERTY), (name, _checked(unit)))
            number, held = self._property(db, name)
        if unit != held:
            raise ValueError(f"its unit is {unit}, the database holds {name} in {held}")
        return number

    def _property(self, db: Connection, name: str) -> tuple[int, str]:
        if name not in self._properties:
            row = db.execute(self._say(sql.FIND_PROPERTY), (_checked(name),)).fetchone()
            if row is None:
                raise LookupError(name)
            self._properties[name] = (row[0], row[1])
        return self._properties[name]

    def learn(self, db: Connection, seen: Observation) -> Tag:
        """Return the tag of a kind of observation, for the encoder. ValueError or struct.error when it cannot be held."""
        number = self.property(db, seen.property, seen.unit)
        reason, tests = (self.id(db, "words", text) for text in (seen.reason, seen.tests))
        made = rows.tag(number, seen.quality, seen.clock, reason, tests)
        self.tags[seen.property, seen.unit, seen.quality, seen.reason, seen.tests, seen.clock] = made
        return made


def _checked(text: str) -> str:
    """Return `text`. ValueError (UnicodeEncodeError is one) when it cannot be a text in PostgreSQL."""
    if b"\0" in text.encode():
        raise ValueError(f"{text!r} holds a zero character, which PostgreSQL takes in no text")
    return text
