"""The trial of an update: the new application must read its sensors and have a frame of its own acknowledged, end to end.

What had a value before the update must have one now, where the new application knows it. In time, or the old one comes back.
"""

import asyncio
import json

from pantau_wire import bundle

from . import trust, update
from . import updatefile as kept
from .rare import drop

_LOOK_S = 1


async def run(app):
    """Accept what runs, or restart into the slot before it."""
    root = app.starts.root
    state = kept.load(root)
    try:
        if "began" not in state:
            state["began"] = 1
            kept.save(root, state)
        # A slot that is the usual one has proved itself, and the power went just after; the chip's bootloader keeps no such note.
        if ("start" not in state and app.starts.usual) or await _prove(app, state):
            await _accept(app, root, state)
        else:
            _give_up(app, root, state)
    finally:
        drop("updatetrial", *update.RARE)


async def _prove(app, state):
    """Return whether it has shown in time that it works; else state["why"] says what was missing."""
    node, conf = app.node, app.node.config
    twice_s = 2 * conf.power_report_s if conf.power_profile == "battery" else 0
    wait_s = max(conf.trial_s, twice_s, 2 * conf.sampling_interval_s) + 60
    node.awake_ms = until = 1000 * wait_s  # of this boot: a defect in here must not make it longer
    known = app.station.PROPERTIES
    wanted = [ident for ident in state.get("seen", ()) if ident in known]
    got = _watch(app.sampler)
    update.tell(app, state)
    frame = node.boot, node.result_seq
    delivered, lacking = False, wanted
    while app.clock.uptime_ms() < until:
        delivered = node.acked and node.outbox.index.place(*frame) is None
        lacking = [ident for ident in wanted if ident not in got]
        if delivered and not lacking and not app.starts.safe and (got or not state.get("seen")):
            node.awake_ms = 0
            return True
        await asyncio.sleep(_LOOK_S)
    what = "no value of property %d" % lacking[0] if lacking else "no reading"
    state["why"] = "%s in %d s" % (what if delivered else "no acknowledgement", wait_s)
    return False


def _watch(sampler):
    """Return a set that grows with the properties that have a value in a record from now on."""
    got, emit = set(), sampler.emit

    def see(instant_s, row, *more):
        got.update([ident for ident in row if row[ident][0] is not None])
        return emit(instant_s, row, *more)

    sampler.emit = see
    return got


async def _accept(app, root, state):
    """Make it the usual one. Each step may be done again: a power cut in between begins here anew."""
    app.starts.proved()
    while not app.starts.usual:
        await asyncio.sleep(_LOOK_S)  # the flash refuses
        app.starts.proved()
    kept.remove(root + "try")
    fields = bundle.head(kept.read(root, 0, bundle.MAX_HEAD)).fields
    if "start" in state:
        app.board.ota().mark_app_valid_cancel_rollback()
        kept.replace(root + "image", json.dumps({"version": fields["version"], "release": fields["release"]}))
    if "trust" in fields:
        trust.replace(root, bundle.moduli(fields["trust"]))
    state.update({"state": bundle.ACCEPTED, "why": "release %d" % fields["release"]})
    update.tell(app, state)
    kept.save(root, state)
    kept.remove(root + kept.STREAM)


def _give_up(app, root, state):
    kept.save(root, state)
    kept.remove(root + "try")
    app.starts.fresh()
    app.starts.planned()
    app.restart("update: " + state["why"])
