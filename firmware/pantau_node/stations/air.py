"""Air station: raw particle mass (atmospheric and CF=1 words) and counts, gases, air temperature, humidity and pressure.

Humidity correction of PM is the host's, versioned per station: it can be done again, the raw value cannot.
"""

from pantau_wire import _air as P
from pantau_wire import _tables as T

from . import Station as _Station


class Station(_Station):
    COLLECT_MS = 8000  # a PMS fills its buffer in 12 s at its fastest
    PROPERTIES = (
        T.AIR_TEMPERATURE,
        T.RELATIVE_HUMIDITY,
        P.PM1,
        P.PM2_5,
        P.PM10,
        P.PM2_5_CF1,
        P.PARTICLES_0_3,
        T.AIR_PRESSURE,
        P.PM2_5_SPREAD,
        P.PM_N,
        P.PM4,
        P.PARTICLES_0_5,
        P.TYPICAL_PARTICLE_SIZE,
        P.NO2,
        P.O3,
        P.SO2,
        P.CO,
        P.CO2,
        P.VOC_RAW,
        P.NOX_RAW,
    )
