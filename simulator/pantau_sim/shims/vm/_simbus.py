# The VM's end of the bus: strict request and reply over one socket, and the node's only clock.
# Request: u16 body length, u8 operation, u64 uptime_us, body.  Reply: u16 length, body (little endian).
# Every request carries the node's uptime, so that emulators live on the node's time and never on the host's.
import struct

import utime
from micropython import const

# Virtual mode: far ahead of the real clock, which the built-in task queue still reads (facts/firmware.md 4.8)
_LOOP_BASE_MS = const(1 << 45)
_GUARD = const(
    200000
)  # clock reads, or turns of the loop, without any wait: a busy loop would never end while time stands still
_NEVER = const(0x3FFFFFFFFFFFFFFF)  # the greatest small integer: compared without an allocation

UART_INIT, UART_READ, UART_WRITE, UART_ANY = 1, 2, 3, 4
I2C_WRITE, I2C_READ = 5, 6
ADC_READ, PIN_READ, PIN_WRITE, EDGES = 7, 8, 9, 10
RTC_SET, RTC_MEMORY, WDT, RESET = 11, 12, 13, 14
LINK, WAIT, SOCKET, SEED, UART_EARLY = 15, 16, 17, 18, 19

virtual = False
isr_us = None  # uptime_us of the edge whose handler is running, else None
boot = {}
flash = []  # (label, sectors, address, subtype, open file) of each partition that the host wires

_link = None
_t0_us = 0
_now_us = 0  # virtual mode: the frozen uptime
_loop_ms = _LOOP_BASE_MS  # the same for asyncio
_grant_us = 0  # virtual mode: the uptime up to which this node may go on without asking
_reads = 0
_header = bytearray(11)
_length = bytearray(2)
_waited = bytearray(18)  # length and head of what answers WAIT
_edges = []  # [uptime_us, pin, level] to come, in order
_edges_until_us = 0
_handlers = {}  # pin -> (callback with the level)
_sockets = {}  # virtual mode: id -> socket

# Virtual mode; what the loop's poll looks at, see select.py
pump_us = _NEVER  # when an edge is due, or the look-ahead ends
events = 0  # changes of sockets so far
dog_us = _NEVER  # when the watchdog bites


def begin(link, config):
    """Take over the link; uptime 0 is now."""
    global _link, _t0_us, virtual, uptime_us
    _link = link
    virtual = config["virtual"]
    _t0_us = utime.ticks_us()
    boot.update(config)
    if virtual:
        uptime_us = _frozen_us


def _real_us():
    """The node's uptime in us; in virtual mode it stands still until `wait_us`."""
    return utime.ticks_us() - _t0_us if isr_us is None else isr_us


uptime_us = _real_us  # begin() puts the frozen one in its place in virtual mode


def _frozen_us():
    global _reads
    _reads += 1
    if _reads > _GUARD:
        busy("the clock was read")
    return _now_us


def busy(what):
    """Raise what stops a loop in which no time passes."""
    global _reads
    _reads = 0
    raise RuntimeError(
        "busy wait: %s %d times without a sleep; in virtual time only a sleep lets time pass" % (what, _GUARD)
    )


def turn():
    """Virtual mode: count a turn of the loop in which no time passes."""
    global _reads
    _reads += 1
    if _reads > _GUARD:
        busy("the loop went round")


def loop_clock():
    """(ticks_ms, ticks_add, ticks_diff) for asyncio: the real clock, in virtual mode the frozen one, unwrapped."""
    return _frozen_loop_ms if virtual else utime.ticks_ms, utime.ticks_add, utime.ticks_diff


def _frozen_loop_ms():
    return _loop_ms


def call(op, body=b""):
    """One request; returns the reply's body."""
    struct.pack_into("<HBQ", _header, 0, len(body), op, uptime_us())
    _link.write(_header + body if body else _header)
    _link.readinto(_length)
    n = _length[0] | _length[1] << 8
    if not n:
        return b""
    try:
        return _link.read(n)
    except MemoryError:  # nothing was read yet: left there, it would be taken for the next reply
        import gc

        gc.collect()
        return _link.read(n)


