"""Line protocol over HTTP: InfluxDB 1.x and 2, VictoriaMetrics.

A point is known by its series and time, so what comes again falls on itself. How far the log was delivered stands beside the
data, as a point of its own in the same request: a target that lost its data lost that too, and gets all of it again.
"""

from __future__ import annotations

import gzip
import time
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from pantau.sinks import _line_text as text
from pantau.sinks._http import Http, HttpTable
from pantau.sinks._line_targets import Influx1, Influx2, PointsRefused, Victoria
from pantau.sinks.about import About
from pantau.sinks.items import STORED, Item, Outcome, TargetTrouble, measured, retry, verdicts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Self

    from pantau.decode import Decoded
    from pantau.model import Observation
    from pantau.registry import Registry
    from pantau.sinks import Context, Sink, Verdict
    from pantau.sinks._line_targets import Target

ABOUT = About(
    title="Line protocol: InfluxDB, VictoriaMetrics",
    key="time",
    late="a point like any other, at its own time",
    undated="skipped until the date is known",
    missing="not sent",
    revisions="laid over the point where they name its date; those that do not are not told",
    receipt="204, with the log's position as a point in the same request",
)
_FAST = 1  # gzip: on readings the higher levels gain a tenth and take three times as long


class LineTable(HttpTable):
    """Where the points go. `db` is the database of InfluxDB 1.x or the label db of VictoriaMetrics; v2 has org and bucket."""

    api: Literal["v1", "v2", "victoriametrics"] = "v1"
    db: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")] = "pantau"
    org: Annotated[str, Field(min_length=1)] | None = None
    bucket: Annotated[str, Field(min_length=1)] | None = None
    create: bool = False
    gzip: bool = False
    batch: Annotated[int, Field(ge=1, le=10_000)] = 5_000  # what InfluxDB's own guide advises

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.api == "v2" and (self.org is None or self.bucket is None):
            raise ValueError('api = "v2" needs org and bucket')
        if self.api != "v2" and (self.org is not None or self.bucket is not None):
            raise ValueError('org and bucket are for api = "v2"; the others have db')
        if self.create and self.api != "v1":
            raise ValueError(
                'create = true makes a database of InfluxDB 1.x, api = "v1"; a bucket is made by its owner'
            )
        return self


def open_sink(settings: LineTable, context: Context) -> Sink:
    """Return the sink; nothing is connected yet. ConfigError for secrets that cannot be read."""
    kinds: dict[str, type[Influx1 | Influx2 | Victoria]] = {"v1": Influx1, "v2": Influx2, "victoriametrics": Victoria}
    http = Http(settings, "sinks.line")
    return LineSink(http, kinds[settings.api](http, settings), settings, context.log)


