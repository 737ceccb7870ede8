"""Traffic station: vehicles by direction, speed, class and occupancy from radar, loops, tubes or magnetometer."""

from micropython import const

from pantau_wire import _traffic as P

from . import Station as _Station

_CONGESTED = const(600)  # occupancy in 0.1 % above which each record is sent at once (facts/sensors.md 6.2)


class Station(_Station):
    COLLECT_MS = 2000  # the radar fills its buffer in 5 s at worst
    PROPERTIES = (
        P.VEHICLE_COUNT_APPROACHING,
        P.VEHICLE_COUNT_RECEDING,
        P.VEHICLE_SPEED_MEAN,
        P.VEHICLE_SPEED_85,
        P.OCCUPANCY,
        P.PULSE_COUNT,
    )
    PROPERTIES += tuple(range(P.VEHICLE_SPEED_BIN_1, P.VEHICLE_SPEED_BIN_1 + 8))
    PROPERTIES += (P.VEHICLE_COUNT_MOTORCYCLE, P.VEHICLE_COUNT_LIGHT, P.VEHICLE_COUNT_HEAVY, P.VEHICLE_COUNT)
    PROPERTIES += (P.RADAR_TARGET_COUNT,)
    urgent = False

    async def sample(self, deadline_ms):
        """As every station; urgent: whether this record says that the road is congested."""
        row = await super().sample(deadline_ms)
        value, code = row.get(P.OCCUPANCY, (0, 0))  # pyright: ignore[reportCallIssue, reportArgumentType]
        self.urgent = not code and value > _CONGESTED  # code 0: the reading is good, so there is one
        return row
