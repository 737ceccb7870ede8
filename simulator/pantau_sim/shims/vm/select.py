# `select` for a node in the VM: the only place where virtual time passes, and where pin edges are delivered.
import _simbus
from uselect import POLLERR, POLLHUP, POLLIN, POLLOUT
from uselect import poll as _poll

_IOCTL_POLL = 3


class _RealPoll:
    """The VM's own poll, woken for pin edges too."""

    def __init__(self):
        self._poll = _poll()
        self.register = self._poll.register
        self.modify = self._poll.modify
        self.unregister = self._poll.unregister

    def poll(self, timeout=-1):
        due = _simbus.pump()
        if due >= 0:
            due = (due + 999) // 1000
            timeout = due if timeout < 0 else min(timeout, due)
        return self._poll.poll(timeout)

    def ipoll(self, timeout=-1, flags=0):
        return iter(self.poll(timeout))


class _VirtualPoll:
    """Readiness from the host's model network; waiting is what moves the clock."""

    def __init__(self):
        self._streams = []  # [stream, mask]; a dict would iterate by address, differently on each run

    def register(self, stream, mask=POLLIN | POLLOUT):
        for entry in self._streams:
            if entry[0] is stream:
                entry[1] = mask
                return
        self._streams.append([stream, mask])

    modify = register

    def unregister(self, stream):
        self._streams = [entry for entry in self._streams if entry[0] is not stream]

    def _ready(self):
        out = []
        for stream, mask in self._streams:
            got = stream.ioctl(_IOCTL_POLL, mask) & (mask | POLLERR | POLLHUP)
            if got:
                out.append((stream, got))
        return out

    def poll(self, timeout=-1):
        end = None if timeout < 0 else _simbus.uptime_us() // 1000 * 1000 + timeout * 1000
        while True:
            due = _simbus.pump()
            ready = self._ready()
            now = _simbus.uptime_us()
            if ready or (end is not None and now >= end):
                return ready
            left = -1 if end is None else end - now
            hints = [due] + [stream.ready_in_us() for stream, _mask in self._streams if hasattr(stream, "ready_in_us")]
            for hint in hints:
                if hint >= 0 and (left < 0 or hint < left):
                    left = hint
            _simbus.wait_us(left)

    def ipoll(self, timeout=-1, flags=0):
        return iter(self.poll(timeout))


poll = _VirtualPoll if _simbus.virtual else _RealPoll
