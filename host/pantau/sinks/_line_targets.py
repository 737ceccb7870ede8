"""The servers that take line protocol, where they differ: addresses, what a refusal looks like, how they are asked."""

from __future__ import annotations

import csv
import io
import json
import re
import time
from typing import TYPE_CHECKING, Any, NoReturn, Protocol
from urllib.parse import urlencode

from pantau.settings import read_secret
from pantau.sinks._line_text import POSITIONS
from pantau.sinks.items import Refused, TargetTrouble

if TYPE_CHECKING:
    from pantau.model import Observation
    from pantau.sinks._http import Answer, Http
    from pantau.sinks.line import LineTable

_DROPPED = re.compile(r"dropped=(\d+)")
_SLOT_MS = 600_000  # one position for each ten minutes is kept; within them they overwrite each other
_VISIBLE_S = 3.0  # VictoriaMetrics shows a sample within a second or two
_LOOK_S = 0.2


class PointsRefused(Refused):
    """The server refuses points for what they are; `dropped` of them where it says so, the others it has stored."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        found = _DROPPED.search(reason)
        self.dropped = int(found[1]) if found else 0


class Target(Protocol):
    """One kind of server."""

    texts: bool  # whether it holds string fields

    def write(self, body: bytes, headers: dict[str, str]) -> None:
        """Store lines. Raises PointsRefused or TargetTrouble."""

    def position_ms(self, now_ms: int) -> int:
        """Return the time to give to the point that holds the position."""

    def position(self, log: str) -> int:
        """Return the highest position of `log` that is stored, 0 for none. Raises TargetTrouble."""

    def find(self, seen: Observation) -> str | None:
        """Return how the point of an observation is held. Raises TargetTrouble."""


class Influx1:
    """InfluxDB 1.x, and what speaks its API."""

    texts = True

    def __init__(self, http: Http, settings: LineTable) -> None:
        self._http = http
        self._db = settings.db
        self._create = settings.create
        self._write = f"/write?{urlencode({'db': settings.db, 'precision': 'ms'})}"

    def write(self, body: bytes, headers: dict[str, str]) -> None:
        """Store lines; a database that is missing is made where the settings say so."""
        answer = self._http.request("POST", self._write, body, headers)
        if answer.status == 404 and "database not found" in _reason(answer):
            if not self._create:
                raise TargetTrouble(
                    f"InfluxDB has no database {self._db}: run  influx -execute 'CREATE DATABASE \"{self._db}\"'  "
                    "or set [sinks.line] create = true"
                )
            self._ask("POST", f'CREATE DATABASE "{self._db}"')
            # Not written at once: the bridge is to ask first how much the target still holds.
            raise TargetTrouble(f"InfluxDB had no database {self._db}; it was created and is filled from the log")
        _judge(answer)

    def position_ms(self, now_ms: int) -> int:
        """Return the beginning of the slot."""
        return now_ms // _SLOT_MS * _SLOT_MS

    def position(self, log: str) -> int:
        """Ask by InfluxQL; a database that is missing holds nothing."""
        query = f'SELECT max("position") FROM "{POSITIONS}" WHERE "log" = {_quoted(log)}'  # noqa: S608  quoted
        rows = self._ask("GET", query)
        return int(rows[0][1]) if rows else 0

    def find(self, seen: Observation) -> str | None:
        """Ask by InfluxQL for all fields of the point."""
        where = f'"node" = {_quoted(seen.node)} AND time = {seen.observed_at_ms}ms'
        fields = '"value", "quality", "reason"'
        rows = self._ask("GET", f'SELECT {fields} FROM "{seen.property}" WHERE {where}')  # noqa: S608  our own names
        if not rows:
            return None
        return (
            f"{self._db}: {seen.property},node={seen.node} value={rows[0][1]} quality={rows[0][2]} reason={rows[0][3]}"
        )

    def _ask(self, method: str, query: str) -> list[list[Any]]:
        told = self._http.request(method, f"/query?{urlencode({'db': self._db, 'epoch': 'ms', 'q': query})}")
        result = told.json()
        try:
            error = result.get("error") or result["results"][0].get("error")
            if error and "database not found" in error:
                return []
            if error:
                raise TargetTrouble(f"InfluxDB does not answer {query!r}: {error}")
            series = result["results"][0].get("series")
            return list(series[0]["values"]) if series else []
        except (AttributeError, KeyError, IndexError, TypeError):
            raise TargetTrouble(f"{told.url} answered {told.quoted()}: is this InfluxDB 1.x?") from None


class Influx2:
    """InfluxDB 2 and its cloud."""

    texts = True

    def __init__(self, http: Http, settings: LineTable) -> None:
        self._http = http
        self._bucket = settings.bucket or ""
        self._write = f"/api/v2/write?{urlencode({'org': settings.org, 'bucket': self._bucket, 'precision': 'ms'})}"
        self._query = f"/api/v2/query?{urlencode({'org': settings.org})}"
        self._headers = {}
        if settings.token_file is not None:
            self._headers = {"Authorization": f"Token {read_secret(settings.token_file, 'sinks.line.token_file')}"}

    def write(self, body: bytes, headers: dict[str, str]) -> None:
        """Store lines."""
        answer = self._http.request("POST", self._write, body, {**headers, **self._headers})
        if answer.status == 404:
            raise TargetTrouble(
                f"InfluxDB 2: {_reason(answer)}; make the bucket or correct [sinks.line] org and bucket"
            )
        _judge(answer)

    def position_ms(self, now_ms: int) -> int:
        """Return the beginning of the slot."""
        return now_ms // _SLOT_MS * _SLOT_MS

    def position(self, log: str) -> int:
        """Ask by Flux; a bucket that is missing holds nothing."""
        filters = f'r._measurement == "{POSITIONS}" and r._field == "position" and r.log == {json.dumps(log)}'
        rows = self._ask(f"|> range(start: 0) |> filter(fn: (r) => {filters}) |> group() |> max()")
        return int(rows[0]["_value"]) if rows else 0

    def find(self, seen: Observation) -> str | None:
        """Ask by Flux for the fields of the point."""
        at_ms = seen.observed_at_ms or 0
        times = f"start: time(v: {at_ms * 1_000_000}), stop: time(v: {(at_ms + 1) * 1_000_000})"
        filters = f"r._measurement == {json.dumps(seen.property)} and r.node == {json.dumps(seen.node)}"
        rows = self._ask(f"|> range({times}) |> filter(fn: (r) => {filters})")
        fields = " ".join(f"{row['_field']}={row['_value']}" for row in rows)
        return f"{self._bucket}: {seen.property},node={seen.node} {fields}" if rows else None

    def _ask(self, flux: str) -> list[dict[str, str]]:
        body = f"from(bucket: {json.dumps(self._bucket)}) {flux}".encode()
        headers = {"Content-Type": "application/vnd.flux", "Accept": "application/csv", **self._headers}
        answer = self._http.request("POST", self._query, body, headers)
        if answer.status == 404:
            return []
        if answer.status != 200 or b"<" in answer.body[:1]:
            raise TargetTrouble(f"{answer.url} answered {answer.status}: {answer.quoted()}; is this InfluxDB 2?")
        lines = answer.body.decode("utf-8", "replace").replace("\r\n", "\n").split("\n\n")
        return [row for table in lines for row in csv.DictReader(io.StringIO(table)) if row.get("_value") is not None]


class Victoria:
    """VictoriaMetrics: numbers only, nothing is ever overwritten, what is written shows a little later."""

    texts = False  # it would store them as the number 0

    def __init__(self, http: Http, settings: LineTable) -> None:
        self._http = http
        self._db = settings.db
        self._write = f"/write?{urlencode({'db': settings.db, 'precision': 'ms'})}"
        self._written = time.monotonic()

    def write(self, body: bytes, headers: dict[str, str]) -> None:
        """Store lines. It passes over what it cannot read and says so only in its own log, so a 400 is no verdict."""
        answer = self._http.request("POST", self._write, body, headers)
        if answer.status != 204:
            raise TargetTrouble(f"{answer.url} answered {answer.status}: {answer.quoted()}; is this VictoriaMetrics?")
        self._written = time.monotonic()

    def position_ms(self, now_ms: int) -> int:
        """Return the time itself: of samples with one time it keeps any."""
        return now_ms

    def position(self, log: str) -> int:
        """Ask by MetricsQL, of the last 90 days, when what was written last must be visible."""
        time.sleep(max(0.0, self._written + _VISIBLE_S - time.monotonic()))
        select = self._series(f"{POSITIONS}_position", log=log)
        found = self._ask({"query": f"max(max_over_time({select}[90d]))", "nocache": "1"})
        return int(float(found[0]["value"][1])) if found else 0

    def find(self, seen: Observation) -> str | None:
        """Export the samples of that millisecond."""
        at_ms, until = seen.observed_at_ms or 0, time.monotonic() + _VISIBLE_S
        times = {"start": f"{at_ms / 1000:.3f}", "end": f"{at_ms / 1000:.3f}"}
        while True:
            select = self._series(f"{seen.property}_value", node=seen.node)
            asked = urlencode({"match[]": select, **times})
            answer = self._http.request("GET", f"/api/v1/export?{asked}")
            if answer.status == 200 and answer.body:
                return answer.quoted()
            if time.monotonic() > until:
                return None
            time.sleep(_LOOK_S)

    def _series(self, name: str, **labels: str) -> str:
        """Return a selector that was never used before: that there is no such series would be remembered for 10 s."""
        wanted = [f"{label}={json.dumps(value)}" for label, value in {"db": self._db, **labels}.items()]
        return f'{name}{{{",".join(wanted)},asked!="{time.time_ns()}"}}'

    def _ask(self, asked: dict[str, str]) -> list[Any]:
        answer = self._http.request("GET", f"/api/v1/query?{urlencode(asked)}")
        told = answer.json()
        try:
            return list(told["data"]["result"])
        except (KeyError, TypeError):
            raise TargetTrouble(f"{answer.url} answered {answer.quoted()}: is this VictoriaMetrics?") from None


def _judge(answer: Answer) -> None:
    """Return when InfluxDB stored everything. A refusal counts only in its own words: a proxy's 400 is not a verdict."""
    if answer.status == 204:
        return
    if answer.status == 413:  # by InfluxDB, or by a proxy before it with a limit of its own
        raise PointsRefused(f"{answer.url} answered 413: too large a request")
    if answer.status in {400, 422}:
        raise PointsRefused(_reason(answer))
    _unexpected(answer)


def _reason(answer: Answer) -> str:
    told = answer.json()
    reason = told.get("error") or told.get("message") if isinstance(told, dict) else None
    if not isinstance(reason, str):
        _unexpected(answer)
    return reason


def _unexpected(answer: Answer) -> NoReturn:
    said = f"{answer.url} answered {answer.status} {answer.quoted()} where InfluxDB answers 204"
    raise TargetTrouble(f"{said}; is [sinks.line] url right, without a proxy or login page before it?", ambiguous=True)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
