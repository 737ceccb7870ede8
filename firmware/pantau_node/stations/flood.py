"""Flood station: distance to the water, rain, air for the speed of sound.

The distance stays raw: the host corrects it with the air temperature of the same record (331.3 m/s * sqrt(1 + T/273.15)).
"""

from pantau_wire import _flood as P
from pantau_wire import _tables as T

from . import Station as _Station


class Station(_Station):
    COLLECT_MS = 10000  # the board keeps 64 closures: 4 tips with their bounce come in the strongest rain
    PROPERTIES = (
        P.WATER_DISTANCE,
        P.RAIN_TIPS,
        T.AIR_TEMPERATURE,
        T.RELATIVE_HUMIDITY,
        P.WATER_DISTANCE_SPREAD,
        P.WATER_DISTANCE_N,
    )
