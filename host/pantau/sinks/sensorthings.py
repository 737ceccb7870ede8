"""OGC SensorThings 1.1 over HTTP: Datastreams made as they are needed, observations by CreateObservations.

Servers take the same observation twice, so the key is ours: it travels in `parameters`, and whenever something may have
been stored already, after a lost answer, a start or for a replay, the server is asked first and is sent what it misses.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, field_validator

from pantau import mapping
from pantau.model import Revision
from pantau.sinks import Verdict
from pantau.sinks._http import Http, HttpTable
from pantau.sinks._sta_catalog import Catalog
from pantau.sinks._sta_client import Client, Gone, encoded
from pantau.sinks._sta_mark import Mark
from pantau.sinks._sta_revise import Change, Reader, Recent, Reviser
from pantau.sinks._sta_rows import Row, by_stream, unfit, unfit_date
from pantau.sinks._sta_send import Sender
from pantau.sinks.about import About
from pantau.sinks.items import DUPLICATE, Item, Outcome, Refused, TargetTrouble, measured, retry, verdicts
from pantau.sinks.kept import Kept

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pantau.decode import Decoded
    from pantau.model import Observation
    from pantau.registry import Registry
    from pantau.sinks import Context, Sink

ABOUT = About(
    title="OGC SensorThings 1.1",
    key="identity",
    late="an Observation like any other: its phenomenonTime says when",
    undated="skipped until the date is known",
    missing="not sent",
    revisions="PATCH the Observation, found by its identity in `parameters`",
    receipt="the link of each row in the answer to CreateObservations; after a lost answer the server is asked what it holds",
)
NAME = "sensorthings"
_MARK_EVERY_S = 60.0
_LONGEST_MS = 3_600_000  # a count or an amount covers an hour at most, as far as `find` is concerned
_TRIES = 2  # of a delivery in which the server turns out not to know its ids any more


class SensorThingsTable(HttpTable):
    """How to reach it. `url` is the service's root; `batch` is in observations, for each request.

    `definitions` is put before the name of a property for its definition. Without `provision` nothing is made but
    observations: Datastreams named node/property must be there.
    """

    definitions: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9+.-]*:\S+$")] | None = None
    provision: bool = True
    revisions: bool = True

    @field_validator("url")
    @classmethod
    def _root(cls, value: str) -> str:
        if not value.rstrip("/").endswith(("/v1.1", "/v1.0")):
            msg = "is not the root of a SensorThings service: it ends in /v1.1, as https://HOST/sensorthings/v1.1"
            raise ValueError(msg)
        return value


def open_sink(settings: SensorThingsTable, context: Context) -> Sink:
    """Return the sink; nothing is connected yet. Raises ConfigError for secrets that cannot be read."""
    return SensorThings(settings, context)


class SensorThings:
    """One service. Frame ids up to `_sent` may have been sent before; those up to `_done` are known to be stored."""

    name = NAME

    def __init__(self, settings: SensorThingsTable, context: Context) -> None:
        self._settings = settings
        self._http = Http(settings, f"sinks.{NAME}")
        self._client = client = Client(self._http)
        self._kept = Kept(context.folder, NAME)
        self._catalog = Catalog(
            client, self._kept, context.registry, provision=settings.provision, definitions=settings.definitions
        )
        self._mark = Mark(client, self._kept, context.city, context.log)
        self._recent, self._reader = Recent(), Reader(client)
        ids = self._catalog.ids
        self._sender = Sender(client, ids, most_rows=settings.batch, writes=self._writes, took=self._took)
        self._reviser = Reviser(self._reader, ids, self._recent, writes=self._writes)
        self._log = context.log
        self._sent, self._done = self._watermarks()
        self._unsure = True  # whether the server is the one that we know, with what we gave it
        self._doubt = (
            True  # whether frames above `_sent` may have been sent: a power cut takes back what was noted last
        )
        self._stored = 0  # in this delivery
        self._marked, self._marked_at = -1, time.monotonic()

    def position(self) -> int | None:
        """Return through which frame the server holds the log, None when it cannot be asked, or keeps no mark of ours."""
        if not self._settings.provision:
            return None
        try:
            self._look()
        except TargetTrouble:
            return None
        return self._done

    def use(self, registry: Registry) -> None:
        """Take over another registry."""
        self._catalog.use(registry)

    def deliver(self, batch: Sequence[Decoded]) -> list[Verdict]:
        """Send what the server does not hold, then tell what became known later."""
        try:
            for _ in range(_TRIES):
                try:
                    return self._deliver(batch)
                except Gone as gone:
                    self._lost(str(gone))
            raise TargetTrouble(
                "the server does not know ids that it has just given; look at the server", ambiguous=True
            )
        except TargetTrouble as error:
            self._unsure = True
            self._catalog.unsure()
            return retry(batch, error)

    def find(self, observation: Observation) -> str | None:
        """Return how the server shows this observation, None when it does not hold it. Raises TargetTrouble."""
        stream = self._catalog.known(observation.node, observation.property)
        at_ms = observation.observed_at_ms
        if stream is None or at_ms is None:
            return None
        try:
            before_ms = _LONGEST_MS if mapping.observed(observation.property).period else 0
            held = self._reader.between(stream, [at_ms], before_ms).get(observation.key[1:4])
        except Gone:
            return None
        if held is None:
            return None
        path = f"/Observations({held.id})"
        shown = self._client.entity(f"{path}?{encoded('$expand=FeatureOfInterest($select=name)')}")
        if shown is None:
            return None
        told = {name: shown.get(name) for name in ("phenomenonTime", "result", "parameters")}
        return f"{self._http.url}{path} {told}"

    def figures(self) -> Mapping[str, float]:
        """Return no figures beside the follower's."""
        return {}

    def close(self) -> None:
        """Say how far the server holds the log, if it answers, and let go of it."""
        if not self._unsure:
            with contextlib.suppress(Gone):  # the next start sees that
                self._write_mark(now=True)
        self._note()
        self._http.close()
        self._kept.close()

    # --- one delivery

    def _deliver(self, batch: Sequence[Decoded]) -> list[Verdict]:
        if self._unsure:
            self._look()
        self._stored = 0
        self._catalog.ids.new.clear()
        items = measured(batch)
        outcomes: dict[int, Outcome] = {}
        rows, later = self._rows(batch, items, outcomes)
        before, self._sent = self._sent, max([self._sent, *(decoded.id for decoded in batch)])
        self._note()
        missing = self._missing(rows, before, outcomes)
        if self._settings.revisions:  # before what is new: they are about what the server was given last
            self._reviser.apply(self._changes(later))
        for row, outcome in zip(missing, self._sender.send(missing), strict=True):
            outcomes[row.place] = outcome
        self._done = max([self._done, *(decoded.id for decoded in batch)])
        self._write_mark(now=False)
        # One without an outcome stands in the batch twice.
        return verdicts(batch, items, [outcomes.get(place, DUPLICATE) for place in range(len(items))])

    def _rows(
        self, batch: Sequence[Decoded], items: Sequence[Item], outcomes: dict[int, Outcome]
    ) -> tuple[list[Row], dict[tuple[str, int, int, int, str], Revision]]:
        """Return the rows to send and the revisions of what was sent before; what cannot be sent gets its outcome."""
        told = (revision for decoded in batch for revision in decoded.revisions)
        later = {revision.key: revision for revision in told if not unfit_date(revision.observed_at_ms or 0)}
        rows: dict[tuple[str, int, int, int, str], Row] = {}
        for place, item in enumerate(items):
            seen, decoded = item.observation, batch[item.frame]
            key = seen.key
            if key in rows:
                continue
            if why := unfit(seen):
                outcomes[place] = Outcome("rejected", why)
                continue
            try:
                stream = self._catalog.stream(seen)
                feature = self._catalog.feature(seen.station)
            except ValueError as error:
                outcomes[place] = Outcome("rejected", str(error))
                continue
            revision = later.pop(key, None)
            span_ms = 1000 * decoded.interval_s if stream.period else 0
            row = Row(place, decoded.id, seen, stream.id, feature, span_ms, seen.observed_at_ms or 0)
            rows[key] = row if revision is None else row._replace(seen=_revised(seen, revision), revised=True)
        return list(rows.values()), later

    def _missing(self, rows: Sequence[Row], before: int, outcomes: dict[int, Outcome]) -> list[Row]:
        """Return the rows that the server does not hold. Only what may have been sent is asked about."""
        new = self._catalog.ids.new
        doubtful = [row for row in rows if (self._doubt or row.frame <= before) and row.stream not in new]
        held_new = False
        for stream, some in by_stream(doubtful).items():
            dates = [at for row in some for at in {row.at_ms, row.was_ms}]
            held = self._reader.between(stream, dates, max(row.span_ms for row in some))
            for row in some:
                here = held.get(row.identity)
                if here is None:
                    continue
                held_new = held_new or row.frame > before
                outcomes[row.place] = DUPLICATE
                self._recent.note(stream, row.identity, here)
                if row.revised and self._settings.revisions:
                    self._reviser.amend(stream, here, _revision(row.seen))
        if not held_new and any(row.frame > before for row in rows):
            self._doubt = False
        return [row for row in rows if row.place not in outcomes]

    def _changes(self, later: Mapping[tuple[str, int, int, int, str], Revision]) -> list[Change]:
        streams = {(key[0], key[4]): self._catalog.known(key[0], key[4]) for key in later}
        return [
            Change(stream, revision)
            for key, revision in later.items()
            if (stream := streams[key[0], key[4]]) is not None
        ]

    def _took(self, row: Row, link: str) -> None:
        self._stored += 1
        self._recent.note(row.stream, row.identity, (link, row))

    # --- what the server holds

    def _look(self) -> None:
        """Ask whether the server is the one that we know. TargetTrouble when it does not answer."""
        if not self._settings.provision:
            self._catalog.forget()  # without a mark there is nothing to tell it by
            self._unsure = False
            return
        held = self._mark.look()
        if held.lost:
            self._forget()
        if held.lost or self._done < held.through:
            self._done = held.through
            self._note()
        if not held.there:
            try:
                self._mark.begin()
            except Refused as error:
                raise TargetTrouble(f"the server refuses a Thing of ours: {error}; see provision") from None
        self._unsure = False

    def _forget(self) -> None:
        self._catalog.forget()
        self._recent.forget()
        self._doubt = True

    def _lost(self, why: str) -> None:
        """Find out what is gone: ids are found or made again at once, a log of which all is gone is delivered anew."""
        self._forget()
        done = self._done
        self._look()
        if self._done < done:
            said = f"the server lost what it had been given ({why})"
            raise TargetTrouble(f"{said}; what the log still holds is delivered to it again", ambiguous=True)

    def _writes(self) -> bool:
        """Make a change beside the observations, as evidence that the server takes any."""
        if self._settings.provision:
            return self._mark.write(self._done)
        if not self._stored:
            raise TargetTrouble("the server answers 500 to whatever it is sent; look at the server", ambiguous=True)
        return True

    def _write_mark(self, *, now: bool) -> None:
        """Tell the server how far it holds the log, once in a while. Gone when somebody deleted the mark."""
        due = now or time.monotonic() - self._marked_at >= _MARK_EVERY_S
        if not due or not self._settings.provision or self._marked == self._done:
            return
        self._marked_at = time.monotonic()
        try:
            there = self._mark.write(self._done)
        except TargetTrouble:  # the delivery is through all the same; the next one says what is wrong
            self._unsure = True
            return
        if not there:
            raise Gone("the mark of this log is not there any more")
        self._marked = self._done

    def _watermarks(self) -> tuple[int, int]:
        kept = self._kept.all(f"log {self._log}")
        return int(kept.get("sent", "0")), int(kept.get("done", "0"))

    def _note(self) -> None:
        self._kept.put(f"log {self._log}", {"sent": str(self._sent), "done": str(self._done)})


def _revised(seen: Observation, revision: Revision) -> Observation:
    at_ms = seen.observed_at_ms if revision.observed_at_ms is None else revision.observed_at_ms
    return replace(seen, quality=revision.quality, reason=revision.reason, tests=revision.tests, observed_at_ms=at_ms)


def _revision(seen: Observation) -> Revision:
    return Revision(seen.key, seen.quality, seen.reason, seen.tests, seen.observed_at_ms)
