"""The node's own flood alarm: it must work with the uplink dead, so it leans on nothing but the last few readings.

NORMAL becomes EVENT (sampling every alarm.sample_s) with one reading above the threshold or with a fast rise; EVENT becomes
ALARM when three of four readings are above, or the float switch is closed. Nine in ten odd readings of street sensors are
cars, spiders and litter (FloodNet): one reading never sounds the siren. Both end when the water has been below the
threshold by the hysteresis for alarm.hold_s. A sensor that says nothing begins nothing, and ends nothing for 36 times that.
"""

from micropython import const

_NORMAL = const(0)
_EVENT = const(1)
_ALARM = const(2)

# Places in Config.alarm, the rest in stations/flood.py; private, so that they take no RAM
_RISE_MM_MIN = const(2)
_HYSTERESIS_MM = const(3)
_HOLD_S = const(4)
_CONTACT = const(6)

_KEPT = const(6)  # heights for the rise: the median of the later three against that of the earlier three
_APART_S = const(30)  # between two of them, however fast an event is sampled
_GAP_S = const(300)  # an older height says nothing of how fast the water rises now
_LEAST_MM = const(20)  # a lesser difference is noise and waves
_TELL_S = const(60)  # in an event a frame goes out at once that often
_PATIENCE = const(36)  # a sensor under water is silent


class Watch:
    """settings: Config.alarm. state: 0 normal, 1 event, 2 alarm; urgent: the record just judged must be sent at once.

    batterynode.py keeps all but these two over a sleep.
    """

    def __init__(self, settings):
        self.settings = settings
        self.wet = 0
        self.urgent = False
        self.reset()

    def reset(self):
        """Forget what was seen."""
        self.state = _NORMAL
        self.rising = 0
        self.over = 0  # bits of the last four readings, the newest lowest
        self.last_s = 0  # when the reason for the state was last seen
        self.source = 0  # 0: no height was ever measured
        self.heights = []  # instant, height, instant, height...

    def judge(self, instant_s, source, height, threshold, wet):
        """Take the readings of an instant of uptime.

        source: property id behind the height; height: of the water in mm upward, or None; threshold: what it may reach, or
        None; wet: 1 while the float switch is closed.
        """
        settings = self.settings
        was = self.state
        rising = 0
        if height is not None:
            if source != self.source:
                self.source, self.heights = source, []
            rising = self._rise(instant_s, height)
            over = threshold is not None and height >= threshold
            self.over = (self.over << 1 | over) & 15
            if over or (was and threshold is not None and height > threshold - settings[_HYSTERESIS_MM]):
                self.last_s = instant_s
        soaked = wet and settings[_CONTACT]
        if rising or soaked:
            self.last_s = instant_s
        if soaked or (height is not None and self.over in (7, 11, 13, 14, 15)):
            self.state = _ALARM
        elif not was and (self.over & 1 or rising):
            self.state = _EVENT
        elif was and instant_s - self.last_s >= settings[_HOLD_S] * (
            _PATIENCE if height is None and self.source and self.over else 1
        ):
            self.state, self.over = _NORMAL, 0
        self.urgent = self.state != was or rising > self.rising or wet != self.wet
        self.urgent = self.urgent or (self.state != _NORMAL and instant_s % _TELL_S == 0)
        self.rising, self.wet = rising, wet

    def _rise(self, instant_s, height):
        """Return 1 when the water rises faster than alarm.rise_mm_min."""
        kept = self.heights
        if kept and 0 <= instant_s - kept[-2] < _APART_S:
            return self.rising
        if kept and instant_s - kept[-2] > _GAP_S:
            kept = []
        self.heights = kept = kept[2 - 2 * _KEPT :] + [instant_s, height]
        if len(kept) < 2 * _KEPT or not self.settings[_RISE_MM_MIN]:
            return 0
        rise = sorted(kept[7::2])[1] - sorted(kept[1:6:2])[1]
        return int(rise >= _LEAST_MM and rise * 60 >= self.settings[_RISE_MM_MIN] * (kept[8] - kept[2]))
