"""The sums of a week: produced = stored + still in the outbox (+ declared overwritten), nothing twice, nothing unnamed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pantau_sim.run import flash
from pantau_wire import frame
from pantau_wire import names as T
from scenarios.week import INTERVAL_S, KEY, NODE

if TYPE_CHECKING:
    from pantau_sim.run.lives import Life
    from scenarios.week import Week

IN_PROGRESS_S = 21  # an instant so shortly before the end was being sampled (firmware: at most 20 s)
_ASTRAY_S = 30  # half an interval: a record dated further off belongs to no instant
_SYNCED = 3  # clock quality
_SYNCED_S = 2  # what it promises is 1 s; dates are whole seconds


@dataclass
class Account:
    """Counts of records unless they say otherwise; problems: texts, empty where every invariant held."""

    due: int = 0
    stored: int = 0
    held: int = 0
    overwritten: int = 0  # declared by the outbox
    in_progress: int = 0  # lost with the power or a restart while they were being sampled
    frames: int = 0
    boots: int = 0
    undated: int = 0  # on uptime only
    worst_s: dict[int, float] = field(default_factory=dict)  # by clock quality: how far a date was off
    problems: list[str] = field(default_factory=list)


def account(week: Week) -> Account:
    """Do the sums over what the bridge stored and what the node's flash still holds."""
    out = Account(boots=len(week.node.lives), frames=len(week.bridge.frames))
    held = flash.held(week.node, NODE, KEY)
    out.problems += held.problems
    out.overwritten = held.records_gone
    _bridge(week, out)
    for name in sorted(held.frames.keys() & week.bridge.frames.keys()):
        if held.frames[name] != week.bridge.frames[name]:
            out.problems.append(f"boot {name[0]} seq {name[1]}: the node holds other bytes than the bridge")
    found: dict[tuple[int, int], str] = {}
    lives = week.node.lives
    for name in sorted(week.bridge.frames):
        out.stored += _frame(frame.decode(week.bridge.frames[name]), lives, found, out)
    for name in sorted(held.frames.keys() - week.bridge.frames.keys()):
        out.held += _frame(frame.decode(held.frames[name]), lives, found, out)
    for batch in held.batches:
        f = batch.frame(batch.seq, batch.count, False, 0)
        if batch.count and (batch.boot, batch.seq) not in week.bridge.frames:
            out.held += _frame(f, lives, found, out)
    _every_instant(lives, found, out)
    _every_seq(held, week, out)
    _claims(week, found, out)
    return out


def _bridge(week: Week, out: Account) -> None:
    bridge = week.bridge
    out.problems += [f"conflict: boot {boot} seq {seq}" for boot, seq in bridge.conflicts]
    out.problems += [f"refused: {why}" for why in bridge.refused]
    out.problems += [f"order {ident} was answered {len(r)} times" for ident, r in bridge.results.items() if len(r) > 1]


def _frame(f: frame.Frame, lives: list[Life], found: dict[tuple[int, int], str], out: Account) -> int:
    """Put a frame's records on the grid of their boot; return how many."""
    where = f"boot {f.boot} seq {f.seq}"
    if f.kind != T.K_RECORDS:
        return 0
    if not 1 <= f.boot <= len(lives):
        out.problems.append(f"{where}: there was no such boot")
        return 0
    if f.interval_s != INTERVAL_S:
        out.problems.append(f"{where}: interval {f.interval_s} s")
    start_s = lives[f.boot - 1].start_us / 1e6
    for i in range(f.count):
        uptime_s = f.base_s + i * f.interval_s - (start_s if f.clock else 0)
        k = round(uptime_s / INTERVAL_S)
        off = abs(uptime_s - k * INTERVAL_S)
        out.worst_s[f.clock] = max(out.worst_s.get(f.clock, 0), off)
        if off > (_SYNCED_S if f.clock == _SYNCED else _ASTRAY_S if f.clock else 0):
            out.problems.append(f"{where} record {i}: {off:.1f} s off, clock {f.clock}")
        if not f.clock:
            out.undated += 1
        if (f.boot, k) in found:
            out.problems.append(f"boot {f.boot} instant {k}: in {found[f.boot, k]} and in {where}")
        found[f.boot, k] = where
    return f.count


def _every_instant(lives: list[Life], found: dict[tuple[int, int], str], out: Account) -> None:
    """Each instant that was due while the node was up is there; at most the one in progress is lost where a life ended."""
    missing = []
    for boot, life in enumerate(lives, 1):
        assert life.end_us is not None
        up_s = (life.end_us - life.start_us) / 1e6
        due = int(up_s // INTERVAL_S)
        out.due += due
        for k in range(1, due + 1):
            if (boot, k) not in found:
                if k == due and up_s - k * INTERVAL_S <= IN_PROGRESS_S:
                    out.in_progress += 1
                else:
                    missing.append(f"boot {boot} instant {k} of {due}: lost")
        out.problems += [f"boot {b} instant {k}: never was due" for b, k in sorted(found) if b == boot and k > due]
    if len(missing) > out.overwritten:
        out.problems += missing
    if out.due != out.stored + out.held + out.in_progress + len(missing):
        out.problems.append(f"{out.due} due is not {out.stored} + {out.held} + {out.in_progress} + {len(missing)}")


def _every_seq(held: flash.Held, week: Week, out: Account) -> None:
    """The seqs of each boot are contiguous from 1, unless frames were declared overwritten."""
    names = set(week.bridge.frames) | set(held.frames) | {(b.boot, b.seq) for b in held.batches if b.seq}
    gaps = []
    for boot in sorted({boot for boot, _ in names}):
        seqs = sorted(seq for b, seq in names if b == boot)
        gaps += [f"boot {boot}: no seq {seq} of 1..{seqs[-1]}" for seq in sorted(set(range(1, seqs[-1])) - set(seqs))]
    if len(gaps) > held.frames_gone:
        out.problems += gaps


def _claims(week: Week, found: dict[tuple[int, int], str], out: Account) -> None:
    """What the node says of itself: the cause of its boot, and records made durable, which all must be there."""
    records = Counter(boot for boot, _ in found)
    for f in week.bridge.kinds(T.K_HEALTH):
        claimed = f.fields.get("records_produced", 0)
        if claimed > records[f.boot] + out.overwritten:
            out.problems.append(f"boot {f.boot} seq {f.seq}: says {claimed} records, {records[f.boot]} are known")
        cause = week.node.lives[f.boot - 1].cause if f.boot <= len(week.node.lives) else None
        utc_ms = f.fields.get("utc_ms")
        if utc_ms is not None and f.boot <= len(week.node.lives):
            off = abs(utc_ms - f.fields["uptime_ms"] - week.node.lives[f.boot - 1].start_us // 1000) / 1000
            if off > (_SYNCED_S if f.clock == _SYNCED else _ASTRAY_S):
                out.problems.append(f"boot {f.boot} seq {f.seq}: the mapping is {off:.1f} s off, clock {f.clock}")
        if f.fields.get("reset_cause") != cause:
            out.problems.append(f"boot {f.boot}: reset cause {f.fields.get('reset_cause')}, was {cause}")
