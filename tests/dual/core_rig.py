"""A node's core in the hand: clock, random numbers and a bridge that speaks with its keys; the outbox is a file."""

import os

from place import own

from pantau_node import config
from pantau_node.clock import Clock
from pantau_node.identity import Identity
from pantau_node.marks import Monotonic
from pantau_node.node import Node
from pantau_node.outbox import FileOutbox
from pantau_wire import frame
from pantau_wire import names as T

ROOT = own("core")
KEY = bytes(range(32))
OTHER = bytes(range(1, 33))
FLOOR_S = 1672531200
NOW_MS = 1700000000000
COLUMNS = (T.WATER_DISTANCE, T.RAIN_TIPS)


_open_boxes = []


class Facts:
    def __init__(self):
        self.news = b""

    def note(self):
        pass

    def errors(self):
        return self.news

    def fields(self):
        return {"firmware": "test", "heap_free": 1000}


class Rig:
    """A node with a clock in the hand; the files survive until wipe()."""

    def __init__(self, boot=1, batch=5, problems=(), most=1024):
        self.now = 100
        conf, _ = config.build(
            {"broker": {"host": "h"}, "sampling": {"interval_s": 60, "batch": batch, "health_s": 900}}
        )
        self.random = 12345
        self.clock = Clock(self.ticks, FLOOR_S)
        while _open_boxes:
            _open_boxes.pop().close()  # of a test that failed
        self.box = FileOutbox(ROOT, 65536, most)
        _open_boxes.append(self.box)
        who = Identity("n-1", 1, {0: KEY, 1: OTHER}, 0, "n-1", "")
        self.facts = Facts()
        replay = Monotonic(ROOT + ".orders")
        self.node = Node(who, conf, self.clock, self.box, boot, COLUMNS, replay, self.facts, self.rand, problems)
        self.instant = 0
        self.counter = NOW_MS

    def ticks(self):
        return self.now & 0x3FFFFFFF

    def rand(self, bits):
        self.random = (self.random * 69069 + 1) & 0xFFFFFFFF
        return self.random >> (32 - bits)

    def record(self, value=3000, alarm=False):
        self.instant += 60
        self.now = max(self.now, self.instant * 1000)
        self.node.on_record(self.instant, {2: (value, 0), 3: (0, 0)}, alarm)

    def sent(self, most=80, step_ms=25):
        """Return the frames that the node publishes in the next moments."""
        out = []
        for _ in range(most):
            self.node.on_tick()
            data = self.node.next_send()
            if data is not None:
                assert frame.verify(data, "n-1", KEY)
                out.append(frame.decode(data))
            else:
                self.now += step_ms
        return out

    def down(self, kind, fields, key=KEY, node="n-1", counter=None, key_id=0):
        f = frame.Frame(kind, key_id)
        self.counter += 1
        f.counter = self.counter if counter is None else counter
        f.fields = fields
        data = frame.encode(f, node, key)
        self.node.on_message(data)
        return data

    def ack(self, boot, through, bitmap=0, key=KEY):
        return self.down(T.K_ACK, {"boot": boot, "through": through, "map": bitmap}, key)


def wipe():
    for name in (ROOT, ROOT + ".new", ROOT + ".orders", ROOT + ".orders.new"):
        try:
            os.remove(name)
        except OSError:
            pass


def rig(**options):
    wipe()
    return Rig(**options)


def names(frames):
    return [(f.kind, f.boot, f.seq) for f in frames]


def held(r):
    return [place[:2] for place in r.box.index.places()]
