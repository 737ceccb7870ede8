"""The form of a scenario file: what may stand in each table. `at_h` counts hours from the scenario's start.

A station has the keys of registry.toml, and two tables of its own: `site`, what surrounds it, for the world; `node`, what stands there.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, model_validator

from pantau.problems import Table
from pantau.registry.tables import StationTable
from pantau_sim.world.plan import SiteKind

Hours = Annotated[float, Field(ge=0, le=24 * 400, allow_inf_nan=False)]
Minutes = Annotated[float, Field(gt=0, le=60 * 24 * 400, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,47}$")]
Stations = list[Name]


class Head(Table):
    """[scenario]: what it is and how long it takes. The last `calm_h` hours are without faults, so that what waits can go out."""

    title: str
    title_id: str
    about: str
    start: AwareDatetime
    hours: Annotated[float, Field(gt=0, le=24 * 400)]
    calm_h: Annotated[float, Field(ge=0)] = 1.0
    seed: Annotated[int, Field(ge=0)] = 1
    seeded_rain: bool = False


class Profile(Table):
    """[profile]: how nodes sample and report, and how the link is when nothing is wrong with it."""

    interval_s: Annotated[int, Field(ge=1, le=3600)] = 60
    batch: Annotated[int, Field(ge=1, le=60)] = 5
    health_s: Annotated[int, Field(ge=60, le=86_400)] = 900
    latency_ms: Annotated[int, Field(ge=1, le=5000)] = 40
    loss: Annotated[float, Field(ge=0, lt=0.9)] = 0.0  # of segments, each of which TCP sends again
    raw_flash: bool = True  # an image with partitions for ring, identity and configuration; else files


class RiverTable(Table):
    """[[river]]: see pantau_sim.world.plan.River."""

    name: Name
    latitude: float
    longitude: float
    area_km2: Positive
    lag_h: Positive = 2.0
    runoff: Share = 0.5
    base_m3_s: Positive = 20.0
    celerity_m_s: Positive = 1.2
    flatten_h_per_100km: Positive = 4.0


class ShowerTable(Table):
    """[[shower]]: rain with its peak at `at_h`."""

    at_h: Hours
    peak_mm_h: Annotated[float, Field(gt=0, le=300)]
    width_min: Minutes
    latitude: float | None = None
    longitude: float | None = None
    radius_km: Positive = 5.0
    east_m_s: float = 0.0
    north_m_s: float = 0.0


class HazeTable(Table):
    """[[haze]]: smoke with its peak at `at_h`."""

    at_h: Hours
    peak_ug_m3: Annotated[float, Field(gt=0, le=2000)]
    width_h: Positive


class SiteTable(Table):
    """[station.site]: see pantau_sim.world.plan.Site."""

    kind: SiteKind
    river: Name | None = None
    km: Annotated[float, Field(ge=0)] = 0.0
    base_m: float = 0.3
    rise_m: Positive = 1.0
    tide_m: Annotated[float, Field(ge=0)] = 0.0
    area_ha: Positive = 2.0
    drain_mm_h: Annotated[float, Field(ge=0)] = 30.0
    blocked: Share = 0.0
    flow_veh_h: Positive = 900.0
    lanes: Annotated[int, Field(ge=1, le=4)] = 2
    signal_s: Annotated[float, Field(ge=0, le=600)] = 90.0
    pm2_5_ug_m3: Positive = 35.0
    box: Literal["shaded", "sunny"] = "shaded"
    panel_w: Annotated[float, Field(ge=0)] = 0.0


class SensorTable(Table):
    """One of [station.node] sensors: the firmware's own keys of it, beside the model."""

    model: str
    uart: int | None = None
    i2c: int | None = None
    address: int | None = None
    pulse: int | None = None


class NodeTable(Table):
    """[station.node]: the board there. Without `sensors` it has the usual ones of its domain."""

    sensors: list[SensorTable] | None = None
    alarm_distance_mm: Annotated[int, Field(ge=0)] = 0  # the node's own alarm; 0: none
    count: Annotated[int, Field(ge=1, le=4)] = 1
    interval_s: int | None = None
    batch: int | None = None


class PlaceTable(StationTable):
    """[[station]]: a station of the registry, in a world."""

    site: SiteTable
    node: NodeTable = NodeTable()


class Fleet(Table):
    """[[fleet]]: so many stations of a kind around a place, where each one does not matter."""

    domain: Literal["flood", "traffic", "air"]
    count: Annotated[int, Field(ge=1, le=2000)]
    site: SiteTable
    node: NodeTable = NodeTable()
    latitude: float = -6.18
    longitude: float = 106.63
    spread_km: Positive = 6.0


