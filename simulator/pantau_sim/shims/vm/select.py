# `select` for a node in the VM: the only place where virtual time passes, and where pin edges are delivered.
import _simbus
from micropython import const
from uselect import POLLERR, POLLHUP, POLLIN, POLLOUT
from uselect import poll as _poll

_IOCTL_POLL = const(3)
_NEVER = const(0x3FFFFFFFFFFFFFFF)  # as in _simbus


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
    """Readiness from the host's model network; waiting is what moves the clock.

    The loop asks between any two steps of its tasks and once more for each wait, so what has not changed is not looked at again.
    """

    def __init__(self):
        self._streams = []  # [stream, mask]; a dict would iterate by address, differently on each run
        self._hints = []  # ready_in_us of those that must be asked: an UART's bytes arrive unseen
        self._quiet = -1  # _simbus.events when nothing was ready

    def register(self, stream, mask=POLLIN | POLLOUT):
        self._quiet = -1
        for entry in self._streams:
            if entry[0] is stream:
                entry[1] = mask
                return
        self._streams.append([stream, mask])
        self._look()

    modify = register

    def unregister(self, stream):
        self._streams = [entry for entry in self._streams if entry[0] is not stream]
        self._look()

    def _look(self):
        self._hints = [stream.ready_in_us for stream, _mask in self._streams if hasattr(stream, "ready_in_us")]

    def _ready(self):
        out = []
        for stream, mask in self._streams:
            got = stream.ioctl(_IOCTL_POLL, mask) & (mask | POLLERR | POLLHUP)
            if got:
                out.append((stream, got))
        if not out and not self._hints:
            self._quiet = _simbus.events
        return out

    def poll(self, timeout=-1):
        bus = _simbus
        if timeout == 0:
            bus.turn()
            return () if self._quiet == bus.events else self._ready()
        end = (bus.uptime_us() // 1000 + timeout) * 1000 if timeout > 0 else _NEVER
        while True:
            now = bus.uptime_us()
            if bus.pump_us <= now:
                bus.pump()
            if self._quiet != bus.events:
                ready = self._ready()
                if ready:
                    return ready
            if now >= end:
                return ()
            until = min(end, bus.pump_us)
            for hint in self._hints:
                until = min(until, now + hint())
            bus.wait_until(until)

    def ipoll(self, timeout=-1, flags=0):
        return self.poll(timeout)


poll = _VirtualPoll if _simbus.virtual else _RealPoll
