"""What a scenario says of the physical world: where stations are, what falls, what burns. Values only; times are Unix s UTC.

`World(seed, plan)` makes the truth of it. A world without a plan has seeded weather and a place for any station id.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SiteKind = Literal["river", "canal", "street", "mouth", "road", "roadside", "background"]


@dataclass(frozen=True, slots=True)
class Shower:
    """Rain of the shape sech2 in time and Gauss in space; without a place it falls everywhere alike.

    `peak_mm_h` is the intensity at the centre at `centre_s`; the storm moves with `east_m_s`, `north_m_s`.
    """

    centre_s: float
    peak_mm_h: float
    width_s: float
    latitude: float | None = None
    longitude: float | None = None
    radius_km: float = 5.0
    east_m_s: float = 0.0
    north_m_s: float = 0.0


@dataclass(frozen=True, slots=True)
class River:
    """A river by its headwaters; its stations stand `km` below them.

    Rain over the catchment's centre becomes flow by a unit hydrograph of `lag_h`; the wave goes down with `celerity_m_s`, flattened
    on its way; stage follows from flow at each station: its `base_m` at `base_m3_s`, its `rise_m` more at ten times that.
    """

    name: str
    latitude: float
    longitude: float
    area_km2: float
    lag_h: float = 2.0
    runoff: float = 0.5  # of the rain
    base_m3_s: float = 20.0
    celerity_m_s: float = 1.2
    flatten_h_per_100km: float = 4.0  # what the wave is spread by on its way (Muskingum storage)


@dataclass(frozen=True, slots=True)
class Site:
    """What surrounds a station. Figures that its kind does not use are ignored.

    Levels are above the station's zero; `sensor_height_m` is that of the ultrasonic head.
    """

    id: str
    kind: SiteKind
    latitude: float
    longitude: float
    sensor_height_m: float = 3.0
    river: str | None = None
    km: float = 0.0
    base_m: float = 0.3  # level at base flow, or of the dry street (0: its ground)
    rise_m: float = 1.0  # river and canal: rise at ten times the base flow, or of a storm of 50 mm; what is specific to the cross-section
    tide_m: float = 0.0  # amplitude of the tide here; backwater above what the river brings
    area_ha: float = 2.0  # that drains to a street
    drain_mm_h: float = 30.0  # what its drains take away
    blocked: float = 0.0  # share of them that rubbish has closed
    flow_veh_h: float = 900.0  # both directions, in the peak hour
    lanes: int = 2
    signal_s: float = 90.0  # cycle of the signal upstream, which makes platoons; 0: none is near
    pm2_5_ug_m3: float = 35.0  # mean of the urban background here
    box: Literal["shaded", "sunny"] = "shaded"  # where the electronics hang
    panel_w: float = 0.0  # 0: mains


@dataclass(frozen=True, slots=True)
class Haze:
    """Smoke over the city: PM2.5 at its peak, width of the sech2 around it."""

    centre_s: float
    peak_ug_m3: float
    width_s: float


@dataclass(frozen=True, slots=True)
class WorldPlan:
    """All of it. `seeded_rain`: the climate's own showers come on top of those named."""

    start_s: float
    end_s: float
    sites: tuple[Site, ...] = ()
    rivers: tuple[River, ...] = ()
    showers: tuple[Shower, ...] = ()
    hazes: tuple[Haze, ...] = ()
    seeded_rain: bool = False
