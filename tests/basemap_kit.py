"""Basemaps by code: shapes that are plainly made up, as the files of an operator would hold them."""

from __future__ import annotations

import gzip
import io
import json
import math
import struct
import zlib
from pathlib import Path
from typing import Any

import mapbox_vector_tile
from pmtiles.tile import Compression, TileType, zxy_to_tileid
from pmtiles.writer import Writer

WEST, SOUTH, EAST, NORTH = 106.55, -6.30, 106.80, -6.08  # around the stations of city_rig
ATTRIBUTION = 'Shapes by <a href="https://example.invalid">nobody</a> &amp; no one'


def ring(lon: float, lat: float, radius: float, corners: int = 7) -> list[list[float]]:
    """A closed ring of degrees: no district looks like this."""
    turns = [2 * math.pi * corner / corners for corner in range(corners)]
    found = [[lon + radius * math.cos(turn), lat + radius * 0.8 * math.sin(turn)] for turn in turns]
    return [*found, found[0]]


def feature(kind: str, coordinates: Any, **properties: Any) -> dict[str, Any]:
    return {"type": "Feature", "properties": properties, "geometry": {"type": kind, "coordinates": coordinates}}


def collection(*features: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": list(features), **more}


def river(lon: float = 106.615) -> list[list[float]]:
    return [[lon + 0.012 * math.sin(step / 2), NORTH - step * (NORTH - SOUTH) / 20] for step in range(21)]


def geojson_folder(folder: Path) -> Path:
    """A folder with a river, districts and a road."""
    folder.mkdir(exist_ok=True)
    districts = [
        feature("Polygon", [ring(lon, lat, 0.032)], nama=name)
        for lon, lat, name in (
            (106.61, -6.175, "Segi Tujuh"),
            (106.68, -6.20, "Segi Lain"),
            (106.64, -6.245, "Ring <b>C</b>"),
        )
    ]
    write(folder / "kecamatan.geojson", collection(*districts, attribution="Test rings, public domain"))
    write(folder / "sungai.geojson", collection(feature("LineString", river(), name="Kali Uji")))
    write(folder / "jalan.geojson", collection(feature("LineString", [[WEST, -6.17], [EAST, -6.19]])))
    return folder


def write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content), "utf-8")


def tile_of(lon: float, lat: float, zoom: int) -> tuple[int, int]:
    across = (lon + 180) / 360
    down = (1 - math.asinh(math.tan(math.radians(lat))) / math.pi) / 2
    return int(across * 2**zoom), int(down * 2**zoom)


def png(colour: tuple[int, int, int], side: int = 256) -> bytes:
    """A PNG of one colour."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    rows = (b"\0" + bytes(colour) * side) * side
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def vector_tile(z: int, x: int, y: int) -> bytes:
    """A tile with something of everything, in the OpenMapTiles schema."""

    def line(a: int, b: int, c: int, d: int) -> str:
        return f"LINESTRING({a} {b}, {c} {d})"

    def box(a: int, b: int, c: int, d: int) -> str:
        return f"POLYGON(({a} {b}, {c} {b}, {c} {d}, {a} {d}, {a} {b}))"

    layers = [
        {"name": "water", "features": [{"geometry": box(0, 900, 4096, 1400), "properties": {"class": "river"}}]},
        {"name": "landcover", "features": [{"geometry": box(2500, 2000, 3500, 3200), "properties": {"class": "wood"}}]},
        {"name": "building", "features": [{"geometry": box(10, 10, 20, 20), "properties": {}}]},
        {
            "name": "transportation",
            "features": [
                {"geometry": line(0, 3000, 4096, 2600), "properties": {"class": "motorway"}},
                {"geometry": line(1000, 0, 1100, 4096), "properties": {"class": "minor"}},
                {"geometry": line(0, 200, 4096, 300), "properties": {"class": "rail"}},
            ],
        },
        {"name": "boundary", "features": [{"geometry": line(2048, 0, 2048, 4096), "properties": {"admin_level": 6}}]},
        {
            "name": "place",
            "features": [{"geometry": "POINT(2048 2048)", "properties": {"class": "suburb", "name": f"Kotak {x}-{y}"}}],
        },
    ]
    return gzip.compress(mapbox_vector_tile.encode(layers, default_options={"y_coord_down": True}), mtime=0)


def archive(path: Path, kind: str = "vector", zooms: tuple[int, int] = (9, 12), **header: Any) -> Path:
    """A small PMTiles file of the box around the stations."""
    tiles = []
    for zoom in range(zooms[0], zooms[1] + 1):
        (left, top), (right, bottom) = tile_of(WEST, NORTH, zoom), tile_of(EAST, SOUTH, zoom)
        for x in range(left, right + 1):
            for y in range(top, bottom + 1):
                body = vector_tile(zoom, x, y) if kind == "vector" else png((200 - 9 * (x % 9), 214, 190 + 7 * (y % 9)))
                tiles.append((zxy_to_tileid(zoom, x, y), body))
    return write_archive(path, sorted(tiles), kind, **header)


def write_archive(path: Path, tiles: list[tuple[int, bytes]], kind: str = "vector", **header: Any) -> Path:
    sink = io.BytesIO()
    writer = Writer(sink)
    for ident, body in tiles:
        writer.write_tile(ident, body)
    facts = {
        "tile_type": TileType.MVT if kind == "vector" else TileType.PNG,
        "tile_compression": Compression.GZIP if kind == "vector" else Compression.NONE,
        "min_lon_e7": int(WEST * 1e7),
        "min_lat_e7": int(SOUTH * 1e7),
        "max_lon_e7": int(EAST * 1e7),
        "max_lat_e7": int(NORTH * 1e7),
    }
    writer.finalize(facts | header, {"attribution": ATTRIBUTION})
    path.write_bytes(sink.getvalue())
    return path
