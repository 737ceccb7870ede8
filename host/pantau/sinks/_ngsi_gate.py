"""Which readings are the state of now and which are history: by the date that the target holds of each attribute. I/O-free.

A broker's current state is what was written last, so an older reading must never be written there. A newer one is; an older
one belongs to the temporal representation; the same instant again is a duplicate, unless it was corrected. What the target holds
is asked from it, once for each entity: so a restart, a second bridge or a lost answer leave nothing to be guessed.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

from pantau.sinks import _ngsi_entities as sdm

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from pantau.sinks._ngsi_entities import Json, Reading, Record


class Held(NamedTuple):
    """What the target holds of one attribute."""

    at_ms: int
    value: Any
    quality: int
    record: Record
    interval_s: int


Gate = dict[str, Held]  # by attribute; empty for an entity that the target does not have


class Plan(NamedTuple):
    """Places in the readings: to be written as current state, as history, and not at all."""

    current: list[int]
    past: list[int]
    known: list[int]


class Gates:
    """What the target holds of each entity, as far as it was asked; of `most` entities at most."""

    def __init__(self, current: Callable[[Iterable[str]], Mapping[str, Json]], most: int) -> None:
        """`current` returns those of some entities that the target has."""
        self._current = current
        self._most = most
        self._gates: OrderedDict[str, Gate] = OrderedDict()
        self._fresh: set[str] = set()

    def __getitem__(self, entity: str) -> Gate:
        return self._gates[entity]

    def ask(self, entities: Iterable[str]) -> None:
        """Have a gate for each of `entities` until `settle`. What the target raises is raised."""
        unknown = []
        for entity in entities:
            if entity in self._gates:
                self._gates.move_to_end(entity)
            else:
                unknown.append(entity)
        there = self._current(unknown) if unknown else {}
        for entity in unknown:
            self._gates[entity] = read(there.get(entity, {}))
        self._fresh.update(unknown)

    def fresh(self, entity: str) -> bool:
        """Return whether nothing was delivered since the entity was asked for: its history may hold more than its gate says."""
        return entity in self._fresh

    def settle(self, entities: Iterable[str]) -> None:
        """Note that all that was to be told of these was told, and let go of what was longest out of use."""
        self._fresh.difference_update(entities)
        while len(self._gates) > self._most:
            self._fresh.discard(self._gates.popitem(last=False)[0])

    def forget(self, entities: Iterable[str] | None = None) -> None:
        """Ask for these, or for all, again: nobody knows what was applied."""
        for entity in list(self._gates) if entities is None else entities:
            self._gates.pop(entity, None)
            self._fresh.discard(entity)


def sort(readings: Sequence[Reading], gates: Mapping[str, Gate] | Gates, corrected: Collection[int] = ()) -> Plan:
    """Sort readings by what the target holds. `corrected`: places whose flags or date were revised since they were told.

    Of two readings of one attribute and instant the one of the later record counts.
    """
    of_attribute: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for at, one in enumerate(readings):
        of_attribute[one.entity, one.name].append(at)
    plan = Plan([], [], [])
    for (entity, name), found in of_attribute.items():
        found.sort(key=lambda at: (not readings[at].future, readings[at].at_ms, readings[at].record))
        held = gates[entity].get(name)
        for at, behind in zip(found, [*found[1:], None], strict=True):
            one = readings[at]
            if behind is not None and readings[behind].at_ms == one.at_ms:
                plan.known.append(at)
            elif one.future or (held is not None and one.at_ms < held.at_ms):
                plan.past.append(at)
            elif held is not None and one.at_ms == held.at_ms and not _replaces(one, held, revised=at in corrected):
                plan.known.append(at)
            else:
                (plan.past if behind is not None else plan.current).append(at)
    return plan


def held(one: Reading) -> Held:
    """Return what the target holds once it took a reading."""
    return Held(one.at_ms, one.value, one.quality, one.record, one.interval_s)


def read(entity: Json) -> Gate:
    """Return what an entity in normalized form, as a broker gives it, says of our attributes. Others are passed over."""
    gate: Gate = {}
    for name, value in entity.items():
        one = value[0] if isinstance(value, list) and value else value
        if isinstance(one, dict) and (known := _read(one)) is not None:
            gate[name] = known
    return gate


def newest_ms(gate: Gate) -> int:
    """Return the newest date in a gate, 0 for none."""
    return max((one.at_ms for one in gate.values()), default=0)


def _read(value: Json) -> Held | None:
    try:
        at_ms = sdm.milliseconds(value["observedAt"])
        record = tuple(int(part) for part in str(_inner(value, sdm.RECORD, "")).split("/") if part)
        return Held(
            at_ms, value.get("value"), int(_inner(value, sdm.QUALITY, 2)), record, int(_inner(value, sdm.INTERVAL, 0))
        )
    except (KeyError, TypeError, ValueError):  # not written by us, or of no date
        return None


def _inner(value: Json, name: str, default: Any) -> Any:
    inner = value.get(name, default)
    return inner.get("value", default) if isinstance(inner, dict) else inner


def _replaces(one: Reading, held: Held, *, revised: bool) -> bool:
    """Return whether a reading of the instant that the target holds says something else than it holds."""
    if held.record and one.record != held.record:
        return one.record > held.record
    return one.value != held.value or (revised and one.quality != held.quality)
