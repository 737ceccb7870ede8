"""Frames from files: what a technician pulled from a node, a recorded serial line, a recorded topic. docs/replay.md.

They pass the same gate as any message: city, node, tag, identity. Wrong ones go into quarantine, known ones change nothing, so
a file may be replayed as often as one likes. A command that finds a bridge running leaves its file in a folder
for it (`hand_over`), and the bridge serves it between its own commits (`Replays`).
"""

from __future__ import annotations

import itertools
import json
import logging
import os
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from pantau.batch import Verdict
from pantau.log import event
from pantau.refusals import elsewhere
from pantau_wire import topics
from pantau_wire.errors import WireError
from pantau_wire.line import Reader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from pantau.ingest import Ingest
    from pantau.spool import Spool

_log = logging.getLogger("pantau.replay")
BATCH = 500  # frames a commit: milliseconds of a running bridge's one writer
FOLDER = "replay"  # in the bridge's data folder
_REQUEST, _STATE = ".jsonl", ".json"
_RESULTS = 20  # results that nobody has fetched
_LONGEST = 16 << 10  # of one line: a frame in hexadecimal digits and its topic eight times over
_PIECE = 64 << 10
_ELSEWHERE = Verdict("quarantined", "elsewhere")


class Message(NamedTuple):
    """One frame of a file and where it would have come from. An `error` says why there is none, and at which line."""

    topic: str
    payload: bytes
    error: str = ""


def store(
    ingest: Ingest, spool: Spool, messages: Sequence[Message], holds: Callable[[int], bool] | None = None
) -> list[Verdict]:
    """Judge messages and make them durable. Raises SpoolUnavailable with nothing changed. In the spool's thread.

    `holds`, where bridges share partitions, says which are ours; what is of others is refused and not kept.
    """
    if not messages:
        return []
    received_ms = time.time_ns() // 1_000_000
    try:
        verdicts = [
            _ELSEWHERE if elsewhere(m.topic, holds) else ingest.offer(m.topic, m.payload, received_ms) for m in messages
        ]
        batch = ingest.take()
        spool.commit(batch)
    except BaseException:
        ingest.abandon(ingest.take())
        raise
    ingest.settle(batch)
    return verdicts


class Tally:
    """What became of the frames of a replay."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()  # frames, new, known, refused, unreadable
        self.reasons: Counter[str] = Counter()
        self.first_error = ""

    def add(self, messages: Sequence[Message], verdicts: Sequence[Verdict]) -> None:
        """Count a batch; `verdicts` are those of the messages without an error."""
        errors = [message.error for message in messages if message.error]
        self.first_error = self.first_error or next(iter(errors), "")
        self.counts["unreadable"] += len(errors)
        self.counts["frames"] += len(verdicts)
        for verdict in verdicts:
            kind = {"new": "new", "redelivered": "known"}.get(verdict.kind, "refused")
            self.counts[kind] += 1
            if kind == "refused":
                self.reasons[verdict.reason] += 1

    def as_json(self, *, done: bool) -> dict[str, Any]:
        """Return plain values."""
        names = ("frames", "new", "known", "refused", "unreadable")
        counts = {name: self.counts[name] for name in names}
        return {**counts, "reasons": dict(self.reasons), "first_error": self.first_error, "done": done}


def read(file: BinaryIO, city: str) -> Iterator[Message]:
    """Yield the frames of a file in any of the three forms; what is no frame is yielded with its error."""
    head = file.read(_PIECE)
    file.seek(0)
    return _packets(file, city) if b"\0" in head else _lines(file, city)


def _packets(file: BinaryIO, city: str) -> Iterator[Message]:
    """Yield what nodes sent on a recorded serial line; text between packets is part of such a recording."""
    reader = Reader()
    while piece := file.read(_PIECE):
        reader.feed(piece)
        while (packet := reader.next()) is not None:
            what, node, payload = packet
            if what == "up":
                yield Message(topics.topic(city, node, what), payload)


def _lines(file: BinaryIO, city: str) -> Iterator[Message]:
    node = ""
    for number in itertools.count(1):
        line = file.readline(_LONGEST)
        if not line:
            return
        try:
            if line.lstrip().startswith(b"{"):
                entry = json.loads(line)
                node = entry.get("node", node)  # the head of a pull file names the node of all that follows
                if "frame" in entry:
                    yield Message(topics.topic(city, node, "up"), bytes.fromhex(entry["frame"]))
            elif line.strip():
                topic, digits = line.decode("ascii").split()[-2:]
                if topic.endswith("/up"):
                    yield Message(topic, bytes.fromhex(digits))
        except (ValueError, TypeError, AttributeError, WireError, RecursionError):
            yield Message("", b"", f"line {number} holds no frame: {line[:40].decode('ascii', 'replace').strip()}")


def pull_line(node: str, frame: bytes) -> str:
    """Return one line of a pull file."""
    return json.dumps({"node": node, "frame": frame.hex()}) + "\n"


def batches(messages: Iterable[Message], size: int = BATCH) -> Iterator[list[Message]]:
    """Yield messages in lists of `size`."""
    rest = iter(messages)
    while batch := list(itertools.islice(rest, size)):
        yield batch


def good(messages: Iterable[Message]) -> list[Message]:
    """Return the messages that are frames."""
    return [message for message in messages if not message.error]


class Request:
    """A replay that was left for a running bridge, as the command sees it."""

    def __init__(self, folder: Path, name: str) -> None:
        self._request, self._state = folder / f"{name}{_REQUEST}", folder / f"{name}{_STATE}"

    def state(self) -> dict[str, Any] | None:
        """Return how far the bridge has come, see `Tally.as_json`; None before it began."""
        try:
            found: dict[str, Any] = json.loads(self._state.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return found

    def forget(self) -> None:
        """Remove the result, which has been told."""
        self._state.unlink(missing_ok=True)


def hand_over(folder: Path, messages: Iterable[Message]) -> Request:
    """Leave messages for the bridge that runs on `folder`'s data folder, whole or not at all. Raises OSError."""
    folder.mkdir(mode=0o700, exist_ok=True)
    name = f"{time.time_ns() // 1_000_000}-{os.getpid()}"
    beside = folder / f".{name}.new"
    try:
        with beside.open("x", encoding="ascii") as file:
            file.writelines(f"{message.topic} {message.payload.hex()}\n" for message in messages)
            file.flush()
            os.fsync(file.fileno())
        beside.rename(folder / f"{name}{_REQUEST}")
    except OSError:
        beside.unlink(missing_ok=True)
        raise
    return Request(folder, name)


