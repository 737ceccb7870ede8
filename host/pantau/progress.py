"""How far each sink of this bridge has come, read from its files beside the running bridge. Changes nothing."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING, Any, NamedTuple

from pantau.followers import FOLLOWERS
from pantau.sinks.opening import about, configured
from pantau.spool import SpoolReader, SpoolUnavailable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pantau.config import Config

_BUSY_S = 5.0
_DEAD = "SELECT count(*) FROM quarantine WHERE reason = 'sink_rejected' AND detail LIKE ? || ':%'"
_CURSOR = "SELECT position FROM cursors WHERE sink = ?"


class Progress(NamedTuple):
    """One kind of sink. None stands for what cannot be known here: not configured, or nothing was delivered yet.

    `lag_s` is how long the oldest frame that the sink has not taken waits already. `dead_letters` are frames of which the
    target refused something: `pantau quarantine list --reason sink_rejected`.
    """

    name: str
    title: str
    configured: bool
    position: int | None = None
    lag_frames: int | None = None
    lag_s: float | None = None
    dead_letters: int | None = None


def progress(config: Config, now_ms: int) -> list[Progress]:
    """Return every kind of sink, configured or not. Raises SpoolUnavailable or SpoolBroken for files that cannot be read."""
    mine = configured(config)
    with contextlib.closing(SpoolReader(config.spool_path)) as log:
        return [
            _of(name, config, log, now_ms) if name in mine else Progress(name, about(name).title, configured=False)
            for name in type(config.sinks).model_fields
        ]


def _of(name: str, config: Config, log: SpoolReader, now_ms: int) -> Progress:
    cursors = _ask(config.bridge.data_dir / FOLLOWERS, _CURSOR, (name,))
    position = int(cursors[0][0]) if cursors else None
    whole = Progress(name, about(name).title, configured=True, position=position)
    if config.cluster is not None or not config.spool_path.exists():  # positions are those of a log that is not here
        return whole
    dead = int(_ask(config.spool_path, _DEAD, (name,))[0][0])
    waiting = log.read(position or 0, 1)
    # Ids of frames grow without gaps but where the log has aged: what is gone was delivered.
    frames = log.last_id() - waiting[0].id + 1 if waiting else 0
    lag_s = max(0, now_ms - waiting[0].received_ms) / 1000 if waiting else 0.0
    return whole._replace(lag_frames=frames, lag_s=lag_s, dead_letters=dead)


def _ask(path: Path, query: str, values: Sequence[str]) -> list[Any]:
    """Return the rows of a query to one of the bridge's files, [] when there is no such file yet."""
    if not path.exists():
        return []
    try:
        with contextlib.closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=_BUSY_S)) as db:
            return db.execute(query, values).fetchall()
    except sqlite3.Error as error:
        raise SpoolUnavailable(f"{path}: {error}; is it a file of this bridge, readable for you?") from None
