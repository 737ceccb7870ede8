"""The form of registry.toml: what may stand in each table. Objects of these live only while a file is read."""

from __future__ import annotations

import difflib
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, Field

from pantau.problems import Table
from pantau.quality.site import AirSite, FloodSite, RainSite, RoadSite
from pantau_wire import names as wire
from pantau_wire import topics

EVER = datetime(1970, 1, 1, tzinfo=UTC)
NEVER = datetime(9999, 1, 1, tzinfo=UTC)

_PROPERTIES = tuple(row[0] for row in wire.PROPERTIES.values())


def _node_id(value: str) -> str:
    if not topics.valid_id(value):
        msg = "a node id is 1 to 23 of a-z, 0-9 and -"
        raise ValueError(msg)
    return value


def _property(value: str) -> str:
    if value not in _PROPERTIES:
        close = difflib.get_close_matches(value, _PROPERTIES, n=1)
        msg = f"is no observed property; {f'did you mean {close[0]}?' if close else 'see schemas/FORMAT.md'}"
        raise ValueError(msg)
    return value


def _line(value: str) -> str:
    if not value.isprintable():
        msg = "must be one line of text"
        raise ValueError(msg)
    return value


StationId = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,40}$")]
NodeId = Annotated[str, AfterValidator(_node_id)]
Property = Annotated[str, AfterValidator(_property)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,40}$")]
Text = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_line)]
HeightM = Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)]
LevelM = Annotated[float, Field(ge=-1000, le=9000, allow_inf_nan=False)]  # the Dead Sea to the highest river
TipMm = Annotated[float, Field(gt=0, le=10, allow_inf_nan=False)]


class StationTable(Table):
    """A place that is observed. Figures that are not known are left out rather than guessed."""

    id: StationId
    name: Annotated[str, Field(min_length=1, max_length=80), AfterValidator(_line)]
    domain: Literal["flood", "traffic", "air"]
    latitude: Annotated[float, Field(ge=-90, le=90)]
    longitude: Annotated[float, Field(ge=-180, le=180)]
    kemendagri: Annotated[str, Field(pattern=r"^\d{2}(\.\d{2}(\.\d{2}(\.\d{4})?)?)?$")] | None = None
    owner: Text | None = None
    photo: Text | None = None
    report_interval_s: Annotated[int, Field(ge=1, le=86_400)] = 900
    datum: Text | None = None
    datum_height_m: LevelM | None = None
    mounting_height_m: HeightM | None = None
    sensor_height_m: HeightM | None = None
    tip_mm: TipMm | None = None
    neighbours: list[StationId] = Field(default_factory=list)
    downstream: StationId | None = None
    nodes_at_once: Annotated[int, Field(ge=1, le=100)] | None = None
    flood: FloodSite | None = None
    rain: RainSite | None = None
    road: RoadSite | None = None
    air: AirSite | None = None


class Period(Table):
    """From `from` (included) to `to` (excluded); left out: since ever, until now and on."""

    start: Annotated[AwareDatetime, Field(alias="from")] = EVER
    end: Annotated[AwareDatetime, Field(alias="to")] = NEVER


class NodeTable(Period):
    """One node at one station."""

    id: NodeId
    station: str


class SensorTable(Period):
    """One sensor of a station."""

    station: str
    node: str | None = None
    id: Name | None = None
    model: Name
    serial: Text | None = None
    properties: list[Property] = Field(default_factory=list)


class CalibrationTable(Period):
    """Figures of a station from one survey or bench test to the next."""

    station: str
    version: Annotated[int, Field(ge=1, le=1_000_000)]
    note: Text | None = None
    sensor_height_m: HeightM | None = None
    level_offset_m: Annotated[float, Field(ge=-100, le=100)] | None = None
    level_slope: Annotated[float, Field(gt=0.5, lt=2)] | None = None
    tip_mm: TipMm | None = None
    pm_profile: Name | None = None


class ThresholdTable(Period):
    """A state that begins at a value."""

    station: str
    property: Property
    name: Name
    value: Annotated[float, Field(allow_inf_nan=False)]
    hysteresis: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    datum: Text | None = None


class File(Table):
    """The whole of registry.toml."""

    station: list[StationTable] = Field(default_factory=list)
    node: list[NodeTable] = Field(default_factory=list)
    sensor: list[SensorTable] = Field(default_factory=list)
    calibration: list[CalibrationTable] = Field(default_factory=list)
    threshold: list[ThresholdTable] = Field(default_factory=list)


ROWS: dict[str, type[Table]] = {
    "station": StationTable,
    "node": NodeTable,
    "sensor": SensorTable,
    "calibration": CalibrationTable,
    "threshold": ThresholdTable,
}
