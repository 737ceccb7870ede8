"""What Linux says of a process, and waiting for what another process does."""

from __future__ import annotations

import os
import socket
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_TICK_US = 1_000_000 // os.sysconf("SC_CLK_TCK")


def cpu_us(pid: int) -> int:
    """Return the CPU time that process `pid` has used, without its children, in microseconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * _TICK_US  # utime, stime: proc(5)


def peak_rss_mb(pid: int) -> float:
    """Return the most memory that process `pid` held at a time, in MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1000
    return 0.0


def children(pid: int) -> list[int]:
    """Return the child processes of `pid`."""
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def listens(port: int) -> bool:
    """Return whether something accepts connections on a local port."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def count(path: Path, table: str) -> int:
    """Return how many rows `table`, a name of ours, has in a SQLite file."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        return int(db.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608


def until(true: Callable[[], bool], patience_s: float, otherwise: str, look_s: float = 0.05) -> None:
    """Wait until `true`; RuntimeError with the words `otherwise` when that takes longer than `patience_s`."""
    end = time.monotonic() + patience_s
    while not true():
        if time.monotonic() > end:
            raise RuntimeError(otherwise)
        time.sleep(look_s)
