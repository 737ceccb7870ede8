"""What comes after the last chunk: verify the whole bundle, unpack it into the other slot, read back, put that on trial.

A task of small steps: measuring goes on between them. Begun anew after a power cut, from the verification on.
"""

import asyncio
import binascii
import hashlib
import json
import os

from micropython import const

from pantau_wire import bundle
from pantau_wire.errors import WireError

from . import update
from . import updatefile as kept
from .rare import drop

_STEP = const(512)
_PAUSE_EVERY = const(4096)  # a block: its erase and programs keep the chip busy for a tenth of a second
_PAUSE_MS = const(20)
_AWAKE_MS = const(1200000)
_LOOK_S = const(600)
_LEFT = "9"  # what a slot on trial has: pantau_boot.choose
_MOST_RUNS = const(20)  # a grid may be bad; but what makes the chip restart must not be tried for ever
_ON_TRIAL = const(1)  # trial.TRIAL
_TIME_OFFSET = const(1)  # property of the wire's own


class UnsoundError(Exception):
    """The bundle, or what the flash gives back of it, is not what was signed."""


async def run(app):
    """Bring the bundle that is held to its trial, or refuse it."""
    root = app.starts.root
    state = kept.load(root)
    app.node.awake_ms = app.clock.uptime_ms() + _AWAKE_MS
    try:
        state["runs"] = runs = state.get("runs", 0) + 1
        kept.save(root, state)
        if runs > _MOST_RUNS:
            raise UnsoundError("cut short %d times" % _MOST_RUNS)
        if "start" in state:
            from . import updateflash

            await updateflash.run(app, root, state)
            return
        head = await _verify(app, root, state)
        state["state"] = bundle.VERIFIED
        kept.save(root, state)
        update.tell(app, state)
        await steady(app)
        slot = kept.other(app.starts)
        await _unpack(root, head, root + slot)
        kept.replace(root + slot + "/ready", json.dumps({name: head.fields[name] for name in ("version", "release")}))
        await _try(app, root, state, slot)
    except (UnsoundError, WireError) as error:
        update.refuse(app, state, str(error))
    except OSError as error:
        update.refuse(app, state, update.flash(error))
    except Exception as error:  # noqa: BLE001  no memory, say: trying for ever would help nobody
        update.refuse(app, state, "%s: %s" % (type(error).__name__, error))
    finally:
        drop("updateunpack", *update.RARE)


async def _verify(app, root, state):
    """Return the Head; nothing is believed that was judged before the last start."""
    from . import updatehead

    head, why = updatehead.judge(app, root, state, kept.read(root, 0, bundle.MAX_HEAD))
    if why or head is None or kept.have(root) != head.total:
        raise UnsoundError(why or "the bundle is not whole")
    del updatehead
    drop("updatehead", "chip", "trust", "rsa", "slots")  # what follows takes its time
    sha = hashlib.sha256()
    await _each(root, head.start, head.total, sha.update)
    if binascii.hexlify(sha.digest()).decode() != head.fields["sha256"]:
        raise UnsoundError("the payload is not what was signed")
    for _ in _entries(root, head):
        pass  # before anything is removed for it
    return head


async def _each(root, at, end, take):
    """Hand the bytes of the stream to take(), in small pieces, with pauses."""
    with open(root + kept.STREAM, "rb") as file:
        file.seek(at)
        while at < end:
            data = file.read(min(_STEP, end - at))
            if not data:
                raise UnsoundError("the bundle is not whole")
            take(data)
            at += len(data)
            if at // _PAUSE_EVERY != (at - len(data)) // _PAUSE_EVERY:
                await asyncio.sleep(_PAUSE_MS / 1000)


def _entries(root, head):
    """Yield (path, place in the stream, size) of the files; raises WireError, UnsoundError."""
    at = head.start
    for _ in range(head.fields["files"]):
        path, start, size = bundle.entry(kept.read(root, at, 5 + bundle.MAX_PATH))
        if "/" not in path or start + size > head.total - at:
            raise UnsoundError("a file that does not belong into a slot: " + path)
        yield path, at + start, size
        at += start + size
    if at != head.total:
        raise UnsoundError("the files do not add up")


async def steady(app):
    """Wait until what runs is settled: what is left for a bad update must be good, and be what the launcher takes."""
    node = app.node
    while not app.proved or (node.trial is not None and node.trial.state == _ON_TRIAL):
        await asyncio.sleep(1)
    starts = app.starts
    if not starts.usual:
        raise UnsoundError("this slot could not be made the usual one")
    kept.replace(starts.root + "slot", starts.name or "/")  # before there is another that is ready
    if starts.name:
        for old in ("pantau_node", "pantau_wire"):
            await _wipe(starts.root + old)  # of before there were slots


async def _unpack(root, head, slot):
    """Write the files below the folder `slot` and read them back; raises OSError, UnsoundError."""
    kept.make(slot)
    kept.remove(slot + "/ready")  # first: from here on it is no slot
    await _wipe(slot)
    for path, at, size in _entries(root, head):
        for i, char in enumerate("/" + path):
            if char == "/":
                kept.make(slot + ("/" + path)[:i])
        with open(slot + "/" + path, "wb") as file:
            await _each(root, at, at + size, file.write)
        await asyncio.sleep(_PAUSE_MS / 1000)
    for path, at, size in _entries(root, head):
        with open(slot + "/" + path, "rb") as file:
            await _each(root, at, at + size, _Same(file).take)
        await asyncio.sleep(_PAUSE_MS / 1000)


class _Same:
    """Compares what comes with a file."""

    def __init__(self, file):
        self._file = file

    def take(self, data):
        """Take the next bytes; raises UnsoundError if the file has others."""
        if self._file.read(len(data)) != data:
            raise UnsoundError("the flash does not give back what was written")


async def _wipe(path):
    """Remove a folder with all that is in it; what is not there is removed already."""
    if kept.missing(path):
        return
    for name in os.listdir(path):
        one = path + "/" + name
        if kept.folder(one):
            await _wipe(one)
        else:
            os.remove(one)
        await asyncio.sleep(_PAUSE_MS / 1000)
    os.rmdir(path)


async def _try(app, root, state, slot):
    """Note what the new application has to show, let the launcher try it, restart right after a record."""
    state.update({"state": bundle.TRIAL, "to": slot, "seen": await seen(app)})
    starts = app.starts
    starts.defect("")  # whatever it names from now on is of the trial
    kept.save(root, state)
    kept.replace(root + "try", slot + _LEFT)
    update.tell(app, state)
    starts.failures = 0  # those so far were not the new one's
    app.node.restart_soon()


async def seen(app):
    """Wait for the next record; return the properties that have a value in it."""
    sampler, found = app.sampler, []
    emit = sampler.emit

    def see(instant_s, row, *more):
        found.append([ident for ident in row if row[ident][0] is not None and ident != _TIME_OFFSET])
        return emit(instant_s, row, *more)

    sampler.emit = see
    until = app.clock.uptime_ms() + 1000 * min(_LOOK_S, 2 * sampler.interval_s + 20)
    try:
        while not found and app.clock.uptime_ms() < until:
            await asyncio.sleep(1)
    finally:
        sampler.emit = emit
    return sorted(found[-1]) if found else []
