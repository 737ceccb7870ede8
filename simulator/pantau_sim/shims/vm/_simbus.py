# The VM's end of the bus: strict request and reply over one socket, and the node's only clock.
# Request: u16 body length, u8 operation, u64 uptime_us, body.  Reply: u16 length, body (little endian).
# Every request carries the node's uptime, so that emulators live on the node's time and never on the host's.
import struct

import utime

LOOP_BASE_MS = (
    1 << 45
)  # virtual mode: far ahead of the real clock, which the built-in task queue still reads (facts/firmware.md 4.8)
_TICKS_GUARD = 200000  # clock reads without any wait: a busy loop would never end while time stands still

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
_grant_us = 0  # virtual mode: the uptime up to which this node may go on without asking
_reads = 0
_header = bytearray(11)
_length = bytearray(2)
_edges = []  # [uptime_us, pin, level] to come, in order
_edges_until_us = 0
_handlers = {}  # pin -> (callback with the level)
_sockets = {}  # virtual mode: id -> socket


def begin(link, config):
    """Take over the link; uptime 0 is now."""
    global _link, _t0_us, virtual
    _link = link
    virtual = config["virtual"]
    _t0_us = utime.ticks_us()
    boot.update(config)


def uptime_us():
    """The node's uptime in us; stands still in virtual mode until `wait_us`."""
    global _reads
    if isr_us is not None:
        return isr_us
    if not virtual:
        return utime.ticks_us() - _t0_us
    _reads += 1
    if _reads > _TICKS_GUARD:
        _reads = 0
        raise RuntimeError(
            "busy wait: the clock was read 200000 times without a sleep; in virtual time only a sleep lets time pass"
        )
    return _now_us


def loop_clock():
    """(ticks_ms, ticks_add, ticks_diff) for asyncio: unwrapped, and the real clock in real mode."""
    if not virtual:
        return utime.ticks_ms, utime.ticks_add, utime.ticks_diff
    return lambda: LOOP_BASE_MS + uptime_us() // 1000, lambda a, b: a + b, lambda a, b: a - b


def call(op, body=b""):
    """One request; returns the reply's body."""
    struct.pack_into("<HBQ", _header, 0, len(body), op, uptime_us())
    _link.write(_header + body if body else _header)
    _link.readinto(_length)
    n = _length[0] | _length[1] << 8
    return _link.read(n) if n else b""


def stop_here():
    """Block until the host has cut the power (after a reset was asked for)."""
    while True:
        _link.read(1)


def on_edge(pin, handler):
    """Call handler(level) at every edge of `pin`; None stops it."""
    global _edges_until_us
    if handler is None:
        _handlers.pop(pin, None)
    else:
        _handlers[pin] = handler
    _edges_until_us = 0
    _edges.clear()


def pump():
    """Run the handlers of all edges that are due; us until the next edge or look-ahead, or -1 when no pin listens."""
    global isr_us, _edges_until_us
    if not _handlers or isr_us is not None:
        return -1
    now = uptime_us()
    while True:
        while _edges and _edges[0][0] <= now:
            at, pin, level = _edges.pop(0)
            handler = _handlers.get(pin)
            if handler:
                isr_us = at  # the handler must see the instant of its edge, not the instant of this loop
                try:
                    handler(level)
                finally:
                    isr_us = None
        if now < _edges_until_us:
            break
        _look_ahead(now)
    return (_edges[0][0] if _edges else _edges_until_us) - now


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
    global _now_us, _grant_us, _reads
    _reads = 0
    target = _now_us + duration_us if duration_us >= 0 else 0xFFFFFFFFFFFFFFFF
    if target <= _grant_us:
        _now_us = target
        return False
    changed = False
    while _now_us < target:
        reply = call(WAIT, struct.pack("<QB", target, wake))
        _now_us, _grant_us = struct.unpack_from("<QQ", reply)
        at = 16
        while at < len(reply):
            sid, kind, size = struct.unpack_from("<HBH", reply, at)
            at += 5
            sock = _sockets.get(sid)
            if sock:
                sock.event(kind, reply[at : at + size])
            at += size
            changed = True
        if changed and wake:
            break
    return changed


def acted():
    """Virtual mode: this node did something others may answer, so the look-ahead ends."""
    global _grant_us
    _grant_us = 0
