"""A disk that fills up: a tmpfs under the bridge's data folder (root), or a limit on the size of its files."""

from __future__ import annotations

import os
import resource
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_MIB = 1 << 20
_PAGE = resource.getpagesize()


class Disk:
    """The file system of `folder`. `mounted` tells whether it is one of our own that can be full."""

    def __init__(self, folder: Path, mib: int = 4096) -> None:
        self._folder, self._mib = folder, mib
        folder.mkdir(parents=True, exist_ok=True)
        self.mounted = os.geteuid() == 0 and self._mount("-t", "tmpfs", "-o", f"size={mib}m,mode=700", "tmpfs")

    def fill(self) -> None:
        """Leave no page free."""
        for _ in range(5):  # the bridge may write between the look and the change
            if self._mount("-o", f"remount,size={self._used()}"):
                return

    def free(self) -> None:
        """Give all the room back."""
        self._mount("-o", f"remount,size={self._mib}m")

    def close(self) -> None:
        """Unmount. What was there is gone with it."""
        if self.mounted:
            subprocess.run(["umount", "-l", str(self._folder)], check=False, capture_output=True)
            self.mounted = False

    def _used(self) -> int:
        stat = os.statvfs(self._folder)
        return max(_PAGE, (stat.f_blocks - stat.f_bfree) * stat.f_frsize)

    def _mount(self, *words: str) -> bool:
        try:
            done = subprocess.run(["mount", *words, str(self._folder)], check=False, capture_output=True)
        except OSError:
            return False  # no mount here: the limit on file sizes has to do
        return done.returncode == 0


def refuse_writes(processes: Iterable[int], *, on: bool) -> None:
    """Let no process write beyond the first byte of a file, or all again; one that has ended meanwhile is no matter."""
    for number in processes:
        try:
            hard = resource.prlimit(number, resource.RLIMIT_FSIZE)[1]
            resource.prlimit(number, resource.RLIMIT_FSIZE, (1 if on else hard, hard))
        except (ProcessLookupError, PermissionError):
            continue
