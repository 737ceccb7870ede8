"""One process for one folder: locks that end with their holder, however it ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from typing import TYPE_CHECKING

from pantau.problems import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LOOK_S = 0.05


@contextlib.contextmanager
def sole_owner(data_dir: Path, name: str = "bridge.lock", *, within_s: float = 0.0) -> Iterator[None]:
    """Hold the data folder; ConfigError when another bridge still has it after `within_s`."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        handle = os.open(data_dir / name, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        what = f"cannot be written ({error.strerror}); make it and give it to the user of the bridge"
        raise ConfigError([Problem(str(data_dir), "bridge.data_dir", what)]) from None
    try:
        _lock(handle, data_dir, time.monotonic() + within_s)
        yield
    finally:
        os.close(handle)


def _lock(handle: int, data_dir: Path, until: float) -> None:
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() < until:
                time.sleep(_LOOK_S)
                continue
            taken = "another bridge runs on this folder; stop it, or give this one its own data_dir"
            raise ConfigError([Problem(str(data_dir), "bridge.data_dir", taken)]) from None
        return
