"""An input whose closures and openings are both stamped. Only a node with such a sensor loads it."""

import time

from micropython import const

_STAMPS = const(128)  # edges kept between two reads; more are counted without their time


class EdgeInput:
    """Both edges of a pin with pull-up: take() their (ticks_ms, closed). machine: the module of that name.

    On the ESP32 the handler is not the interrupt: the port schedules it, so that stamp and level are those of the moment
    when the VM comes to it, usually some 50 us later, milliseconds while flash is written or garbage is collected. Two edges
    to the same side are then one that was missed, and the reader drops the second.
    """

    def __init__(self, machine, number):
        self._edges = []
        self.overflow = 0
        pin = machine.Pin
        self._pin = pin(number, pin.IN, pin.PULL_UP)
        self._pin.irq(handler=self._edge, trigger=pin.IRQ_FALLING | pin.IRQ_RISING)

    def _edge(self, pin):
        if len(self._edges) < _STAMPS:
            self._edges.append((time.ticks_ms(), not pin.value()))
        else:
            self.overflow += 1

    def take(self):
        """Return the edges since the last call, oldest first."""
        edges, self._edges = self._edges, []
        return edges
