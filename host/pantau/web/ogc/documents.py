"""The JSON documents of OGC API Features: plain values, every link absolute. I/O-free."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, urlencode

from pantau.web.ogc.crs import CRS84, KNOWN
from pantau.web.ogc.layers import LAYERS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pantau.web.ogc.layers import Layer

JSON, GEOJSON, HTML = "application/json", "application/geo+json", "text/html"
OPENAPI = "application/vnd.oai.openapi+json;version=3.0"
CONFORMANCE = (
    *(f"http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/{part}" for part in ("core", "oas30", "html", "geojson")),
    "http://www.opengis.net/spec/ogcapi-features-2/1.0/conf/crs",
)  # fmt: skip
_GREGORIAN = "http://www.opengis.net/def/uom/ISO-8601/0/Gregorian"


class Here(NamedTuple):
    """Where a document is: the URL of the API without a slash at its end, the path below it, its query, its form (json or html)."""

    root: str
    path: str
    query: tuple[tuple[str, str], ...]
    form: str

    def url(self, path: str, **more: str) -> str:
        """Return the URL of another document."""
        return f"{self.root}/{path}" + (f"?{urlencode(more)}" if more else "")

    def again(self, **more: str | int) -> str:
        """Return the URL of this document with other parameters."""
        query = {**dict(self.query), **more}
        return f"{self.root}/{self.path}" + (f"?{urlencode(query, safe=':,/', quote_via=quote)}" if query else "")

    def links(self, media: str) -> list[dict[str, str]]:
        """Return the links to this document and to its other form."""
        forms = {"json": media, "html": HTML}
        other = "html" if self.form == "json" else "json"
        return [
            _link("self", forms[self.form], self.again(f=self.form), "This document"),
            _link("alternate", forms[other], self.again(f=other), f"This document as {other.upper()}"),
        ]


def _link(rel: str, media: str, href: str, title: str) -> dict[str, str]:
    return {"rel": rel, "type": media, "href": href, "title": title}


def landing(here: Here, title: str, licence: str) -> dict[str, Any]:
    """Return the landing page."""
    return {
        "title": f"{title}: open data",
        "description": "Stations of the city and their latest observations. Series are in SensorThings, at /sta/v1.1."
        + (f" Licence: {licence}." if licence else ""),
        "links": [
            *here.links(JSON),
            _link("service-desc", OPENAPI, here.url("api", f="json"), "Definition of this API"),
            _link("service-doc", HTML, here.url("api", f="html"), "Definition of this API as HTML"),
            _link("conformance", JSON, here.url("conformance"), "Conformance classes"),
            _link("data", JSON, here.url("collections"), "The collections"),
        ],
    }


def conformance() -> dict[str, Any]:
    """Return what is conformed to."""
    return {"conformsTo": list(CONFORMANCE)}


def collections(here: Here, extents: Mapping[str, dict[str, Any]], licence: str) -> dict[str, Any]:
    """Return the list of collections; `extents` by their ids."""
    found = [collection(here, layer, extents[name], licence) for name, layer in LAYERS.items()]
    return {"links": here.links(JSON), "crs": list(KNOWN), "collections": found}


def collection(here: Here, layer: Layer, extent: dict[str, Any], licence: str) -> dict[str, Any]:
    """Return what is said of one collection."""
    path = f"collections/{layer.id}"
    links = [
        *here._replace(path=path, query=()).links(JSON),
        _link("items", GEOJSON, here.url(f"{path}/items", f="json"), layer.title),
        _link("items", HTML, here.url(f"{path}/items", f="html"), f"{layer.title} as HTML"),
    ]
    if licence.startswith(("https://", "http://")):
        links.append(_link("license", HTML, licence, "Licence of the data"))
    return {
        "id": layer.id,
        "title": layer.title,
        "description": layer.said + (f" Licence: {licence}." if licence else ""),
        "itemType": "feature",
        "extent": extent,
        "crs": list(KNOWN),
        "storageCrs": CRS84.uri,
        "links": links,
    }


def extent(features: Sequence[dict[str, Any]], time: str | None) -> dict[str, Any]:
    """Return the bounds of features in space and time, each only where there are any."""
    found: dict[str, Any] = {}
    points = [feature["geometry"]["coordinates"] for feature in features if feature["geometry"]]
    if points:
        lons, lats = zip(*points, strict=True)
        found["spatial"] = {"bbox": [[min(lons), min(lats), max(lons), max(lats)]], "crs": CRS84.uri}
    times = [feature["properties"][time] for feature in features if feature["properties"][time]] if time else []
    if times:
        found["temporal"] = {"interval": [[min(times), max(times)]], "trs": _GREGORIAN}
    return found


def page(here: Here, found: Sequence[dict[str, Any]], limit: int, offset: int, stamp: str | None) -> dict[str, Any]:
    """Return one page of the features that were asked for; `stamp` is when."""
    shown = found[offset : offset + limit]
    links = here.links(GEOJSON)
    media = GEOJSON if here.form == "json" else HTML
    if offset + limit < len(found):
        links.append(_link("next", media, here.again(f=here.form, limit=limit, offset=offset + limit), "Next page"))
    if offset:
        before = max(0, offset - limit)
        links.append(_link("prev", media, here.again(f=here.form, limit=limit, offset=before), "Page before"))
    return {
        "type": "FeatureCollection",
        "timeStamp": stamp,
        "numberMatched": len(found),
        "numberReturned": len(shown),
        "links": links,
        "features": shown,
    }


def item(here: Here, layer: Layer, feature: dict[str, Any]) -> dict[str, Any]:
    """Return one feature by itself."""
    back = _link("collection", JSON, here.url(f"collections/{layer.id}"), layer.title)
    return {**feature, "links": [*here.links(GEOJSON), back]}
