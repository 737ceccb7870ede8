"""A log judged again by other figures and rules, in memory: what of the platform decides on alerts, and nothing of what stores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pantau.alerts.engine import Engine
from pantau.decode import Decoder
from pantau.model import StoredFrame
from pantau.quality.assessor import Assessor
from pantau_sim.score.alerts import Said
from pantau_wire import frame

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pantau.alerts.desk import Decision
    from pantau.alerts.rules import RuleSet
    from pantau.decode import Decoded
    from pantau.registry import Registry
    from pantau_sim.run.district import Kept

_TICK_MS = 60_000  # nothing that ends or begins a flood alert hangs on less


def decoded(kept: Iterable[Kept], registry: Registry) -> list[Decoded]:
    """Return the frames of a log as the decoder tells them; they can be judged any number of times."""
    decoder = Decoder(registry)
    told = []
    for number, one in enumerate(kept, 1):
        head = frame.header(one.payload)
        told.append(decoder.decode(StoredFrame(number, one.node, head.boot, head.seq, one.received_ms, one.payload)))
    return told


def judged(frames: Iterable[Decoded], registry: Registry, rules: RuleSet, start_ms: int) -> Iterator[Said]:
    """Yield the decisions that quality control and rules come to."""
    quality, engine = Assessor(registry), Engine(rules, registry)
    tick_ms = start_ms + _TICK_MS
    for one in frames:
        while tick_ms <= one.received_ms:
            yield from map(_said, engine.tick(tick_ms))
            tick_ms += _TICK_MS
        yield from map(_said, engine.observe(quality.assess(one)))


def _said(made: Decision) -> Said:
    alert = made.alert
    return Said(
        alert.id, alert.station, alert.rule, made.action, alert.opened_ms / 1000, made.at_ms / 1000, made.decided_ms / 1000,
        alert.past, alert.confirmed,
    )  # fmt: skip
