"""Runs in the VM: counts what the node's own planner does on its second day. JSON list of specs in, list of counts out."""

import json
import sys

from pantau_node.sleep import Plan

DAY_MS = 86400000


def day(spec):
    """Return wakes, connects and ms awake without the link in a day in which every report is answered."""
    plan = Plan(spec["interval_s"], spec["report_s"], spec["lead_ms"])
    now = woke = wakes = connects = awake_ms = 0
    next_s = spec["interval_s"]
    link_ms = 0  # since the wake
    while now < 2 * DAY_MS:
        if plan.due(now, False):
            connects += now >= DAY_MS
            link_ms += spec["link_ms"]
            now += spec["link_ms"]
            plan.done(now, True, False)
        rest = plan.sleep_ms(now, next_s)
        if rest:
            if now >= DAY_MS:
                wakes += 1
                awake_ms += now - woke - link_ms
            woke = now + rest
            now = woke + spec["start_ms"]
            link_ms = 0
            plan.woke(spec["start_ms"])
        now = max(now, next_s * 1000) + spec["sample_ms"]
        next_s += spec["interval_s"]
    return {"wakes": wakes, "connects": connects, "awake_ms": awake_ms}


print(json.dumps([day(spec) for spec in json.loads(sys.stdin.read())]))
