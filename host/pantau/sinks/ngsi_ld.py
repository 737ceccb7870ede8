"""NGSI-LD with Smart Data Models: the newest of each attribute as current state, everything else as history.

A broker's current state is what was written last, so what it holds is asked before it is written to: see _ngsi_gate.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

from pydantic import Field

from pantau.problems import Table
from pantau.registry import NEVER_MS
from pantau.sinks import Verdict, _ngsi_device, _ngsi_gate, _ngsi_history, items
from pantau.sinks import _ngsi_entities as sdm
from pantau.sinks._http import Http, HttpTable
from pantau.sinks._ngsi_broker import Broker, Contexts, pieces
from pantau.sinks.about import About
from pantau.sinks.items import DUPLICATE, STORED, Item, Outcome, TargetTrouble

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pantau.decode import Decoded
    from pantau.model import Observation, Revision
    from pantau.registry import Registry, Station
    from pantau.sinks import Context, Sink
    from pantau.sinks._ngsi_device import Report
    from pantau.sinks._ngsi_entities import Json, Reading
    from pantau.sinks._ngsi_gate import Gate

ABOUT = About(
    title="NGSI-LD with Smart Data Models",
    key="time",
    late='to the temporal API, never over a newer value of the current state; `temporal = "off"`: counted and let go',
    undated="skipped until the date is known",
    missing="not sent; the attribute keeps its last value with the date of that",
    revisions="the current value is written again; an older one is amended in the temporal representation where it is still known when it was",
    receipt="201 or 204, or the entity's own place in a 207; after a lost answer the broker is asked what it holds",
)
_MODELS = "https://raw.githubusercontent.com/smart-data-models/dataModel.{}/master/context.jsonld"
_MOST_BYTES = 1 << 20  # of one request: what brokers take by default
_MOST_GATES = 200_000  # entities whose state is remembered, some 500 B each; beyond that it is asked for again
_MOST_RECENT = 50_000  # readings that a revision can still name
_Url = Annotated[str, Field(pattern=r"^https?://[^\s<>]+$")]
_Key = tuple[str | int, ...]  # node, boot, seq, index, property


class ContextsTable(Table):
    """Where brokers find the JSON-LD contexts: the programme's addresses, or copies that the city keeps."""

    device: _Url = _MODELS.format("Device")
    environment: _Url = _MODELS.format("Environment")
    transportation: _Url = _MODELS.format("Transportation")
    weather: _Url = _MODELS.format("Weather")
    core: _Url = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context.jsonld"

    def of_types(self) -> dict[str, str]:
        """Return the address for each type."""
        return {
            "AirQualityObserved": self.environment, "FloodMonitoring": self.environment, "Device": self.device,
            "DeviceMeasurement": self.device, "TrafficFlowObserved": self.transportation, "WeatherObserved": self.weather,
        }  # fmt: skip


class NgsiLdTable(HttpTable):
    """How to reach the broker; `url` with or without /ngsi-ld/v1.

    `temporal`: what goes to the temporal API. "late": what the current state cannot take, for brokers that record every
    change of it by themselves. "all": everything. "off": nothing, and what is late is counted and let go.
    """

    batch: Annotated[int, Field(ge=1, le=1_000)] = 200
    tenant: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,50}$")] | None = None
    temporal: Literal["late", "all", "off"] = "late"
    context_in: Literal["body", "header"] = "body"
    contexts: ContextsTable = ContextsTable()


def open_sink(settings: NgsiLdTable, context: Context) -> Sink:
    """Return the sink; nothing is connected yet. Raises ConfigError for secrets that cannot be read."""
    return NgsiLd(settings, context)


class _Work(NamedTuple):
    """A batch on its way: its readings, with the item that each came from (None: an earlier one, corrected)."""

    readings: list[Reading]
    item_of: list[int | None]
    corrected: dict[int, int]  # places in readings: the date that it was told with before
    amended: list[tuple[Reading, int]]  # no longer the current state: corrected, and its date as above
    outcomes: list[Outcome]  # of items
    reports: Mapping[str, Report]

    def add(self, one: Reading, item: int | None) -> int:
        """Add a reading and return its place."""
        self.readings.append(one)
        self.item_of.append(item)
        return len(self.readings) - 1

    def entities(self) -> set[str]:
        """Return all that the batch speaks of."""
        return {one.entity for one in self.readings} | {one.entity for one, _ in self.amended} | self.reports.keys()


