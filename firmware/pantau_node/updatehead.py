"""Judges a bundle by its head, as soon as that is there: a foreign, older or unsigned one is refused after its first chunks."""

from micropython import const

from pantau_wire import bundle
from pantau_wire.errors import WireError

from . import chip
from . import updatefile as kept

_SPARE = const(32768)  # bytes that stay free: marks, configurations, the file system's own
_LOW_MV = const(3500)  # as sleep.LOW_MV: a flash must not be written on the last of a battery


def room(app, root, needed):
    """Return why so many bytes more must not be taken, or ""."""
    mv = app.board.battery_mv()
    if mv is not None and mv < _LOW_MV:
        return "battery at %d mV, needs %d" % (mv, _LOW_MV)
    free = kept.free(root)[0] - _SPARE - _growth(app.node)
    return "needs %d bytes of flash, %d are free" % (needed, max(0, free)) if needed > free else ""


def _growth(node):
    """Return by how much an outbox in a file may still grow: up to twice its limit, and a copy while it is written anew."""
    box = node.outbox
    return 0 if hasattr(box, "erases") else max(0, 3 * node.config.outbox_bytes - box.end)


def judge(app, root, state, data):
    """Return (Head or None while it is not whole, why the bundle is refused or "") of its first bytes."""
    try:
        head = bundle.head(data)
    except WireError as error:
        if error.code == "truncated" and len(data) < min(bundle.MAX_HEAD, state["total"]):
            return None, ""
        return None, "not a bundle: %s" % error
    fields = head.fields
    image = fields["kind"] == bundle.IMAGE
    now = kept.number(root + "image") if image else kept.release(app.starts)
    board, form = chip.name(), chip.mpy() or fields["mpy"]
    why = ""
    if head.ident != state["id"] or head.total != state["total"]:
        why = "not the bundle that was announced"
    elif board not in fields["board"]:
        why = "for %s, this is %s" % (" ".join(fields["board"]), board)
    elif form != fields["mpy"]:
        why = "for format %d of .mpy files, this MicroPython has %d" % (fields["mpy"], form)
    elif fields["release"] <= now and not (fields.get("rollback") and fields["release"] < now):
        why = "release %d is not newer than %d" % (fields["release"], now)
    elif now < fields["min_release"]:
        why = "needs release %d first, this is %d" % (fields["min_release"], now)
    why = why or _signed(root, head)
    if not image:
        return head, why or _fits(app, root, head)
    from . import updateimage

    return head, why or updateimage.fits(app, head)


def _signed(root, head):
    from . import rsa, trust

    if not head.signature:
        return "not signed"
    keys = trust.load(root)
    if head.key >= len(keys):
        return "no key %d is trusted here: provision it anew" % head.key
    return "" if rsa.verify(keys[head.key], head.signature, head.manifest) else "the signature does not fit"


def _fits(app, root, head):
    fields = head.fields
    rest = head.total - kept.have(root)
    block = kept.free(root)[1]
    unpacked = fields.get("room") or fields["size"] + fields["files"] * block
    # The slot that it goes into is emptied first.
    return room(app, root, rest + unpacked - kept.size(root + kept.other(app.starts), block))
