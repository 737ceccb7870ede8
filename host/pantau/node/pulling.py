"""A node's outbox into a file that `pantau replay` reads. The node keeps all of it; the file grows, and the same pull goes on where it was."""

from __future__ import annotations

import itertools
import json
import os
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, Self

from pantau.sources.replay import pull_line
from pantau_wire import frame
from pantau_wire.errors import WireError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pantau.node.session import Session

AT_ONCE = 16  # frames a question: a second or two of cable, which a pulled one costs at most


_BEGINNING = b'{"node": '
_LONGEST = 4096  # of a line: a frame in hexadecimal digits and its node


class PullError(ValueError):
    """The file is no pull file of this node; says what it is."""


class Pulled(NamedTuple):
    """new: frames that came now; had: those that were in the file; left: what the node holds and could not send."""

    new: int
    had: int
    left: int


class PullFile:
    """Frames of one node, a line each. A line that was cut by a power cut or a full disk goes when the file is opened again."""

    def __init__(self, path: Path, node: str) -> None:
        """Open or make the file. Raises OSError, PullError."""
        self._node = node
        self._seen: set[tuple[int, int]] = set()
        self.last: list[int] | None = None
        self._file: BinaryIO = path.open("a+b")
        try:
            self._read(path)
        except BaseException:
            self._file.close()
            raise
        self.had = len(self._seen)

    def _read(self, path: Path) -> None:
        self._file.seek(0)
        whole = 0
        for number in itertools.count(1):
            line = self._file.readline(_LONGEST)
            if not line.endswith(b"\n"):
                break
            try:
                entry = json.loads(line)
                node, head = entry["node"], frame.header(bytes.fromhex(entry["frame"]))
            except (ValueError, TypeError, KeyError, WireError):
                raise PullError(f"{path}: line {number} holds no frame; name another file") from None
            if node != self._node:
                raise PullError(f"{path} holds frames of {node}, not of {self._node}; name another file")
            self._add(head)
            whole += len(line)
        if not _BEGINNING.startswith(line[: len(_BEGINNING)]):
            raise PullError(f"{path} holds something else; name another file")
        self._file.truncate(whole)

    def _add(self, head: frame.Frame) -> bool:
        name = (head.boot, head.seq)
        self.last = list(name)
        if name in self._seen:
            return False
        self._seen.add(name)
        return True

    def take(self, frames: list[bytes]) -> int:
        """Append those that are not in the file; return how many. Raises OSError."""
        new = [data for data in frames if self._add(frame.header(data))]
        self._file.writelines(pull_line(self._node, data).encode() for data in new)
        self._file.flush()
        return len(new)

    def close(self) -> None:
        """Make it durable."""
        try:
            os.fsync(self._file.fileno())
        finally:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def pull(session: Session, file: PullFile, moved: Callable[[int], object]) -> Pulled:
    """Take every frame that the node holds; `moved` is told of how many came each time."""
    new = 0
    after = file.last
    while True:
        frames, answer = session.pull(after, AT_ONCE)
        new += file.take(frames)
        moved(len(frames))
        left = int(answer.get("left", 0))
        after = answer.get("last")
        if not frames or not left:
            return Pulled(new, file.had, left)
