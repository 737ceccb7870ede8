"""The API's own definition: OpenAPI 3.0, made of the same fields as the answers. I/O-free."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pantau.web.ogc.crs import CRS84, KNOWN
from pantau.web.ogc.documents import GEOJSON, HTML, JSON
from pantau.web.ogc.layers import LAYERS
from pantau.web.ogc.query import DEFAULT_LIMIT, MAX_LIMIT, MAX_OFFSET

if TYPE_CHECKING:
    from pantau.web.ogc.layers import Layer

_TEXT = {"type": "string"}
_OBJECT = {"type": "object"}
_LINKS = {"type": "array", "items": {"$ref": "#/components/schemas/link"}}


def definition(root: str, title: str, licence: str) -> dict[str, Any]:
    """Return the definition of the API at `root`."""
    info: dict[str, Any] = {
        "title": f"{title}: open data",
        "version": "1",
        "description": "Stations and their latest observations by OGC API Features. Times are UTC.",
    }
    if licence:
        info["license"] = {"name": licence} | ({"url": licence} if licence.startswith(("https://", "http://")) else {})
    paths = {
        "/": _get("landing", "Landing page", "landing", JSON),
        "/api": _get("definition", "This definition", "any", JSON),
        "/conformance": _get("conformance", "Conformance classes", "conformance", JSON),
        "/collections": _get("collections", "The collections", "collections", JSON),
    }
    for layer in LAYERS.values():
        paths |= _paths(layer)
    return {
        "openapi": "3.0.3",
        "info": info,
        "servers": [{"url": root}],
        "paths": paths,
        "components": {"schemas": _schemas(), "parameters": _parameters(), "responses": _responses()},
    }


def _paths(layer: Layer) -> dict[str, Any]:
    path, name = f"/collections/{layer.id}", layer.id.replace("-", "_")
    asked = [
        {
            "name": field.name, "in": "query", "required": False, "description": field.said, "schema": {"type": field.kind},
            "style": "form", "explode": False,
        }
        for field in layer.asked.values()
    ]  # fmt: skip
    shared = [{"$ref": f"#/components/parameters/{one}"} for one in ("limit", "offset", "bbox", "bboxCrs", "datetime", "crs")]  # fmt: skip
    item = {
        "name": "featureId", "in": "path", "required": True, "description": "Id of the feature", "schema": _TEXT,
    }  # fmt: skip
    crs = {"$ref": "#/components/parameters/crs"}
    return {
        path: _get(f"{name}_described", layer.title, "collection", JSON),
        f"{path}/items": _get(f"{name}_items", layer.said, f"{name}_page", GEOJSON, [*shared, *asked]),
        f"{path}/items/{{featureId}}": _get(f"{name}_item", "One feature", f"{name}_feature", GEOJSON, [item, crs], missing=True),
    }  # fmt: skip


def _get(
    name: str, said: str, schema: str, media: str, parameters: list[Any] | None = None, *, missing: bool = False
) -> dict[str, Any]:
    content = {media: {"schema": {"$ref": f"#/components/schemas/{schema}"}}, HTML: {"schema": _TEXT}}
    responses: dict[str, Any] = {"200": {"description": said, "content": content}}
    for status in ("400", "403", *(("404",) if missing else ()), "503"):
        responses[status] = {"$ref": "#/components/responses/problem"}
    given = [{"$ref": "#/components/parameters/f"}, *(parameters or [])]
    return {"get": {"operationId": name, "summary": said, "parameters": given, "responses": responses}}


def _parameters() -> dict[str, Any]:
    number = {"type": "integer", "minimum": 0, "maximum": MAX_OFFSET, "default": 0}
    crs = {"type": "string", "format": "uri", "enum": list(KNOWN), "default": CRS84.uri}
    box = {
        "type": "array",
        "items": {"type": "number"},
        "oneOf": [{"minItems": 4, "maxItems": 4}, {"minItems": 6, "maxItems": 6}],
    }
    found = {
        "f": ("f", "Form of the answer; without it as the header Accept says", {"type": "string", "enum": ["json", "html"]}),
        "limit": ("limit", "Most features of one page", {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}),
        "offset": ("offset", "How many features to leave out at the beginning: set in the links to other pages", number),
        "bbox": ("bbox", "Least and most of each axis; west greater than east crosses the antimeridian", box),
        "bboxCrs": ("bbox-crs", "Reference system of bbox", crs),
        "datetime": ("datetime", "An RFC 3339 time, or an interval with / between and .. for an open end", _TEXT),
        "crs": ("crs", "Reference system of the answer", crs),
    }  # fmt: skip
    return {
        key: {
            "name": name, "in": "query", "required": False, "description": said, "schema": schema, "style": "form", "explode": False,
        }
        for key, (name, said, schema) in found.items()
    }  # fmt: skip


def _responses() -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/problem"}
    return {"problem": {"description": "What was wrong (RFC 9457)", "content": {"application/problem+json": {"schema": schema}}}}  # fmt: skip


def _schemas() -> dict[str, Any]:
    point = {
        "type": "object", "nullable": True, "required": ["type", "coordinates"],
        "properties": {
            "type": {"type": "string", "enum": ["Point"]},
            "coordinates": {"type": "array", "minItems": 2, "maxItems": 2, "items": {"type": "number"}},
        },
    }  # fmt: skip
    found: dict[str, Any] = {
        "any": _OBJECT,
        "link": _record({"href": _TEXT, "rel": _TEXT, "type": _TEXT, "title": _TEXT}, "href", "rel"),
        "landing": _record({"title": _TEXT, "description": _TEXT, "links": _LINKS}, "links"),
        "conformance": _record({"conformsTo": {"type": "array", "items": _TEXT}}, "conformsTo"),
        "collection": _record(
            {
                "id": _TEXT, "title": _TEXT, "description": _TEXT, "itemType": _TEXT, "extent": _OBJECT,
                "crs": {"type": "array", "items": _TEXT}, "storageCrs": _TEXT, "links": _LINKS,
            },
            "id", "links",
        ),
        "collections": _record(
            {
                "links": _LINKS, "crs": {"type": "array", "items": _TEXT},
                "collections": {"type": "array", "items": {"$ref": "#/components/schemas/collection"}},
            },
            "links", "collections",
        ),
        "problem": _record(
            {"type": _TEXT, "title": _TEXT, "status": {"type": "integer"}, "detail": _TEXT, "errors": {"type": "array", "items": _OBJECT}},
            "title", "status", "detail",
        ),
        "point": point,
    }  # fmt: skip
    for layer in LAYERS.values():
        found |= _features(layer)
    return found


def _features(layer: Layer) -> dict[str, Any]:
    name = layer.id.replace("-", "_")
    told = {
        field.name: {"type": field.kind, "nullable": True, "description": field.said}
        | ({"format": "date-time"} if field.time else {})
        for field in layer.fields
    }
    kind = {"type": "string", "enum": ["Feature"]}
    feature = {"type": kind, "id": _TEXT, "geometry": {"$ref": "#/components/schemas/point"}, "links": _LINKS}
    page = {
        "type": {"type": "string", "enum": ["FeatureCollection"]}, "timeStamp": {"type": "string", "format": "date-time"},
        "numberMatched": {"type": "integer"}, "numberReturned": {"type": "integer"}, "links": _LINKS,
        "features": {"type": "array", "items": {"$ref": f"#/components/schemas/{name}_feature"}},
    }  # fmt: skip
    return {
        f"{name}_feature": _record(
            {**feature, "properties": _record(told, *told)}, "type", "id", "geometry", "properties"
        ),
        f"{name}_page": _record(page, "type", "features", "links", "numberMatched", "numberReturned", "timeStamp"),
    }


def _record(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    return {"type": "object", "required": list(required), "properties": properties}
