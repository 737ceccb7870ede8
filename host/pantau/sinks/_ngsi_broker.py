"""What is said to an NGSI-LD broker, and what its answers mean: ETSI GS CIM 009, the parts that a writer needs.

The status is not the verdict: 201 lists what was created, 207 names entity by entity what was not taken.
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, urlencode

from pantau.sinks import _ngsi_entities as sdm
from pantau.sinks.items import Refused, TargetTrouble

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pantau.sinks._http import Answer, Http
    from pantau.sinks._ngsi_entities import Json

_ROOT = "/ngsi-ld/v1"
_LINK = 'rel="http://www.w3.org/ns/json-ld#context"; type="application/ld+json"'
_ASKED = 40  # ids of one query: they stand in its address, which some servers end at 8 kB
_QUOTED = 200


Instances = dict[tuple[str, int], str]  # (attribute, instant): id of the instance, "" when the broker gives none


class Contexts(NamedTuple):
    """Addresses of the contexts: that of each type, and NGSI-LD's own, which comes last and so rules. `link`: in the header."""

    of_type: Mapping[str, str]
    core: str
    link: bool


class Written(NamedTuple):
    """What became of the entities of one request, by id. `refused` and `later` say why."""

    created: set[str]
    refused: dict[str, str]
    later: dict[str, str]


class NoHistory(Refused):
    """The broker has no temporal API: smaller requests would fare no better."""


class Broker:
    """The requests of one sink. Methods raise TargetTrouble; those that write raise Refused for a request without merit."""

    def __init__(self, http: Http, contexts: Contexts, tenant: str | None) -> None:
        self._http = http
        self._contexts = contexts
        self._root = "" if http.url.endswith(_ROOT) else _ROOT
        self._tenant = {} if tenant is None else {"NGSILD-Tenant": tenant}

    def dress(self, entity: Json) -> bytes:
        """Return an entity as it travels, with its context unless that goes into the header."""
        if not self._contexts.link:
            entity = entity | {"@context": [self._contexts.of_type[entity["type"]], self._contexts.core]}
        return json.dumps(entity, separators=(",", ":"), allow_nan=False).encode()

    def group(self, kind: str) -> str:
        """Return what entities of one request have in common: nothing, or the context that the header can name once."""
        return self._contexts.of_type[kind] if self._contexts.link else ""

    def upsert(self, entities: Sequence[tuple[str, bytes]]) -> Written:
        """Create or update entities of one group, each given as (id, dressed); no id twice."""
        body = b"[" + b",".join(dressed for _, dressed in entities) + b"]"
        headers = self._headers(sdm.type_of(entities[0][0]))
        answer = self._http.request("POST", f"{self._root}/entityOperations/upsert?options=update", body, headers)
        ids = {name for name, _ in entities}
        if 400 <= answer.status < 500:
            raise Refused(f"upsert answered {answer.status}: {answer.quoted()}")
        if answer.status == 204:
            return Written(set(), {}, {})
        told = answer.json()
        if answer.status == 201 and isinstance(told, list):
            return Written(ids & {str(name) for name in told}, {}, {})
        if answer.status in {200, 207} and isinstance(told, dict) and "errors" in told:
            return _mixed(answer, told, ids)
        raise TargetTrouble(f"{answer.url} answered {answer.status}, which no batch upsert does: {answer.quoted()}", ambiguous=True)  # fmt: skip

    def current(self, ids: Iterable[str]) -> dict[str, Json]:
        """Return those of the entities that the broker has, in normalized form."""
        by_type: defaultdict[str, list[str]] = defaultdict(list)
        for name in ids:
            by_type[sdm.type_of(name)].append(name)
        found: dict[str, Json] = {}
        for kind, names in by_type.items():
            for at in range(0, len(names), _ASKED):
                some = names[at : at + _ASKED]
                asked = urlencode({"id": ",".join(some), "type": kind, "limit": len(some)}, safe=":,")
                answer = self._get(f"{self._root}/entities?{asked}", kind)
                told = answer.json() if answer.status == 200 else []
                if answer.status not in {200, 404} or not isinstance(told, list):
                    raise TargetTrouble(f"{answer.url} answered {answer.status}: {answer.quoted()}")
                found |= {one["id"]: one for one in told if isinstance(one, dict) and one.get("id") in some}
        return found

    def history(self, entity: str, names: Iterable[str], first_ms: int, last_ms: int) -> Instances | None:
        """Return what the broker's history holds in a span; None when it held some of it back."""
        # One millisecond more at both ends: whether "between" includes them has been read both ways.
        span = {"timeAt": sdm.instant(first_ms - 1), "endTimeAt": sdm.instant(last_ms + 1)}
        asked = urlencode({"timerel": "between", **span, "attrs": ",".join(names)}, safe=":,")
        path = f"{self._root}/temporal/entities/{quote(entity, safe=':')}?{asked}"
        answer = self._get(path, sdm.type_of(entity), one_item=True)
        if answer.status == 404:
            return {}
        if answer.status == 206:
            return None
        told = answer.json() if answer.status == 200 else None
        if not isinstance(told, dict):
            raise TargetTrouble(f"{answer.url} answered {answer.status}: {answer.quoted()}; {_NO_HISTORY}")
        return dict(_instants(told))

    def append(self, kind: str, dressed: bytes) -> None:
        """Add instances of attributes to the history of an entity of the type `kind`."""
        path = f"{self._root}/temporal/entities"
        answer = self._http.request("POST", path, dressed, self._headers(kind), one_item=True)
        if answer.status in {201, 204}:
            return
        said = f"{answer.url} answered {answer.status}: {answer.quoted()}"
        if answer.status in {404, 405, 501}:
            raise NoHistory(f"{said}; {_NO_HISTORY}")
        if 400 <= answer.status < 500:
            raise Refused(said)
        raise TargetTrouble(f"{said}, which no temporal upsert does; look at the broker", ambiguous=True)

    def amend(self, entity: str, name: str, instance: str, value: Json) -> bool:
        """Replace one instance of an attribute in an entity's history; False when the broker does not."""
        path = f"{self._root}/temporal/entities/{quote(entity, safe=':')}/attrs/{quote(name, safe=':')}/{quote(instance, safe=':')}"
        body: Json = {name: value, "type": sdm.type_of(entity)}
        answer = self._http.request("PATCH", path, self.dress(body), self._headers(sdm.type_of(entity)), one_item=True)
        return answer.status == 204

    def _get(self, path: str, kind: str, *, one_item: bool = False) -> Answer:
        link = {"Link": f"<{self._contexts.of_type[kind]}>; {_LINK}"}
        headers = {"Accept": "application/json", **self._tenant, **link}
        return self._http.request("GET", path, None, headers, one_item=one_item)

    def _headers(self, kind: str) -> dict[str, str]:
        if not self._contexts.link:
            return {"Content-Type": "application/ld+json", **self._tenant}
        link = f"<{self._contexts.of_type[kind]}>; {_LINK}"
        return {"Content-Type": "application/json", "Link": link, **self._tenant}