class LineSink:
    """Writes points. What the target refuses is searched for by halves; the rest is stored."""

    name = "line"

    def __init__(self, http: Http, target: Target, settings: LineTable, log: str) -> None:
        self._http = http
        self._target = target
        self._batch = settings.batch
        self._gzip = settings.gzip
        self._log = log or "default"
        self._highest = 0

    def position(self) -> int | None:
        """Return the position that is stored beside the data, None while the target cannot be asked."""
        try:
            self._highest = self._target.position(self._log)
        except TargetTrouble:
            return None
        return self._highest

    def use(self, registry: Registry) -> None:
        """Nothing here depends on the registry: observations bring their station."""

    def deliver(self, batch: Sequence[Decoded]) -> list[Verdict]:
        """Write the measured and dated observations, then what is revised and how far the log has come."""
        if not batch:
            return []
        highest = max(self._highest, *(decoded.id for decoded in batch))
        now_ms = self._target.position_ms(time.time_ns() // 1_000_000)
        tail = text.revisions(batch, texts=self._target.texts)
        position = text.position(self._log, highest, now_ms)
        try:
            try:
                self._post_all([*self._lines(batch), *tail, position])
                items, outcomes = [], []
            except (PointsRefused, ValueError):
                # Something in it is bad. What was written before falls on itself.
                items = measured(batch)
                outcomes = self._one_by_one(items, tail, position)
        except TargetTrouble as error:
            return retry(batch, error)
        self._highest = highest
        return verdicts(batch, items, outcomes)

    def _lines(self, batch: Sequence[Decoded]) -> list[str]:
        """Return the lines of what is measured and dated. ValueError when one of them cannot be written."""
        point, texts = text.point, self._target.texts
        return [
            point(seen, texts=texts)
            for decoded in batch
            for seen in decoded.observations
            if seen.value is not None and seen.observed_at_ms is not None
        ]

    def _post_all(self, lines: Sequence[str]) -> None:
        for at in range(0, len(lines), self._batch):
            self._post(lines[at : at + self._batch])

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def find(self, observation: Observation) -> str | None:
        """Return the point as the target shows it; what has no date has no point."""
        return None if observation.observed_at_ms is None else self._target.find(observation)

    def figures(self) -> Mapping[str, float]:
        """There is nothing beside what every sink has."""
        return {}

    def _one_by_one(self, items: Sequence[Item], revisions: Sequence[str], position: str) -> list[Outcome]:
        """Send what can be sent and return an outcome for each item; the position last."""
        outcomes: list[Outcome] = []
        for at in range(0, len(items), self._batch):
            outcomes += self._sift(items[at : at + self._batch])
        self._lay_over(revisions)
        try:
            self._post([position])
        except PointsRefused as refused:
            raise TargetTrouble(f"the measurement {text.POSITIONS} is not ours: {refused}; drop or rename it") from None
        return outcomes

    def _lay_over(self, revisions: Sequence[str]) -> None:
        """Send revisions. One that is refused belongs to a point that was refused before, or has left by age."""
        for at in range(0, len(revisions), self._batch):
            part = revisions[at : at + self._batch]
            try:
                self._post(part)
            except PointsRefused as refused:
                if len(part) == 1 or refused.dropped == len(part):
                    continue
                self._lay_over(part[: len(part) // 2])
                self._lay_over(part[len(part) // 2 :])

    def _sift(self, items: Sequence[Item]) -> list[Outcome]:
        """Send points and return an outcome for each. Refused ones are searched for among their like.

        What InfluxDB refuses it mostly refuses a whole measurement at a time (another type) or a whole age (retention): in
        the order of these a thousand bad points cost as few requests as one.
        """

        def kind(at: int) -> tuple[str, int]:
            seen = items[at].observation
            return seen.property, seen.observed_at_ms or 0

        order = sorted(range(len(items)), key=kind)
        found = self._halve([items[at] for at in order])
        outcomes = [STORED] * len(items)
        for at, outcome in zip(order, found, strict=True):
            outcomes[at] = outcome
        return outcomes

    def _halve(self, items: Sequence[Item]) -> list[Outcome]:
        try:
            return self._send(items)
        except PointsRefused as refused:
            if len(items) == 1 or refused.dropped == len(items):
                return [Outcome("rejected", str(refused))] * len(items)
        middle = len(items) // 2
        return self._halve(items[:middle]) + self._halve(items[middle:])

    def _send(self, items: Sequence[Item]) -> list[Outcome]:
        lines, outcomes, texts = [], [], self._target.texts
        for item in items:
            try:
                lines.append(text.point(item.observation, texts=texts))
                outcomes.append(STORED)
            except ValueError as unwritable:
                outcomes.append(Outcome("rejected", str(unwritable)))
        self._post(lines)
        return outcomes

    def _post(self, lines: Sequence[str]) -> None:
        if not lines:
            return
        body, headers = "\n".join(lines).encode(), {"Content-Type": "text/plain; charset=utf-8"}
        if self._gzip:
            body, headers["Content-Encoding"] = gzip.compress(body, _FAST), "gzip"
        self._target.write(body, headers)
