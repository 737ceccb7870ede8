"""Readings into a broker's temporal representation: what is not there yet, and corrections of what is.

The API takes one entity a request, and most readings go this way: a frame brings fifteen of a property, and the current state
is one of them. So while one request is answered, the next is made.
"""

from __future__ import annotations

from collections import defaultdict, deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from pantau.sinks import _ngsi_entities as sdm
from pantau.sinks._ngsi_broker import NoHistory
from pantau.sinks.items import DUPLICATE, STORED, Outcome, Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from pantau.registry import Station
    from pantau.sinks._ngsi_broker import Broker, Instances
    from pantau.sinks._ngsi_entities import Reading

    Here = Callable[[str], Station | None]

_MOST = 500  # readings of one request: some 200 kB
_AHEAD = 4  # requests that are made and not yet answered
_SPAN_MS = 3_600_000  # of one question; brokers hold back long answers


def store(broker: Broker, readings: Sequence[Reading], new: Callable[[Reading], bool], here: Here) -> list[Outcome]:
    """Add to each entity's history what it does not hold, and return an outcome for each reading.

    `new` says which readings cannot be there yet and need not be asked for. `here` gives the place that an entity's current
    state has: history names another. Raises TargetTrouble.
    """
    outcomes: list[Outcome] = [DUPLICATE] * len(readings)
    by_entity: defaultdict[str, list[int]] = defaultdict(list)
    for at, one in enumerate(readings):
        by_entity[one.entity].append(at)
    todo: list[list[int]] = []
    for entity, places in by_entity.items():
        held = _held(broker, entity, [readings[at] for at in places if not new(readings[at])])
        missing: dict[tuple[str, int], int] = {}  # of two readings of one instant the later record's
        for at in sorted(places, key=lambda at: readings[at].record):
            if (spot := (readings[at].name, readings[at].at_ms)) not in held:
                missing[spot] = at
        some = sorted(missing.values(), key=lambda at: readings[at].at_ms)
        todo += [some[begin : begin + _MOST] for begin in range(0, len(some), _MOST)]

    requests = ([readings[at] for at in some] for some in todo)
    for some, told in zip(todo, _append(broker, requests, here), strict=True):
        for at, outcome in zip(some, told, strict=True):
            outcomes[at] = outcome
    return outcomes


def correct(broker: Broker, one: Reading, was_ms: int) -> bool:
    """Bring what the history holds of a reading up to date; False when that cannot be done there. Raises TargetTrouble."""
    held = broker.history(one.entity, [one.name], was_ms, was_ms)
    value = sdm.values(one)[one.name]
    if held is not None and (instance := held.get((one.name, was_ms))):
        return broker.amend(one.entity, one.name, instance, value)
    return False


def _append(broker: Broker, requests: Iterable[list[Reading]], here: Here) -> Iterator[list[Outcome]]:
    """Send requests, one after another on one connection, while the next are made; yield their outcomes in order."""
    sender = ThreadPoolExecutor(1, thread_name_prefix="ngsi-ld-history")
    sent: deque[Future[list[Outcome]]] = deque()
    try:
        for some in requests:
            sent.append(sender.submit(_send, broker, some, _body(broker, some, here), here))
            if len(sent) > _AHEAD:
                yield sent.popleft().result()
        while sent:
            yield sent.popleft().result()
    finally:
        sender.shutdown(cancel_futures=True)


def _body(broker: Broker, some: Sequence[Reading], here: Here) -> bytes:
    return broker.dress(sdm.history(some, here(some[0].entity)))


def _send(broker: Broker, some: Sequence[Reading], body: bytes, here: Here) -> list[Outcome]:
    """Send readings of one entity. Refused ones are sent in halves: for one bad reading, or because they were too many."""
    try:
        broker.append(some[0].attribute.type, body)
    except Refused as refused:
        if len(some) == 1 or isinstance(refused, NoHistory):
            return [Outcome("rejected", str(refused))] * len(some)
        halves = (some[: len(some) // 2], some[len(some) // 2 :])
        return [outcome for half in halves for outcome in _send(broker, half, _body(broker, half, here), here)]
    return [STORED] * len(some)


def _held(broker: Broker, entity: str, readings: Sequence[Reading]) -> Instances:
    found: Instances = {}
    for some in _spans(sorted(readings, key=lambda r: r.at_ms)):
        found |= _ask(broker, entity, some)
    return found


def _ask(broker: Broker, entity: str, some: Sequence[Reading]) -> Instances:
    """Ask for the span of `some`; where the broker holds back a part, for each half of it."""
    names = sorted({one.name for one in some})
    held = broker.history(entity, names, some[0].at_ms, some[-1].at_ms)
    if held is not None:
        return held
    if len(some) == 1:
        return {}  # not even one instant is told whole: rather twice than never
    middle = len(some) // 2
    return _ask(broker, entity, some[:middle]) | _ask(broker, entity, some[middle:])


def _spans(ordered: Sequence[Reading]) -> Iterator[list[Reading]]:
    span: list[Reading] = []
    for one in ordered:
        if span and one.at_ms - span[0].at_ms > _SPAN_MS:
            yield span
            span = []
        span.append(one)
    if span:
        yield span