class Replays:
    """The bridge's half: requests in the folder, oldest first, a batch a step. In the spool's thread.

    After a crash the request begins anew, which changes nothing but the counts.
    """

    def __init__(self, folder: Path, city: str) -> None:
        self._folder = folder
        self._city = city
        self._path: Path | None = None
        self._file: BinaryIO | None = None
        self._batches: Iterator[list[Message]] = iter(())
        self._waiting: list[Message] | None = None  # read and not stored yet
        self._tally = Tally()

    def step(self, judge: Callable[[Sequence[Message]], list[Verdict]]) -> int:
        """Take one batch to `judge` (see `store`); return how many frames it had, 0 when there is nothing to do.

        What `judge` raises is passed on, and the batch is offered again by the next step.
        """
        while self._path is not None or self._open():
            if self._waiting is None:
                self._waiting = self._next()
            self._tally.add(self._waiting, judge(good(self._waiting)))
            took, self._waiting = len(self._waiting), None
            self._write(done=not took)
            if took:
                return took
            self._finish()
        return 0

    def _open(self) -> bool:
        """Begin the oldest request, if there is one."""
        try:
            found = sorted(path for path in self._folder.iterdir() if path.suffix == _REQUEST)
        except OSError:
            return False
        for path in found:
            try:
                self._file = path.open("rb")
            except OSError as error:
                event(_log, logging.WARNING, "replay.unreadable", file=path, reason=error.strerror)
                continue
            self._path, self._tally = path, Tally()
            self._batches = batches(_lines(self._file, self._city))
            return True
        return False

    def _next(self) -> list[Message]:
        try:
            return next(self._batches, [])
        except OSError as error:
            return [Message("", b"", f"the file cannot be read on: {error.strerror}")]

    def close(self) -> None:
        """Let go of the request that is under way; it stays in the folder and begins anew."""
        if self._file is not None:
            self._file.close()
        self._file = self._path = self._waiting = None

    def _finish(self) -> None:
        if self._path is not None:
            self._path.unlink(missing_ok=True)
            event(_log, logging.INFO, "replay.done", **self._tally.counts)
        self.close()
        self._prune()

    def _write(self, *, done: bool) -> None:
        """Say how far we are; a result that cannot be written is no reason to stop."""
        if self._path is None:
            return
        beside, state = self._path.with_suffix(".new"), self._path.with_suffix(_STATE)
        try:
            beside.write_text(json.dumps(self._tally.as_json(done=done)), encoding="utf-8")
            beside.replace(state)
        except OSError as error:
            event(_log, logging.WARNING, "replay.untold", reason=error.strerror)

    def _prune(self) -> None:
        try:
            for path in sorted(path for path in self._folder.iterdir() if path.suffix == _STATE)[:-_RESULTS]:
                path.unlink(missing_ok=True)
        except OSError:
            return