_NO_HISTORY = 'if this broker keeps no history, set temporal = "off"'


def _mixed(answer: Answer, told: Json, ids: set[str]) -> Written:
    """Read a BatchOperationResult; an entity of which it says nothing is as good as not answered."""
    refused: dict[str, str] = {}
    later: dict[str, str] = {}
    for one in told["errors"] if isinstance(told["errors"], list) else []:
        name, error = (one.get("entityId"), one.get("error")) if isinstance(one, dict) else (None, None)
        if name not in ids:
            continue
        error = error if isinstance(error, dict) else {"detail": error}
        status = error.get("status")
        said = ": ".join(str(error[key]) for key in ("status", "title", "detail") if error.get(key))
        (later if isinstance(status, int) and status >= 500 else refused)[name] = (
            said[:_QUOTED] or "it does not say why"
        )
    success = {str(name) for name in told.get("success") or []}
    if unsaid := ids - success - refused.keys() - later.keys():
        raise TargetTrouble(f"{answer.url} answered {answer.status} without a word of {min(unsaid)}", ambiguous=True)
    return Written(set(), refused, later)


def _instants(told: Json) -> Iterator[tuple[tuple[str, int], str]]:
    for name, value in told.items():
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, dict) and isinstance(at := one.get("observedAt"), str):
                try:
                    yield (name, sdm.milliseconds(at)), str(one.get("instanceId", ""))
                except ValueError:
                    continue


def pieces(entities: Iterable[tuple[str, Any, bytes]], most: int, most_bytes: int) -> Iterator[list[tuple[str, bytes]]]:
    """Cut (id, group, dressed) into requests of one group, of `most` entities and `most_bytes` at most."""
    by_group: defaultdict[Any, list[tuple[str, bytes]]] = defaultdict(list)
    for name, group, dressed in entities:
        by_group[group].append((name, dressed))
    for members in by_group.values():
        piece: list[tuple[str, bytes]] = []
        size = 0
        for name, dressed in members:
            if piece and (len(piece) == most or size + len(dressed) > most_bytes):
                yield piece
                piece, size = [], 0
            piece.append((name, dressed))
            size += len(dressed) + 1
        yield piece
