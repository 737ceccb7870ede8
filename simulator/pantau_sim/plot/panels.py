"""The panels of a station: what its domain is about, where the platform holds readings of it."""

from __future__ import annotations

from itertools import pairwise
from statistics import median_low
from typing import TYPE_CHECKING, NamedTuple

from pantau_sim.plot.model import Judged, Panel

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pantau.registry.model import Station
    from pantau_sim.run.outcome import Outcome, Reading

_INSTANTS = 1500  # of the truth in a picture
_INTERVALS = 500
_HOUR_MS = 3_600_000
_LATE_REPORTS = 2  # intervals after which a reading is stale: what comes later had to wait

_Series = tuple[tuple[int, float], ...]


class _Quantity(NamedTuple):
    """How a panel comes about: `node` are properties that the node sent and whose values are added.

    `each` makes the sum of one record, and its length in hours, into the panel's unit. `mean`: truth is over an interval. `bin_s`: what
    comes drop by drop is added up over so long before it is a rate, for in an event a node makes a record each ten seconds.
    """

    what: str
    unit: str
    truth: str
    node: tuple[str, ...]
    judged: str
    each: Callable[[Station, float, float], float | None] = lambda _station, value, _hours: value
    mean: bool = False
    bin_s: int = 0


_LEVEL = _Quantity(
    "water_level", "m", "water_level", ("water_distance",), "water_level", lambda s, value, _h: s.level_m(value)
)
_PRESSURE = _LEVEL._replace(
    node=("water_depth",), each=lambda s, value, _h: value + ((s.flood and s.flood.transducer_level) or 0.0)
)
_RAIN = _Quantity(
    "rain",
    "mm/h",
    "rain_rate",
    ("rain_tips",),
    "rain_intensity_15min",
    lambda s, n, hours: n * (s.tip_mm or 0) / hours,
    bin_s=300,
)
_BOTH_WAYS = ("vehicle_count_approaching", "vehicle_count_receding")
_RADAR = _Quantity("flow", "veh/h", "vehicle_count", _BOTH_WAYS, "", lambda _s, n, hours: n / hours, mean=True)
_LOOP = _RADAR._replace(node=("vehicle_count",))
_PULSE = _RADAR._replace(node=("pulse_count",))
_SPEED = _Quantity("speed", "km/h", "vehicle_speed_mean", ("vehicle_speed_mean",), "vehicle_speed_mean", mean=True)
_PM = _Quantity("pm2_5", "µg/m³", "pm2_5", ("pm2_5",), "pm2_5")
_RH = _Quantity("humidity", "%", "relative_humidity", ("relative_humidity",), "relative_humidity")

# by domain, in order: of the alternatives in one place the first that was ever received
_SHOWN: dict[str, tuple[tuple[_Quantity, ...], ...]] = {
    "flood": ((_LEVEL, _PRESSURE), (_RAIN,)),
    "traffic": ((_RADAR, _LOOP, _PULSE), (_SPEED,)),
    "air": ((_PM,), (_RH,)),
}


def panels(outcome: Outcome, station: Station) -> tuple[Panel, ...]:
    """Return the panels of a station: always its first, for there is truth even where nothing came."""
    found = []
    for place, alternatives in enumerate(_SHOWN[station.domain]):
        made = next((p for q in alternatives if (p := _panel(outcome, station, q)).judged or p.node), None)
        if made is None and not place:
            made = _panel(outcome, station, alternatives[0])
        if made is not None:
            found.append(made)
    return tuple(found)


