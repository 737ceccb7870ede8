"""What a layer of a basemap is, by the names that people and the common tile schemas give it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Kind = Literal["land", "green", "water", "coast", "river", "boundary", "rail", "road", "names", "other"]

# Words of Indonesian files (RBI, OpenStreetMap extracts) and of the OpenMapTiles, Protomaps and Shortbread schemas. First wins.
_WORDS: tuple[tuple[Kind, str], ...] = (
    ("names", r"names?|nama|toponimi?|places?|tempat|labels?|pois?|poi"),
    ("boundary", r"boundar(y|ies)|batas|admin\w*|administrasi|kecamatan|kelurahan|desa|kota|kabupaten|provinsi|district"),
    ("coast", r"coast\w*|pantai|garispantai|shore\w*"),
    ("river", r"rivers?|sungai|kali|waterways?|streams?|canals?|saluran|drainase|lines"),
    ("road", r"roads?|jalan|streets?|highways?|transportation|tol|toll"),
    ("rail", r"rails?|railways?|rel|kereta"),
    ("water", r"water|ocean|sea|laut|danau|situ|lakes?|waduk|embung|perairan|polygons"),
    ("green", r"green|parks?|taman|hutan|forest|landcover|landuse|natural|vegetasi|sawah|sites"),
    ("land", r"land|earth|daratan"),
)  # fmt: skip
_PATTERNS = tuple((kind, re.compile(f"(?:{words})")) for kind, words in _WORDS)
KINDS: tuple[str, ...] = (*(kind for kind, _ in _WORDS), "other")
_NAMES = ("name:id", "name", "nama", "Name", "NAME", "NAMA", "WADMKC", "WADMKD", "NAMOBJ", "KECAMATAN", "kecamatan")
_LONGEST_NAME = 80
_GREEN = {"park", "forest", "wood", "grass", "nature_reserve", "cemetery", "garden", "golf_course", "meadow", "scrub", "farmland"}  # fmt: skip
_RANKS = {
    "motorway": 3, "trunk": 3, "highway": 3, "primary": 2, "major_road": 2, "secondary": 2, "tertiary": 1, "medium_road": 1,
    "city": 3, "town": 2, "locality": 2, "borough": 2, "suburb": 1, "village": 1, "macrohood": 1, "municipality": 2,
}  # fmt: skip
_NOT_DRAWN = re.compile(
    r"building|housenum|address|transit|aero|mountain_peak|transportation_name|street_labels|pois?$"
)


def kind_of(text: str) -> Kind:
    """Return the kind that a file's or a layer's name says: "kali_cisadane" is a river; "other" when it says none."""
    parts = re.split(r"[^a-z0-9]+", text.lower())
    if "labels" in parts or "names" in parts or "name" in parts:
        return "names"
    for kind, pattern in _PATTERNS:
        if any(pattern.fullmatch(part) for part in parts):
            return kind
    return "other"


def name_of(properties: Mapping[str, Any]) -> str:
    """Return what a feature is called, "" when it has no name; one line, bounded."""
    for key in _NAMES:
        found = properties.get(key)
        if isinstance(found, str) and found.strip():
            return " ".join(found.split())[:_LONGEST_NAME]
    return ""


def tile_kind(layer: str, properties: Mapping[str, Any]) -> Kind | None:
    """Return how a feature of a vector tile is drawn, None when it is not."""
    if _NOT_DRAWN.search(layer):
        return None
    kind = kind_of(layer)
    sort = str(properties.get("class") or properties.get("kind") or properties.get("subclass") or "")
    if kind == "water" and layer == "water_name":
        return "names"
    if kind == "road" and ("rail" in sort or sort in ("transit", "subway", "light_rail")):
        return "rail"
    if kind == "green" and sort not in _GREEN and layer not in ("park", "parks"):
        return None  # what land is used for is not what is looked for on this map
    return kind


def rank_of(properties: Mapping[str, Any]) -> int:
    """Return 0 for the least of its kind to 3 for motorways and cities."""
    return max(_RANKS.get(str(properties.get(key)), 0) for key in ("class", "kind", "kind_detail", "highway"))
