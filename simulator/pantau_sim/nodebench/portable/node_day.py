"""Runs in the 32-bit VM, driven by `vm32.mjs --steps`: a whole node over a simulated day, its heap before and after each turn.

given.json: {"root", "board", "modules", "hours", "flash", "buses", "order"}. One turn of one task per call of step(), so
that the collector, which that VM runs only between calls, runs as it would where the node waits. Prints one line of JSON.
"""

import gc
import json
import random
import sys

import loop
import micropython
import world
from loop import clock

HOUR_MS = 3600000
SMALL = 1024  # so much garbage may wait for the next turn: collecting costs more time than all else


class Nothing:
    """What only hardware and the network stack have; the TLS context is one, so that the code around it is loaded."""

    CERT_REQUIRED = PROTOCOL_TLS_CLIENT = SOCK_STREAM = STA_IF = 1

    def __init__(self, *args):
        pass

    def load_verify_locations(self, *args):
        pass

    SSLContext = __init__

    def getaddrinfo(self, host, port, *rest):
        return [(0, 0, 0, "", (host, port))]


class Tls(Nothing):
    def SSLContext(self, protocol):  # noqa: N802
        return Nothing()


def bytes_of(text):
    return bytes(int(text[i : i + 2], 16) for i in range(0, len(text), 2))


loop.open_connection = world.open_connection
for name in ("machine", "network", "esp32", "socket"):
    sys.modules[name] = Nothing()
sys.modules["tls"] = Tls()
sys.modules["asyncio"] = loop
sys.modules["time"] = clock
random.seed(1)
with open(sys.argv[1]) as file:
    given = json.load(file)
sys.path.insert(0, given["firmware"])
answers = {(a, bytes_of(asked)): bytes_of(said) for a, asked, said in given["buses"].get("i2c", ())}
board = world.Board(
    {"uart": given["buses"].get("uart"), "i2c": answers, "pulse": given["buses"].get("pulse", 100000)},
    {label: world.Flash(path, sectors) for label, path, sectors in given["flash"]},
)
left = list(given["modules"])
hours = given["hours"]
least = [0] * (hours + 1)
first_modules = []
base = loaded = booted = peak = peak_at = live = live_peak = boot_peak = turns = 0
collected = True
bridge = None
node_task = None
stage = "import"


def note():
    """Take the figures of the turn that just ended; it allocates nothing."""
    global peak, peak_at
    used = gc.mem_alloc()
    if used > peak:
        peak, peak_at = used, clock.now


def ours():
    return sorted([name for name in sys.modules if name.startswith("pantau_")])


def begin():
    """Make the node and its peer."""
    global bridge, node_task, stage
    import pantau_boot
    from pantau_node import app
    from pantau_wire import frame, mqtt

    bridge = world.Bridge(frame, mqtt, bytes(range(32)), given["node"], given["order"])
    world.peer = loop.create_task(bridge.run(), True)
    loop.run_next(world.peer)
    starts = pantau_boot.Starts(pantau_boot.Keep(board.memory), 1)
    pantau_boot.begin(given["root"], starts)
    node_task = loop.create_task(app.main(given["root"], board, starts))
    stage = "boot"


def step():
    """Do one turn; return whether there is more. A collection asked for here happens after the return."""
    global stage, base, loaded, booted, turns, live, live_peak, peak, boot_peak, collected
    if collected:
        live = gc.mem_alloc()
        collected = False
    if stage == "import":
        if not base:
            micropython.qstr_info()
        base = base or live
        if left:
            __import__(left.pop(0))
        else:
            loaded = live
            first_modules.extend(ours())
            begin()
        return collect()
    task = loop.next_task()
    hour = clock.now // HOUR_MS
    if stage == "boot" and clock.now > 60000:
        stage = "day"
        booted, boot_peak, peak = live, peak, 0
        micropython.qstr_info()
    if hour >= hours:
        done()
        return False
    loop.run_next(task)
    if not task.rig:
        note()
        turns += 1
        live_peak = max(live_peak, live)
        if stage == "day" and (not least[hour] or live < least[hour]):
            least[hour] = live
    return collect() if task.rig or gc.mem_alloc() - live > SMALL else True


def collect():
    global collected
    gc.collect()
    collected = True
    return True


def done():
    micropython.qstr_info()
    answer = {
        "base": base,
        "loaded": loaded,
        "booted": booted,
        "boot_peak": boot_peak,
        "peak": peak,
        "peak_at_ms": peak_at,
    }
    answer.update(live_peak=live_peak, least=least, turns=turns, frames=bridge.frames)
    answer.update(through=bridge.through, modules=ours(), first_modules=first_modules)
    print("RESULT " + json.dumps(answer))
