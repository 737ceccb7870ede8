"""From a path and its options to the answer of SensorThings 1.1. It knows no HTTP: texts in, JSON values out.

Paths (18-088, 9.2): /Set, /Set('id'), then navigations, a property, /$value or /$ref. Ids are texts; a quote in one is doubled.
"""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, unquote, urlencode

from pantau.web.geojson import iso
from pantau.web.sta import sql
from pantau.web.sta.model import JSON, PLACE, SETS, TIME
from pantau.web.sta.options import OptionError, Options, parse
from pantau.web.sta.reader import ANSWER_S

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pantau.web.sta.model import EntitySet
    from pantau.web.sta.reader import Reader

CONFORMANCE = tuple(
    f"http://www.opengis.net/spec/iot_sensing/1.1/req/{part}"
    for part in ("datamodel", "resource-path/resource-path-to-entities", "request-data")
)
MAX_ENTITIES = 20_000  # of one answer, what is expanded included
_MAX_SEGMENTS = 12
_SEGMENT = re.compile(r"(\w+)(?:\(('(?:[^']|'')*'|[^')]*)\))?")


class NotFoundError(LookupError):
    """A path that leads nowhere; the text says where it ends."""


class _Place(NamedTuple):
    """A set, what narrows it, and whether it is one entity that is meant."""

    name: str
    where: Mapping[str, Any]
    one: bool