class NgsiLd:
    """The sink. One request writes up to `batch` entities, another each entity's history."""

    name = "ngsi_ld"

    def __init__(self, settings: NgsiLdTable, context: Context) -> None:
        self._settings = settings
        self._city = context.city
        self._registry: Registry = context.registry
        self._http = Http(settings, "sinks.ngsi_ld")
        contexts = Contexts(settings.contexts.of_types(), settings.contexts.core, settings.context_in == "header")
        self._broker = Broker(self._http, contexts, settings.tenant)
        self._gates = _ngsi_gate.Gates(self._broker.current, _MOST_GATES)
        self._recent: OrderedDict[_Key, Reading] = OrderedDict()
        # An entity of ours, written at the start: where it is gone, so is everything else.
        self._marker = sdm.urn("DeviceMeasurement", context.city, "pantau", context.log)
        self._marked = False
        self._superseded = self._unrevised = 0

    def position(self) -> int | None:
        """Return 0 when the target has nothing of ours, else None: a broker keeps no order of frames."""
        try:
            if self._marker in self._broker.current([self._marker]):
                return None
        except TargetTrouble:
            return None
        self._gates.forget()
        self._marked = False
        return 0

    def use(self, registry: Registry) -> None:
        """Take over another registry: places and levels go with the next readings."""
        self._registry = registry

    def deliver(self, batch: Sequence[Decoded]) -> list[Verdict]:
        """Write what is newest as current state and the rest as history. Target trouble is `retry` for all."""
        found = items.measured(batch)
        work = self._read(batch, found)
        try:
            self._gates.ask(work.entities())
            self._revise(batch, work)
            refused = self._write(work)
        except TargetTrouble as trouble:
            self._gates.forget(work.entities())
            return items.retry(batch, trouble)
        self._gates.settle(work.entities())
        self._gates.forget(refused)  # its history may hold now what its gate does not say
        while len(self._recent) > _MOST_RECENT:
            self._recent.popitem(last=False)
        return [
            Verdict("rejected", why) if decoded.health is not None and why is not None else verdict
            for decoded, verdict in zip(batch, items.verdicts(batch, found, work.outcomes), strict=True)
            for why in [refused.get(sdm.urn("Device", self._city, decoded.node))]
        ]

    def find(self, observation: Observation) -> str | None:
        """Return where the target holds an observation: current state or history."""
        at_ms = observation.observed_at_ms
        if at_ms is None:
            return None
        places = [
            (entity, row.attribute) for entity, row in sdm.places(self._city, observation.node, observation.property)
        ]
        entities = self._broker.current([entity for entity, _ in places])
        for entity, name in places:
            held = _ngsi_gate.read(entities.get(entity, {})).get(name)
            if held is not None and held.at_ms == at_ms:
                return f"{entity} {name} = {held.value} at {sdm.instant(at_ms)}, current state"
        for entity, name in places if self._settings.temporal != "off" else []:
            if (name, at_ms) in (self._broker.history(entity, [name], at_ms, at_ms) or {}):
                return f"{entity} {name} at {sdm.instant(at_ms)}, temporal"
        return None

    def figures(self) -> Mapping[str, float]:
        """Return how many readings were let go because a newer one was known, and revisions that found no place."""
        return {"sink_superseded_total": self._superseded, "sink_unrevised_total": self._unrevised}

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    # --- what the batch says

    def _read(self, batch: Sequence[Decoded], found: Sequence[Item]) -> _Work:
        reports = (_ngsi_device.report(decoded, self._city, self._registry) for decoded in batch)
        work = _Work([], [], {}, [], [STORED] * len(found), _ngsi_device.newest(r for r in reports if r is not None))
        for at, item in enumerate(found):
            seen = item.observation
            try:
                one = sdm.reading(self._city, seen, batch[item.frame].interval_s, self._station(seen))
            except ValueError as error:
                work.outcomes[at] = Outcome("rejected", str(error))
            else:
                work.add(one, at)
        return work

    def _station(self, seen: Observation) -> Station | None:
        """Return where something was seen, with the figures of then."""
        at_ms = seen.received_ms if seen.observed_at_ms is None else seen.observed_at_ms
        if seen.station is not None:
            return self._registry.station(seen.station, at_ms)
        return self._registry.station_of(seen.node, at_ms)

    def _revise(self, batch: Sequence[Decoded], work: _Work) -> None:
        """Apply revisions: to readings of this batch, to the current state, else to the history."""
        told = [revision for decoded in batch for revision in decoded.revisions]
        revisions = [revision for revision in told if 0 <= (revision.observed_at_ms or 0) < NEVER_MS]
        self._unrevised += len(told) - len(revisions)  # of dates that nothing can hold
        if not revisions:
            return
        frames = {revision.key[:3] for revision in revisions}
        place: dict[_Key, int] = {}
        for here, one in enumerate(work.readings):
            if (one.node, *one.record[:2]) in frames:
                place[one.node, *one.record, one.observed] = here
        for revision in revisions:
            at = place.get(revision.key)
            if at is not None:
                work.corrected.setdefault(at, work.readings[at].at_ms)
                work.readings[at] = _revised(work.readings[at], revision)
                continue
            was = self._recent.get(revision.key) or self._current(revision.key)
            if was is None:
                self._unrevised += 1
                continue
            now = _revised(was, revision)
            if now == was:
                continue
            self._gates.ask([was.entity])
            gate = self._gates[was.entity]
            held = gate.get(was.name)
            if held is None or held.record != was.record:
                work.amended.append((now, was.at_ms))
                continue
            if now.at_ms != was.at_ms:  # the target's date was wrong: it must not hold against the right one
                del gate[was.name]
            place[revision.key] = at = work.add(now, None)
            work.corrected[at] = was.at_ms

    def _current(self, key: tuple[str, int, int, int, str]) -> Reading | None:
        """Return a reading that the target holds as current state, by its record."""
        node, boot, seq, index, name = key
        places = sdm.places(self._city, node, name)
        self._gates.ask(entity for entity, _ in places)
        for entity, attribute in places:
            held = self._gates[entity].get(attribute.attribute)
            if held is not None and held.record == (boot, seq, index):
                station = self._registry.station_of(node, held.at_ms)
                rest = (held.at_ms, held.quality, "ok", held.record, held.interval_s, node, name, station)
                return sdm.Reading(entity, attribute, held.value, *rest)
        return None

    # --- what the target is told

    def _write(self, work: _Work) -> dict[str, str]:
        """Write the batch, fill in its outcomes, and return the entities that were refused with the reason."""
        before = {entity: dict(self._gates[entity]) for entity in {one.entity for one in work.readings}}
        plan = _ngsi_gate.sort(work.readings, before, work.corrected)
        now: dict[str, list[Reading]] = {}
        for at in plan.current:
            now.setdefault(work.readings[at].entity, []).append(work.readings[at])
        newest = _ngsi_gate.newest_ms
        bodies = {entity: sdm.entity(some, newest(before[entity]), self._city) for entity, some in now.items()}
        bodies |= {name: r.json for name, r in work.reports.items() if r.at_ms > newest(self._gates[name])}
        refused = self._upsert(bodies)
        for entity in bodies.keys() - refused.keys():
            some = now.get(entity)
            self._gates[entity].update(
                _ngsi_gate.read(bodies[entity]) if some is None else {one.name: _ngsi_gate.held(one) for one in some}
            )
        told = dict.fromkeys((*plan.current, *plan.past), STORED) | dict.fromkeys(plan.known, DUPLICATE)
        told |= {
            at: Outcome("rejected", refused[entity])
            for at in plan.current
            if (entity := work.readings[at].entity) in refused
        }
        self._history(work, plan, told, before)
        for at, one in enumerate(work.readings):
            if (item := work.item_of[at]) is not None:
                work.outcomes[item] = told[at]
            if told[at].kind != "rejected":
                self._recent[one.node, *one.record, one.observed] = one
        return refused

    def _upsert(self, bodies: dict[str, Json]) -> dict[str, str]:
        """Write entities and return those that were refused, with the reason."""
        if not self._marked:
            bodies = {self._marker: self._mark()} | bodies
        created: set[str] = set()
        refused: dict[str, str] = {}
        later: dict[str, str] = {}

        def send(piece: Sequence[tuple[str, bytes]]) -> list[Outcome]:
            written = self._broker.upsert(piece)
            created.update(written.created)
            later.update(written.later)
            refused.update(written.refused)
            return [Outcome("rejected", written.refused[n]) if n in written.refused else STORED for n, _ in piece]

        dressed = ((n, self._broker.group(body["type"]), self._broker.dress(body)) for n, body in bodies.items())
        for piece in pieces(dressed, self._settings.batch, _MOST_BYTES):
            for (name, _), outcome in zip(piece, items.sift(piece, send), strict=True):
                if outcome.kind == "rejected":
                    refused[name] = outcome.reason
        if lost := sorted(name for name in created - {self._marker} if self._gates[name]):
            raise TargetTrouble(f"the broker had lost {len(lost)} entities that it held, as {lost[0]}; asking what else", ambiguous=True)  # fmt: skip
        if later:
            name, why = next(iter(later.items()))
            raise TargetTrouble(
                f"the broker could not take {len(later)} of {len(bodies)} entities now, as {name}: {why}"
            )
        if self._marker in refused:
            raise TargetTrouble(f"the broker refuses even {self._marker}: {refused[self._marker]}")
        if self._marked and bodies and refused.keys() >= bodies.keys():
            self._marked = False
            self._upsert({})  # the mark alone: are these refused, or are we?
        self._marked = True
        return refused

    def _mark(self) -> Json:
        told = {"controlledProperty": "delivery", "textValue": "Pantau delivers here; do not delete"}
        return {"id": self._marker, "type": "DeviceMeasurement"} | {
            name: sdm.prop(value) for name, value in told.items()
        }

    def _history(
        self, work: _Work, plan: _ngsi_gate.Plan, told: dict[int, Outcome], before: Mapping[str, Gate]
    ) -> None:
        """Write what the current state does not keep, and bring `told` up to date."""
        past = set(plan.past)
        late = [at for at in plan.past if work.item_of[at] is not None]
        amended = work.amended + [
            (work.readings[at], work.corrected[at]) for at in plan.past if work.item_of[at] is None
        ]
        mode = self._settings.temporal
        if mode == "off":
            self._superseded += len(late)
            self._unrevised += len(amended)
            return
        if mode == "all":
            late = [at for at, item in enumerate(work.item_of) if item is not None and told[at].kind != "rejected"]

        def new(one: Reading) -> bool:
            held = before[one.entity].get(one.name)
            return not one.future and not self._gates.fresh(one.entity) and (held is None or one.at_ms > held.at_ms)

        def here(entity: str) -> Station | None:
            return self._registry.station_of(entity.split(":")[4], _ngsi_gate.newest_ms(self._gates[entity]))

        outcomes = _ngsi_history.store(self._broker, [work.readings[at] for at in late], new, here)
        pairs = zip(late, outcomes, strict=True)
        told |= {at: outcome for at, outcome in pairs if at in past or outcome.kind != "duplicate"}
        for one, was_ms in amended:
            if not _ngsi_history.correct(self._broker, one, was_ms):
                self._unrevised += 1
            self._recent[one.node, *one.record, one.observed] = one


def _revised(one: Reading, revision: Revision) -> Reading:
    at_ms = one.at_ms if revision.observed_at_ms is None else revision.observed_at_ms
    return one._replace(quality=revision.quality, reason=revision.reason, at_ms=at_ms)
