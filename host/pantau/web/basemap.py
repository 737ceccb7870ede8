"""The operator's basemap for the map: a folder of *.geojson and at most one *.pmtiles. What cannot be used is said, and the map goes on.

Nothing is fetched from anywhere, and no path of a request reaches the disk: a request names a layer of the list, or three numbers.
"""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import stat
import threading
import tomllib
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, NamedTuple

import anyio
from pydantic import Field, ValidationError
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pantau.access.model import Role
from pantau.problems import Problem, Table, explain
from pantau.web import basemap_geojson
from pantau.web.basemap_archive import MAX_ZOOM, Archive, ArchiveError, Tile, plain
from pantau.web.basemap_geojson import Layer, LayerError
from pantau.web.basemap_kinds import Kind
from pantau.web.gate import gated
from pantau.web.query import RequestError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from pantau.web.parts import Parts

_log = logging.getLogger("pantau.web")

_MOST_LAYERS = 24
_MOST_STYLE = 64 << 10  # bytes of style.toml
_KEPT_BYTES = 32 << 20  # of tiles as they are sent
_AT_ONCE = 2  # tiles made at a time: the bridge has more to do than maps
_KEEP_S = 3600  # a browser asks again after this, with the ETag
_MISSING = "is not shown: the packages that read it are missing; install Pantau with its extra `basemap`"


class LayerStyle(Table):
    """What style.toml says of one file, by its name without .geojson."""

    kind: Kind | None = None
    from_zoom: int = Field(default=0, ge=0, le=MAX_ZOOM)


class Style(Table):
    """The whole of style.toml."""

    attribution: str = Field(default="", max_length=500)
    layers: dict[str, LayerStyle] = Field(default_factory=dict)


class Found(NamedTuple):
    """What a folder holds that can be used, and in words what cannot."""

    stamp: tuple[tuple[str, int, int], ...]  # name, bytes and time of each file: read again when it differs
    layers: dict[str, Layer]
    style: Style
    archive: Archive | None
    problems: tuple[str, ...]

    @property
    def version(self) -> str:
        """A name for just these files: it stands in each address, so that a browser never mixes two basemaps."""
        return hashlib.sha256(repr(self.stamp).encode()).hexdigest()[:12]


