"""A stand-in for an NGSI-LD broker: ours, and so it proves our client, not conformance. No broker installs from a registry.

It answers what ETSI GS CIM 009 and its test suite (004_01 to 004_08) say of batch upsert, and of the temporal API what a
writer needs: create or append, look up a span, amend an instance. Each change of an attribute with a date also becomes an
instance of its history, as in brokers that record by themselves. Terms are compared as they are written, without contexts.
"""

from __future__ import annotations

import itertools
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from pantau_sim.servers import free_port, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]
_ROOT = "/ngsi-ld/v1/"
_HELD_BACK = 1_000  # instances of one attribute in one answer: beyond that the answer is 206
_VALUE_OF = {"Property": "value", "Relationship": "object", "GeoProperty": "value"}
_STOP_S = 60.0  # to write down what it holds


class Reply(NamedTuple):
    """An answer: status, and a body that is JSON unless it is bytes."""

    status: int
    body: Any = None


class Request(NamedTuple):
    """A request; header names are lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


class BadRequest(ValueError):  # noqa: N818  what the standard calls it
    """Why a request, or one entity of it, is not NGSI-LD."""


class Store:
    """What the broker holds: entities by id, and instances of their attributes through time."""

    def __init__(self, state: Json | None = None, *, records: bool = True) -> None:
        """`records`: each change of a current value becomes history."""
        self._records = records
        state = state or {"entities": {}, "temporal": {}, "instances": 0}
        self.entities: dict[str, Json] = state["entities"]
        self.temporal: dict[str, Json] = state["temporal"]
        self._numbers = itertools.count(state["instances"])

    def state(self) -> Json:
        """Return everything, as JSON."""
        return {"entities": self.entities, "temporal": self.temporal, "instances": next(self._numbers)}

    def upsert(self, entities: list[Any], *, update: bool, in_body: bool) -> Reply:
        """Create or change entities one after another; one that is bad costs the others nothing."""
        created: list[str] = []
        done: list[str] = []
        errors: list[Json] = []
        for entity in entities:
            try:
                name, attributes = _parts(entity, in_body=in_body)
            except BadRequest as bad:
                told = {"type": "https://uri.etsi.org/ngsi-ld/errors/BadRequestData", "title": str(bad), "status": 400}
                errors.append({"entityId": entity.get("id", "") if isinstance(entity, dict) else "", "error": told})
                continue
            known = self.entities.get(name)
            if known is None:
                created.append(name)
            kept = known if known is not None and update else {"id": name, "type": entity["type"]}
            self.entities[name] = kept | attributes
            if self._records:
                self._record(entity["type"], name, {k: [one] for k, one in attributes.items() if "observedAt" in one})
            done.append(name)
        if errors:
            return Reply(207, {"success": done, "errors": errors})
        return Reply(201, created) if created else Reply(204)

    def append(self, entity: Any, *, in_body: bool) -> Reply:
        """Create an entity's history, or add to it."""
        name, attributes = _parts(entity, in_body=in_body, temporal=True)
        return Reply(201 if self._record(entity["type"], name, attributes) else 204)

    def amend(self, name: str, attribute: str, instance: str, body: Any) -> Reply:
        """Replace one instance of an attribute."""
        for one in self.temporal.get(name, {}).get(attribute, []):
            if one["instanceId"] == instance:
                one.clear()
                one.update(body[attribute], instanceId=instance)
                return Reply(204)
        return Reply(404, {"title": f"no instance {instance} of {attribute}"})

    def query(self, asked: dict[str, str]) -> Reply:
        """Return current entities by id and type."""
        ids = asked["id"].split(",") if "id" in asked else list(self.entities)
        found = [self.entities[name] for name in ids if name in self.entities]
        found = [one for one in found if asked.get("type", one["type"]) == one["type"]]
        return Reply(200, found[: int(asked.get("limit", 20))])

    def span(self, name: str, asked: dict[str, str]) -> Reply:
        """Return the instances between two times, both excluded."""
        known = self.temporal.get(name)
        if known is None:
            return Reply(404, {"title": f"no entity {name}"})
        first, last = _instant(asked["timeAt"]), _instant(asked["endTimeAt"])
        out: Json = {"id": name, "type": known["type"]}
        for attribute in known.keys() & set(asked["attrs"].split(",")):
            if some := [one for one in known[attribute] if first < _instant(one["observedAt"]) < last]:
                out[attribute] = some
        whole = all(len(some) <= _HELD_BACK for some in out.values() if isinstance(some, list))
        return Reply(200 if whole else 206, {k: v[:_HELD_BACK] if isinstance(v, list) else v for k, v in out.items()})

    def _record(self, kind: str, name: str, attributes: dict[str, list[Json]]) -> bool:
        new = name not in self.temporal
        history = self.temporal.setdefault(name, {"id": name, "type": kind})
        for key, instances in attributes.items():
            numbered = [{**one, "instanceId": f"urn:ngsi-ld:Instance:{next(self._numbers)}"} for one in instances]
            history.setdefault(key, []).extend(numbered)
        return new


def _parts(entity: Any, *, in_body: bool, temporal: bool = False) -> tuple[str, dict[str, Any]]:
    """Return id and attributes of an entity. BadRequest says what is wrong with it."""
    if not isinstance(entity, dict):
        raise BadRequest("an entity is a JSON object")
    name = entity.get("id")
    if not isinstance(name, str) or not urlsplit(name).scheme:
        raise BadRequest(f"id {name!r} is no URI")
    if not isinstance(entity.get("type"), str):
        raise BadRequest("type is missing")
    if in_body != ("@context" in entity):
        raise BadRequest("@context is in the body of application/ld+json, and only there")
    attributes = {key: value for key, value in entity.items() if key not in {"id", "type", "@context"}}
    for key, value in attributes.items():
        for one in value if temporal and isinstance(value, list) else [value]:
            _check(key, one, dated=temporal)
    return name, attributes


