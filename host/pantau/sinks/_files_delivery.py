"""One batch on its way into the files: what of it is new, what is held already, what is told otherwise now."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from pantau.sinks import _files_rows as rows
from pantau.sinks._files_journal import Run
from pantau.sinks.items import DUPLICATE, STORED, Item, Outcome, verdicts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pantau.decode import Decoded
    from pantau.model import Observation
    from pantau.sinks import Verdict
    from pantau.sinks._files_rows import Frame, Key, Said, Told
    from pantau.sinks._files_store import Store

_DAY_MS = 86_400_000
_PER_JOURNAL = 10**9  # rows at most: versions of one journal lie below those of the next


class Delivery:
    """A batch, sorted by table and day. Reads the store; only `write` changes it.

    A frame above the position of the log was never here, and goes in without a look. Of the others what is held is read,
    from where their ids lie. A reading that is held with a date is never appended again: told otherwise it becomes a revision.
    """

    def __init__(self, store: Store, batch: Sequence[Decoded], *, by_receipt: bool) -> None:
        self._store = store
        self._batch = batch
        self._by_receipt = by_receipt
        journal = store.open()
        self._before = journal.position
        self._version = journal.number * _PER_JOURNAL + journal.rows
        self._lines: dict[tuple[str, str, bool], list[str]] = {}
        self._spans: dict[tuple[str, str, bool], tuple[int, int]] = {}
        self._items: list[Item] = []
        self._outcomes: list[Outcome] = []
        self._dated: dict[Key, Said] = {}  # held, by key, after what was corrected since
        self._undated: set[Key] = set()
        self._told: defaultdict[Key, list[Told]] = defaultdict(list)
        self._suspects = self._look_up()
        for at, decoded in enumerate(batch):
            self._take(at, decoded)

    def write(self) -> None:
        """Append all that is new in one piece; it is on the disk when this returns."""
        pieces, runs = [], []
        for group, lines in self._lines.items():
            data = "".join(lines).encode()
            pieces.append(data)
            runs.append(Run(*group, *self._spans[group], len(data), len(lines)))
        self._store.append(max(self._before, *(decoded.id for decoded in self._batch)), runs, b"".join(pieces))

    def verdicts(self) -> list[Verdict]:
        """Return what became of each frame."""
        return verdicts(self._batch, self._items, self._outcomes)

    def _look_up(self) -> set[int]:
        """Read what is held of the frames that may have been here; return their ids."""
        times = Counter(decoded.id for decoded in self._batch)
        again = [decoded for decoded in self._batch if decoded.id <= self._before]
        suspects = {decoded.id for decoded in again} | {number for number, often in times.items() if often > 1}
        if frames := _frames(again):
            self._note(self._store.held({decoded.id for decoded in again}, frames))
        if self._store.others:
            new = [decoded for decoded in self._batch if decoded.id not in suspects and decoded.observations]
            days = {day for decoded in new for day in self._days(decoded)}
            self._note(self._store.held_elsewhere(rows.OBSERVATIONS, days, _frames(new)))
            found = {key[:3] for key in self._dated}
            suspects |= {decoded.id for decoded in new if not found.isdisjoint(_frames([decoded]))}
        return suspects

    def _days(self, decoded: Decoded) -> set[str]:
        """Return on which days another log may have put the frame: dates may have been corrected by some hours since."""
        dates = [seen.observed_at_ms for seen in decoded.observations if seen.observed_at_ms is not None]
        if not dates:
            return set()
        last = max(*dates, decoded.received_ms) if self._by_receipt else max(dates)
        first_day, last_day = min(dates) // _DAY_MS - 1, last // _DAY_MS + 1
        return {rows.day_of(day * _DAY_MS) for day in range(max(0, first_day), min(last_day, rows.LAST_DAY) + 1)}

    def _note(self, held: Iterable[tuple[str, dict[str, object]]]) -> None:
        for table, row in held:
            key = rows.key_of(row)
            if table == rows.OBSERVATIONS:
                self._dated.setdefault(key, rows.said_of(row))
            elif table == rows.UNDATED:
                self._undated.add(key)
            else:
                self._told[key].append(rows.told_of(row))
        for key, told in self._told.items():
            told.sort(key=lambda one: one.version)
            if corrected := [one for one in told if one.corrected]:
                self._dated[key] = rows.corrected(corrected[-1])

    def _take(self, at: int, decoded: Decoded) -> None:
        suspect = decoded.id in self._suspects
        if suspect or not self._whole(decoded):
            observe = self._observe_again if suspect else self._observe
            self._items += [Item(at, seen) for seen in decoded.observations]
            self._outcomes += [observe(decoded, seen) for seen in decoded.observations]
        if decoded.revisions:
            own = {seen.key for seen in decoded.observations}  # told whole, just now
            for revision in decoded.revisions:
                told = rows.told(revision, decoded.id)
                if revision.key not in own and not any(
                    told == one._replace(version=0) for one in self._told[revision.key]
                ):
                    self._revise(decoded, revision.key, told)

    def _whole(self, decoded: Decoded) -> bool:
        """Append a new frame at one go, as almost all can be: False when its readings are not all good and of one day."""
        seen, interval_s = decoded.observations, decoded.interval_s
        if not seen:
            return True
        dates = {one.observed_at_ms for one in seen}
        if None in dates:
            return False
        try:
            days = {
                rows.day_of(at_ms)
                for at_ms in ([decoded.received_ms] if self._by_receipt else dates)
                if at_ms is not None
            }
            lines = [rows.observation_line(one, interval_s) for one in seen]
        except ValueError:
            return False
        if len(days) > 1:
            return False
        self._put(rows.OBSERVATIONS, days.pop(), decoded.id, lines)
        return True

    def _observe(self, decoded: Decoded, seen: Observation) -> Outcome:
        """Append a reading."""
        at_ms = seen.observed_at_ms
        try:
            line = rows.observation_line(seen, decoded.interval_s)
            if at_ms is None:
                table, day = rows.UNDATED, rows.day_of(seen.received_ms)
            else:
                table, day = rows.OBSERVATIONS, rows.day_of(seen.received_ms if self._by_receipt else at_ms)
        except ValueError as error:
            return Outcome("rejected", str(error))
        self._put(table, day, decoded.id, [line])
        return STORED

    def _observe_again(self, decoded: Decoded, seen: Observation) -> Outcome:
        """Append a reading that is not held, or what is new about one that is."""
        key, held = seen.key, self._dated.get(seen.key)
        if seen.observed_at_ms is None and (held is not None or key in self._undated):
            return DUPLICATE
        now = rows.said(seen)
        if held is None:
            outcome = self._observe(decoded, seen)
            if outcome is STORED and seen.observed_at_ms is None:
                self._undated.add(key)
            elif outcome is STORED:
                self._dated[key] = now
            return outcome
        if held == now:
            return DUPLICATE
        outcome = self._revise(decoded, key, rows.correction(seen, decoded.id))
        if outcome is STORED:
            self._dated[key] = now
        return outcome

    def _revise(self, decoded: Decoded, key: Key, told: Told) -> Outcome:
        self._version += 1
        told = told._replace(version=self._version)
        dated = told.observed_at_ms is not None and not self._by_receipt
        try:
            line = rows.revision_line(key, told, decoded.received_ms)
            day = rows.day_of(told.observed_at_ms or 0 if dated else decoded.received_ms)
        except ValueError as error:
            return Outcome("rejected", str(error))
        self._put(rows.REVISIONS, day, decoded.id, [line])
        self._told[key].append(told)
        return STORED

    def _put(self, table: str, day: str, number: int, lines: list[str]) -> None:
        group = (table, day, number <= self._before)
        self._lines.setdefault(group, []).extend(lines)
        first, last = self._spans.get(group, (number, number))
        self._spans[group] = (min(first, number), max(last, number))


def _frames(batch: Sequence[Decoded]) -> set[Frame]:
    """Return the frames whose rows a batch is about."""
    return {seen.key[:3] for decoded in batch for seen in decoded.observations} | {
        revision.key[:3] for decoded in batch for revision in decoded.revisions
    }
