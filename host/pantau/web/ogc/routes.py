"""OGC API Features on HTTP: /ogc/."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from pantau.access.model import Role
from pantau.web.address import base_url
from pantau.web.gate import gated
from pantau.web.geojson import iso
from pantau.web.ogc import documents, html, layers, query
from pantau.web.ogc.definition import definition
from pantau.web.ogc.documents import GEOJSON, JSON, OPENAPI, Here
from pantau.web.query import RequestError

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from pantau.web.ogc.crs import Crs
    from pantau.web.ogc.layers import Layer
    from pantau.web.parts import Parts

    Render = Callable[[Here, Request], tuple[Any, str, dict[str, str]]]

PREFIX = "/ogc"
_MAX_ID = 128


def routes(parts: Parts) -> list[BaseRoute]:
    """Return the routes."""
    api = _Api(parts)
    at = {
        "": api.landing, "/": api.landing, "/api": api.definition, "/conformance": api.conformance, "/collections": api.collections,
        "/collections/{layer}": api.collection, "/collections/{layer}/items": api.items, "/collections/{layer}/items/{item:path}": api.item,
    }  # fmt: skip
    return [Route(PREFIX + path, gated(Role.PUBLIC, api.endpoint(render))) for path, render in at.items()]


class _Api:
    """Each method returns (document, media type, headers). They block and run in a thread."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def endpoint(self, render: Render) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            return await run_in_threadpool(self._answer, render, request)

        return endpoint

    def _answer(self, render: Render, request: Request) -> Response:
        pairs = tuple(request.query_params.multi_items())
        here = Here(
            base_url(request, self._parts) + PREFIX,
            request.url.path.removeprefix(PREFIX).lstrip("/"),
            pairs,
            _form(request),
        )
        document, media, more = render(here, request)
        headers = {"cache-control": "no-store", "vary": "accept", **more}
        if here.form == "html":
            title = f"{self._parts.title}: {document.get('title') or here.path or 'open data'}"
            return HTMLResponse(html.page(title, document), headers=headers)
        return JSONResponse(document, headers=headers, media_type=media)

    def landing(self, here: Here, _request: Request) -> tuple[Any, str, dict[str, str]]:
        query.formats(here.query)
        return documents.landing(here, self._parts.title, self._parts.licence), JSON, {}

    def definition(self, here: Here, _request: Request) -> tuple[Any, str, dict[str, str]]:
        query.formats(here.query)
        return definition(here.root, self._parts.title, self._parts.licence), OPENAPI, {}

    def conformance(self, here: Here, _request: Request) -> tuple[Any, str, dict[str, str]]:
        query.formats(here.query)
        return documents.conformance(), JSON, {}

    def collections(self, here: Here, _request: Request) -> tuple[Any, str, dict[str, str]]:
        query.formats(here.query)
        extents = {name: self._extent(layer, here) for name, layer in layers.LAYERS.items()}
        return documents.collections(here, extents, self._parts.licence), JSON, {}

    def collection(self, here: Here, request: Request) -> tuple[Any, str, dict[str, str]]:
        query.formats(here.query)
        layer = _layer(request)
        return documents.collection(here, layer, self._extent(layer, here), self._parts.licence), JSON, {}

    def items(self, here: Here, request: Request) -> tuple[Any, str, dict[str, str]]:
        layer = _layer(request)
        asked = query.items(here.query, layer)
        found = query.chosen(self._features(layer, here), asked, layer.time)
        body = documents.page(here, found, asked.limit, asked.offset, iso(self._parts.now_ms()))
        body["features"] = [_placed(feature, asked.crs) for feature in body["features"]]
        return body, GEOJSON, _said(asked.crs)

    def item(self, here: Here, request: Request) -> tuple[Any, str, dict[str, str]]:
        layer, name = _layer(request), request.path_params["item"]
        crs = query.crs_only(here.query)
        for feature in self._features(layer, here):
            if feature["id"] == name:
                return documents.item(here, layer, _placed(feature, crs)), GEOJSON, _said(crs)
        raise RequestError(404, "Not found", f"{layer.id} has no {name[:_MAX_ID]!r}; /items lists them")

    def _features(self, layer: Layer, here: Here) -> list[dict[str, Any]]:
        return layers.features(layer, self._parts, here.root.removesuffix(PREFIX))

    def _extent(self, layer: Layer, here: Here) -> dict[str, Any]:
        return documents.extent(self._features(layer, here), layer.time)


def _form(request: Request) -> str:
    """Return json or html: `f` first, then what a browser prefers. A client that accepts anything gets JSON."""
    given = request.query_params.get("f")
    if given is None:
        accepted = [part.split(";")[0].strip().lower() for part in request.headers.get("accept", "").split(",")]
        return "html" if "text/html" in accepted and not any("json" in one for one in accepted) else "json"
    if given not in ("json", "html"):
        raise RequestError(400, "Bad parameters", "The request was not understood: see errors.", {"f": "json or html"})
    return given


def _layer(request: Request) -> Layer:
    name = request.path_params["layer"]
    layer = layers.LAYERS.get(name)
    if layer is None:
        known = ", ".join(layers.LAYERS)
        raise RequestError(404, "Not found", f"no collection is called {name[:_MAX_ID]!r}; there are {known}")
    return layer


def _placed(feature: dict[str, Any], crs: Crs) -> dict[str, Any]:
    if feature["geometry"] is None:
        return feature
    return feature | {"geometry": {"type": "Point", "coordinates": list(crs.out(*feature["geometry"]["coordinates"]))}}


def _said(crs: Crs) -> dict[str, str]:
    return {"content-crs": f"<{crs.uri}>"}
