"""An input that counts closures. Only a node with such a sensor loads it."""

import time

from micropython import const

_STAMPS = const(96)  # closures kept between two reads; more are counted without their time


class PulseInput:
    """Falling edges on a pin with pull-up: count() since boot, take() their ticks_ms. machine: the module of that name.

    Pin interrupts stamp with some 50 us of jitter on the ESP32, milliseconds while flash is written: fine for tips and
    axles. count() goes on when the stamps are full.
    """

    def __init__(self, machine, number):
        self._count = 0
        self._stamps = []
        self.overflow = 0
        pin = machine.Pin
        self._pin = pin(number, pin.IN, pin.PULL_UP)
        self._pin.irq(handler=self._edge, trigger=pin.IRQ_FALLING)

    def _edge(self, _pin):
        self._count += 1
        if len(self._stamps) < _STAMPS:
            self._stamps.append(time.ticks_ms())
        else:
            self.overflow += 1

    def count(self):
        """Return the number of edges since boot."""
        return self._count

    def take(self):
        """Return the stamps since the last call, oldest first."""
        stamps, self._stamps = self._stamps, []
        return stamps
