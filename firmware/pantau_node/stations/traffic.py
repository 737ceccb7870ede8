"""Traffic station: vehicles by direction, speed and occupancy from the radar, closures of a loop or tube."""

from pantau_wire import _tables as T

from . import Station as _Station


class Station(_Station):
    COLLECT_MS = 1500  # the radar fills its buffer in 5 s at worst
    PROPERTIES = (
        T.VEHICLE_COUNT_APPROACHING,
        T.VEHICLE_COUNT_RECEDING,
        T.VEHICLE_SPEED_MEAN,
        T.VEHICLE_SPEED_85,
        T.OCCUPANCY,
        T.PULSE_COUNT,
    )
