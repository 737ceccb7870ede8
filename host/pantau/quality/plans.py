"""Which tests each property of a station gets, worked out once per station."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

from pantau.quality import filters as depth_filters
from pantau.quality.filters import Filters
from pantau.quality.flags import ORDER
from pantau.quality.limits import BY_PROPERTY, Limits
from pantau.quality.series import Slots
from pantau.quality.site import AirSite, FloodSite, PmProfile, RainSite, RoadSite, merged

_DISTANCE_BEYOND_GROUND_M = 0.15
_INF = float("inf")
_SIAGA = ("siaga_1", "siaga_2", "siaga_3", "siaga_4")
_COUNTS = tuple(f"vehicle_count{name}" for name in ("", "_approaching", "_receding", "_motorcycle", "_light", "_heavy"))
# Tests that look at other properties, sensors or stations; the domain modules set their flags.
_CROSS = {
    "water_level": ("contact", "no_rain"),
    "water_depth": ("contact",),
    "water_contact": ("contact",),
    "rain_tips": ("clogged", "double_tip", "intensity"),
    "rain_amount": ("clogged", "double_tip", "intensity"),
    "pm1": ("humid",),
    "pm2_5": ("humid", "pair"),
    "pm2_5_cf1": ("humid",),
    "pm4": ("humid",),
    "pm10": ("humid",),
    "vehicle_speed_mean": ("on_time",),
    "occupancy": ("on_time",),
    **dict.fromkeys((*_COUNTS, "pulse_count"), ("lane_flow", "idle")),
}

_NAMES = tuple(dict.fromkeys([*BY_PROPERTY, *_CROSS]))
_DEFAULTS = FloodSite(), RainSite(), RoadSite(), AirSite()


class Plan(NamedTuple):
    """The tests of one property: `names` in order, and the place of each in the flags of a reading (-1: not done)."""

    names: tuple[str, ...]
    limits: Limits
    range: int
    site_range: int
    floor: int
    neighbours: bool
    slots: Slots
    filters: Filters | None
    cross: dict[str, int]


class Site(NamedTuple):
    """A station as quality control sees it."""

    id: str | None
    station: Any
    flood: FloodSite
    rain: RainSite
    road: RoadSite
    air: AirSite
    filters: Filters
    plans: dict[str, Plan]


def compile_site(station: Any) -> Site:
    """Return the plans of a station of the registry; None is a place that nobody knows."""
    flood = _with_thresholds(getattr(station, "flood", None) or _DEFAULTS[0], station)
    rain = getattr(station, "rain", None) or _DEFAULTS[1]
    road = getattr(station, "road", None) or _DEFAULTS[2]
    air = getattr(station, "air", None) or _DEFAULTS[3]
    if (wanted := getattr(station, "pm_profile", None)) is not None:
        air = air.model_copy(update={"profile": _profile(air, wanted)})
    height = station.level_m(0.0) if hasattr(station, "level_m") else None  # the level at the sensor's face
    slope = getattr(station, "level_slope", 1.0) or 1.0
    mount = flood.mount_level if flood.mount_level is not None else height
    filters = Filters(flood.filters, flood.dry_level, mount)
    table = {**flood.limits, **rain.limits, **road.limits, **air.limits}
    plans = {}
    for name in _NAMES:
        limits = merged(_of_station(name, flood, height, slope), table.get(name))
        level = name == "water_level" or (name == "water_depth" and height is None)
        if name == "water_distance" and height is not None:  # its neighbours are judged as a level
            limits = limits._replace(rate=None, spike=None)
        if name == "water_depth" and flood.transducer_level is None:
            level = False
        plan = _plan(limits, filters if level else None, _CROSS.get(name, ()))
        if plan.names:
            plans[name] = plan
    return Site(getattr(station, "id", None), station, flood, rain, road, air, filters, plans)


def _with_thresholds(flood: FloodSite, station: Any) -> FloodSite:
    """Return the table with the siaga levels that the registry's thresholds of now give, where it has none itself."""
    found: dict[str, float] = {}
    for threshold in getattr(station, "thresholds", ()):
        if threshold.property == "water_level" and threshold.name in _SIAGA and getattr(flood, threshold.name) is None:
            found[threshold.name] = threshold.value
            if threshold.hysteresis:
                found["siaga_hysteresis"] = threshold.hysteresis
    return flood.model_copy(update=found) if found else flood


def _profile(air: AirSite, name: str) -> PmProfile | None:
    """Return the profile that a calibration names; one that nobody has described corrects nothing."""
    known = [*air.profiles, *([air.profile] if air.profile else []), PmProfile()]
    return next((profile for profile in known if profile.name == name), None)


def _of_station(name: str, flood: FloodSite, height: float | None, slope: float) -> Limits:
    """Return the default limits with what follows from the station's levels."""
    limits = BY_PROPERTY.get(name, Limits())
    if name == "water_level" and flood.bank_level is not None:
        return limits._replace(suspect=(-_INF, flood.bank_level))
    if name == "water_distance" and flood.dry_level is not None and height is not None:
        return limits._replace(suspect=(0, (height - flood.dry_level) / slope + _DISTANCE_BEYOND_GROUND_M))
    return limits


@lru_cache(maxsize=4096)  # most stations of a city share most plans
def _plan(limits: Limits, filters: Filters | None, cross: tuple[str, ...]) -> Plan:
    done = {"range": limits.fail is not None, "site_range": limits.suspect is not None}
    done |= {"rate": limits.rate is not None, "spike": limits.spike is not None, "flat": limits.flat_s is not None}
    wanted = {name for name, on in done.items() if on} | set(cross)
    looking: tuple[str, ...] = ()
    if filters is not None:
        looking = depth_filters.names(filters.table, filters.dry is not None)
        wanted |= set(looking) | ({"floor"} if filters.table.floor else set())
    names = tuple(name for name in ORDER if name in wanted)
    at = {name: place for place, name in enumerate(names)}
    slots = Slots(*(at.get(name, -1) for name in Slots._fields))
    return Plan(
        names,
        limits,
        at.get("range", -1),
        at.get("site_range", -1),
        at.get("floor", -1),
        limits.has_neighbours or bool(looking),
        slots,
        filters,
        {name: at[name] for name in cross},
    )
