"""One property of a station or node over time: drawn together for a page, or every reading as CSV or Parquet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field
from starlette.responses import Response, StreamingResponse

from pantau.access.model import Role
from pantau.web import formats
from pantau.web.gate import needs
from pantau.web.geojson import iso
from pantau.web.query import DAY_MS, RequestError, only, span
from pantau.web.series import Asked, SeriesReader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pantau.web.parts import Parts

_MOST_DAYS = 400
_AHEAD_MS = (
    300_000  # a node's clock may run ahead by so much before the store doubts it: its newest reading counts as now
)
_KNOWN = ("station", "node", "property", "from", "to", "points", "format")
_NAME: dict[str, Any] = {"min_length": 1, "max_length": 64, "pattern": r"^[^\x00]+$"}
_TIME: dict[str, Any] = {"max_length": 40, "description": "ISO 8601 with offset, or Unix milliseconds"}


class Series(BaseModel):
    """A series column by column. Where readings are many, a point stands for those of `bucket_ms`: none is hidden between min and max."""

    station: str | None
    node: str | None
    property: str
    unit: str
    from_: str = Field(serialization_alias="from")
    to: str
    bucket_ms: int | None = Field(description="Null where each reading is a point")
    t: list[int] = Field(description="Unix milliseconds UTC, of the last reading of a point")
    min: list[float | None] = Field(description="Without readings that failed")
    max: list[float | None]
    last: list[float | None]
    q: list[int] = Field(
        description="The worst QARTOD flag of a point: 1 good, 2 not evaluated, 3 suspect, 4 fail, 9 missing"
    )
    n: list[int] = Field(description="How many readings a point stands for")
    reason: list[str] = Field(description="Of the last reading")


def router(parts: Parts) -> APIRouter:
    """Return the routes."""
    api = APIRouter(tags=["series"], dependencies=[Depends(needs(Role.PUBLIC)), Depends(only(*_KNOWN))])
    reader = SeriesReader(parts.store.path)

    @api.get(
        "/series",
        response_model=Series,
        responses={200: {"content": {kind.media_type: {} for kind in formats.KINDS.values()}}},
    )
    def series(
        property_: Annotated[str, Query(alias="property", examples=["water_level"], **_NAME)],
        station: Annotated[str | None, Query(**_NAME)] = None,
        node: Annotated[str | None, Query(**_NAME)] = None,
        start: Annotated[str | None, Query(alias="from", **_TIME)] = None,
        end: Annotated[str | None, Query(alias="to", **_TIME)] = None,
        points: Annotated[int, Query(ge=50, le=5000)] = 1000,
        format_: Annotated[Literal["json", "csv", "parquet"], Query(alias="format")] = "json",
    ) -> Any:
        """Return the readings of `property` from `from` until before `to`; without them the last 24 hours."""
        from_ms, to_ms = _range(start, end, parts.now_ms())
        nodes = _nodes(parts, station, node)
        units = reader.properties(nodes)
        if property_ not in units:
            known = f"There are {', '.join(units)}." if units else "Nothing of it is stored."
            raise RequestError(404, "No such series", known, {"property": "not found"})
        asked = Asked(nodes, station, property_, from_ms, to_ms)
        if format_ != "json":
            told = formats.About(asked.station or node or "", property_, units[property_], parts.licence)
            return _file(formats.KINDS[format_], told, reader.rows(asked))
        found, bucket_ms = reader.columns(asked, points)
        return Series(
            station=station, node=node, property=property_, unit=units[property_], from_=str(iso(from_ms)), to=str(iso(to_ms)),
            bucket_ms=bucket_ms, t=found.t, min=found.low, max=found.high, last=found.last, q=found.q, n=found.n, reason=found.reason,
        )  # fmt: skip

    return api


def _range(start: str | None, end: str | None, now_ms: int) -> tuple[int, int]:
    errors: dict[str, str] = {}
    from_ms, to_ms = span(start, end, now_ms, now_ms + _AHEAD_MS, errors)
    if not errors and to_ms - from_ms > _MOST_DAYS * DAY_MS:
        errors["from"] = f"more than {_MOST_DAYS} days before `to`: ask for one year after another"
    if errors:
        raise RequestError(400, "Bad parameters", "The request was not understood: see errors.", errors)
    return from_ms, to_ms


def _nodes(parts: Parts, station: str | None, node: str | None) -> tuple[str, ...]:
    """Return whose readings they are: those of a station are of every node that ever stood there."""
    if station is None:
        if node is None:
            raise RequestError(
                400, "Bad parameters", "Name a station or a node.", {"station": "required", "node": "or this"}
            )
        return (node,)
    registry = None if parts.registry is None else parts.registry()
    if registry is None:
        there = tuple(row["node"] for row in parts.reader.nodes() if row["station"] == station)
    else:
        there = tuple(
            name for name in registry.nodes if any(stay.station == station for stay in registry.placements(name))
        )
    if not there:
        raise RequestError(404, "No such station", "No node stands or stood there.", {"station": "not found"})
    if node is not None and node not in there:
        raise RequestError(404, "No such node", "The node never stood at this station.", {"node": "not found"})
    return there if node is None else (node,)


def _file(kind: formats.Kind, about: formats.About, pages: Iterator[list[tuple[Any, ...]]]) -> Response:
    stem = "".join(c if c.isalnum() or c in "-_" else "_" for c in f"{about.source}-{about.property}")
    headers = {"content-disposition": f'attachment; filename="{stem}.{kind.suffix}"', "cache-control": "no-store"}
    return StreamingResponse(kind.write(about, pages), media_type=kind.media_type, headers=headers)
