"""The core of a node that sleeps: one boot goes on over its wakes. Only a battery profile loads it."""

from micropython import const

from .node import Node

_MINE = const(10)  # numbers of the node itself in its state


class BatteryNode(Node):
    """resume: what state() returned before a deep sleep in this boot, whose open batch then goes on; None for a new boot.

    watch: the station's Watch or None; it goes on as well.
    """

    def __init__(self, resume, watch, *given):
        self._state = resume
        self._watch = watch
        kept = resume[_MINE:] if resume is not None else ()
        if watch is not None and len(kept) >= 6:
            watch.state, watch.wet, watch.rising, watch.over, watch.last_s, watch.source = kept[:6]
            watch.heights = list(kept[6:])
        super().__init__(*given)

    def state(self):
        """Return what a wake from deep sleep needs to go on in this boot: a tuple of integers."""
        watch = self._watch
        seen = ()
        if watch is not None:
            seen = (watch.state, watch.wet, watch.rising, watch.over, watch.last_s, watch.source) + tuple(watch.heights)
        return (
            self._seq,
            self._next_s,
            self.produced,
            self.acked,
            self.wakes,
            self.reconnects,
            self.forged,
            self._health_at,
            self._health_due,
            self._sender.through(self.boot),
        ) + seen

    def _begin(self):
        state = self._state
        if state is None:
            super()._begin()
            return
        self._seq, self._next_s, self.produced, self.acked, wakes, self.reconnects, self.forged = state[:7]
        self._health_at, self._health_due = state[7:9]
        self._sender.on_ack(self.boot, state[9], 0, 0)
        self.wakes = wakes + 1
        self._news = self._now_news()
        if self.outbox.index.live:
            self._waits_since = self.clock.uptime_ms()
        batch = self.outbox.batch
        if batch is not None:
            quality, base_s = self.clock.base(self._next_s * 1000)
            late = base_s - batch.base_s - batch.count * batch.interval_s
            if batch.boot != self.boot or batch.clock != quality or abs(late) > 1:
                self.seal_open()  # the clock has drifted in the sleep: what follows has another time base
