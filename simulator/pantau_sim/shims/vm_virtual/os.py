# `os` in virtual time: chance comes from the scenario's seed, the same on every run.
import _simbus
from uos import *

_state = _simbus.boot["seed"] or 1


def urandom(size):
    global _state
    out = bytearray(size)
    for k in range(size):
        _state ^= _state << 13 & 0xFFFFFFFF
        _state ^= _state >> 17
        _state ^= _state << 5 & 0xFFFFFFFF
        out[k] = _state & 255
    return bytes(out)
