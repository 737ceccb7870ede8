"""SensorThings 1.1 over HTTP: entities found, made, changed and read page by page. It knows no observation of ours.

An id is kept as the literal that stands between the brackets of a link, 17 or 'b1946ac9', for servers differ in it.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pantau.sinks.items import Refused, TargetTrouble

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pantau.sinks._http import Answer, Http

_JSON = {"Content-Type": "application/json"}
_MOST_PAGES = 2_000
_OF_SERVICE = re.compile(r"/v1\.[01]/(.+)$", re.DOTALL)
_LITERAL = re.compile(r"\(([^()]+)\)/?$")


class Gone(Exception):  # noqa: N818  a state that the sink mends
    """The server does not know an id that it gave: it lost its data, or changed its ids."""


class Exists(Refused):
    """The server has such an entity already."""


class Broken(Refused):
    """The server fails at this one thing, or at everything."""


def literal(link: str) -> str:
    """Return the id in a link as it stands there. ValueError for a text that is no link to an entity."""
    found = _LITERAL.search(link)
    if found is None:
        raise ValueError(f"{link[:200]!r} is no link to an entity")
    return found[1]


def iot_id(text: str) -> str | int:
    """Return the value of @iot.id for a literal."""
    if text.startswith("'"):
        return text[1:-1].replace("''", "'")
    return int(text) if text.isdecimal() else text


def encoded(query: str) -> str:
    """Return a query with what a URL cannot hold encoded."""
    return quote(query, safe="$=&'(),/:@")


def text(value: str) -> str:
    """Return a text literal of a $filter."""
    return "'" + value.replace("'", "''") + "'"


class Client:
    """One service. Raises TargetTrouble for whatever concerns it as a whole."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def find(self, entities: str, name: str) -> str | None:
        """Return the id of the entity with this name, None when there is none."""
        for found in self.pages(f"/{entities}?{encoded(f'$filter=name eq {text(name)}')}"):
            return id_of(found)
        return None

    def pages(self, path: str, *, optional: bool = False) -> Iterator[dict[str, Any]]:
        """Yield the entities of a collection, page by page. Gone when the server does not know an id in `path`.

        With `optional` the server may be unable to answer the query: then there is nothing.
        """
        for _ in range(_MOST_PAGES):
            answer = self._http.request("GET", path, one_item=optional)
            if answer.status == 404 and "(" in path.partition("?")[0]:
                raise Gone(f"{answer.url} is not there any more")
            if answer.status >= 400:
                if optional:
                    return
                why = "check that url is the root of a SensorThings 1.1 service"
                raise TargetTrouble(f"{answer.url} answered {answer.status}: {answer.quoted()}; {why}")
            page = _object(answer)
            values = page.get("value")
            if not isinstance(values, list):
                raise TargetTrouble(f"{answer.url} answered something else than a collection: {answer.quoted()}")
            yield from values
            following = page.get("@iot.nextLink")
            if not values or not following:
                return
            path = _within(following)
        raise TargetTrouble(f"{path} has no end: {_MOST_PAGES} pages read; look at the server")

    def entity(self, path: str) -> dict[str, Any] | None:
        """Return one entity, None when the server does not know it."""
        answer = self._http.request("GET", path)
        return None if answer.status >= 400 else _object(answer)

    def create(self, entities: str, body: Mapping[str, Any]) -> str:
        """Make an entity and return its id. Refused when the server does not take it, Exists when it has it."""
        answer = self._http.request("POST", f"/{entities}", json.dumps(body).encode(), _JSON)
        refused(answer)
        try:
            return literal(answer.headers["location"])
        except (KeyError, ValueError):
            return id_of(_object(answer))

    def create_row(self, stream: str | int, cells: Mapping[str, Any]) -> str:
        """Make one Observation as a Data Array: a POST to Observations may cut its time to seconds. Refused as `create`."""
        group = {
            "Datastream": {"@iot.id": stream}, "components": list(cells), "dataArray@iot.count": 1,
            "dataArray": [list(cells.values())],
        }  # fmt: skip
        answer = self.post("/CreateObservations", json.dumps([group]).encode())
        refused(answer)
        links = answer.json()
        if not isinstance(links, list) or len(links) != 1:
            raise TargetTrouble(
                f"{answer.url} answered something else than one line: {answer.quoted()}", ambiguous=True
            )
        try:
            return literal(str(links[0]))
        except ValueError:
            raise Refused(f"the server answered {answer.quoted()}") from None

    def post(self, path: str, body: bytes, *, one_item: bool = False) -> Answer:
        """Return the answer to a POST of JSON; see Http.request."""
        return self._http.request("POST", path, body, _JSON, one_item=one_item)

    def change(self, path: str, body: Mapping[str, Any]) -> bool:
        """Change fields of an entity; False when the server does not know it. Refused when it does not take them.

        Broken for a 500: servers have changes that they never survive.
        """
        answer = self._http.request("PATCH", path, json.dumps(body).encode(), _JSON, one_item=True)
        if answer.status == 500:
            raise Broken(f"{answer.url} answered 500: {answer.quoted()}")
        if answer.status == 404:
            return False
        refused(answer)
        if answer.body.strip():
            answer.json()  # else it is not the service that answers
        return True

    def delete(self, path: str) -> None:
        """Delete an entity; one that is not there is deleted."""
        answer = self._http.request("DELETE", path)
        if answer.status != 404:
            refused(answer)


def id_of(entity: Mapping[str, Any]) -> str:
    """Return the id of an entity as the server shows it, whole or with its @iot.id alone."""
    link = entity.get("@iot.selfLink")
    if isinstance(link, str):
        return literal(link)
    number = entity.get("@iot.id")
    if number is None:
        raise TargetTrouble(f"an entity without an id: {str(dict(entity))[:200]}; look at the server", ambiguous=True)
    return text(number) if isinstance(number, str) else str(number)


def refused(answer: Answer) -> None:
    """Raise Exists or Refused for an answer that is a refusal."""
    if answer.status == 409:
        raise Exists(f"{answer.url} answered 409: {answer.quoted()}")
    if answer.status >= 400:
        raise Refused(f"the server answered {answer.status}: {answer.quoted()}")


def _object(answer: Answer) -> dict[str, Any]:
    value = answer.json()
    if not isinstance(value, dict):
        raise TargetTrouble(f"{answer.url} answered something else than an object: {answer.quoted()}", ambiguous=True)
    return value


def _within(link: str) -> str:
    """Return the part of a link below the service's root: behind a proxy a server may not know its own address."""
    found = _OF_SERVICE.search(link)
    if found is None:
        raise TargetTrouble(f"the server gave a link that does not lie below /v1.1/: {link[:200]!r}")
    return "/" + found[1]
