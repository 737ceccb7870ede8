"""Tipping bucket rain gauge: one closure of a reed contact per tip. The volume of a tip is site knowledge, kept by the host.

Range: 0..300 mm/h (2.4 s a tip of 0.2 mm)
Power: dry contact
Source: Stagnaro 2016; Segovia-Cardozo 2023 (tip spacing); reed contact sheets (bounce < 20 ms)
"""

from pantau_wire import _flood as P

from . import pulse

BUS = "pulse"
PROPERTIES = (P.RAIN_TIPS,)
WARM_UP_MS = 0
PERIOD_MS = 0
COUNTS = True  # what comes while the chip sleeps is lost


class Driver(pulse.Driver):
    """Tips since the last read."""

    _property = P.RAIN_TIPS
    _gap_ms = 100
    _suspect_ms = 500  # nearer tips than any rain makes: the bucket rocked, kept and flagged