class Basemap:
    """One folder. Looked at again whenever somebody asks what there is: files may be changed while the bridge runs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._found: Found | None = None
        self._tiles: OrderedDict[tuple[str, int, int, int], Tile | None] = OrderedDict()
        self._kept = 0

    def look(self) -> Found:
        """Return what there is now. Blocks: it may read files."""
        with self._lock:
            stamp, wrong = self._stamp()
            if self._found is None or self._found.stamp != stamp:
                self._found = self._read(stamp, wrong)
                self._tiles.clear()
                self._kept = 0
                for problem in self._found.problems:
                    _log.warning("basemap: %s", problem)
            return self._found

    def tile(self, z: int, x: int, y: int) -> tuple[str, Tile | None]:
        """Return the basemap's version and a tile of it. Raises ArchiveError. Blocks."""
        found = self.look() if self._found is None else self._found
        with self._lock:
            found = self._found or found
            key = (found.version, z, x, y)
            if key in self._tiles:
                self._tiles.move_to_end(key)
                return found.version, self._tiles[key]
        made = found.archive.tile(z, x, y) if found.archive is not None else None
        with self._lock:
            if key not in self._tiles:
                self._tiles[key] = made
                self._kept += _weight(made)
            while self._kept > _KEPT_BYTES:
                self._kept -= _weight(self._tiles.popitem(last=False)[1])
        return found.version, made

    def _stamp(self) -> tuple[tuple[tuple[str, int, int], ...], list[str]]:
        wrong = []
        found = []
        try:
            paths = sorted(self._folder.iterdir())
        except OSError as error:
            return (("", 0, 0),), [
                f"{self._folder} cannot be read ({error.strerror}): correct [web] basemap or the folder's owner"
            ]
        for path in paths:
            if path.suffix not in (".geojson", ".pmtiles") and path.name != "style.toml":
                continue
            try:
                facts = path.lstat()
            except OSError:
                continue  # gone meanwhile
            if stat.S_ISREG(facts.st_mode):
                found.append((path.name, facts.st_size, facts.st_mtime_ns))
            else:
                found.append((f"{path.name} (refused)", 0, 0))
                wrong.append(f"{path.name} is not a file of its own (a link?); copy the file itself into the folder")
        return tuple(found), wrong

    def _read(self, stamp: tuple[tuple[str, int, int], ...], wrong: list[str]) -> Found:
        style = self._style(stamp, wrong)
        layers: dict[str, Layer] = {}
        for name, _, _ in [one for one in stamp if one[0].endswith(".geojson")]:
            if len(layers) == _MOST_LAYERS:
                wrong.append(f"{name} is not shown: at most {_MOST_LAYERS} layers are; join some")
                continue
            try:
                stem = name.removesuffix(".geojson")
                layer = basemap_geojson.read(self._folder / name, style.layers.get(stem, LayerStyle()).kind)
                layers[stem] = layer
                if layer.left_out:
                    wrong.append(f"{name}: {layer.left_out}")
            except LayerError as error:
                wrong.append(f"{name} {error}")
            except OSError as error:
                wrong.append(f"{name} cannot be read ({error.strerror}): correct its owner or rights")
        known = ", ".join(layers) or "none"
        wrong.extend(
            f"style.toml: layers.{name}: no such layer is shown; known: {known}"
            for name in style.layers.keys() - layers.keys()
        )
        archive = self._archive([name for name, _, _ in stamp if name.endswith(".pmtiles")], wrong)
        return Found(stamp, layers, style, archive, tuple(wrong))

    def _style(self, stamp: Sequence[tuple[str, int, int]], wrong: list[str]) -> Style:
        size = next((size for name, size, _ in stamp if name == "style.toml"), None)
        if size is None:
            return Style()
        if size > _MOST_STYLE:
            wrong.append(f"style.toml is larger than {_MOST_STYLE >> 10} kB and is not used")
            return Style()
        path = self._folder / "style.toml"
        try:
            return Style.model_validate(tomllib.loads(path.read_text("utf-8")))
        except ValidationError as error:
            wrong.extend(str(problem) for problem in explain(path, Style, error.errors()))
        except (ValueError, OSError) as error:
            wrong.append(f"style.toml cannot be read ({error})")
        return Style()

    def _archive(self, names: Sequence[str], wrong: list[str]) -> Archive | None:
        if not names:
            return None
        wrong.extend(
            f"{name} is not shown: one *.pmtiles is, and {names[0]} comes first; move it away" for name in names[1:]
        )
        if any(importlib.util.find_spec(package) is None for package in ("pmtiles", "mapbox_vector_tile")):
            wrong.append(f"{names[0]} {_MISSING}")
            return None
        try:
            return Archive(self._folder / names[0])
        except ArchiveError as error:
            wrong.append(f"{names[0]}: {error}")
        except OSError as error:
            wrong.append(f"{names[0]} cannot be read ({error.strerror}): correct its owner or rights")
        return None


def mistakes(folder: Path | None) -> list[Problem]:
    """Return what `pantau bridge check` says of a folder; the bridge itself runs on without what is wrong."""
    if folder is None:
        return []
    return [Problem("", "web.basemap", said) for said in Basemap(folder).look().problems]


def _weight(tile: Tile | None) -> int:
    return 200 + (0 if tile is None else len(tile.body))  # what the entry itself takes, roughly


