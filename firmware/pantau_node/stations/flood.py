"""Flood station: distance to the water or depth of it, rain, air for the speed of sound, float switch; judges its own alarm."""

from micropython import const

from pantau_node.watch import Watch
from pantau_wire import _flood as P
from pantau_wire import _tables as T

from . import Station as _Station

_FLOAT_MS = const(5000)  # two looks at the float switch in a row are its debouncing
# Places in Config.alarm; see watch.py
_DISTANCE_MM = const(0)
_DEPTH_MM = const(1)
_SAMPLE_S = const(5)
_FAR_MM = const(1000000)  # a sensor without a threshold rules only where there is none with one
_ALARM = const(2)  # Watch.state


class Station(_Station):
    """settings: Config.alarm. alarm: the state of the watch is; urgent: the record just judged must be sent at once.

    pace_s(): how soon the next is wanted.
    """

    COLLECT_MS = 20000  # the board keeps 96 closures: 8 tips with their bounce come in the strongest rain
    PROPERTIES = (
        P.WATER_DISTANCE,
        P.RAIN_TIPS,
        T.AIR_TEMPERATURE,
        T.RELATIVE_HUMIDITY,
        P.WATER_DISTANCE_SPREAD,
        P.WATER_DISTANCE_N,
        P.WATER_DEPTH,
        P.TRANSDUCER_VOLTAGE,
        P.WATER_CONTACT,
        P.RAIN_FIRST_TIP_AGE,
        P.RAIN_LAST_TIP_AGE,
    )
    alarm = urgent = False
    _heavy = False
    _sound = 0
    _centi_c = 2800  # of the air, until it is known; the mean of a year here

    def __init__(self, drivers, settings):
        super().__init__(drivers)
        self.watch = Watch(settings)
        self._float = self._gauge = None
        for driver in drivers.values():
            if hasattr(driver, "wet"):
                self._float = driver
                self.COLLECT_MS = _FLOAT_MS
                self.LOOK_MS = 2 * _FLOAT_MS
            elif hasattr(driver, "heavy"):
                self._gauge = driver
            self._sound = self._sound or getattr(driver, "sound_mm_s", 0)
        if self._sound:
            self.PROPERTIES += (P.WATER_DISTANCE_CORRECTED,)

    def pace_s(self):
        """Return the interval that an event wants, s, or 0: the configured one."""
        watch = self.watch
        if watch.state or (self._float is not None and self._float.wet != watch.wet):
            return watch.settings[_SAMPLE_S]
        return 0

    def judge(self, instant_s, row):
        """Complete the record of an instant (uptime, s) and see whether it is an alarm."""
        distance = P.WATER_DISTANCE
        if self._sound:
            from .sound import correct

            distance = P.WATER_DISTANCE_CORRECTED
            self._centi_c = correct(row, self._sound, self._centi_c)
        settings = self.watch.settings
        best = source = height = threshold = None
        for ident, limit, sign in ((distance, settings[_DISTANCE_MM], -1), (P.WATER_DEPTH, settings[_DEPTH_MM], 1)):
            value, code = row.get(ident, (None, 0))
            if value is None:
                continue
            margin = sign * (value - limit) if limit else -_FAR_MM
            # Beyond the near end of its range a sensor still knows that the water is there; but a spider starts no event.
            known = code & 7 < 3 or (margin >= 0 and self.watch.state and code >> 3 == T.R_OUT_OF_RANGE)
            if known and (best is None or margin >= best):  # the one that is nearest to its threshold, or furthest over
                best, source, height, threshold = margin, ident, sign * value, sign * limit if limit else None
        heavy = self._gauge is not None and self._gauge.heavy
        wet = int(self._float is not None and self._float.wet)
        self.watch.judge(instant_s, source, height, threshold, wet)
        self.alarm = self.watch.state == _ALARM
        self.urgent = self.watch.urgent or (heavy and not self._heavy)
        self._heavy = heavy
