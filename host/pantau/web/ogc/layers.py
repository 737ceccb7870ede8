"""The collections: what they are called, what their features say, and how those are made of what the store holds. Pure but for `features`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple
from urllib.parse import quote

from pantau import mapping
from pantau.web.api.stations import stations
from pantau.web.geojson import DEFAULT_REPORT_INTERVAL_S, iso, reading
from pantau.web.method import INDICATIVE

if TYPE_CHECKING:
    from pantau.web.parts import Parts

Kind = Literal["string", "number", "integer", "boolean"]


class Field(NamedTuple):
    """A property of a feature. `asked`: a parameter of that name selects by it."""

    name: str
    kind: Kind
    said: str
    asked: bool = False
    time: bool = False


class Layer(NamedTuple):
    """A collection. `time` is the field that `datetime` goes by, None where features have no time of their own."""

    id: str
    title: str
    said: str
    fields: tuple[Field, ...]
    time: str | None = None

    @property
    def asked(self) -> dict[str, Field]:
        """Return the fields that parameters may select by."""
        return {field.name: field for field in self.fields if field.asked}


_PLACE = (
    Field("name", "string", "Name of the station"),
    Field("domain", "string", "flood, traffic or air", asked=True),
    Field("kemendagri", "string", "Code of the administrative area (Kemendagri)", asked=True),
)
_LICENCE = Field("licence", "string", "Licence of the data")
LAYERS = {
    layer.id: layer
    for layer in (
        Layer(
            "stations",
            "Stations",
            "Every place that is observed, with its state now. Times are UTC.",
            (
                Field("station", "string", "Id of the station; none for a node that stands nowhere yet", asked=True),
                *_PLACE,
                Field("state", "string", "alarm, offline, fault, late, maintenance or ok: the worst of its nodes", asked=True),
                Field("nodes", "string", "Ids of its nodes, separated by commas"),
                Field("last_seen", "string", "When one of its nodes was heard last", time=True),
                Field("report_interval_s", "integer", "How often its nodes report, in seconds"),
                _LICENCE,
            ),
        ),
        Layer(
            "observations-latest",
            "Latest observations",
            "The newest value of each node and observed property, with unit and quality. Times are UTC; all values are those of "
            "low-cost sensors, none is of a reference station.",
            (
                Field("station", "string", "Id of the station", asked=True),
                *_PLACE,
                Field("node", "string", "Id of the node", asked=True),
                Field("property", "string", "The observed property", asked=True),
                Field("title", "string", "What the property is"),
                Field("value", "number", "The value; none where nothing could be measured"),
                Field("unit", "string", "Unit of the value, as a UCUM code"),
                Field("quality", "integer", "QARTOD: 1 good, 2 not evaluated, 3 suspect, 4 bad, 9 missing", asked=True),
                Field("reason", "string", "Why the quality is what it is"),
                Field("observed_at", "string", "When it was observed", time=True),
                Field("dated_later", "boolean", "Observed before the node knew the time, and dated since"),
                Field("stale", "boolean", "Older than twice the interval in which the station reports", asked=True),
                Field("indicative", "boolean", "An index, worked out from low-cost sensors: not official", asked=True),
                Field("datastream", "string", "Where the whole series is, in SensorThings"),
                _LICENCE,
            ),
            "observed_at",
        ),
    )
}  # fmt: skip


def features(layer: Layer, parts: Parts, root: str) -> list[dict[str, Any]]:
    """Return all features of a collection, in the order of their ids; coordinates are CRS84. `root` is the URL of the server."""
    found = _stations(parts) if layer.id == "stations" else _latest(parts, root)
    return sorted(found, key=lambda feature: str(feature["id"]))


def _codes(parts: Parts) -> dict[str, str | None]:
    known = parts.registry().stations.values() if parts.registry is not None else ()
    return {station.id: station.kemendagri for station in known}


def _stations(parts: Parts) -> list[dict[str, Any]]:
    codes, found = _codes(parts), []
    for feature in stations(parts)["features"]:
        told = feature["properties"]
        one = {name: told.get(name) for name in ("station", "name", "domain")}
        one |= {"kemendagri": codes.get(told["station"])}
        one |= {name: told.get(name) for name in ("state", "nodes", "last_seen", "report_interval_s")}
        # a list is shown by few GIS and filtered by none
        one |= {"nodes": ",".join(told["nodes"]), "licence": parts.licence or None}
        found.append(_feature(str(feature["id"]), feature["geometry"], one))
    return found


def _latest(parts: Parts, root: str) -> list[dict[str, Any]]:
    codes, now_ms, found = _codes(parts), parts.now_ms(), []
    nodes = {node["node"]: node for node in parts.reader.nodes()}
    streams = f"{root}/sta/v1.1/Datastreams" if parts.registry is not None else None
    for record in parts.reader.latest():
        node = nodes.get(record["node"])
        if node is None:
            continue  # heard for the first time between the two questions
        placed = node["lon"] is not None and node["lat"] is not None
        name = f"{record['node']}:{record['property']}"
        told = reading(record, now_ms, node["report_interval_s"] or DEFAULT_REPORT_INTERVAL_S)
        one = {
            "station": node["station"],
            "name": node["name"],
            "domain": node["domain"],
            "kemendagri": codes.get(node["station"]),
            "node": record["node"],
            "property": record["property"],
            "title": _title(record["property"]),
        }
        one |= {field: told[field] for field in ("value", "unit", "quality", "reason")}
        one |= {"observed_at": iso(record["observed_at"])}
        one |= {field: told[field] for field in ("dated_later", "stale")}
        one |= {
            "indicative": record["property"] in INDICATIVE,
            "datastream": f"{streams}('{quote(name, safe=':')}')" if streams else None,
            "licence": parts.licence or None,
        }
        at = {"type": "Point", "coordinates": [node["lon"], node["lat"]]} if placed else None
        found.append(_feature(name, at, one))
    return found


def _title(name: str) -> str:
    try:
        return mapping.observed(name).title
    except ValueError:
        return name


def _feature(name: str, geometry: dict[str, Any] | None, properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Feature", "id": name, "geometry": geometry, "properties": properties}
