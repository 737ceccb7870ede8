"""The two keys that may sign bundles: `trust`, two copies of {"keys": [modulus as hex, another]}. Loaded with an update only."""

import binascii
import json

from pantau_wire.bundle import KEY_BYTES

from .slots import FileSlots


def _kept(root):
    """Return (generation, [modulus, modulus]) of the newest sound copy; (0, []) where none is."""
    for generation, payload in FileSlots(root + "trust").read():
        try:
            keys = [binascii.unhexlify(one) for one in json.loads(payload)["keys"]]
        except (ValueError, KeyError, TypeError):
            continue
        if keys and [len(key) for key in keys] == [KEY_BYTES] * len(keys):
            return generation, keys
    return 0, []


def load(root):
    """Return the moduli that are trusted, by their index."""
    return _kept(root)[1]


def replace(root, moduli):
    """Trust these two from now on; nothing to do where they are trusted already. Raises OSError if the flash refuses."""
    generation, keys = _kept(root)
    if keys != moduli:
        text = json.dumps({"keys": [binascii.hexlify(one).decode() for one in moduli]})
        FileSlots(root + "trust").write(generation + 1, text.encode(), generation)