class Service:
    """Answers for one reader. `root` is the URL up to and with the version, without a slash at its end."""

    def __init__(self, reader: Reader, root: str, now_ms: int) -> None:
        self._reader, self._root, self._now_ms = reader, root, now_ms
        self._left = MAX_ENTITIES
        self._until_s = time.monotonic() + ANSWER_S

    def answer(self, path: str, query: str) -> Any:
        """Return the JSON value for a path below the root. NotFoundError, OptionError, TooLongError, sqlite3.Error."""
        parts = [unquote(part) for part in _segments(path)]
        asked = parse(query)
        if not parts:
            return {
                "value": [{"name": name, "url": f"{self._root}/{name}"} for name in SETS],
                "serverSettings": {"conformance": list(CONFORMANCE)},
            }
        place, rest = self._walk(parts)
        if rest == ["$ref"]:
            return self._refs(place, asked, "/".join(parts))
        if rest:
            return self._part(place, rest)
        if place.one:
            return self._only(place, asked)
        return self._page(place.name, place.where, asked, "/".join(quote(part, safe="()'$") for part in parts))

    def _walk(self, parts: list[str]) -> tuple[_Place, list[str]]:
        """Follow a path entity by entity; return where it ends and what is left of it: a property, $value, $ref."""
        if len(parts) > _MAX_SEGMENTS:
            raise NotFoundError(f"a path of {len(parts)} parts; at most {_MAX_SEGMENTS}")
        place: _Place | None = None
        for at, part in enumerate(parts):
            match = _SEGMENT.fullmatch(part)
            if match is None or (place is not None and match[1] not in SETS[place.name].links):
                if place is None:
                    break
                return place, parts[at:]
            name, given = match[1], match[2]
            if place is None:
                if name not in SETS:
                    break
                place = _Place(name, {}, one=False)
            else:
                if not place.one:
                    raise NotFoundError(f"{place.name}: name one of them, as {place.name}('id')/{name}")
                relation = SETS[place.name].links[name]
                row = self._row(place)
                place = _Place(relation.target, {key: row[key] for key in relation.keys}, one=not relation.many)
            if given is not None:
                place = _Place(place.name, {**place.where, **self._named(place.name, given)}, one=True)
        if place is None:
            raise NotFoundError(f"no set is called {parts[0][:40]!r}; there are {', '.join(SETS)}")
        return place, []

    def _named(self, name: str, given: str) -> dict[str, Any]:
        """Return what narrows a set to one id: where it has parts, by the columns that an index has."""
        ident = given[1:-1].replace("''", "'") if given[:1] == "'" else given
        if name not in {"Datastreams", "Observations"}:
            return {"id": ident}
        words = ident.split(":")
        if len(words) != (2 if name == "Datastreams" else 5):
            return {"id": ident}
        found = self._rows(sql.Query(
            "SELECT n.id AS nid, p.id AS pid FROM city.nodes AS n, city.properties AS p WHERE n.node = ? AND p.name = ?", (words[0], words[-1]),
        ))  # fmt: skip
        numbers = [word for word in words[1:-1] if word.isascii() and word.isdigit() and len(word) < 19]
        if not found or len(numbers) != len(words) - 2:
            return {"id": ident}
        return {**found[0], **dict(zip(("boot", "seq", "idx"), map(int, numbers), strict=False))}

    def _rows(self, query: sql.Query) -> list[dict[str, Any]]:
        return self._reader.rows(query, self._until_s)

    def _row(self, place: _Place) -> dict[str, Any]:
        found = self._rows(sql.page(place.name, Options(top=1), place.where, self._now_ms))
        if not found:
            raise NotFoundError(f"no such entity in {place.name}")
        return found[0]

    def _only(self, place: _Place, asked: Options) -> dict[str, Any]:
        if asked.filter is not None or asked.order or asked.skip or asked.counted:
            raise OptionError("one entity takes $select and $expand only")
        return self._entity(place.name, self._row(place), asked)

    def _page(self, name: str, where: Mapping[str, Any], asked: Options, path: str) -> dict[str, Any]:
        answer: dict[str, Any] = {}
        if asked.counted:
            answer["@iot.count"] = self._rows(sql.count(name, asked, where, self._now_ms))[0]["count(*)"]
        rows = self._rows(sql.page(name, asked, where, self._now_ms))
        if len(rows) > asked.top and asked.top:
            answer["@iot.nextLink"] = f"{self._root}/{path}?{self._next(asked)}"
        self._left -= min(len(rows), asked.top)
        if self._left < 0:
            raise OptionError(f"more than {MAX_ENTITIES} entities in one answer: a smaller $top, here or in $expand")
        answer["value"] = [self._entity(name, row, asked) for row in rows[: asked.top]]
        return answer

    def _next(self, asked: Options) -> str:
        """Return the query of the page after this one."""
        kept = {name: value for name, value in asked.raw if name != "$skip"}
        return urlencode({**kept, "$skip": asked.skip + asked.top}, safe="$(),;=/'", quote_via=quote)

    def _entity(self, name: str, row: dict[str, Any], asked: Options) -> dict[str, Any]:
        known = SETS[name]
        here = f"{name}({_quoted(row['id'])})"
        wanted = asked.select
        if wanted is not None:
            for one in wanted:
                if one not in known.fields and one not in known.links and one not in {"id", "@iot.id", "@iot.selfLink"}:
                    raise OptionError(f"$select: {name} have no {one[:40]!r}; they have id, {', '.join(known.fields)}")
        entity: dict[str, Any] = {}
        if wanted is None:
            entity["@iot.selfLink"] = f"{self._root}/{here}"
        if wanted is None or {"id", "@iot.id"} & set(wanted):
            entity["@iot.id"] = row["id"]
        for field, kind in known.fields.items():
            if wanted is None or field in wanted:
                entity[field] = _shown(name, field, kind, row)
        expanded = dict(asked.expand)
        for link in expanded:
            if link not in known.links:
                raise OptionError(f"$expand: {name} have no {link[:40]!r}; they have {', '.join(known.links)}")
        for link, relation in known.links.items():
            if link in expanded:
                self._expand(
                    entity,
                    link,
                    f"{here}/{link}",
                    (relation.target, {key: row[key] for key in relation.keys}),
                    relation.many,
                    expanded[link],
                )
            elif wanted is None or link in wanted:
                entity[f"{link}@iot.navigationLink"] = f"{self._root}/{here}/{link}"
        return entity

    def _expand(
        self, entity: dict[str, Any], link: str, path: str, to: tuple[str, dict[str, Any]], many: bool, asked: Options
    ) -> None:
        name, where = to
        if not many:
            rows = [] if None in where.values() else self._rows(sql.page(name, Options(top=1), where, self._now_ms))
            entity[link] = self._entity(name, rows[0], asked) if rows else None
            return
        page = self._page(name, where, asked, quote(path, safe="()'/$"))
        entity[link] = page["value"]
        for part in ("@iot.count", "@iot.nextLink"):
            if part in page:
                entity[link + part] = page[part]

    def _refs(self, place: _Place, asked: Options, path: str) -> dict[str, Any]:
        page = self._page(place.name, place.where, asked._replace(select=("id",), expand=()), quote(path, safe="()'/$"))
        links = [{"@iot.selfLink": f"{self._root}/{place.name}({_quoted(one['@iot.id'])})"} for one in page["value"]]
        return {**page, "value": links}

    def _part(self, place: _Place, rest: list[str]) -> Any:
        """Return one property of an entity, or a part of one, as {name: value} or with $value by itself."""
        known: EntitySet = SETS[place.name]
        names = rest[:-1] if rest[-1] == "$value" else rest
        if not place.one or not names or names[0] not in known.fields:
            raise NotFoundError(f"{place.name} have no {'/'.join(rest)[:60]!r}")
        value = _shown(place.name, names[0], known.fields[names[0]], self._row(place))
        for name in names[1:]:
            if not isinstance(value, dict) or name not in value:
                raise NotFoundError(f"{place.name} have no {'/'.join(rest)[:60]!r}")
            value = value[name]
        return value if names is not rest or value is None else {names[-1]: value}


def _segments(path: str) -> list[str]:
    """Return the parts of a path between slashes that stand in no quotes."""
    parts, part, quoted = [], "", False
    for char in path.strip("/"):
        quoted ^= char == "'"
        if char == "/" and not quoted:
            parts.append(part)
            part = ""
        else:
            part += char
    return [one for one in [*parts, part] if one]


def _quoted(ident: str) -> str:
    return "'" + quote(ident.replace("'", "''"), safe=":'") + "'"


def _shown(name: str, field: str, kind: str, row: dict[str, Any]) -> Any:
    value = row[field]
    if value is None:
        return None
    if kind == JSON:
        return {key: one for key, one in json.loads(value).items() if one is not None}
    if kind == PLACE:
        return {"type": "Point", "coordinates": [float(part) for part in value.split()]}
    if kind != TIME:
        return value
    if name == "Datastreams":
        return f"{iso(row['first'])}/{iso(value)}"
    return iso(value)
