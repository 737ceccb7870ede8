"""Rows to a SensorThings server by CreateObservations, with an outcome for each from the body of the answer.

The status says little: 201 comes with "error" for rows that were not stored, and on some servers one bad row makes every
row of its Datastream an error. So errors are halved until the bad rows stand alone, and those are asked about one by one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pantau.sinks._sta_client import Exists, Gone, refused
from pantau.sinks._sta_rows import Row, array, by_stream, single
from pantau.sinks.items import DUPLICATE, STORED, Outcome, Refused, TargetTrouble, sift

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pantau.sinks._http import Answer
    from pantau.sinks._sta_client import Client
    from pantau.sinks._sta_ids import Ids

_MOST_BYTES = 2 << 20  # of a request: frameworks refuse bodies above 2.5 MB by default
_NO_ARRAYS = frozenset({404, 405, 501})


class Sender:
    """Sends rows that the server does not hold. `took` is told each that it stored, with the link that it gave."""

    def __init__(
        self, client: Client, ids: Ids, *, most_rows: int, writes: Callable[[], bool], took: Callable[[Row, str], None]
    ) -> None:
        """`writes` makes some other change on the server; it returns false when our own data are gone there."""
        self._client, self._ids = client, ids
        self._limit = self._most_rows = most_rows
        self._writes, self._took = writes, took
        self._alive: set[str] = set()  # Datastreams and features that the server was seen to have, in this delivery

    @property
    def intervals(self) -> bool | None:
        """Whether the server takes a phenomenonTime that is an interval; None until it has been tried."""
        said = self._ids.get("server", "intervals")
        return None if said is None else said == "yes"

    def send(self, rows: Sequence[Row]) -> list[Outcome]:
        """Send rows and return their outcomes. Gone when the server does not know an id any more."""
        self._alive.clear()
        found: dict[int, Outcome] = {}
        ordered = [row for group in by_stream(rows).values() for row in group]
        for at in range(0, len(ordered), self._most_rows):
            some = ordered[at : at + self._most_rows]
            found |= zip((row.place for row in some), self._some(some), strict=True)
        self._most_rows = min(self._limit, 2 * self._most_rows)
        return [found[row.place] for row in rows]

    def _some(self, rows: list[Row]) -> list[Outcome]:
        """Send one request's rows; what the server called an error goes through `_half`, Datastream by Datastream."""
        try:
            stored = self._post(rows)
        except Refused:
            stored = set()
        failed = by_stream([row for row in rows if row.place not in stored])
        found = dict.fromkeys(stored, STORED)
        for group in failed.values():
            self._exists(group[0])
            found |= zip((row.place for row in group), sift(group, self._half), strict=True)
        return [found[row.place] for row in rows]

    def _half(self, rows: Sequence[Row]) -> list[Outcome]:
        """Send rows of one Datastream; Refused when the server took none of several."""
        stored = self._attempt(rows)
        if not stored and len(rows) > 1:
            raise Refused("none of several rows was taken")
        return [STORED if row.place in stored else self._alone(row) for row in rows]

    def _attempt(self, rows: Sequence[Row]) -> set[int]:
        """Send rows; where intervals are not known to be taken and nothing was stored, once more with instants."""
        try:
            stored = self._post(rows)
        except Refused:
            stored = set()
        if stored or self.intervals is not None or not any(row.span_ms for row in rows):
            return stored
        try:
            stored = self._post(rows, intervals=False)
        except Refused:
            return set()
        if stored:
            self._ids.note("server", {"intervals": "no"})
        return stored

    def _post(self, rows: Sequence[Row], *, intervals: bool | None = None) -> set[int]:
        """Send one CreateObservations and return the places of the rows that were stored. Refused for a whole refusal."""
        given = self.intervals is not False if intervals is None else intervals
        body, order = array(rows, intervals=given)
        if len(body) > _MOST_BYTES and len(rows) > 1:
            middle = len(rows) // 2
            return self._post(rows[:middle], intervals=intervals) | self._post(rows[middle:], intervals=intervals)
        answer = self._client.post("/CreateObservations", body, one_item=True)
        if answer.status in _NO_ARRAYS:
            why = "SensorThings with its Data Array extension is needed; check that url ends in /v1.1"
            raise TargetTrouble(f"{answer.url} answered {answer.status}: {why}")
        if answer.status == 500:
            return self._broke(answer, rows)
        if answer.status == 413:
            self._limit = self._most_rows = max(1, min(self._limit, len(rows) // 2))
        refused(answer)
        links = answer.json()
        if not isinstance(links, list) or len(links) != len(order):
            said = f"{answer.url} answered something else than one line for each of {len(order)} observations"
            raise TargetTrouble(f"{said}: {answer.quoted()}", ambiguous=True)
        stored = set()
        for row, link in zip(order, links, strict=True):
            if isinstance(link, str) and link.endswith(")") and not link.endswith("()"):
                stored.add(row.place)
                self._took(row, link)
        if given and self.intervals is None and any(row.span_ms and row.place in stored for row in rows):
            self._ids.note("server", {"intervals": "yes"})
        return stored

    def _broke(self, answer: Answer, rows: Sequence[Row]) -> set[int]:
        """Take a 500 for trouble that may have stored some rows; the next try is with fewer, until a bad row stands alone."""
        if len(rows) == 1:
            return set()
        self._most_rows = max(1, len(rows) // 2)
        raise TargetTrouble(f"{answer.url} answered 500: {answer.quoted()}", ambiguous=True)

    def _alone(self, row: Row) -> Outcome:
        """Send one row by itself, so that the server says what is wrong with it."""
        for again in (False, True):
            body = single(row, intervals=self.intervals is not False)
            answer = self._client.post("/Observations", body, one_item=True)
            if answer.status != 500:
                break
            if not again and not self._writes():
                raise Gone("the server has none of our data any more")
        else:
            return Outcome("rejected", f"the server answers 500 to it alone, and takes others: {answer.quoted()}")
        try:
            refused(answer)
        except Exists:
            return DUPLICATE
        except Refused as error:
            return Outcome("rejected", str(error))
        if "location" not in answer.headers:
            answer.json()  # else it is not the service that answers
        return STORED

    def _exists(self, row: Row) -> None:
        """Raise Gone when the server does not know the ids that a row is sent with."""
        name = f"{row.seen.node}/{row.seen.property}"
        for path, is_named in ((f"/Datastreams({row.stream})", name), (f"/FeaturesOfInterest({row.feature})", None)):
            if path in self._alive or (is_named is None and row.feature is None):
                continue
            entity = self._client.entity(path)
            if entity is None or (is_named is not None and entity.get("name") != is_named):
                raise Gone(f"{path} is not there any more, or is another one")
            self._alive.add(path)
