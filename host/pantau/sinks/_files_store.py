"""A folder of segments with the journals that feed it: what is on the disk, and what of a frame is held already.

Why nothing is lost or doubled: a delivery is in the journal whole or not at all. The next journal is begun before the segments
of the last one are made, and that one is removed when all of them are on the disk; after a crash they are made once more, from
the same rows under the same names.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from pantau.sinks import _files_disk as disk
from pantau.sinks import _files_journal as journals
from pantau.sinks import _files_segments as segments
from pantau.sinks.items import TargetTrouble

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from pathlib import Path

    from pantau.sinks._files_journal import Journal, Run
    from pantau.sinks._files_rows import Frame
    from pantau.sinks._files_segments import Format, Segment

_FOLDER = "_pantau"  # readers pass over names that begin with an underscore
_SPANS = 256  # segments of other logs of which it is remembered what they hold


class Store:
    """The folder, for one log. Nothing is touched before `open`; OSError is trouble of the disk."""

    def __init__(self, root: Path, log: str, formats: Sequence[Format], rows: int, age_s: float) -> None:
        """Journals become segments when they have so many rows, or their first rows such an age."""
        self._root = root
        self._log = log
        self._name = segments.spelled(log)
        self._formats = formats
        self._rows = rows
        self._age_s = age_s
        self._lock: int | None = None
        self._current: Journal | None = None
        self._full: list[Journal] = []  # their segments are still to be made
        self._own: list[Segment] | None = None
        self._others = False
        self._spans: OrderedDict[Path, dict[tuple[str, int], tuple[int, int]]] = OrderedDict()

    @property
    def others(self) -> bool:
        """Return whether the folder holds what other logs brought."""
        return self._others

    def open(self) -> Journal:
        """Return the journal to write, after what a crash left was put right. TargetTrouble when it is not ours to write."""
        if self._current is not None and not self._current.is_there():
            self.close()
            said = f"{self._root} was removed or replaced while it was written"
            raise TargetTrouble(f"{said}; it is begun anew and filled from the log")
        if self._current is None:
            try:
                self._begin()
            except BaseException:
                self.close()
                raise
        assert self._current is not None
        return self._current

    def append(self, position: int, runs: Sequence[Run], data: bytes) -> None:
        """Add a delivery. After an OSError it may be there: the folder is looked at anew."""
        journal = self.open()
        try:
            journal.append(position, runs, data)
        except OSError:
            self.close()
            raise

    def roll(self) -> None:
        """Make segments of what is due."""
        journal = self.open()
        aged = time.time() - journal.begun_s >= self._age_s
        if journal.runs and (journal.rows >= self._rows or aged):
            self._full.append(journal)
            self._current = None
            try:
                self._current = self._next(journal)
            except OSError:
                self.close()  # the next one may be there: only the disk knows which is written from now on
                raise
        while self._full:
            self._finish(self._full[0])
            self._full.pop(0)

    def held(self, ids: Collection[int], frames: Collection[Frame]) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield (table, row) of `frames`, as frames `ids` of this log brought them. ids: from which a frame was told."""
        for journal in [*self._full, self.open()]:
            for run in journal.runs:
                if _meets(run.first, run.last, ids):
                    yield from ((run.table, row) for row in segments.matching(_lines(journal, run), frames))
        if self._own is None:
            self._own = [one for one in segments.segments(self._root) if one.log == self._name]
        for one in self._own:
            if _meets(one.first, one.last, ids):
                yield from _of(one, frames)

    def held_elsewhere(
        self, table: str, days: Collection[str], frames: Collection[Frame]
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield (table, row) of `frames` that other logs brought on these days."""
        for one in segments.segments(self._root, table, days):
            if one.log != self._name and any(_within(self._spans_of(one.path), frame) for frame in frames):
                yield from _of(one, frames)

    def everywhere(self, table: str, days: Collection[str], frame: Frame) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield (place, row) of a frame: in the journals, and in the segments of these days."""
        for journal in [*self._full, self.open()]:
            for run in journal.runs:
                if run.table == table:
                    found = segments.matching(_lines(journal, run), [frame])
                    yield from ((str(journal.path), row) for row in found)
        for one in segments.segments(self._root, table, days):
            yield from ((str(one.path), row) for row in segments.find(one.path, [frame]))

    def close(self) -> None:
        """Release the folder."""
        for journal in [*self._full, *([self._current] if self._current else [])]:
            journal.close()
        self._full, self._current, self._own = [], None, None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _begin(self) -> None:
        folder = self._root / _FOLDER
        disk.make_folder(folder)
        self._lock = _locked(folder / f"{self._name}.lock")
        if self._lock is None:
            raise TargetTrouble(
                f"{self._root}: another process writes this log there; stop it, or give each its own path"
            )
        segments.prepare(self._root, self._formats)
        self._adopt(folder)
        mine = self._journals(folder, self._name)
        self._full = [journals.reopen(path) for path in mine[:-1]]
        self._current = journals.reopen(mine[-1]) if mine else self._first()

    def _next(self, journal: Journal) -> Journal:
        return journals.begin(self._path(journal.number + 1), journal.number + 1, self._log, journal.position)

    def _first(self) -> Journal:
        """Begin to write here, after what older segments of this log hold: their journal may have been thrown away."""
        self._own = [one for one in segments.segments(self._root) if one.log == self._name]
        used = (one.number for one in segments.segments(self._root))
        number = 1 + max(used, default=0)  # above those of all logs: versions grow over them
        return journals.begin(self._path(number), number, self._log, max((one.last for one in self._own), default=0))

    def _adopt(self, folder: Path) -> None:
        """Make segments of what logs that nobody writes any more left in journals."""
        self._others = False
        for lock in sorted(folder.glob("*.lock")):
            if lock.stem == self._name:
                continue
            self._others = True
            handle = _locked(lock)
            if handle is None:
                continue
            try:
                for path in self._journals(folder, lock.stem):
                    journal = journals.reopen(path)
                    try:
                        self._finish(journal)
                    except OSError:
                        journal.close()
                        raise
            finally:
                os.close(handle)

    def _finish(self, journal: Journal) -> None:
        """Make the segments of a journal and remove it."""
        made = segments.write(journal, self._root, self._formats)
        if self._own is not None and journal.log == self._log:
            names = {one.path for one in made}
            self._own = [one for one in self._own if one.path not in names] + made
        disk.remove(journal.path)
        disk.sync_folder(journal.path.parent)
        journal.close()

    def _path(self, number: int) -> Path:
        return self._root / _FOLDER / f"{self._name}-{number}.journal"

    @staticmethod
    def _journals(folder: Path, name: str) -> list[Path]:
        found = [
            (path.stem.rpartition("-"), path) for path in folder.glob("*.journal") if not path.name.startswith(".")
        ]
        return [path for _, path in sorted((int(stem[2]), path) for stem, path in found if stem[0] == name)]

    def _spans_of(self, path: Path) -> dict[tuple[str, int], tuple[int, int]]:
        known = self._spans.get(path)
        if known is None:
            known = self._spans[path] = segments.spans(path)
            if len(self._spans) > _SPANS:
                self._spans.popitem(last=False)
        return known


def _of(one: Segment, frames: Collection[Frame]) -> Iterable[tuple[str, dict[str, Any]]]:
    table = one.path.parts[-3]
    return ((table, row) for row in segments.find(one.path, frames))


def _lines(journal: Journal, run: Run) -> list[bytes]:
    return journal.read(run).split(b"\n")[:-1]


def _meets(first: int, last: int, ids: Collection[int]) -> bool:
    return any(first <= number <= last for number in ids)


def _within(spans: dict[tuple[str, int], tuple[int, int]], frame: Frame) -> bool:
    least, most = spans.get(frame[:2], (1, 0))
    return least <= frame[2] <= most


def _locked(path: Path) -> int | None:
    """Return a handle that holds the lock until it is closed, None when somebody else has it."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle
