"""Which bridge holds which partition, agreed over a key-value store that compares and sets. I/O-free.

Keys: `bridge.<name>` is a bridge's heartbeat, `pNN` says who holds partition NN and in which epoch. Every write names the
revision that it replaces, so of two that want the same one wins, and what was delayed on its way changes nothing.

Why no two hold the same partition at once, though no clocks are compared. My belief ends `valid_s` (2/3 of the lease) after I
*sent* the last heartbeat that was confirmed. Others take from me only when they have known the same revision of my heartbeat
for a whole lease, and they cannot have seen it before I sent it: 1/3 of a lease lies between, far more than clocks differ in
their rate. "Have known" counts only up to the moment when they sent the newest of their own heartbeats that they find in a
complete view of the store: a stale replica, or a line that stands still, shows them none and so proves nothing. A belief that has
ended does not come back by a late confirmation: the partition is taken anew, over its revision.
"""

from __future__ import annotations

import math
import zlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, NamedTuple

from pydantic import Field

from pantau.cluster.records import BRIDGE, PARTITION, Holder, Record, read_holder, read_record
from pantau.problems import Table
from pantau_wire import topics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_RELEASING = 8  # partitions that are given away at a time: the others go on meanwhile
_SETTLED = 2  # heartbeats after which a newcomer is given something, and takes what nobody holds
_MOST_BRIDGES = 1000  # names; a city has tens
_REMEMBERED = 32  # own heartbeats whose time is known


class LeaseSettings(Table):
    """How long a bridge may be silent before others take its partitions."""

    lease_s: Annotated[float, Field(ge=1.0, le=300.0)] = 10.0

    @property
    def beat_s(self) -> float:
        """Return the time between two heartbeats."""
        return self.lease_s / 5

    @property
    def valid_s(self) -> float:
        """Return how long after a heartbeat that was confirmed a bridge believes that it holds what it holds."""
        return self.lease_s * 2 / 3


class Identity(NamedTuple):
    """One run of one bridge. `predecessor`: the run before, known to have ended because its data folder's lock is ours."""

    name: str
    incarnation: str
    predecessor: str = ""


class Entry(NamedTuple):
    """A key as it stood in the store; `value` None = deleted. Revisions count over all keys."""

    key: str
    value: bytes | None
    revision: int


class Write(NamedTuple):
    """Write `value` to `key` if its revision is still `over` (0 = it has none); call `done` with what became of it.

    `partition` None = a heartbeat; `epoch` 0 = the partition is given away.
    """

    key: str
    value: bytes
    over: int
    sent_at: float
    generation: int
    partition: int | None = None
    epoch: int = 0

    @property
    def taken(self) -> bool:
        """Return whether this takes a partition."""
        return self.epoch > 0


class Release(NamedTuple):
    """Leave this partition in order, then call `left`."""

    partition: int


class Lost(NamedTuple):
    """These partitions are not ours any more: stop at once."""

    partitions: frozenset[int]


Action = Write | Release | Lost


@dataclass(slots=True)
class _Bridge:
    """A bridge's heartbeat as we know it."""

    revision: int
    seen_at: float
    incarnation: str = ""
    leaving: bool = True
    beats: int = 0  # revisions since it was last away


@dataclass(slots=True)
class _Held:
    """A partition of ours; its key's revision."""

    revision: int
    releasing: bool = False