def _check(key: str, one: Any, *, dated: bool) -> None:
    kind = one.get("type") if isinstance(one, dict) else None
    if kind not in _VALUE_OF or one.get(_VALUE_OF[kind]) is None:
        raise BadRequest(f"{key} is no attribute of NGSI-LD: {one!r}")
    if dated and "observedAt" not in one:
        raise BadRequest(f"an instance of {key} has no observedAt")
    if "observedAt" in one:
        _instant(one["observedAt"])


def _instant(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise BadRequest(f"{text!r} is no instant")
    return at


class Stub:
    """The broker, listening in a thread of this process; `requests` are all that came.

    A test may answer for it: `instead(request)` comes first, and returns None for what the broker would answer.
    """

    def __init__(self, port: int = 0, store: Store | None = None, *, remembers: bool = True) -> None:
        """`remembers`: whether `requests` are kept."""
        self.store = store or Store()
        self._remembers = remembers
        self.instead: Callable[[Request], Reply | None] = lambda _: None
        self.requests: list[Request] = []
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._lock = threading.Lock()
        self._server: ThreadingHTTPServer | None = None

    def start(self) -> None:
        """Listen."""
        handler = type("Handler", (_Handler,), {"stub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), handler)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """Stop listening; the store stays."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()

    def answer(self, request: Request) -> Reply:
        """Return what the broker answers."""
        with self._lock:
            if self._remembers:
                self.requests.append(request)
            told = self.instead(request)
            return told if told is not None else self.serve(request)

    def serve(self, request: Request) -> Reply:
        """Return what the broker answers, whatever a test has in mind."""
        try:
            return self._route(*request)
        except BadRequest as bad:
            return Reply(400, {"title": str(bad), "status": 400})

    def _route(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Reply:
        at = urlsplit(target)
        asked = {key: values[0] for key, values in parse_qs(at.query).items()}
        path = [unquote(part) for part in at.path.removeprefix(_ROOT).split("/")]
        in_body = headers.get("content-type", "").startswith("application/ld+json")
        match method, path:
            case "POST", ["entityOperations", "upsert"]:
                told = _json(body)
                if not isinstance(told, list) or not told:
                    raise BadRequest("a batch is a JSON array that is not empty")
                return self.store.upsert(told, update=asked.get("options") == "update", in_body=in_body)
            case "POST", ["temporal", "entities"]:
                return self.store.append(_json(body), in_body=in_body)
            case "PATCH", ["temporal", "entities", name, "attrs", attribute, instance]:
                return self.store.amend(name, attribute, instance, _json(body))
            case "GET", ["entities"]:
                return self.store.query(asked)
            case "GET", ["temporal", "entities"]:
                return Reply(200, list(self.store.temporal.values()))
            case "GET", ["temporal", "entities", name]:
                return self.store.span(name, asked)
        return Reply(404, {"title": f"nothing is at {method} {at.path}"})


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        raise BadRequest("the body is not JSON") from None


class _Handler(BaseHTTPRequestHandler):
    stub: Stub
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16  # head and body in one segment

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        reply = self.stub.answer(Request(self.command, self.path, headers, body))
        plain = (
            reply.body
            if isinstance(reply.body, bytes)
            else b""
            if reply.body is None
            else json.dumps(reply.body).encode()
        )
        self.send_response(reply.status)
        self.send_header("Content-Type", "text/html" if isinstance(reply.body, bytes) else "application/json")
        if reply.status != 204:
            self.send_header("Content-Length", str(len(plain)))
        self.end_headers()
        self.wfile.write(plain)

    do_GET = do_PATCH = do_POST  # noqa: N815  the base's names

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base's name
        """Say nothing."""


class Server:
    """The broker as a process of its own; what it holds is in `folder` while it is stopped."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.host, self.port = "127.0.0.1", port
        self.url = f"http://127.0.0.1:{port}"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Return its process, None while it is stopped."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Return once it answers."""
        command = [sys.executable, "-m", "pantau_sim.servers.ngsi_stub", str(self.folder), str(self.port)]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        wait_for(self.port, self._process, log=self.folder / "log")

    def stop(self) -> None:
        """End it; its data stay."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            process.wait(_STOP_S)

    def kill(self) -> None:
        """End it with what it holds."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def lose(self) -> None:
        """Throw away what it holds."""
        self.kill()
        (self.folder / "state.json").unlink(missing_ok=True)
        self.start()


@contextmanager
def running(folder: Path, port: int | None = None) -> Iterator[Server]:
    """Run the stub as a process while the context lasts."""
    folder.mkdir(parents=True, exist_ok=True)
    server = Server(folder, port or free_port())
    try:
        server.start()
        yield server
    finally:
        server.kill()


def main(folder: Path, port: int) -> None:
    """Serve until SIGTERM, from what `folder` holds, and leave there what is held then."""
    state = folder / "state.json"
    store = Store(json.loads(state.read_text()) if state.exists() else None)
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    stub = Stub(port, store, remembers=False)
    stub.start()
    ended.wait()
    stub.stop()
    state.write_text(json.dumps(store.state()))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
