"""From one set of files to the next: what changes, what a running bridge applies at once, what waits for a restart.

I/O-free; `pantau.watcher` notices the changes and reads the files.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pydantic import BaseModel

from pantau.registry import EVER_MS, NEVER_MS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from pantau.alerts.rules import RuleSet
    from pantau.config import Config
    from pantau.keys import Keys
    from pantau.registry import Placement, Registry, Station

# What a running bridge can take over, as key or table. All else is bound to what is open: sockets, sessions, stores.
LIVE = (
    "alerts",
    "bridge.keys",
    "bridge.keys_secret",
    "bridge.log_json",
    "bridge.log_level",
    "bridge.registry",
    "fleet",
    "notify",
    "retention",
    "sinks",
)
_BOUND = ("sinks.sqlite.path", "fleet.book")  # open while the bridge runs
_SECRET = re.compile(r"password|token|secret|credential|(^|_)key$")
_KEY_IDS = range(4)  # what the wire can name
_SAID = 40

Part = Literal["config", "registry", "keys", "alerts"]


class Setup(NamedTuple):
    """All that a bridge was told, from one reading of its files."""

    config: Config
    registry: Registry
    keys: Keys
    rules: RuleSet


class Change(NamedTuple):
    """One difference: where, what, and whether it is applied at once; else the old value holds until the next start."""

    part: Part
    subject: str
    what: str
    live: bool = True

    def __str__(self) -> str:
        return f"{self.subject}: {self.what}" + (
            "" if self.live else "; the old value holds until the bridge is restarted"
        )


class Plan(NamedTuple):
    """What changes from one set of files to the next. `setup` is what is in force once it is applied."""

    changes: tuple[Change, ...]
    setup: Setup

    @property
    def waiting(self) -> tuple[Change, ...]:
        """Return what needs a restart."""
        return tuple(change for change in self.changes if not change.live)

    def touches(self, part: Part, under: str = "") -> bool:
        """Return whether something of `part` (and in the config: of the key or table `under`) is to be applied now."""
        return any(c.live and c.part == part and _within(c.subject, under) for c in self.changes)

    def words(self) -> list[str]:
        """Return the changes for people, one a line; of very many the first and their number."""
        said = [str(change) for change in sorted(self.changes, key=lambda c: c.live)[:_SAID]]
        return said + ([f"and {more} more"] if (more := len(self.changes) - len(said)) else [])


def plan(old: Setup, new: Setup, *, rewritten: Collection[str] = ()) -> Plan:
    """Return what changes from `old` to `new`, both checked before; `rewritten` names config keys of other files."""
    changes: list[Change] = []
    config = _in_force(old.config, new.config, "", changes)
    changes += [Change("config", key, "the file was written anew", live=False) for key in sorted(rewritten)]
    changes += _stations(old.registry, new.registry)
    changes += _nodes(old.registry, new.registry)
    changes += _keys(old.keys, new.keys)
    changes += _rules(old.rules, new.rules)
    return Plan(tuple(changes), new._replace(config=config))


# --- configuration


def _within(key: str, table: str) -> bool:
    return not table or key == table or key.startswith(table + ".")


def _live(key: str) -> bool:
    return any(_within(key, table) for table in LIVE) and not any(_within(key, table) for table in _BOUND)


def _in_force(old: Any, new: Any, key: str, changes: list[Change]) -> Any:
    """Return `new` with the old value wherever a restart is needed; differences go to `changes`."""
    if isinstance(old, BaseModel) and type(old) is type(new):
        start = f"{key}." if key else ""
        names = type(new).model_fields
        return new.model_copy(
            update={n: _in_force(getattr(old, n), getattr(new, n), start + n, changes) for n in names}
        )
    if old == new:
        return new
    live = _live(key)
    changes.append(Change("config", key, _from_to(key, old, new), live))
    return new if live else old


def _from_to(key: str, old: object, new: object) -> str:
    """Return both values for people; never a secret, nor a table, which may hold one."""
    if isinstance(old, list) and isinstance(new, list) and any(isinstance(item, BaseModel) for item in (*old, *new)):
        return "changed"
    if isinstance(old, BaseModel) or isinstance(new, BaseModel):
        return "set up" if old is None else "taken out" if new is None else "changed"
    if _SECRET.search(key.rpartition(".")[2]) and not isinstance(old, PurePath) and not isinstance(new, PurePath):
        return "changed"
    return f"{_said(old)} -> {_said(new)}"


def _said(value: object) -> str:
    return "not set" if value is None else str(value) if isinstance(value, PurePath) else repr(value)


# --- registry


def _stations(old: Registry, new: Registry) -> Iterator[Change]:
    fresh = {(s.latitude, s.longitude, s.domain): s.id for s in new.stations.values() if s.id not in old.stations}
    for station in new.stations.values():
        subject = f"station {station.id}"
        before = old.stations.get(station.id)
        if before is None:
            yield Change("registry", subject, f"new: {station.name} ({station.domain})")
            continue
        if before != station:
            yield Change("registry", subject, "; ".join(_figures(before, station)))
        elif old.epochs(station.id) != new.epochs(station.id):
            what = (
                "figures of earlier times changed; what was decoded with the old ones keeps them until it is replayed"
            )
            yield Change("registry", subject, what)
        if old.sensors_of(station.id) != new.sensors_of(station.id):
            yield Change("registry", subject, "its sensors changed")
    for station in old.stations.values():
        if station.id not in new.stations:
            heir = fresh.get((station.latitude, station.longitude, station.domain))
            what = "gone; its history stays under this id"
            if heir is not None:
                what += f". {heir} is new at its place: if it is the same station, keep the id {station.id} and change"
                what += " only the name, else its series ends here"
            yield Change("registry", f"station {station.id}", what)


def _figures(old: Station, new: Station) -> Iterator[str]:
    for name in old.__slots__:
        before, after = getattr(old, name), getattr(new, name)
        if before != after:
            yield f"{name} changed" if name == "thresholds" else f"{name} {_said(before)} -> {_said(after)}"


def _nodes(old: Registry, new: Registry) -> Iterator[Change]:
    for node in new.nodes:
        before, after = old.placements(node), new.placements(node)
        if not before:
            yield Change("registry", f"node {node}", f"new, {_stays(after)}")
        elif before != after:
            yield Change("registry", f"node {node}", f"now {_stays(after)}")
    for node in old.nodes:
        if not new.knows(node):
            what = "gone; what it still sends is quarantined as unknown_node. To keep its backlog, keep the entry with a `to`"
            yield Change("registry", f"node {node}", what)


def _stays(placements: tuple[Placement, ...]) -> str:
    return ", then ".join(_stay(place) for place in placements)


def _stay(place: Placement) -> str:
    start = f" from {_time(place.start_ms)}" if place.start_ms > EVER_MS else ""
    end = f" to {_time(place.end_ms)}" if place.end_ms < NEVER_MS else ""
    return f"at {place.station}{start}{end}"


def _time(unix_ms: int) -> str:
    return datetime.fromtimestamp(unix_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


# --- keys and rules


def _keys(old: Keys, new: Keys) -> Iterator[Change]:
    for node in new.nodes:
        if node not in old:
            yield Change("keys", f"node {node}", "has a key now")
            continue
        before, after = ({i: keys.find(node, i) for i in _KEY_IDS} for keys in (old, new))
        said = [f"key {i} {_turned(before[i], after[i])}" for i in _KEY_IDS if before[i] != after[i]]
        signing = new.signing(node)
        if signing is not None and (was := old.signing(node)) is not None and was[0] != signing[0]:
            said.append(f"we sign with key {signing[0]}")
        if said:
            yield Change("keys", f"node {node}", ", ".join(said))
    for node in old.nodes:
        if node not in new:
            yield Change("keys", f"node {node}", "has no key any more; what it sends is quarantined as no_key")


def _turned(before: object, after: object) -> str:
    return "added" if before is None else "removed" if after is None else "replaced"


def _rules(old: RuleSet, new: RuleSet) -> Iterator[Change]:
    if old.settings != new.settings:
        yield Change("alerts", "settings of the alerts", "changed")
    for name in dict.fromkeys([*new.rules, *old.rules]):
        if name not in old.rules:
            yield Change("alerts", f"rule {name}", "new")
        elif name not in new.rules:
            yield Change("alerts", f"rule {name}", "gone; an alert of it that stands is withdrawn")
        elif old.rules[name] != new.rules[name]:
            yield Change("alerts", f"rule {name}", "changed")
