"""The account of one node: every instant that was due while it had power, and where its record is.

It reads what the bridge stored and what the node's flash still holds, with the node's own code.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from pantau_sim.run.flash import held
from pantau_sim.run.instants import Instants
from pantau_sim.run.outcome import NodeOutcome
from pantau_wire import frame
from pantau_wire import names as T

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pantau_sim.node import SimNode
    from pantau_sim.run.flash import Held
    from pantau_sim.run.lives import Life

_NEVER = (1 << 32, 0)
_IN_PROGRESS_US = 21_000_000  # an instant so shortly before the end was being sampled (firmware: at most 20 s)


def account(
    node: SimNode, name: str, key: bytes, interval_s: int, lives: list[Life], stored: Mapping[tuple[int, int], bytes]
) -> NodeOutcome:
    """Do the sums of a node whose power is off. `stored` is what the bridge has of it, by (boot, seq)."""
    out = NodeOutcome(name, frames=len(stored))
    flash = held(node, name, key)
    out.problems += flash.problems
    instants = Instants(interval_s, [life.start_us for life in lives])
    open_ones = {(batch.boot, batch.seq): batch.frame(batch.seq, batch.count, False, 0) for batch in flash.batches}
    for identity in sorted({*stored, *flash.frames, *open_ones}):
        data = stored.get(identity) or flash.frames.get(identity)
        f = frame.decode(data) if data is not None else open_ones[identity]
        twice = instants.place(f)
        out.problems += twice
        if f.kind == T.K_RECORDS and f.boot in instants.of:
            out.twice += len(twice)
            out.stored += f.count if identity in stored else 0
            out.held += f.count if identity not in stored else 0
    for identity in sorted(flash.frames.keys() & stored.keys()):
        if flash.frames[identity] != stored[identity]:
            out.problems.append(f"boot {identity[0]} seq {identity[1]}: the node holds other bytes than the bridge")
    missing = [
        one for boot, life in enumerate(lives, 1) for one in _missing(boot, life, instants.of[boot], interval_s, out)
    ]
    oldest = _oldest_held(flash, instants.of)
    excused = sum((one.boot, one.instant_s) < oldest for one in missing)
    out.overwritten = min(flash.records_gone, excused)
    out.lost = len(missing) - out.overwritten
    if out.lost:
        out.problems += [one.text for one in missing]
    out.due = sum(map(len, instants.of.values())) + len(missing) + out.in_progress
    _every_seq(stored, flash, out)
    _claims(stored, instants.of, out)
    out.lives = [(life.start_us, life.end_us or life.start_us) for life in lives]
    return out


class _Missing(NamedTuple):
    """An instant that nobody has, in seconds of its boot's uptime."""

    boot: int
    instant_s: int
    text: str


def _oldest_held(flash: Held, instants: Mapping[int, Mapping[int, str]]) -> tuple[int, int]:
    """Return (boot, instant) of the oldest record that the node still holds: a ring overwrites none that is younger."""
    names = {f"boot {boot} seq {seq}" for boot, seq in flash.frames}
    places = [(boot, at) for boot, found in instants.items() for at, name in found.items() if name in names]
    return min(places, default=_NEVER)


def _missing(boot: int, life: Life, found: dict[int, str], interval_s: int, out: NodeOutcome) -> list[_Missing]:
    """Name the instants that nobody has: between two records, and from the last one to the end, no more than an interval may pass."""
    assert life.end_us is not None
    up_us = life.end_us - life.start_us
    texts: list[_Missing] = []
    last = 0
    for instant in sorted(found):
        texts += [
            _Missing(boot, k, f"boot {boot} instant {k} s: lost") for k in range(last + interval_s, instant, interval_s)
        ]
        last = instant
    for k in range(last + interval_s, up_us // 1_000_000 + 1, interval_s):
        if up_us - k * 1_000_000 <= _IN_PROGRESS_US:
            out.in_progress += 1
        else:
            texts.append(_Missing(boot, k, f"boot {boot} instant {k} s: lost at its end"))
    if found and last * 1_000_000 > up_us:
        out.problems.append(f"boot {boot} instant {last} s: it had power for {up_us / 1e6:.0f} s")
    return texts


def _every_seq(stored: Mapping[tuple[int, int], bytes], flash: Held, out: NodeOutcome) -> None:
    """The seqs of each boot are contiguous from 1, unless frames were declared overwritten."""
    names = set(stored) | set(flash.frames) | {(batch.boot, batch.seq) for batch in flash.batches if batch.seq}
    tops: Counter[int] = Counter()
    for boot, seq in names:
        tops[boot] = max(tops[boot], seq)
    gaps = [
        f"boot {boot}: no seq {seq} of 1..{top}"
        for boot, top in sorted(tops.items())
        for seq in range(1, top)
        if (boot, seq) not in names
    ]
    if len(gaps) > flash.frames_gone:
        out.lost += len(gaps) - flash.frames_gone
        out.problems += gaps


def _claims(stored: Mapping[tuple[int, int], bytes], instants: dict[int, dict[int, str]], out: NodeOutcome) -> None:
    """Records that the node says it made durable must all be known: of each boot, by its last word."""
    claimed: Counter[int] = Counter()
    for boot, seq in sorted(stored):
        f = frame.decode(stored[boot, seq])
        if f.kind == T.K_HEALTH:
            claimed[boot] = max(claimed[boot], f.fields.get("records_produced", 0))
    short = {boot: count - len(instants.get(boot, ())) for boot, count in claimed.items()}
    missing = sum(count for count in short.values() if count > 0) - out.overwritten
    if missing > 0:
        out.lost = max(out.lost, missing)
        out.problems += [
            f"boot {boot}: the node says {claimed[boot]} records, {claimed[boot] - count} are known"
            for boot, count in short.items()
            if count > 0
        ]
