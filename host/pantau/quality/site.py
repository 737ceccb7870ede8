"""Settings of a station for quality control: tables of registry.toml, all optional. Lengths are in metres."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from pantau.problems import Table
from pantau.quality.limits import BY_PROPERTY, Limits

Pair = Annotated[list[float], Field(min_length=2, max_length=2)]
Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]


_LIMITS_OF = {
    "range": ("fail",),
    "site_range": ("suspect",),
    "rate": ("rate", "rate_fail"),
    "spike": ("spike", "spike_fail"),
    "flat": ("flat_s", "flat_fail_s"),
}


class LimitsTable(Table):
    """Limits of one property that differ here. What is left out stays as by default; names in `off` are not tested."""

    fail: Pair | None = None
    suspect: Pair | None = None
    rate: Positive | None = None
    rate_fail: Positive | None = None
    spike: Positive | None = None
    spike_fail: Positive | None = None
    flat_s: Positive | None = None
    flat_fail_s: Positive | None = None
    flat_tolerance: Positive | None = None
    off: list[Literal["range", "site_range", "rate", "spike", "flat"]] = Field(default_factory=list)

    @model_validator(mode="after")
    def _ordered(self) -> LimitsTable:
        for name in ("fail", "suspect"):
            span = getattr(self, name)
            if span is not None and span[0] > span[1]:
                raise ValueError(f"{name} is [least, greatest]")
        return self


class SiteTable(Table):
    """What the tables of all domains have."""

    limits: dict[str, LimitsTable] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _known(self) -> SiteTable:
        unknown = sorted(self.limits.keys() - BY_PROPERTY.keys())
        if unknown:
            raise ValueError(f"limits.{unknown[0]}: no limits for that; there are: {', '.join(sorted(BY_PROPERTY))}")
        return self


class FilterTable(Table):
    """The depth filters, in their order; each can be switched off."""

    floor: bool = True
    floor_m: Annotated[float, Field(ge=0, le=1)] = 0.010
    gradient: bool = True
    gradient_m_s: Positive = 0.0042  # 10 inch a minute
    blip: bool = True
    blip_rise_m: Positive = 0.051  # 2 inch
    blip_return: Share = 0.1
    box: bool = True
    box_change: Share = 0.05
    box_jump_m: Positive = 0.051
    short: bool = True
    short_readings: Annotated[int, Field(ge=1, le=2)] = 2


class RainFed(Table):
    """All water of a station comes from rain on these gauges: not for a tide, a dam or a main that bursts.

    Without rain it may fall, and not rise above its normal range: what does is a car, a branch, somebody who sits down.
    """

    gauges: list[str] = Field(default_factory=list)  # stations; none named: its own, and those within rain.neighbour_km
    mm: Positive = 5  # less floods nothing
    within_s: Positive = 3600  # for so long after it the water may rise
    rise_m: Positive = 0.05  # above the normal range: noise, a roof that drips
    believed_s: Positive = 21_600  # what stays high for so long is believed all the same


class FloodSite(SiteTable):
    """Levels above the station's zero (its `datum`). `dry_level` is the ground under a street sensor; a river has none.

    `siaga_1` to `siaga_3` are the levels from which that state holds, 1 being the worst; `siaga_4` is the top of the normal
    range as published, for people. No two gates share a scale, so there are no defaults.
    """

    dry_level: float | None = None
    mount_level: float | None = None
    bank_level: float | None = None
    float_level: float | None = None
    float_tolerance: Positive = 0.05
    transducer_level: float | None = None
    siaga_4: float | None = None
    siaga_3: float | None = None
    siaga_2: float | None = None
    siaga_1: float | None = None
    siaga_hysteresis: Annotated[float, Field(ge=0)] = 0.05
    siaga_hold_s: Annotated[float, Field(ge=0)] = 600
    siaga_readings: Annotated[int, Field(ge=1, le=10)] = 2
    rain_fed: RainFed | None = None
    filters: FilterTable = FilterTable()

    @model_validator(mode="after")
    def _ascending(self) -> FloodSite:
        levels = [level for level in (self.siaga_4, self.siaga_3, self.siaga_2, self.siaga_1) if level is not None]
        if any(a >= b for a, b in pairwise(levels)):
            raise ValueError("siaga_4 < siaga_3 < siaga_2 < siaga_1: state 1 is the worst, so its level is the highest")
        if None not in (self.dry_level, self.mount_level) and self.dry_level >= self.mount_level:  # type: ignore[operator]
            raise ValueError("dry_level is below mount_level")
        return self


class RainSite(SiteTable):
    """The rain gauge of a station."""

    suspect_mm_min: Positive = 5
    fail_mm_min: Positive = 10
    neighbour_km: Positive = 3
    clog_h: Annotated[int, Field(ge=1, le=72)] = 72
    clog_mm: Positive = 20
    spread_s: Positive = 900  # a tip after a dry spell is spread over no more than this


class Mix(Table):
    """Shares of the vehicles where the sensor cannot tell their class, counted by hand once."""

    motorcycle: Share
    light: Share
    heavy: Share

    @model_validator(mode="after")
    def _whole(self) -> Mix:
        if abs(self.motorcycle + self.light + self.heavy - 1) > 0.01:
            raise ValueError("motorcycle, light and heavy sum to 1")
        return self


class RoadSite(SiteTable):
    """The road of a traffic station. Without `capacity_smp_h` there is no level of service, without a `road` no smp.

    `lanes` is how many lanes the sensor counts. On undivided roads the flow of both directions decides the equivalents.
    """

    road: Literal["2/2-TT", "4/2-T", "6/2-T"] | None = None
    lanes: Annotated[int, Field(ge=1, le=8)] = 1
    width_m: Positive | None = None
    capacity_smp_h: Positive | None = None
    direction: Literal["both", "approaching", "receding"] = "both"
    mix: Mix | None = None
    suspect_lane_min: Positive = 40
    fail_lane_min: Positive = 60
    idle_s: Positive = 7200
    day_h: Pair = Field(default_factory=lambda: [7.0, 19.0])
    utc_offset_h: Annotated[float, Field(ge=-12, le=14)] = 7.0


class PmProfile(Table):
    """A correction of PM2.5 by humidity, with a version: "epa-2021", or a local fit pm * `slope` + RH * `humidity` + `offset`."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9.-]{1,24}$")] = "epa-2021"
    version: Annotated[int, Field(ge=1)] = 1
    slope: float | None = None
    humidity: float | None = None
    offset: float | None = None

    @model_validator(mode="after")
    def _whole(self) -> PmProfile:
        own = (self.slope, self.humidity, self.offset)
        if (self.name == "epa-2021") != (own == (None, None, None)) or (self.name != "epa-2021" and None in own):
            raise ValueError("epa-2021 has its own figures; any other name needs slope, humidity and offset")
        return self


class AirSite(SiteTable):
    """An air station. Without a `profile` nothing is corrected: the EPA's is a fit to the USA, not to Tangerang.

    `profiles` are those that calibrations of the registry choose by name.
    """

    profile: PmProfile | None = None
    profiles: list[PmProfile] = Field(default_factory=list)
    humid_percent: Annotated[float, Field(gt=0, le=100)] = 90
    humid_s: Positive = 3600
    pair_difference: Positive = 5  # ug/m3, and
    pair_share: Positive = 0.61  # of their mean: both must be exceeded (Barkjohn 2021)


def merged(base: Limits, table: LimitsTable | None) -> Limits:
    """Return `base` with what the table says."""
    if table is None:
        return base
    said: dict[str, Any] = {
        name: value for name, value in table.model_dump(exclude={"off"}).items() if value is not None
    }
    for name in ("fail", "suspect"):
        if name in said:
            said[name] = tuple(said[name])
    said |= {limit: None for name in table.off for limit in _LIMITS_OF[name]}
    return base._replace(**said) if said else base
