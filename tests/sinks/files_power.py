"""A disk under the files sink that stops at any call: killed (what was written stays), or without power (what was not
synced is gone, or some of it), or full."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pantau.sinks import _files_disk as disk

CALLS = ("create", "extend", "sync", "truncate", "rename", "remove", "make_folder", "sync_folder")


class DeadError(BaseException):
    """The process has ended here."""


class Power:
    """Counts the calls; at call `last` it is over. Remembers what no sync has made durable, with how to undo it."""

    def __init__(self, last: int | None = None, *, full: bool = False, half: bool = False) -> None:
        self.calls = 0
        self.last = last
        self._full = full
        self._half = half
        self._volatile: list[tuple[object, Callable[[], None]]] = []  # what makes it durable, how to undo it
        self._paths: dict[int, Path] = {}

    @contextmanager
    def on(self) -> Iterator[None]:
        real = {name: getattr(disk, name) for name in CALLS}
        with pytest.MonkeyPatch.context() as patch:
            for name in CALLS:
                patch.setattr(disk, name, self._call(name, real[name]))
            yield

    def cut(self, seed: int | None) -> None:
        """Undo what was not durable: all of it, or by a seed some of it."""
        rng = random.Random(seed)
        for _, undo in reversed(self._volatile):
            if seed is None or rng.random() < 0.5:
                undo()
        self._volatile.clear()

    def _call(self, name: str, real: Callable) -> Callable:
        def call(*args: object) -> object:
            self.calls += 1
            if self.last is not None and self.calls >= self.last and (not self._full or self.calls == self.last):
                if self._half and name == "extend":
                    self._extend(args[0], bytes(args[1])[: len(args[1]) // 2])
                if self._full:
                    raise OSError(errno.ENOSPC, "No space left on device")
                raise DeadError
            if name in {"sync", "sync_folder"}:
                self._volatile = [entry for entry in self._volatile if entry[0] != args[0]]
                return None
            if name == "make_folder":
                return real(*args)
            return getattr(self, f"_{name}")(*args)

        return call

    def _create(self, path: Path) -> int:
        was = path.read_bytes() if path.exists() else None
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)
        self._paths[handle] = path
        self._volatile.append((path.parent, lambda: _put(path, was)))
        return handle

    def _extend(self, handle: int, data: bytes | memoryview) -> None:
        size = os.lseek(handle, 0, os.SEEK_CUR)
        inode = os.fstat(handle).st_ino
        folder = Path(f"/proc/self/fd/{handle}").readlink().parent
        os.write(handle, data)

        def undo() -> None:
            for path in folder.iterdir():
                if path.stat().st_ino == inode and path.stat().st_size > size:
                    os.truncate(path, size)

        self._volatile.append((handle, undo))

    def _truncate(self, handle: int, size: int) -> None:
        os.ftruncate(handle, size)
        os.lseek(handle, size, os.SEEK_SET)

    def _rename(self, old: Path, new: Path) -> None:
        was = new.read_bytes() if new.exists() else None

        def undo() -> None:
            if new.exists():
                new.rename(old)
                _put(new, was)

        old.replace(new)
        self._volatile.append((new.parent, undo))

    def _remove(self, path: Path) -> None:
        was = path.read_bytes() if path.exists() else None
        path.unlink(missing_ok=True)
        self._volatile.append((path.parent, lambda: _put(path, was)))


def _put(path: Path, content: bytes | None) -> None:
    if content is None:
        path.unlink(missing_ok=True)
    else:
        path.write_bytes(content)
