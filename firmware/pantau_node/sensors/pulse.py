"""Pulse input of the road: loop relay, pneumatic tube or light beam; counts closures. Speed and length: dual_pulse.

The input sees closings alone: a contact that chatters when it opens counts twice, and belongs on a dual_pulse input.

Range: 0..65535 pulses a record
Power: dry contact
Source: FHWA Traffic Monitoring Guide 2022; McGowen 2011 (tubes)
"""

from pantau_wire import _traffic as P

from . import counting

BUS = "pulse"
PROPERTIES = (P.PULSE_COUNT,)
WARM_UP_MS = 0
PERIOD_MS = 0
COUNTS = True  # what comes while the chip sleeps is lost


class Driver(counting.Driver):
    """Closures since the last read."""

    _property = P.PULSE_COUNT
    _gap_ms = 30  # a relay bounces for 20 ms; a tandem of 1.3 m passes in 39 ms at 120 km/h
