"""Traffic station: vehicles by direction, speed and occupancy from the radar, closures of a loop or tube."""

from pantau_wire import _traffic as P

from . import Station as _Station


class Station(_Station):
    COLLECT_MS = 1500  # the radar fills its buffer in 5 s at worst
    PROPERTIES = (
        P.VEHICLE_COUNT_APPROACHING,
        P.VEHICLE_COUNT_RECEDING,
        P.VEHICLE_SPEED_MEAN,
        P.VEHICLE_SPEED_85,
        P.OCCUPANCY,
        P.PULSE_COUNT,
    )
