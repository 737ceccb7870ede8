"""Which frame goes out next, and when again: lanes, window, patience. I/O-free; the outbox holds the frames.

Lanes: alarms, then frames sealed while the link is up, then the backlog, oldest first and at a bounded, jittered rate. A frame
without its acknowledgement is sent again, each time more patiently; only Sender.on_ack lets it go.
"""

from micropython import const

from pantau_wire import frame
from pantau_wire.errors import WireError

from . import ALARM, ANY, LIVE

WINDOW = 8  # frames on their way: 8 KiB at the broker per node, and no more unconfirmed work than that
_RESERVED = const(2)  # of these only for alarms and live frames, so that a backlog never shuts them out
_ACK_MS = const(5000)  # a bridge that commits once a second answers well within this
_ACK_MAX_MS = const(300000)
_BACKLOG_MS = const(32)  # at most some twenty backlog frames a second and node, jittered by as much again
_BACKLOG_BITS = const(5)
_START_BITS = const(10)  # the backlog starts up to a second late: neighbours came back at the same moment
_VERIFY_AT = const(2)  # after so many vain tries the stored bytes themselves are suspected
_REACH = const(64)  # the acknowledgement's map ends so far above its watermark
_BOOTS = const(8)  # boots whose watermark is known
_VAIN = const(4)  # tries after each of which others were acknowledged: the bridge is taken not to want the frame
_PASSED_MS = const(300000)  # and so long until what it did not want gets another turn
_FAR = const(16)  # frames that were sent early and cannot be acknowledged yet


class Sender:
    """What is on its way. boot: this boot; outbox: see outbox.py; rand: rand(bits) -> int; identity: for the keys."""

    def __init__(self, boot, outbox, identity, rand):
        self._boot = boot
        self._outbox = outbox
        self._identity = identity
        self._rand = rand
        # At most WINDOW of [boot, seq, uptime ms when to send again, tries, how many of them were in vain, asked since the last ack]:
        # a try into silence says nothing of the frame, however long the silence was.
        self._flight = []
        self._through = {boot: 0}  # watermarks of the bridge, as far as it told them
        self._far = []  # (boot, seq): sent, but no acknowledgement can name them before the frames below are there
        self._backlog_at = 0
        self._passed = None  # the backlog goes on after this (boot, seq), which the bridge does not want, until its end

    def on_link(self, up, now):
        """The link came or went at uptime `now` ms: whatever was on its way is sent again."""
        self._flight = []
        self._far = []
        self._passed = None
        if up:
            self._backlog_at = now + self._rand(_START_BITS)
        else:
            self._outbox.index.demote()

    def on_ack(self, boot, through, bitmap, now):
        """Let go what the bridge holds; return how many frames. The others are tried soon: the bridge is alive."""
        removed = self._outbox.ack(boot, through, bitmap)
        self._through[boot] = max(self._through.get(boot, 0), through)
        if len(self._through) > _BOOTS:
            del self._through[min(self._through)]
        self._far = [name for name in self._far if self._beyond(*name)]
        soon = now + self._patience(0)
        for item in self._flight[:]:
            if self._outbox.index.place(item[0], item[1]) is None:
                self._flight.remove(item)
            elif not self._put_off(item):
                item[2] = min(item[2], soon)
                item[4] += item[5]
                item[5] = 0
        return removed

    def through(self, boot):
        """Return the watermark of a boot as the bridge told it, 0 before it did."""
        return self._through.get(boot, 0)

    def _beyond(self, boot, seq):
        return boot in self._through and seq > self._through[boot] + _REACH

    def _put_off(self, item):
        """Take a frame off its way that no acknowledgement can name yet: it must not keep out those that are missing."""
        if not self._beyond(item[0], item[1]):
            return False
        self._flight.remove(item)
        if len(self._far) < _FAR:
            self._far.append((item[0], item[1]))
        return True

    def due(self):
        """Return the uptime ms at which next() may have something again, or None."""
        due = None
        for item in self._flight:
            due = item[2] if due is None else min(due, item[2])
        if len(self._flight) < WINDOW - _RESERVED and self._outbox.index.live > len(self._flight):
            due = self._backlog_at if due is None else min(due, self._backlog_at)
        return due

    def next(self, now):
        """Return (boot, seq, bytes) of the frame to publish now, or None. Overdue ones first, then the lanes."""
        for item in self._flight[:]:
            if now >= item[2]:
                data = self._again(item, now)
                if data is not None:
                    return item[0], item[1], data
        name = self._pick(now)
        while name is not None:
            boot, seq = name
            data = self._read(boot, seq)
            if data is not None:
                self._outbox.index.sent(boot, seq)
                self._flight.append([boot, seq, now + self._patience(0), 0, 0, 1])
                return boot, seq, data
            self._outbox.discard(boot, seq)  # the flash does not give it back
            name = self._pick(now)
        return None

    def _again(self, item, now):
        """Return the bytes of a frame whose acknowledgement is overdue, or None if it is not to be sent now."""
        boot, seq, _, tries, vain, _ = item
        if self._put_off(item):
            return None
        if vain >= _VAIN:
            self._flight.remove(item)  # refused there, for a key that is gone, say: it must not keep out all others
            self._passed = max(self._passed or (0, 0), (boot, seq))
            return None
        data = self._read(boot, seq)
        if data is None or (tries == _VERIFY_AT and self._rotten(data)):
            self._flight.remove(item)
            self._outbox.discard(boot, seq)  # overwritten meanwhile, or damaged in flash: it would be sent for ever
            return None
        item[2] = now + self._patience(tries + 1)
        item[3] = tries + 1
        item[5] = 1
        return data

    def _read(self, boot, seq):
        """Read twice before a frame is given up: one error of the flash is not the end of it."""
        return self._outbox.read(boot, seq) or self._outbox.read(boot, seq)

    def _rotten(self, data):
        try:
            key = self._identity.keys.get(frame.header(data).key_id)
        except WireError:
            return True
        return key is not None and not frame.verify(data, self._identity.node, key)

    def _pick(self, now):
        index = self._outbox.index
        if len(self._flight) >= WINDOW:
            return None
        name = index.pick(ALARM, self._early) or index.pick(LIVE, self._busy)
        if name is None and len(self._flight) < WINDOW - _RESERVED and now >= self._backlog_at:
            name = index.pick(ANY, self._waits)
            self._backlog_at = now + _BACKLOG_MS + self._rand(_BACKLOG_BITS)
            beyond = name is not None and self._beyond(*name)
            if beyond:
                self._backlog_at = now + self._patience(0)  # until the gap below is filled: no hurry
            if self._passed is not None and (beyond or name is None):
                self._passed = None  # what was passed may be the gap
                self._backlog_at = now + _PASSED_MS
        return name

    def _early(self, boot, seq):
        """Return whether an alarm is on its way, or has to wait for its turn in the backlog."""
        return self._busy(boot, seq) or (len(self._far) >= _FAR and self._beyond(boot, seq))

    def _waits(self, boot, seq):
        return self._busy(boot, seq) or (self._passed is not None and (boot, seq) <= self._passed)

    def _busy(self, boot, seq):
        for item in self._flight:
            if item[1] == seq and item[0] == boot:
                return True
        return (boot, seq) in self._far

    def _patience(self, tries):
        """Return how long to wait for an acknowledgement: doubling, plus or minus a quarter."""
        wait = min(_ACK_MS << min(tries, 8), _ACK_MAX_MS)
        return wait - wait // 4 + (wait // 2 * self._rand(8) >> 8)
