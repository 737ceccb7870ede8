"""What comes after the last chunk of a full image: verify it as the partition gives it, let the bootloader try it."""

import asyncio
import binascii
import hashlib

from micropython import const

from pantau_wire import bundle

from . import update, updatehead, updateimage
from . import updatefile as kept
from .updateunpack import UnsoundError, seen

_STEP = const(512)
_PAUSE_EVERY = const(4096)
_PAUSE_MS = const(20)


async def run(app, root, state):
    """Bring the image that is held to its trial; raises UnsoundError, OSError."""
    head, why = updatehead.judge(app, root, state, kept.read(root, 0, bundle.MAX_HEAD))
    if why or head is None or updateimage.have(app, root, state) != head.total:
        raise UnsoundError(why or "the bundle is not whole")
    part = updateimage.other(app.board)
    size = head.fields["size"] - (state["start"] - head.start)
    entry = updateimage.ENTRY + size.to_bytes(4, "big")
    sha = hashlib.sha256(entry)
    at = 0
    while at < size:
        data = updateimage.read(part, at, min(_STEP, size - at))
        sha.update(data)
        at += len(data)
        if not at % _PAUSE_EVERY:
            await asyncio.sleep(_PAUSE_MS / 1000)
    if binascii.hexlify(sha.digest()).decode() != head.fields["sha256"]:
        raise UnsoundError("the payload is not what was signed")
    state["state"] = bundle.VERIFIED
    kept.save(root, state)
    update.tell(app, state)
    node = app.node
    while not app.proved or (node.trial is not None and node.trial.state == 1):
        await asyncio.sleep(1)
    state.update({"state": bundle.TRIAL, "to": part.info()[4], "seen": await seen(app)})
    app.starts.defect("")
    kept.save(root, state)
    part.set_boot()  # checks the image
    update.tell(app, state)
    app.starts.failures = 0
    node.restart_soon()