class Lessee:
    """One bridge's half. All times are this machine's, monotonic; call `tick` after whatever was told.

    What the store holds comes by `saw`, in its own order. A view may begin anew at any time (`looks_anew`), even with older
    entries.
    """

    def __init__(
        self, who: Identity, settings: LeaseSettings, partitions: int = topics.PARTITIONS, floor: Callable[[], int] = lambda: 0,
        first_beat: int = 0,
    ) -> None:  # fmt: skip
        """Each epoch is above the last one and above `floor()`, so that they rise even when the store was lost and made anew.

        `first_beat`: where our heartbeats are counted from, away from those of any other object with this identity.
        """
        self._who, self._settings, self._count, self._floor = who, settings, partitions, floor
        self._bridges: dict[str, _Bridge] = {}
        self._holders = dict.fromkeys(range(partitions), Holder())
        self._held: dict[int, _Held] = {}
        self._given: set[int] = set()  # left in order; the store is to be told
        self._lost: set[int] = set()  # the edge is to be told
        self._busy: set[int] = set()  # a write is under way
        self._not_before: dict[int, float] = {}
        home = zlib.crc32(who.name.encode()) % partitions
        self._order = [(home + k) % partitions for k in range(partitions)]  # bridges begin at different places
        self._sent: OrderedDict[int, float] = OrderedDict()  # heartbeat -> when it was sent
        self._beat, self._confirmed, self._generation = first_beat, 0, 0
        self._next_beat = self._valid_since = self._valid_until = self._own_seen = self._complete_until = -math.inf
        self._looked = self._beating = self._valid = self._leaving = False

    # --- what the edge asks

    def held(self, now: float) -> frozenset[int]:
        """Return the partitions that are ours at `now`; none when our heartbeat has not been confirmed for too long."""
        return frozenset(self._held) if self.valid(now) else frozenset()

    def valid(self, now: float) -> bool:
        """Return whether what we hold is ours at `now`."""
        return self._valid and now < self._valid_until

    def next_at(self) -> float:
        """Return when `tick` is to be called at the latest."""
        return min(self._next_beat, self._valid_until) if self._valid else self._next_beat

    def live(self) -> int:
        """Return how many bridges are there, as far as we know."""
        return len(self._others(0)) + self._valid

    def rival(self, now: float) -> bool:
        """Return whether another bridge that is there goes by our name."""
        record = self._bridges.get(self._who.name)
        return record is not None and self._strange(record) and now - record.seen_at < self._settings.lease_s

    # --- what the edge tells

    def looks_anew(self) -> None:
        """Note that a view of the store begins anew."""
        self._own_seen = -math.inf

    def saw(self, entry: Entry, now: float) -> None:
        """Take in what a key says. Whatever a stranger wrote there is harmless."""
        self._fence(now)
        self._note(entry, now)
        if entry.key == BRIDGE + self._who.name:
            record = read_record(entry.value)
            if record.incarnation == self._who.incarnation and record.beat in self._sent:
                self._own_seen = max(self._own_seen, self._sent[record.beat])

    def saw_all(self) -> None:
        """Note that nothing more stood in the store when the last entry was sent to us."""
        self._looked = True
        self._complete_until = max(self._complete_until, self._own_seen)

    def done(self, write: Write, revision: int | None, now: float) -> bool:
        """Take in how `write` went: its revision, None when it was refused or nobody knows. True: a partition is ours now."""
        self._fence(now)
        if write.partition is None:
            self._beating = False
            if revision is not None:
                self._note(Entry(write.key, write.value, revision), now)
                self._renewed(write.sent_at, now)
            return False
        self._busy.discard(write.partition)
        if revision is None:
            self._not_before[write.partition] = now + self._settings.beat_s
            return False
        self._note(Entry(write.key, write.value, revision), now)
        # After a fence in between others may have taken it by now; only what is seen will tell.
        unbroken = self._valid and write.generation == self._generation
        if not write.taken or not unbroken or self._holders[write.partition].revision != revision:
            return False
        self._held[write.partition] = _Held(revision)
        return True

    def left(self, partition: int, now: float) -> None:
        """Note that a partition to be released has been left."""
        self._fence(now)
        if self._held.pop(partition, None) is not None:
            self._given.add(partition)

    def abandon(self) -> frozenset[int]:
        """Return all that the edge believes to hold: it is ending, and so does the belief."""
        ended = frozenset(self._held | dict.fromkeys(self._lost))
        self._held.clear()
        self._lost.clear()
        return ended

    def failed(self, partition: int, now: float) -> None:
        """Note that nothing could be done with a partition that was taken: it is given back, and tried again later."""
        self.left(partition, now)
        self._not_before[partition] = now + self._settings.beat_s

    @property
    def holds_nothing(self) -> bool:
        """Return whether nothing is held, being taken or still to be given back."""
        return not (self._held or self._given or self._busy)

    def leave(self) -> None:
        """Give everything to the others from now on."""
        self._leaving = True
        self._next_beat = -math.inf

    def tick(self, now: float) -> list[Action]:
        """Return what is to be done now."""
        self._fence(now)
        actions: list[Action] = []
        if self._lost:
            actions.append(Lost(frozenset(self._lost)))
            self._lost.clear()
        actions += self._renew(now)
        if self._valid:
            actions += self._release()
            actions += self._take(now)
        return [*actions, *self._free(now)]

    # --- what is known

    def _note(self, entry: Entry, now: float) -> None:
        if entry.key.startswith(BRIDGE):
            self._note_bridge(entry.key.removeprefix(BRIDGE), entry, now)
        elif (found := PARTITION.fullmatch(entry.key)) is not None and (number := int(found[1])) < self._count:
            self._note_holder(number, entry, now)

    def _note_bridge(self, name: str, entry: Entry, now: float) -> None:
        known = self._bridges.get(name)
        if known is not None and entry.revision <= known.revision:
            return
        record = read_record(entry.value)
        beats = 1 if known is None or self._dead(known) else known.beats + 1
        self._remember(name, _Bridge(entry.revision, now, record.incarnation, record.leaving, beats))

    def _note_holder(self, number: int, entry: Entry, now: float) -> None:
        known = self._holders[number]
        if entry.revision <= known.revision:
            return
        holder = read_holder(entry.value, entry.revision)
        self._holders[number] = holder._replace(epoch=max(holder.epoch, known.epoch))  # it outlives the key
        if holder.name and holder.name not in self._bridges:
            self._remember(holder.name, _Bridge(0, now))  # its heartbeat is not there: it has a lease to show one
        held = self._held.get(number)
        if held is not None and held.revision != entry.revision:
            del self._held[number]
            self._lost.add(number)
        if holder.name != self._who.name:
            self._given.discard(number)

    def _remember(self, name: str, bridge: _Bridge) -> None:
        if name in self._bridges or len(self._bridges) < _MOST_BRIDGES:
            self._bridges[name] = bridge

    def _renewed(self, sent_at: float, now: float) -> None:
        until = sent_at + self._settings.valid_s
        if now >= until:
            return
        if not self._valid:
            # Who was there while we were not, we do not know: each has a lease to show itself.
            self._valid, self._valid_since, self._confirmed = True, now, 0
            for name, record in self._bridges.items():
                if name != self._who.name:
                    record.seen_at, record.beats = now, 0
        self._confirmed += 1
        self._valid_until = max(self._valid_until, until)

    def _fence(self, now: float) -> None:
        """End all beliefs when our heartbeat has not been confirmed for too long."""
        if self._valid and now >= self._valid_until:
            self._valid = False
            self._generation += 1
            self._lost |= self._held.keys()
            self._held.clear()

    def _strange(self, record: _Bridge) -> bool:
        """Return whether a heartbeat under our name is another's."""
        return record.incarnation not in {"", self._who.incarnation, self._who.predecessor}

    def _dead(self, record: _Bridge) -> bool:
        return self._complete_until - record.seen_at >= self._settings.lease_s

    def _others(self, beats: int) -> list[_Bridge]:
        """Return the other bridges that are there for at least so many heartbeats and want a share."""
        return [
            record
            for name, record in self._bridges.items()
            if name != self._who.name and not record.leaving and record.beats >= beats and not self._dead(record)
        ]

    def _share(self, beats: int) -> int:
        """Return what is fair when bridges count that showed `beats` heartbeats."""
        return 0 if self._leaving else -(-self._count // (len(self._others(beats)) + 1))

    # --- what is done

    def _renew(self, now: float) -> Iterator[Action]:
        if self._beating or now < self._next_beat or not self._looked:
            return
        self._next_beat = now + self._settings.beat_s
        if self.rival(now):
            return
        record = self._bridges.get(self._who.name)
        self._beating = True
        self._beat += 1
        self._sent[self._beat] = now
        if len(self._sent) > _REMEMBERED:
            self._sent.popitem(last=False)
        value = Record(self._who.incarnation, self._beat, self._leaving).value()
        yield Write(BRIDGE + self._who.name, value, record.revision if record else 0, now, self._generation)

    def _release(self) -> Iterator[Action]:
        surplus = len(self._held) - self._share(_SETTLED)
        under_way = sum(held.releasing for held in self._held.values())
        for number in reversed(self._order):
            if under_way >= min(surplus, _RELEASING):
                return
            held = self._held.get(number)
            if held is not None and not held.releasing:
                held.releasing = True
                under_way += 1
                yield Release(number)

    def _take(self, now: float) -> Iterator[Action]:
        room = self._share(0) - len(self._held) - len(self._busy)
        for number in self._order:
            holder = self._holders[number]
            if number in self._held or number in self._given or self._waits(number, now):
                continue
            if holder.name == self._who.name:  # of the run before us, or from before a fence
                if self._leaving:
                    self._given.add(number)
                    continue
            elif room <= 0 or self._confirmed < _SETTLED or not self._orphan(holder):
                continue
            room -= 1
            epoch = max(holder.epoch, self._floor()) + 1
            value = Holder(0, self._who.name, self._who.incarnation, epoch).value()
            self._busy.add(number)
            yield Write(f"p{number:02d}", value, holder.revision, now, self._generation, number, epoch)

    def _free(self, now: float) -> Iterator[Action]:
        for number in sorted(self._given):
            if not self._waits(number, now):
                holder = self._holders[number]
                value = Holder(epoch=holder.epoch).value()
                self._busy.add(number)
                yield Write(f"p{number:02d}", value, holder.revision, now, self._generation, number)

    def _waits(self, number: int, now: float) -> bool:
        return number in self._busy or now < self._not_before.get(number, -math.inf)

    def _orphan(self, holder: Holder) -> bool:
        if not holder.name:
            # One that was never held may be of a store made anew: whoever held it in the old one has a lease to notice.
            return holder.revision > 0 or self._complete_until - self._valid_since >= self._settings.lease_s
        record = self._bridges.get(holder.name)
        return record is not None and self._dead(record)
