"""The journal of the files sink: deliveries, each whole and on the disk or not there at all.

A file of text: a first line that says which log and how far it had come, then for each delivery one line that says what
follows, and the rows. A delivery counts when its bytes are all there and have the sum that its line tells; what stands behind
the last such delivery is what a crash left, and is cut off.
"""

from __future__ import annotations

import json
import os
import time
import zlib
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from pantau.sinks import _files_disk as disk

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FORMAT = "pantau files journal"
_VERSION = 1
_LONGEST_LINE = 1 << 20  # of a line that describes a delivery


class Run(NamedTuple):
    """Rows of one table and day that stand together; `first` and `last`: between which frames of the log they come from.

    `again`: from frames that were not new any more. They lie far from the others in the log, and would make a segment
    that holds both seem to hold half of the log.
    """

    table: str
    day: str
    again: bool
    first: int
    last: int
    size: int
    rows: int
    offset: int = 0


@dataclass
class Journal:
    """One journal. `number` counts them; rows become segments of that number, and then the journal goes."""

    path: Path
    number: int
    handle: int
    log: str
    position: int
    begun_s: float  # Unix time
    size: int
    runs: list[Run] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """Return how many rows it holds."""
        return sum(run.rows for run in self.runs)

    def append(self, position: int, runs: Sequence[Run], data: bytes) -> None:
        """Add a delivery; it is on the disk when this returns. After an OSError the journal is to be closed and opened anew."""
        told = json.dumps({"position": position, "size": len(data), "runs": [run[:-1] for run in runs]}).encode()
        line = b"%b %08x\n" % (told, zlib.crc32(data, zlib.crc32(told)))
        try:
            disk.extend(self.handle, line + data)
            disk.sync(self.handle)
        except OSError:
            # What could not be synced may be read back from memory and yet never reach the disk: it must not stay.
            with suppress(OSError):
                disk.truncate(self.handle, self.size)
            raise
        self._take(position, runs, self.size + len(line))
        self.size += len(line) + len(data)

    def read(self, run: Run) -> bytes:
        """Return the rows of a run."""
        return os.pread(self.handle, run.size, run.offset)

    def is_there(self) -> bool:
        """Return whether the file that is written still has its name: nobody removed the folder under us."""
        try:
            return os.path.samestat(self.path.stat(), os.fstat(self.handle))
        except FileNotFoundError:
            return False

    def close(self) -> None:
        """Release the file."""
        os.close(self.handle)

    def _take(self, position: int, runs: Sequence[Run], offset: int) -> None:
        self.position = max(self.position, position)
        for run in runs:
            self.runs.append(run._replace(offset=offset))
            offset += run.size


def begin(path: Path, number: int, log: str, position: int) -> Journal:
    """Make a journal that follows on `position`. It is there whole or not at all."""
    beside = path.with_name(f".{path.name}.tmp")
    begun_s = time.time()
    head = {
        "format": FORMAT,
        "version": _VERSION,
        "log": log,
        "number": number,
        "position": position,
        "begun_s": begun_s,
    }
    line = json.dumps(head).encode() + b"\n"
    handle = disk.create(beside)
    try:
        disk.extend(handle, line)
        disk.sync(handle)
        disk.rename(beside, path)
        disk.sync_folder(path.parent)
    except BaseException:
        os.close(handle)
        raise
    return Journal(path, number, handle, log, position, begun_s, len(line))


def reopen(path: Path) -> Journal:
    """Return the journal in `path` with its whole deliveries. OSError for a file that is none of ours."""
    handle = os.open(path, os.O_RDWR)
    try:
        with os.fdopen(os.dup(handle), "rb") as file:
            line = file.readline(_LONGEST_LINE)
            head = _json(line)
            if head is None or head.get("format") != FORMAT or head.get("version") != _VERSION:
                raise OSError(0, f"{path} is not a journal that this version can read; move it away")
            journal = Journal(path, head["number"], handle, head["log"], head["position"], head["begun_s"], len(line))
            while (told := _delivery(line := file.readline(_LONGEST_LINE), file)) is not None:
                journal._take(told["position"], [Run(*run) for run in told["runs"]], journal.size + len(line))  # noqa: SLF001  our own
                journal.size += len(line) + told["size"]
        if os.fstat(handle).st_size != journal.size:
            disk.truncate(handle, journal.size)
            disk.sync(handle)
        os.lseek(handle, journal.size, os.SEEK_SET)
    except BaseException:
        os.close(handle)
        raise
    return journal


def _delivery(line: bytes, file: BinaryIO) -> dict[str, Any] | None:
    """Return what the line tells about the delivery that follows it in `file`, None when they are not whole."""
    told, _, crc = line.removesuffix(b"\n").rpartition(b" ")
    try:
        fields: dict[str, Any] = json.loads(told)
        data = file.read(fields["size"])
        whole = (
            line.endswith(b"\n") and len(data) == fields["size"] and zlib.crc32(data, zlib.crc32(told)) == int(crc, 16)
        )
    except (ValueError, KeyError, TypeError):
        return None
    return fields if whole else None


def _json(line: bytes) -> dict[str, Any] | None:
    try:
        told = json.loads(line)
    except ValueError:
        return None
    return told if isinstance(told, dict) else None
