"""The account at the end: what was produced against what the spool and the city store hold."""

from __future__ import annotations

import sqlite3
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from pantau.spool import SpoolReader
from pantau_wire import frame as wire
from pantau_wire import names as T

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pantau_sim.chaos.node import Identity

_BATCH = 2000
_HOST_ONLY = 128  # ids from here on are derived behind the bridge
_EXAMPLES = 5
_NEAR = 1e-9


class Account(NamedTuple):
    """Frames unless said otherwise. `examples` name the first of what is wrong."""

    stored: int
    lost: int
    duplicates: int
    foreign: int  # stored, and made by nobody, or other bytes than were made
    observations: int
    observations_lost: int
    observations_duplicate: int
    observations_wrong: int
    examples: list[str]

    @property
    def good(self) -> bool:
        """Return whether everything is there once, with its value, and nothing else."""
        faults = (self.lost, self.duplicates, self.foreign)
        return not any((*faults, self.observations_lost, self.observations_duplicate, self.observations_wrong))


def expected(produced: Mapping[Identity, bytes]) -> Iterator[tuple[tuple[str, int, int, int, str], float | None]]:
    """Yield (identity, value) of every observation that the nodes made."""
    for (node, boot, seq), payload in produced.items():
        f = wire.decode(payload)
        for ident, (raws, _) in f.columns.items():
            name, _, scale = T.PROPERTIES[ident][:3]
            for index, raw in enumerate(raws):
                yield (node, boot, seq, index, name), None if raw is None else raw * 10.0**scale


def observations_of(produced: Mapping[Identity, bytes]) -> int:
    """Return how many observations the nodes made."""
    return sum(1 for _ in expected(produced))


def city_rows(city: Path) -> int:
    """Return how many observations the city store holds of what nodes themselves measured; 0 while it cannot be read."""
    try:
        db = sqlite3.connect(f"file:{city}?mode=ro", uri=True)
        try:
            own = ",".join(f"'{row[0]}'" for ident, row in T.PROPERTIES.items() if ident < _HOST_ONLY)
            query = (
                f"SELECT count(*) FROM observations WHERE property IN (SELECT id FROM properties WHERE name IN ({own}))"  # noqa: S608
            )
            return int(db.execute(query).fetchone()[0])
        finally:
            db.close()
    except sqlite3.Error:
        return 0


def visible(city: Path, identity: Identity) -> bool:
    """Return whether the city store holds something of a frame."""
    try:
        db = sqlite3.connect(f"file:{city}?mode=ro", uri=True)
        try:
            query = (
                "SELECT 1 FROM observations WHERE node = (SELECT id FROM nodes WHERE node = ?) AND boot = ? AND seq = ?"
            )
            return db.execute(query, identity).fetchone() is not None
        finally:
            db.close()
    except sqlite3.Error:
        return False


def take(produced: Mapping[Identity, bytes], spool: Path, city: Path) -> Account:
    """Return the account. The bridge has stopped."""
    examples: list[str] = []
    seen, foreign = _spool(produced, spool, examples)
    lost = [identity for identity in produced if identity not in seen]
    examples += [f"lost: {identity}" for identity in lost[:_EXAMPLES]]
    observations, gone, twice, wrong = _city(produced, city, examples)
    return Account(
        stored=len(seen),
        lost=len(lost),
        duplicates=sum(seen.values()) - len(seen),
        foreign=foreign,
        observations=observations,
        observations_lost=gone,
        observations_duplicate=twice,
        observations_wrong=wrong,
        examples=examples,
    )


def _spool(produced: Mapping[Identity, bytes], spool: Path, examples: list[str]) -> tuple[Counter[Identity], int]:
    seen: Counter[Identity] = Counter()
    foreign = after = 0
    reader = SpoolReader(spool)
    try:
        while frames := reader.read(after, _BATCH):
            after = frames[-1].id
            for frame in frames:
                identity = (frame.node, frame.boot, frame.seq)
                if produced.get(identity) == frame.payload:
                    seen[identity] += 1
                    continue
                foreign += 1
                if foreign <= _EXAMPLES:
                    examples.append(f"foreign: {identity} {frame.payload.hex()}")
    finally:
        reader.close()
    examples += [f"stored twice: {identity}" for identity, times in seen.items() if times > 1][:_EXAMPLES]
    return seen, foreign


def _city(produced: Mapping[Identity, bytes], city: Path, examples: list[str]) -> tuple[int, int, int, int]:
    """Return how many observations there are, are missing, are there twice, and have another value."""
    due = dict(expected(produced))
    own = {row[0] for ident, row in T.PROPERTIES.items() if ident < _HOST_ONLY}
    seen: set[tuple[str, int, int, int, str]] = set()
    twice = wrong = 0
    db = sqlite3.connect(f"file:{city}?mode=ro", uri=True)
    try:
        for node, boot, seq, index, name, value in db.execute(
            "SELECT node, boot, seq, idx, property, value FROM readings"
        ):
            if name not in own:
                continue
            key = (node, boot, seq, index, name)
            twice += key in seen
            seen.add(key)
            if key not in due or not _same(due[key], value):
                wrong += 1
                if wrong <= _EXAMPLES:
                    examples.append(f"wrong: {key} is {value}, made as {due.get(key, 'nothing')}")
    finally:
        db.close()
    gone = [key for key in due if key not in seen]
    examples += [f"not in the city store: {key}" for key in gone[:_EXAMPLES]]
    return len(seen), len(gone), twice, wrong


def _same(made: float | None, stored: float | None) -> bool:
    return made is stored if made is None or stored is None else abs(made - stored) < _NEAR
