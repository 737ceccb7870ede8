"""What a start finds of an update: chunks to go on with, a bundle to unpack, a trial to pass, or one that has failed."""

import asyncio

from pantau_wire import updates

from . import log, update
from . import updatefile as kept
from .rare import drop


def look(app):
    """Go on with an update where the last start has left it."""
    root = getattr(app.starts, "root", "")
    state = kept.load(root) if root else {}
    step = state.get("state", 0)
    try:
        if step == updates.VERIFIED or (step == updates.RECEIVING and update.have(app, root, state) == state["total"]):
            update.finish(app)
        elif step == updates.RECEIVING:
            update.tell(app, state)
        elif step == updates.TRIAL and state.get("to") == _runs(app, state):
            app.proved = True  # not by what proves any start
            _go_on(app)
        elif step == updates.TRIAL:
            _failed(app, root, state)
        elif step:
            kept.remove(root + kept.STREAM)
    except OSError as error:
        log("error", "update", str(error))
    drop("updatestart", *update.RARE)


def _runs(app, state):
    """Return which slot, or which partition for an image, runs."""
    if "start" not in state:
        return app.starts.name
    from . import updateimage

    return updateimage.running(app.board)


def _go_on(app):
    async def run():
        from .updatetrial import run

        await run(app)

    asyncio.create_task(app.guard("update", run))


def _failed(app, root, state):
    """The launcher has come back to what ran before: report why, and let what failed be no slot."""
    why = state.get("why") or app.facts.defect
    if not why and not state.get("began") and not state.get("again"):
        state.update({"state": updates.VERIFIED, "again": 1})  # the power went before the launcher knew of it
        kept.save(root, state)
        update.finish(app)
        return
    why = why or "it ended before it had proved itself"
    log("error", "update", "rolled back: " + why)
    slot = root + str(state.get("to"))
    if "start" not in state and not kept.missing(slot):
        kept.remove(slot + "/ready")
    state.update({"state": updates.ROLLED_BACK, "why": why})
    update.tell(app, state)
    kept.save(root, state)
    kept.remove(root + kept.STREAM)
