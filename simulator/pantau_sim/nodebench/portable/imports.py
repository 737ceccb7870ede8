"""Runs in the 32-bit VM, driven by `vm32.mjs --steps`: what each import of a node costs in a VM with nothing else in it."""

import asyncio  # noqa: F401  here and below: what a node uses of MicroPython itself is frozen on a board
import binascii  # noqa: F401
import gc
import hashlib  # noqa: F401
import json
import os  # noqa: F401
import random  # noqa: F401
import struct  # noqa: F401
import sys
import time  # noqa: F401

import micropython


class Nothing:
    pass


for name in ("machine", "network", "esp32", "socket", "tls", "select"):
    if name not in sys.modules:
        sys.modules[name] = Nothing()
with open(sys.argv[1]) as file:
    given = json.load(file)
sys.path.insert(0, given["firmware"])
left = given["modules"]
took = dict.fromkeys(left, 0)
micropython.qstr_info()
state = ["", 0, 0]  # the module loaded last, the heap before it, the heap before all


def step():
    """Load one module; what it cost is known in the next call, after the collection."""
    used = gc.mem_alloc()
    name, before, first = state
    if name:
        took[name] = used - before
    if not left:
        print("RESULT " + json.dumps({"total": used - first, "modules": took}))
        return False
    state[:] = [left.pop(0), used, first or used]
    __import__(state[0])
    gc.collect()
    return True
