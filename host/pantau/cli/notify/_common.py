"""What the commands of `pantau notify` share."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING

from pantau.cli.report import FailedError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pantau.config import Config
    from pantau.notify.reads import NoticeReader


@contextlib.contextmanager
def opened(config: Config) -> Iterator[NoticeReader]:
    """Yield what reads notices.sqlite3, with its trouble told as a failed command."""
    from pantau.notify.outbox import FILE
    from pantau.notify.reads import NoticeReader

    store = config.bridge.data_dir / FILE
    if not store.exists():
        raise UsageError(f"{store} does not exist: this bridge has not run yet")
    try:
        with contextlib.closing(NoticeReader(store)) as reader:
            yield reader
    except (sqlite3.Error, RuntimeError) as error:
        raise FailedError(f"{store}: {error}") from None


def zone_of(config: Config) -> str:
    """Return the zone in which alerts are told."""
    from pantau.alerts import files

    return files.load(config.alerts.rules).settings.zone
