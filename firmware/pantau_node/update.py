"""Takes the chunks of a bundle, in order, into `update.bin`, and answers where it stands: docs/decisions/0021-updates.md.

Loaded for each chunk and let go after it. What refuses a bundle is in updatehead.py, what comes after the last chunk in
updateunpack.py. A chunk that does not follow what is held changes nothing, so that each may come any number of times.
"""

import asyncio

from micropython import const

from pantau_wire import updates as B

from . import updatefile as kept
from .rare import drop

_AWAKE_MS = const(10000)  # a node that sleeps waits so long for the next chunk
_GAP_MS = const(5000)  # between two answers to chunks that do not fit
_EVERY = const(16 * 800)  # bytes from answer to answer
_DETAIL = const(160)
_ENOSPC = const(28)
RARE = (
    "update",
    "updatefile",
    "updatehead",
    "updateimage",
    "updateflash",
    "chip",
    "trust",
    "rsa",
    "slots",
    "pantau_wire.bundle",
)


def take(app, fields):
    """Take the fields of an UPDATE frame, or {"cancel": id}."""
    try:
        _take(app, fields)
    except OSError as error:
        refuse(app, kept.load(app.starts.root), flash(error))
    finally:
        drop(*RARE)


def flash(error):
    """Return what an OSError of the flash is to people."""
    return "the disk is full" if error.errno == _ENOSPC else "the flash refused: %s" % error


def _take(app, fields):
    root = getattr(app.starts, "root", "")
    ident, offset, total, chunk = [fields.get(name, 0) for name in ("id", "offset", "total", "chunk")]
    if not root:
        _gap(app, ident, 0, 0, "refused: the launcher is older than updates: install once by cable")
        return
    state = kept.load(root)
    step = state.get("state", 0)
    if "cancel" in fields:
        if step not in (B.VERIFIED, B.TRIAL) and state.get("id") == fields["cancel"]:
            _forget(root)
        return
    app.node.awake_ms = max(app.node.awake_ms, app.clock.uptime_ms() + _AWAKE_MS)
    if step in (B.VERIFIED, B.TRIAL) and ident != state["id"]:
        _gap(app, ident, 0, 0, "busy: bundle %08x comes first" % state["id"])
    elif step > B.RECEIVING and ident == state["id"]:
        if _due(app):
            tell(app, state)
    elif step != B.RECEIVING or ident != state["id"] or total != state["total"]:
        if offset:
            _gap(app, ident, 1, 0, B.WORDS[B.RECEIVING])
        else:
            _begin(app, root, {"id": ident, "total": total, "state": B.RECEIVING}, chunk)
    else:
        _append(app, root, state, offset, chunk)


def _begin(app, root, state, chunk):
    """Begin anew: what was held of another bundle goes."""
    from . import updatehead

    _forget(root)
    kept.save(root, state)
    why = updatehead.room(app, root, state["total"])
    if why:
        refuse(app, state, why)
    else:
        _append(app, root, state, 0, chunk)


def _append(app, root, state, offset, chunk):
    held = have(app, root, state)
    if offset != held or not 0 < len(chunk) <= B.MAX_CHUNK or held + len(chunk) > state["total"]:
        _gap(app, state["id"], 1, held, B.WORDS[B.RECEIVING])
        return
    if "start" in state:
        from . import updateimage

        updateimage.append(app, root, state, chunk)
    else:
        with open(root + kept.STREAM, "ab") as file:
            file.write(chunk)
    held += len(chunk)
    if "judged" not in state:
        from . import updatehead

        head, why = updatehead.judge(app, root, state, kept.read(root, 0, B.MAX_HEAD))
        if why:
            refuse(app, state, why)
            return
        if head is not None:
            _judged(app, root, state, head, held)
    if held == state["total"]:
        finish(app)
    elif held // _EVERY != offset // _EVERY:
        tell(app, state)


def _judged(app, root, state, head, held):
    """Note that the head may go on; an image's first bytes go where the rest goes."""
    if head.fields["kind"] == B.IMAGE:
        from . import updateimage

        if not updateimage.whole(head, held):
            return
        updateimage.begin(app, root, state, head)
    state["judged"] = 1
    kept.save(root, state)


def have(app, root, state):
    """Return how many bytes of the bundle are held, without a gap."""
    if "start" not in state:
        return kept.have(root)
    from . import updateimage

    return updateimage.have(app, root, state)


def finish(app):
    """Begin what comes after the last chunk, as a task: it takes its time between the samples."""

    async def run():
        from .updateunpack import run

        await run(app)

    asyncio.create_task(app.guard("update", run))


def tell(app, state):
    """Answer with what became of the bundle, or how far it is."""
    step = state["state"]
    detail = B.WORDS[step] + (": " + state["why"] if state.get("why") else "")
    held = have(app, app.starts.root, state) if step == B.RECEIVING else state["total"]
    _answer(app, state["id"], step < B.ROLLED_BACK, held, detail)


def _answer(app, ident, ok, held, detail):
    app.node.answer({"id": ident, "ok": int(ok), "detail": detail[:_DETAIL], "have": held})
    app.link.wake()


def _gap(app, ident, ok, held, detail):
    if _due(app):
        _answer(app, ident, ok, held, detail)


def _due(app):
    """Return whether to answer what did not fit: the sender has many on their way, one answer puts it right."""
    now = app.clock.uptime_ms()
    if now < getattr(app, "gap_ms", 0):
        return False
    app.gap_ms = now + _GAP_MS
    return True


def refuse(app, state, why):
    """End the update with a reason. The stream goes first: it may be what fills the disk."""
    if not state:
        return
    state.update({"state": B.REFUSED, "why": why})
    root = app.starts.root
    try:
        kept.remove(root + kept.STREAM)
        kept.save(root, state)
    except OSError:
        pass  # then it is refused again
    _due(app)  # the chunks that are on their way need no answer
    tell(app, state)


def _forget(root):
    kept.remove(root + kept.STATE)
    kept.remove(root + kept.STREAM)