class When(Table):
    """Once from `at_h` on, or again and again, `every_h` apart in the mean, until `until_h`. It lasts `for_min`, one figure or two to draw between.

    `stations` left out means all. Whatever `until_h` says, a scenario's faults are over before its calm hours.
    """

    at_h: Hours = 0.0
    every_h: Annotated[float, Field(gt=0)] | None = None
    until_h: Hours | None = None
    for_min: Minutes | Annotated[list[Minutes], Field(min_length=2, max_length=2)] = 10.0
    stations: Stations | None = None
    together: bool = False  # all stations at one instant (an area's mains), else each in its own time


class Fault(When):
    """[[fault]]: what breaks between the sensor's plug and the platform.

    power: no supply; brown_out: a dip of a second; link: down; broker: stopped, its sessions kept; broker_wiped: and they are lost; bridge: stopped, its
    session kept; bridge_crash: killed within a commit, back after `for_min`; spool_full: nothing can be made durable; sensor: `what`
    happens on the wire of `sensor` (corrupt, drop, truncate, garbage, nack, silence) or a fault that its emulator has, `count` times.
    """

    kind: Literal[
        "power", "brown_out", "link", "broker", "broker_wiped", "bridge", "bridge_crash", "spool_full", "sensor"
    ]
    sensor: str | None = None
    what: str | None = None
    count: Annotated[int, Field(ge=1, le=100_000)] = 1

    @model_validator(mode="after")
    def _sensor_faults_name_both(self) -> Fault:
        if (self.kind == "sensor") != (self.sensor is not None and self.what is not None):
            msg = 'a fault of kind "sensor", and no other, names `sensor` and `what`'
            raise ValueError(msg)
        return self


class Ailment(When):
    """[[ailment]]: what a sensor sees wrongly without any byte being wrong: see pantau_sim.ailments. `strength` 1 is usual."""

    kind: str
    strength: Positive = 1.0


class Client(When):
    """[[client]]: somebody else at the broker, with a stolen account, who sends `per_min` messages against each node.

    forger: frames with a tag of the wrong key; conflicter: other content under the identity of a frame of a stolen key; corrupter: frames of others with a bit
    turned; flooder: garbage, as fast as it is told; replayer: frames of others again; down_forger: acks and orders to nodes.
    """

    kind: Literal["forger", "conflicter", "corrupter", "flooder", "replayer", "down_forger"]
    per_min: Annotated[float, Field(gt=0, le=60_000)] = 6.0


Many = dict[Literal["flood", "traffic", "air"], Annotated[int, Field(ge=0, le=2000)]]


class Rollout(Table):
    """[rollout]: all nodes run release 1, and release 2 comes to them ring by ring from `at_h` on: see pantau.fleet.rollout.

    `lab` and `canary` say how many nodes of which domain, the first by name; the rest is the city. With `flaw`, release 2 is bad on the
    stations of `domain`. crash: it ends at the second sample of each boot; blind: no sensor gives a value.
    """

    at_h: Hours
    lab: Many = Field(default_factory=dict)
    canary: Many = Field(default_factory=dict)
    steps: Annotated[list[Annotated[int, Field(ge=1, le=100)]], Field(min_length=1, default_factory=lambda: [25, 100])]
    soak_min: Minutes = 20.0
    halt_at: Annotated[int, Field(ge=1)] = 2
    flaw: Literal["", "crash", "blind"] = ""
    domain: Literal["flood", "traffic", "air"] = "flood"
    slice_s: Annotated[int, Field(ge=1, le=600)] = 60  # between two looks of the desk


class Expect(Table):
    """[[expect]]: what must have come to pass. `check` is one of pantau_sim.expect; the other keys are what that one asks for."""

    name: Name
    check: str
    stations: Stations | None = None
    rule: str | None = None
    severity: str | None = None
    property: str | None = None
    reason: str | None = None
    level: float | None = None
    ring: str | None = None
    release: int | None = None
    within_s: Positive | None = None
    at_least: float | None = None
    at_most: float | None = None


class Scenario(Table):
    """The whole file."""

    scenario: Head
    profile: Profile = Profile()
    river: list[RiverTable] = Field(default_factory=list)
    shower: list[ShowerTable] = Field(default_factory=list)
    haze: list[HazeTable] = Field(default_factory=list)
    station: list[PlaceTable] = Field(default_factory=list)
    fleet: list[Fleet] = Field(default_factory=list)
    fault: list[Fault] = Field(default_factory=list)
    ailment: list[Ailment] = Field(default_factory=list)
    client: list[Client] = Field(default_factory=list)
    rollout: Rollout | None = None
    expect: list[Expect] = Field(min_length=1)
