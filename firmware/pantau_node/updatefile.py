"""What is kept of an update: `update.bin`, as much of the bundle as has come, and `update`, JSON that says how far it is.

Keys of `update`: id, total, state (pantau_wire.bundle), and later why, to (the slot or partition on trial), seen (the
properties that had a value before it). A file is replaced by a rename: it is the old or the new one after any power cut.
"""

import json
import os

from .files import missing

STATE = "update"
STREAM = "update.bin"


def load(root):
    """Return the state as a dict; {} where there is none, or none that can be read."""
    try:
        with open(root + STATE) as file:
            state = json.loads(file.read())
    except (OSError, ValueError):
        return {}
    whole = isinstance(state, dict) and all(type(state.get(name)) is int for name in ("id", "total", "state"))
    return state if whole else {}


def save(root, state):
    """Keep the state; raises OSError."""
    replace(root + STATE, json.dumps(state))


def replace(path, text):
    """Write a small file anew; raises OSError."""
    with open(path + ".new", "w") as file:
        file.write(text)
    os.rename(path + ".new", path)


def remove(path):
    """Remove a file that may be missing; raises OSError."""
    if not missing(path):
        os.remove(path)


def have(root):
    """Return how many bytes of the bundle are held."""
    return 0 if missing(root + STREAM) else os.stat(root + STREAM)[6]


def read(root, at, size):
    """Return bytes of the bundle that are held."""
    with open(root + STREAM, "rb") as file:
        file.seek(at)
        return file.read(size)


def number(path):
    """Return the release that a file like `ready` names; 0 where there is none."""
    try:
        with open(path) as file:
            found = json.loads(file.read())["release"]
    except (OSError, ValueError, KeyError, TypeError):
        return 0
    return found if type(found) is int and found > 0 else 0


def release(starts):
    """Return the release of the slot that runs; 0 where it was installed by hand."""
    return number(starts.root + starts.name + "/ready")


def other(starts):
    """Return the slot that an update goes into."""
    return "b" if starts.name == "a" else "a"


def free(root):
    """Return (bytes free on the flash, bytes of a block)."""
    found = os.statvfs(root)
    return found[0] * found[4], found[0]


def make(path):
    """Make a folder that may be there."""
    if missing(path):
        os.mkdir(path)


def folder(path):
    """Tell whether a path is a folder; raises OSError where there is nothing."""
    return bool(os.stat(path)[0] & 0x4000)


def size(path, block):
    """Return what the files below a folder take of the flash, in whole blocks; 0 where there is none."""
    if missing(path):
        return 0
    total = 0
    for name in os.listdir(path):
        one = path + "/" + name
        total += size(one, block) if folder(one) else -(-os.stat(one)[6] // block) * block
    return total
