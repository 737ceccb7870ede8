"""Two loop relays, light beams or tubes across one road, a known distance apart (facts/sensors.md 1.2 b, 1.5).

Each input is an Emulator of its own, `side` 0 or 1; two of the same truth and seed show the same vehicles. A vehicle's front
meets the first of the two at its instant. Loop and beam are closed while it is over them, a tube for 15 ms at each axle.
"""

from .base import Prng, PulseEmulator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .base import Pass, Traffic

_LONGEST_S = 30.0  # between the two inputs
_TUBE_US = 15000
_BOUNCE_US = 2000
_KEPT_US = 10000000  # of edges, for level()
_STUCK_US = 600000000


def axles_m(length_m: float) -> "tuple[float, ...]":
    """Distance of each axle from the first: motorcycle, car, truck with two axles behind."""
    if length_m < 3:
        return (0.0, 0.65 * length_m)
    if length_m < 6:
        return (0.0, 0.58 * length_m)
    return (0.0, 0.5 * length_m, 0.5 * length_m + 1.3)


class Emulator(PulseEmulator):
    """Truth: `passes`. ab: an approaching vehicle meets side 0 first."""

    MODEL = "dual_pulse"
    # The side does not see a vehicle; its contact bounces; it stays closed for ten minutes; its wire is cut for good.
    FAULTS = ("missed", "bounce", "stuck", "dead")

    def __init__(
        self,
        truth: "Traffic",
        seed: int = 0,
        *,
        side: int = 0,
        kind: str = "loop",
        distance_m: float = 3.66,
        loop_m: float = 2.0,
        ab: bool = True,
    ):
        self._truth = truth
        self._rng = Prng(seed, 0xD0A1, side)
        self._second_if = (side == 0) != ab  # approaching vehicles reach this side second
        self._tube = kind == "tube"
        self._distance_m = distance_m
        self._zone_m = loop_m if kind == "loop" else 0.0
        self._at_us: int | None = None
        self._until_us = 0  # closed until then
        self._closed = False
        self._dead = False
        self._unseen: Pass | None = None  # the vehicle that is being missed
        self._events: list[tuple[int, int]] = []

    def edges(self, t0_us: int, t1_us: int) -> "list[tuple[int, int]]":
        """Both edges of each closure; what overlaps is one."""
        if self._at_us is None:
            self._at_us = t0_us
        self._run(t1_us)
        return [event for event in self._events if t0_us < event[0] <= t1_us]

    def level(self, t_us: int) -> int:
        """0 while closed."""
        if self._at_us is None:
            self._at_us = t_us - _KEPT_US
        self._run(t_us)
        level = 1
        for at, now in self._events:
            if at <= t_us:
                level = now
        return level

    def _run(self, t_us: int) -> None:
        """Make the edges up to t_us."""
        from_us = self._at_us or 0
        if t_us <= from_us:
            return
        self._at_us = t_us
        gone = [event for event in self._events if event[0] <= from_us - _KEPT_US]
        self._events = gone[-1:] + self._events[len(gone) :]
        for start, end in self._closures(from_us, t_us):
            if self._closed and start <= self._until_us:
                self._until_us = max(self._until_us, end)
                continue
            self._open()
            self._closed = True
            self._until_us = end
            self._edge(start, 0)
        if self._until_us <= t_us:
            self._open()

    def _open(self) -> None:
        if self._closed:
            self._edge(self._until_us, 1)
            self._closed = False

    def _edge(self, at: int, level: int) -> None:
        self._events.append((at, level))
        if self.hit("bounce"):
            self._events.append((at + _BOUNCE_US, 1 - level))
            self._events.append((at + 2 * _BOUNCE_US, level))

    def _closures(self, t0_us: int, t1_us: int) -> "list[tuple[int, int]]":
        """(start, end) of the closures that begin in (t0_us, t1_us], in order."""
        found = []
        for vehicle in self._truth.passes(t0_us / 1e6 - _LONGEST_S, t1_us / 1e6):
            spans = [span for span in self._spans(vehicle) if t0_us < span[0] <= t1_us]
            if not spans or self._dead or vehicle == self._unseen:
                continue
            if self.hit("dead"):
                self._dead = True
            elif self.hit("missed"):
                self._unseen = vehicle
            else:
                if self.hit("stuck"):
                    spans[-1] = (spans[-1][0], spans[-1][0] + _STUCK_US)
                found += spans
        found.sort()
        return found

    def _spans(self, vehicle: "Pass") -> "list[tuple[int, int]]":
        at_s, approaching, speed_kmh, _side, length_m = vehicle
        speed = max(speed_kmh, 1.0) / 3.6
        if approaching == self._second_if:
            at_s += self._distance_m / speed
        if not self._tube:
            return [_ms(at_s, at_s + (length_m + self._zone_m) / speed)]
        hits = [at_s + axle / speed for axle in axles_m(length_m)]
        return [_ms(hit, hit + _TUBE_US / 1e6) for hit in hits]


def _ms(start_s: float, end_s: float) -> "tuple[int, int]":
    """In us, on whole milliseconds."""
    return int(start_s * 1000 + 0.5) * 1000, int(end_s * 1000 + 0.5) * 1000