def stop_here():
    """Block until the host has cut the power (after a reset was asked for)."""
    while True:
        _link.read(1)


def on_edge(pin, handler):
    """Call handler(level) at every edge of `pin`; None stops it."""
    global _edges_until_us, pump_us
    if handler is None:
        _handlers.pop(pin, None)
    else:
        _handlers[pin] = handler
    _edges_until_us = 0
    _edges.clear()
    pump_us = 0 if _handlers else _NEVER


def pump():
    """Run the handlers of all edges that are due; us until the next edge or look-ahead, or -1 when no pin listens."""
    global isr_us, pump_us, _now_us
    if not _handlers or isr_us is not None:
        return -1
    now = uptime_us()
    while True:
        while _edges and _edges[0][0] <= now:
            at, pin, level = _edges.pop(0)
            handler = _handlers.get(pin)
            if handler:
                # The handler must see the instant of its edge, not the instant of this loop.
                isr_us = at
                if virtual:
                    _now_us = at
                try:
                    handler(level)
                finally:
                    isr_us = None
                    if virtual:
                        _now_us = now
        if now < _edges_until_us:
            break
        _look_ahead(now)
    pump_us = _edges[0][0] if _edges else _edges_until_us
    return pump_us - now


def _look_ahead(now):
    """Ask for the edges of the coming window, so that quiet pins cost no round trips."""
    global _edges_until_us
    reply = call(EDGES, bytes(sorted(_handlers)))
    _edges_until_us = struct.unpack_from("<Q", reply)[0]
    for k in range(8, len(reply), 10):
        at, pin, level = struct.unpack_from("<QBB", reply, k)
        _edges.append((at, pin, level))


def sleep_us(duration_us):
    """Blocking sleep in either clock; edges are handled on the way."""
    end = uptime_us() + duration_us
    while True:
        due = pump()
        left = end - uptime_us()
        if left <= 0:
            return
        step = left if due < 0 or due > left else due
        if virtual:
            wait_us(step, False)
        else:
            utime.sleep_us(step)


def wait_us(duration_us, wake=True):
    """Virtual mode: let time pass by at most duration_us (-1 = until something happens); True if a socket changed.

    `wake` False keeps sleeping through socket traffic, as a blocking sleep does.
    """
    return wait_until(_now_us + duration_us if duration_us >= 0 else _NEVER, wake)


def wait_until(target, wake=True):
    """As wait_us, up to an uptime in us."""
    global _now_us, _loop_ms, _reads
    _reads = 0
    if target <= _grant_us and target < dog_us:
        _now_us = target
        _loop_ms = _LOOP_BASE_MS + target // 1000
        return False
    while _now_us < target:
        if _ask(target, wake) and wake:
            return True
    return False


def _ask(target, wake):
    """Wait by way of the host, which tells of sockets too; True if one changed."""
    global _now_us, _loop_ms, _grant_us, events
    struct.pack_into("<HBQ", _header, 0, 17, WAIT, _now_us)
    _link.write(_header + struct.pack("<QBQ", target, wake, dog_us))
    _link.readinto(_waited)
    size, _now_us, _grant_us = struct.unpack("<HQQ", _waited)
    _loop_ms = _LOOP_BASE_MS + _now_us // 1000
    if size == 16:
        return False
    reply = _link.read(size - 16)
    at = 0
    while at < len(reply):
        sid, kind, size = struct.unpack_from("<HBH", reply, at)
        at += 5
        sock = _sockets.get(sid)
        if sock:
            sock.event(kind, reply[at : at + size])
        at += size
    events += 1
    return True


def acted():
    """Virtual mode: this node did something others may answer, so the look-ahead ends."""
    global _grant_us
    _grant_us = 0