def _panel(outcome: Outcome, station: Station, quantity: _Quantity) -> Panel:
    late_ms = _LATE_REPORTS * 1000 * station.report_interval_s
    parts = [[_judged(r, late_ms) for r in outcome.series(station.id, name)] for name in quantity.node]
    node: list[tuple[int, float]] = []
    judged: list[Judged] = []
    before_ms = None
    sums = _sums(parts)
    step_ms = _step_ms(sums, outcome.plan.profile.interval_s * 1000)
    if quantity.bin_s:
        sums, step_ms = _binned(sums, quantity.bin_s * 1000), quantity.bin_s * 1000
    for reading in sums:
        at_ms, value = reading.at_ms, reading.value
        # A gap before a record is no part of it: nobody counted then.
        length_ms = step_ms if before_ms is None or quantity.bin_s else min(at_ms - before_ms, step_ms)
        before_ms = at_ms
        made = None if value is None else quantity.each(station, value, length_ms / _HOUR_MS)
        if made is not None:
            node.append((at_ms, made))
        judged.append(reading._replace(value=made))
    if quantity.judged and quantity.judged not in quantity.node:
        judged = [_judged(r, late_ms) for r in outcome.series(station.id, quantity.judged)]
    return Panel(
        quantity.what, quantity.unit, _truth(outcome, station, quantity), tuple(node), tuple(judged),
        _limits(station, quantity.what),
    )  # fmt: skip


def _judged(reading: Reading, late_ms: int) -> Judged:
    late = reading.received_ms - reading.observed_ms > late_ms
    return Judged(reading.observed_ms, reading.value, reading.quality, reading.reason, late)


def _sums(parts: Sequence[Sequence[Judged]]) -> list[Judged]:
    """Return readings of several properties added up by instant, the worst flag of them; None where one is missing."""
    sums: dict[int, Judged] = {}
    for index, part in enumerate(parts):
        for now in part:
            before = sums.get(now.at_ms)
            if index and before is not None:
                total = None if before.value is None or now.value is None else before.value + now.value
                worse = max(before, now, key=lambda judged: judged.quality)
                now = worse._replace(value=total)
            sums[now.at_ms] = now
    return [sums[at_ms] for at_ms in sorted(sums)]


def _step_ms(readings: Sequence[Judged], default_ms: int) -> int:
    """Return how far apart the records of a station are: it may have an interval of its own."""
    apart = [after.at_ms - before.at_ms for before, after in pairwise(readings)]
    return median_low(apart) if apart else default_ms


def _binned(readings: Sequence[Judged], bin_ms: int) -> list[Judged]:
    """Return the sums of bins that end at whole multiples of `bin_ms`, at their middles; an empty bin has none."""
    bins: dict[int, float] = {}
    for reading in readings:
        if reading.value is not None:
            end_ms = -(-reading.at_ms // bin_ms) * bin_ms
            bins[end_ms] = bins.get(end_ms, 0.0) + reading.value
    return [Judged(end_ms - bin_ms // 2, bins[end_ms], 0, "") for end_ms in sorted(bins)]


def _truth(outcome: Outcome, station: Station, quantity: _Quantity) -> _Series:
    start_ms, end_ms = outcome.plan.start_us // 1000, outcome.plan.end_us // 1000
    interval_ms = outcome.plan.profile.interval_s * 1000
    most = _INTERVALS if quantity.mean else _INSTANTS
    step_ms = max(interval_ms, -(-(end_ms - start_ms) // (most * interval_ms)) * interval_ms)
    out: list[tuple[int, float]] = []
    for at_ms in range(start_ms + step_ms * quantity.mean, end_ms + 1, step_ms):
        value: float | None
        try:
            if quantity.mean:
                value = outcome.world.interval(station.id, quantity.truth, (at_ms - step_ms) / 1000, at_ms / 1000)
            else:
                value = outcome.world.truth(station.id, quantity.truth, at_ms / 1000)
        except KeyError:
            return ()  # a world that knows nothing of it
        if value is not None and quantity.unit == "veh/h":
            value *= _HOUR_MS / step_ms
        if value is not None:
            out.append((at_ms, value))
    return tuple(out)


def _limits(station: Station, what: str) -> tuple[tuple[str, float], ...]:
    """Return the levels of a river's siaga states, by name."""
    if what != "water_level" or station.flood is None:
        return ()
    levels = (("waspada", station.flood.siaga_3), ("siaga", station.flood.siaga_2), ("awas", station.flood.siaga_1))
    return tuple((name, level) for name, level in levels if level is not None)
