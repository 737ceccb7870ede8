"""One *.pmtiles file of the operator, read with bounds: neither a broken nor a hostile file may take the bridge's memory or time."""

from __future__ import annotations

import html
import json
import os
import re
import weakref
import zlib
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from pantau.web.basemap_kinds import name_of, rank_of, tile_kind

if TYPE_CHECKING:
    from pathlib import Path

_HEADER = 127
_MAX_DIRECTORY = 8 << 20  # unpacked; a planet's leaf is below 1 MB
_MAX_METADATA = 4 << 20
MAX_TILE = 4 << 20  # unpacked; tilemaker and Protomaps keep below 1 MB
_MAX_POINTS = 250_000  # of a vector tile: a browser draws that many, slowly
_MOST_DIRECTORIES = 64
_DEEPEST = 4  # directories between the root and a tile, as the format says
_E7 = 1e7
_IMAGES = ((b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"))
_SORTS = {"Point": 1, "LineString": 2, "Polygon": 3}  # as the tile format numbers them
_RASTER = ("PNG", "JPEG", "WEBP")
MAX_ZOOM = 24


class ArchiveError(Exception):
    """The file, or a tile of it, cannot be used; the text says why and what to do."""


class Facts(NamedTuple):
    """What the file says of itself. `bounds` is west, south, east, north in degrees."""

    kind: str  # "raster" or "vector"
    min_zoom: int
    max_zoom: int
    bounds: tuple[float, float, float, float]
    attribution: str


class Tile(NamedTuple):
    """One tile as it is sent."""

    body: bytes
    media_type: str


def unpack(packed: bytes, most: int, what: str) -> bytes:
    """Return gunzipped bytes, at most `most` of them. Raises ArchiveError: what is larger is no map but a bomb."""
    engine = zlib.decompressobj(wbits=31)
    try:
        found = engine.decompress(packed, most + 1)
    except zlib.error as error:
        raise ArchiveError(f"{what} is damaged ({error}); make the file again") from None
    if len(found) > most:
        raise ArchiveError(f"{what} unpacks to more than {most >> 20} MB; make the file with fewer details")
    if not engine.eof:
        raise ArchiveError(f"{what} is cut short; copy the file again")
    return found


class Archive:
    """An open PMTiles v3 file. Raises ArchiveError when it is none, OSError when it cannot be read."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        # Closed when the last reader is gone: a thread may still read a tile of a file that was just replaced.
        weakref.finalize(self, os.close, self._file)
        self._header = self._read_header()
        self.facts = self._facts()
        self._directory = lru_cache(_MOST_DIRECTORIES)(self._read_directory)
        self._directory(self._header["root_offset"], self._header["root_length"])

    def _read_header(self) -> Any:
        from pmtiles import tile as pm

        try:
            header = pm.deserialize_header(self._bytes(0, _HEADER, _HEADER, "the header"))
        except (pm.MagicNumberNotFound, UnicodeDecodeError):
            raise ArchiveError("is no PMTiles file; make one with tilemaker, tippecanoe or `pmtiles convert`") from None
        except pm.SpecVersionUnsupported:
            raise ArchiveError("is not PMTiles version 3; renew it with `pmtiles convert`") from None
        except ValueError:
            raise ArchiveError("has a damaged header; make the file again") from None
        if header["internal_compression"] is not pm.Compression.GZIP:
            raise ArchiveError(
                "keeps its directories in another way than gzip, which is not read; renew it with `pmtiles convert`"
            )
        return header

    def _facts(self) -> Facts:
        header = self._header
        name = header["tile_type"].name
        if name != "MVT" and name not in _RASTER:
            raise ArchiveError(f"holds tiles of type {name}; read are MVT, PNG, JPEG and WebP")
        if header["tile_compression"].name not in ("NONE", "GZIP", "UNKNOWN"):
            raise ArchiveError(f"packs its tiles with {header['tile_compression'].name}; make the file with gzip")
        west, south, east, north = (header[f"{side}_e7"] / _E7 for side in ("min_lon", "min_lat", "max_lon", "max_lat"))
        if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
            raise ArchiveError("says bounds that are not on the earth; make the file again")
        if not header["min_zoom"] <= header["max_zoom"] <= MAX_ZOOM:
            raise ArchiveError(f"says zooms from {header['min_zoom']} to {header['max_zoom']}; make the file again")
        kind = "vector" if name == "MVT" else "raster"
        return Facts(kind, header["min_zoom"], header["max_zoom"], (west, south, east, north), self._attribution())

    def _attribution(self) -> str:
        """Return the attribution as plain text: files carry links in HTML."""
        start, length = self._header["metadata_offset"], self._header["metadata_length"]
        if not length:
            return ""
        try:
            found = json.loads(
                unpack(self._bytes(start, length, _MAX_METADATA, "its metadata"), _MAX_METADATA, "its metadata")
            )
        except (ValueError, RecursionError):
            raise ArchiveError("has metadata that are no JSON; make the file again") from None
        text = found.get("attribution") if isinstance(found, dict) else None
        return plain(text) if isinstance(text, str) else ""

    def _bytes(self, offset: int, length: int, most: int, what: str) -> bytes:
        if length > most or offset >= 1 << 62:
            raise ArchiveError(f"{what} would be {length} bytes; the file is damaged, copy it again")
        found = os.pread(self._file, length, offset)
        if len(found) != length:
            raise ArchiveError(f"{what} lies beyond the file's end: the file is cut short, copy it again")
        return found

    def _read_directory(self, offset: int, length: int) -> list[Any]:
        from pmtiles.tile import deserialize_directory

        packed = self._bytes(offset, length, _MAX_DIRECTORY, "a directory")
        unpack(packed, _MAX_DIRECTORY, "a directory")  # the package would unpack without a bound
        try:
            return deserialize_directory(packed)
        except (EOFError, IndexError, ValueError, OverflowError):
            raise ArchiveError("a directory is damaged; make the file again") from None

    def _find(self, z: int, x: int, y: int) -> bytes | None:
        from pmtiles.tile import find_tile, zxy_to_tileid

        wanted = zxy_to_tileid(z, x, y)
        offset, length = self._header["root_offset"], self._header["root_length"]
        for _ in range(_DEEPEST):
            entry = find_tile(self._directory(offset, length), wanted)
            if entry is None:
                return None
            if entry.run_length:
                return self._bytes(self._header["tile_data_offset"] + entry.offset, entry.length, MAX_TILE, "the tile")
            offset, length = self._header["leaf_directory_offset"] + entry.offset, entry.length
        raise ArchiveError("its directories lead nowhere; make the file again")

    def tile(self, z: int, x: int, y: int) -> Tile | None:
        """Return a tile as it is sent, None where the file has none. Raises ArchiveError."""
        found = self._find(z, x, y)
        if found is None:
            return None
        if found[:2] == b"\x1f\x8b":
            found = unpack(found, MAX_TILE, "the tile")
        if self.facts.kind == "vector":
            return Tile(compact(found), "application/json")
        for magic, media_type in _IMAGES:
            if found.startswith(magic):
                return Tile(found, media_type)
        if found[:4] == b"RIFF" and found[8:12] == b"WEBP":
            return Tile(found, "image/webp")
        raise ArchiveError("the tile is no PNG, JPEG or WebP image; make the file again")


def plain(text: str) -> str:
    """Return text without markup, in one line, bounded."""
    return " ".join(html.unescape(re.sub(r"<[^<>]{0,500}>", " ", text[:4000])).split())[:300]


def compact(packed: bytes) -> bytes:
    """Return what the map draws of a Mapbox vector tile, as JSON in tile coordinates. Raises ArchiveError."""
    import mapbox_vector_tile  # type: ignore[import-untyped]
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        layers = mapbox_vector_tile.decode(packed, default_options={"y_coord_down": True})
    except (DecodeError, ValueError, IndexError, AssertionError, TypeError):
        raise ArchiveError("the tile is no Mapbox vector tile; make the file again") from None
    features = []
    points = 0
    for layer, content in layers.items():
        scale = 4096 / (content["extent"] or 4096)
        for feature in content["features"]:
            kind = tile_kind(layer, feature["properties"])
            if kind is None:
                continue
            parts = [_flat(part, scale) for part in _parts(feature["geometry"])]
            points += sum(map(len, parts)) // 2
            if points > _MAX_POINTS:
                raise ArchiveError(f"the tile has more than {_MAX_POINTS} points; make the file with fewer details")
            sort = _SORTS[feature["geometry"]["type"].removeprefix("Multi")]
            features.append(
                {"kind": kind, "type": sort, "rank": rank_of(feature["properties"]), "parts": parts}
                | ({"name": name} if sort == 1 and (name := name_of(feature["properties"])) else {})
            )
    features = [one for one in features if one["parts"] and (one["type"] != 1 or "name" in one)]
    return json.dumps({"extent": 4096, "features": features}, ensure_ascii=False, separators=(",", ":")).encode()


def _parts(geometry: dict[str, Any]) -> list[Any]:
    """Return the rings, lines or points of a geometry as one list of lists of [x, y]."""
    found = geometry["coordinates"]
    match geometry["type"]:
        case "Point" | "LineString":
            return [[found] if geometry["type"] == "Point" else found]
        case "MultiPoint":
            return [[point] for point in found]
        case "MultiPolygon":
            return [ring for polygon in found for ring in polygon]
        case _:
            return list(found)


def _flat(part: Any, scale: float) -> list[int]:
    return [round(value * scale) for point in part for value in point]