def describe(found: Found | None) -> dict[str, Any]:
    """Return what /api/basemap answers."""
    if found is None:
        return {"layers": [], "tiles": None, "bounds": None, "attribution": [], "problems": []}
    version = found.version
    layers = [
        {"name": name, "kind": layer.kind, "from_zoom": found.style.layers.get(name, LayerStyle()).from_zoom,
         "url": f"/basemap/layers/{number}?v={version}"}
        for number, (name, layer) in enumerate(found.layers.items())
    ]  # fmt: skip
    tiles = None
    boxes = [layer.bounds for layer in found.layers.values()]
    said = [found.style.attribution, *(layer.attribution for layer in found.layers.values())]
    if found.archive is not None:
        facts = found.archive.facts
        tiles = {"kind": facts.kind, "min_zoom": facts.min_zoom, "max_zoom": facts.max_zoom, "bounds": facts.bounds}
        tiles["url"] = f"/basemap/{{z}}/{{x}}/{{y}}?v={version}"
        boxes.append(facts.bounds)
        said.append(facts.attribution)
    wests, souths, easts, norths = zip(*boxes, strict=True) if boxes else ((), (), (), ())
    bounds = [min(wests), min(souths), max(easts), max(norths)] if boxes else None
    attribution = list(dict.fromkeys(text for text in map(plain, said) if text))
    return {"layers": layers, "tiles": tiles, "bounds": bounds, "attribution": attribution, "problems": found.problems}


class _Answers:
    """The endpoints."""

    def __init__(self, folder: Path | None) -> None:
        self._basemap = None if folder is None else Basemap(folder)
        self._slots = anyio.Semaphore(_AT_ONCE)

    async def facts(self, _request: Request) -> Response:
        found = None if self._basemap is None else await anyio.to_thread.run_sync(self._basemap.look)
        return JSONResponse(describe(found), headers={"cache-control": "no-store"})

    async def layer(self, request: Request) -> Response:
        found = None if self._basemap is None else await anyio.to_thread.run_sync(self._basemap.look)
        number = request.path_params["number"]
        layers = [] if found is None else list(found.layers.values())
        if found is None or not (
            number.isascii() and number.isdigit() and len(number) < 4 and int(number) < len(layers)
        ):
            raise RequestError(404, "No such layer", "The layers of the basemap are listed at /api/basemap.")
        return _kept(request, f"{found.version}-{number}", layers[int(number)].body, "application/geo+json")

    async def tile(self, request: Request) -> Response:
        z, x, y = _numbers(request)
        if self._basemap is None:
            raise RequestError(404, "No basemap", "No basemap is installed: see [web] basemap in pantau.toml.")
        try:
            async with self._slots:
                version, tile = await anyio.to_thread.run_sync(self._basemap.tile, z, x, y)
        except (ArchiveError, OSError) as error:
            _log.warning("basemap: tile %d/%d/%d: %s", z, x, y, error)
            raise RequestError(502, "Bad tile", f"Tile {z}/{x}/{y} of the basemap: {error}.") from None
        if tile is None:
            return Response(status_code=204, headers={"cache-control": f"private, max-age={_KEEP_S}"})
        return _kept(request, f"{version}-{z}-{x}-{y}", tile.body, tile.media_type)


def _numbers(request: Request) -> tuple[int, int, int]:
    texts = [request.path_params[name] for name in ("z", "x", "y")]
    if all(text.isascii() and text.isdigit() and len(text) <= 8 for text in texts):
        z, x, y = map(int, texts)
        if z <= MAX_ZOOM and max(x, y) < 1 << z:
            return z, x, y
    raise RequestError(
        404, "No such tile", f"A tile is /basemap/z/x/y with z to {MAX_ZOOM} and x, y below 2 to the power z."
    )


def _kept(request: Request, name: str, body: bytes, media_type: str) -> Response:
    headers = {"etag": f'"{name}"', "cache-control": f"private, max-age={_KEEP_S}"}
    if f'"{name}"' in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=media_type)


def routes(parts: Parts) -> list[BaseRoute]:
    """Return the routes; /api/basemap must stand before the API's mount."""
    answers = _Answers(parts.basemap)
    return [
        Route("/api/basemap", gated(Role.PUBLIC, answers.facts)),
        Route("/basemap/layers/{number}", gated(Role.PUBLIC, answers.layer)),
        Route("/basemap/{z}/{x}/{y}", gated(Role.PUBLIC, answers.tile)),
    ]
