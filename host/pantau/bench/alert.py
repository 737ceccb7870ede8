"""`pantau bench alert`: what the times of alarm frames and of the alerts that came out of them mean. Pure.

Three moments are ours to take: the frame leaves (the bench's clock), it is received (the log says), its alert is out (the
webhook's own clock). Between them the outbox says when the alert was decided and queued. All clocks are one machine's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from pantau.bench.figures import SET, Figure

GOAL = Figure(5.0, "s", SET, "goal: an alarm frame is out as an alert within 5 s, 99 of 100")
_STAGES = ("sent_to_received", "received_to_decided", "decided_to_out")
_HOW = {
    "p50_s": "measured: an alarm frame, signed as a node does, handed to Mosquitto, to its alert's whole body at a webhook on loopback",
    "stages": "measured: to the bridge's receipt, of which the log keeps whole milliseconds; to the alert in the outbox, judged and durable; to the webhook",
    "node": "measured: the whole firmware in the unix VM in virtual time, from the water's crossing to the first alarm frame at its broker",
    "crossing": "derived: each of the node's times with each of the link's, as if one knew nothing of the other",
}


class Told(NamedTuple):
    """One alarm frame and its alert, Unix seconds."""

    sent_s: float
    received_s: float
    decided_s: float
    out_s: float


def account(told: Sequence[Told], lost: int, node: Mapping[str, Sequence[float]], load: float) -> dict[str, Any]:
    """Return the report. `lost`: frames whose alert never came out; `node`: seconds from crossing to frame, by sensor."""
    whole = [one.out_s - one.sent_s for one in told]
    stages = [[max(0.0, b - a) for a, b in pairwise(one)] for one in told]
    return {
        "n": len(told) + lost,
        "lost": lost,
        **spread(whole),
        "goal_p99_s": GOAL.value,
        "stages": {name: spread([one[at] for one in stages]) for at, name in enumerate(_STAGES)},
        "load_frames_per_s": load,
        "node": {name: {"n": len(times), **spread(times)} for name, times in node.items()},
        "crossing": {name: spread([a + b for a in times for b in whole]) for name, times in node.items()},
        "how": dict(_HOW),
    }


def spread(times: Sequence[float]) -> dict[str, float | None]:
    """Return p50, p99 and the greatest, by nearest rank; None of nothing."""
    ordered = sorted(times)
    ranks = {"p50_s": 0.50, "p99_s": 0.99, "max_s": 1.0}
    return {
        name: round(ordered[math.ceil(share * len(ordered)) - 1], 4) if ordered else None
        for name, share in ranks.items()
    }


def lines(found: Mapping[str, Any]) -> list[str]:
    """Return the table for people."""
    out = [f"{'':<36}{'p50 s':>10}{'p99 s':>10}{'most s':>10}", _row("alarm frame sent -> alert out", found)]
    out += [_row(f"  {name.replace('_to_', ' -> ')}", each) for name, each in found["stages"].items()]
    out += [_row(f"node: {name} crosses -> frame", each) for name, each in found["node"].items()]
    out += [_row(f"{name} crosses -> alert out", each) for name, each in found["crossing"].items()]
    load = f", {found['load_frames_per_s']:g} other frames/s" if found["load_frames_per_s"] else ""
    out.append("")
    out.append(f"{found['n']} alarm frames, {found['lost']} without an alert{load}; goal: p99 < {GOAL.value:g} s")
    return out + [f"- {name}: {how}" for name, how in found["how"].items()]


def missed(found: Mapping[str, Any]) -> str:
    """Return what is not as it should be, "" for nothing."""
    if found["lost"]:
        return f"{found['lost']} of {found['n']} alarm frames raised no alert that came out"
    if found["p99_s"] >= GOAL.value:
        return f"p99 {found['p99_s']:.2f} s, the goal is {GOAL.value:g} s"
    return ""


def _row(name: str, each: Mapping[str, Any]) -> str:
    cells = (each["p50_s"], each["p99_s"], each["max_s"])
    return f"{name:<36}" + "".join(f"{cell:>10.3f}" if cell is not None else f"{'-':>10}" for cell in cells)
