"""Notices that the files of a running bridge changed, and reads them whole.

Either all of them are right, and the new set comes into force in one step; or the old one stays, and `problems` says
what to correct until it is corrected.
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from pantau import config as config_file
from pantau.problems import ConfigError
from pantau.reload import Change, Plan, Setup, plan
from pantau.survey import survey

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pantau.config import Config
    from pantau.problems import Problem
    from pantau.survey import Survey

# The config keys that name files. Those of the broker are read once, when the bridge starts; the others again.
_READ_ONCE = ("mqtt.ca", "mqtt.certificate", "mqtt.private_key", "mqtt.password_file")
_NAMED = ("bridge.registry", "bridge.keys", "bridge.keys_secret", "alerts.rules", *_READ_ONCE)


class _Mark(NamedTuple):
    """What tells one state of a file from another without reading it. The mode: a key file may be opened to others."""

    mtime_ns: int
    size: int
    inode: int
    mode: int


_Marks = dict["Path", _Mark | None]


class Watcher:
    """Looks at the files of one bridge. `setup` is in force; whoever applies a plan takes it from there, as one value.

    Reading ten thousand stations takes a second or two: call `look` from a thread, every few seconds, and at SIGHUP with
    `now`. One thread at a time.
    """

    def __init__(self, path: Path) -> None:
        """Read pantau.toml in `path` and what it names; ConfigError lists every mistake."""
        self._path = path
        self._files = _files(path, config_file.draft(path)[0])
        self._seen = _marks(self._files)  # from before the reading: what changes meanwhile is a change
        found = survey(path)
        setup = _setup(found)
        if setup is None:
            raise ConfigError(found.problems)
        self.setup: Setup = setup
        self._files = _files(path, found.config)
        self._moving: _Marks | None = None
        self._problems: list[Problem] = []
        self._unenrolled = found.unenrolled
        self._rewritten: set[str] = set()
        self._waiting: tuple[Change, ...] = ()

    def look(self, *, now: bool = False) -> Plan | None:
        """Return what to apply when the files changed and are right, else None; `problems` says what is wrong.

        A file that changed since the last look may still be in writing, and half a registry is a valid one with fewer
        stations: it is read at the first look that finds it as the one before did, or `now`.
        """
        marks = _marks(self._files)
        if not now:
            if marks == self._seen:
                self._moving = None
                return None
            if marks != self._moving:
                self._moving = marks
                return None
        try:
            found = survey(self._path, running=self.setup.config)
        except ConfigError as error:  # pantau.toml is no TOML: which files it names is not known
            self._seen, self._moving, self._problems = marks, None, list(error.problems)
            return None
        if _marks(self._files) != marks:
            return None  # written while it was read; the next look decides
        return self._take(found, marks)

    def problems(self) -> list[str]:
        """Return what is wrong in the files as they are now; [] when what they say is in force."""
        return [f"{problem}. The files of before stay in force" for problem in self._problems]

    def notes(self) -> list[str]:
        """Return what waits for a restart, and which nodes of the registry have no key."""
        return [str(change) for change in self._waiting] + [str(problem) for problem in self._unenrolled]

    def _take(self, found: Survey, marks: _Marks) -> Plan | None:
        """Bring what was read into force when all of it is right."""
        named = _files(self._path, found.config) | _files(self._path, self.setup.config)
        # A file that is named for the first time has no mark yet: the next looks read it, once it is still.
        before, self._seen, self._moving, self._files = self._seen, marks, None, named
        self._remember_rewritten(before, marks)
        new = _setup(found)
        if new is None:
            self._problems = found.problems
            return None
        self._problems, self._unenrolled = [], found.unenrolled
        self._files = _files(self._path, found.config)
        self._seen = {path: mark for path, mark in marks.items() if path in self._files}
        planned = plan(self.setup, new, rewritten=self._rewritten)
        self.setup, said_before, self._waiting = planned.setup, self._waiting, planned.waiting
        return planned if any(c.live or c not in said_before for c in planned.changes) else None

    def _remember_rewritten(self, before: _Marks, marks: _Marks) -> None:
        """Note which files that are read only once have new content."""
        for path, key in self._files.items():
            if key in _READ_ONCE and path in before and marks.get(path) != before[path]:
                self._rewritten.add(key)


def _setup(found: Survey) -> Setup | None:
    if found.problems or found.registry is None or found.keys is None or found.rules is None:
        return None
    return Setup(found.config, found.registry, found.keys, found.rules)


def _files(path: Path, config: Config) -> dict[Path, str]:
    """Return the files of a bridge with the config key that names each, "" for pantau.toml itself."""
    named = ((key, attrgetter(key)(config)) for key in _NAMED)
    return {path: ""} | {file: key for key, file in named if file is not None}


def _marks(files: Mapping[Path, str]) -> _Marks:
    return {path: _mark(path) for path in files}


def _mark(path: Path) -> _Mark | None:
    try:
        seen = path.stat()
    except OSError:
        return None
    return _Mark(seen.st_mtime_ns, seen.st_size, seen.st_ino, seen.st_mode)
