"""A siren or lamp on a relay: it follows the node's own flood alarm, and the orders to test, hold and mute it.

It needs nothing but this node: with the uplink dead it sounds all the same. Only a node with alarm.siren loads it.
"""

import asyncio

from micropython import const

from . import log

_ALARM = const(2)  # Watch.state


class Siren:
    """pin: machine.Pin, an output; level: that sounds it; watch: state; node: maintenance; clock: uptime_ms().

    An order to hold or test sounds it whatever the water says, muted or not, under maintenance or not: somebody wants to
    hear it. sounding: whether it does.
    """

    def __init__(self, pin, level, watch, node, clock):
        self._pin = pin
        self._level = level
        self._watch = watch
        self._node = node
        self._clock = clock
        self._held_ms = 0
        self._muted_ms = 0
        self.sounding = False
        pin.value(1 - level)

    def hold(self, seconds):
        """Sound for so long from now; 0 ends it."""
        self._held_ms = self._clock.uptime_ms() + seconds * 1000
        self.drive()

    def mute(self, seconds):
        """Let no alarm sound for so long from now; 0 ends it."""
        self._muted_ms = self._clock.uptime_ms() + seconds * 1000
        self._held_ms = 0
        self.drive()

    def state(self):
        """Return 0 silent, 1 sounding, 2 muted."""
        return 1 if self.sounding else 2 * (self._clock.uptime_ms() < self._muted_ms)

    def drive(self):
        """Set the output to what it should be now."""
        now = self._clock.uptime_ms()
        alarm = self._watch.state == _ALARM and now >= self._muted_ms and self._node.maintenance is None
        sound = alarm or now < self._held_ms
        if sound != self.sounding:
            self.sounding = sound
            log("warn", "siren", "on" if sound else "off")
        self._pin.value(self._level if sound else 1 - self._level)

    async def run(self):
        """Drive it every second, for ever."""
        while True:
            self.drive()
            await asyncio.sleep(1)
