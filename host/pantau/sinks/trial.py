"""One marked observation to a target and back: what `pantau sink test` does, beside a bridge that runs.

It goes by another log than the bridge's and with a memory of its own, so neither the cursor nor what the bridge's sink
remembers, nor its position in the target, is touched.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from typing import TYPE_CHECKING, NamedTuple, cast

from pantau.decode import Decoded
from pantau.model import Observation
from pantau.sinks import Verdict
from pantau.sinks import _city_sql as sql
from pantau.sinks.sqlite import CityStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pantau.sinks import Readable, Sink

LOG = "pantau-sink-test"
NODE = "pantau-test"
_PROPERTY, _UNIT = "air_temperature", "Cel"  # every target knows it, and no rule of a flood or of the air goes by it
_PAUSE_S = 0.2


class Trial(NamedTuple):
    """What came of it. `shown` is how the target shows the observation; `readable` whether it can be asked for it."""

    verdict: Verdict
    sent_s: float
    readable: bool = False
    shown: str | None = None
    read_s: float = 0.0


def marked(now_ms: int, sink: str) -> Decoded:
    """Return a frame of one observation, made now, with an identity and a value that no other test of this hour has."""
    now_s, seq = now_ms // 1000, now_ms % 1000 + 1
    value = round(20 + (now_s % 997 + 1) / 100, 2)
    seen = Observation(NODE, now_s, seq, 0, _PROPERTY, value, _UNIT, 1, "ok", now_ms, None, 3, now_ms, None)
    # The embedded store has one position, the bridge's: 0 leaves it where it is.
    number = 0 if sink == CityStore.name else now_s
    return Decoded(number, NODE, now_s, seq, now_ms, (seen,), clock=3, alarm=False)


def run(sink: Sink, frame: Decoded, within_s: float) -> Trial:
    """Deliver `frame` and read it back, each for `within_s` at most. Raises TargetTrouble when it cannot be read."""
    began = time.monotonic()
    verdict = Verdict("retry", "not tried")
    for _ in _tries(within_s):
        (verdict,) = sink.deliver([frame])
        if verdict.kind != "retry" or verdict.wait_s > within_s:  # the first try at a new target may only prepare it
            break
    trial = Trial(verdict, time.monotonic() - began, hasattr(sink, "find"))
    if verdict.kind not in {"stored", "duplicate"} or not trial.readable:
        return trial
    target, began, shown = cast("Readable", sink), time.monotonic(), None
    for _ in _tries(within_s):  # some targets show a moment later what they have taken
        if (shown := target.find(frame.observations[0])) is not None:
            break
    return trial._replace(shown=shown, read_s=time.monotonic() - began)


def take_away(sink: Sink) -> bool:
    """Take the test's node out of the embedded store, whose page would show it; False for every other target."""
    if not isinstance(sink, CityStore):
        return False
    with contextlib.closing(sqlite3.connect(sink.path, timeout=5.0)) as db, db:
        for statement in sql.FORGET:
            db.execute(statement, (NODE,))
    return True


def _tries(within_s: float) -> Iterator[None]:
    deadline = time.monotonic() + within_s
    yield
    while time.monotonic() + _PAUSE_S < deadline:
        time.sleep(_PAUSE_S)
        yield
