"""Judges of our NGSI-LD payloads that are not ours: the schemas and contexts of the Smart Data Models, without network.

They stand beside this repository, in ../shared/platform; without that folder the tests that ask for them are skipped.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pyld import jsonld
from referencing import Registry, Resource

from pantau.sinks import _ngsi_entities as sdm
from pantau.sinks.ngsi_ld import ContextsTable

ROOT = Path(__file__).resolve().parents[3] / "shared" / "platform"
MODELS = ROOT / "smart-data-models"
TYPES = (
    "AirQualityObserved",
    "Device",
    "DeviceMeasurement",
    "FloodMonitoring",
    "TrafficFlowObserved",
    "WeatherObserved",
)
CONTEXTS = ContextsTable()
_PAGES = "https://smart-data-models.github.io/"
_DEFAULT = "https://uri.etsi.org/ngsi-ld/default-context/"
_BOX = ((106.4, 106.9), (-6.4, -5.9))  # longitudes and latitudes of Tangerang
_LEAST_DATE = "2020-01-01"


def need() -> None:
    """Skip the test where the schemas are not at hand."""
    if not MODELS.is_dir():
        pytest.skip(f"{MODELS} is not here: the schemas of the Smart Data Models are judged where it is")


def complaints(entity: dict[str, Any]) -> list[str]:
    """Return what the judges have against an entity in normalized form, dressed with its context or not."""
    simple = sdm.key_values(entity)
    found = [error.message for error in _validator(simple["type"]).iter_errors(simple)]
    found += [f"{term} has no meaning in the contexts" for term in unknown_terms(entity)]
    return found + _own(simple)


def unknown_terms(entity: dict[str, Any]) -> list[str]:
    """Return the names in an entity that expand into the default context: misspelt, or of another model."""
    contexts = [CONTEXTS.of_types()[entity["type"]], CONTEXTS.core]
    expanded = jsonld.expand({"@context": contexts} | entity, {"documentLoader": _load})
    return sorted({name.removeprefix(_DEFAULT) for name in _names(expanded) if name.startswith(_DEFAULT)})


def _own(simple: dict[str, Any]) -> list[str]:
    """Return what the schemas let pass: a place that is none, and a flood without what makes it one."""
    found = []
    point = simple.get("location")
    if point is not None:
        (west, east), (south, north) = _BOX
        longitude, latitude = point["coordinates"]
        if not (west <= longitude <= east and south <= latitude <= north):
            found.append(f"{point} lies outside the city: are longitude and latitude exchanged?")
    if simple["type"] == "FloodMonitoring":
        if point is None:
            found.append("a flood without a place")
        if not simple.get("observationDateTime", "") > _LEAST_DATE:
            found.append("a flood without a time")
        if not {"currentLevel", "measuredDistance", "floodLevelStatus"} & simple.keys():
            found.append("a flood without a level")
    begin, end = simple.get("dateObservedFrom"), simple.get("dateObservedTo")
    if begin is not None and simple["dateObserved"] != f"{begin}/{end}":
        found.append("three words for the period, and they differ")
    return found


@cache
def _validator(kind: str) -> jsonschema.Draft202012Validator:
    schema = _read(MODELS / kind / "schema.json")
    return jsonschema.Draft202012Validator(schema, registry=_registry(), format_checker=jsonschema.FormatChecker())


@cache
def _registry() -> Registry:
    raw = "https://raw.githubusercontent.com/smart-data-models/"
    environment = _read(MODELS / "Environment-schema.json")
    return Registry().with_resources(
        (uri, Resource.from_contents(contents))
        for uri, contents in {
            f"{_PAGES}data-models/common-schema.json": _read(MODELS / "common-schema.json"),
            f"{_PAGES}dataModel.Weather/weather-schema.json": _read(MODELS / "weather-schema.json"),
            f"{_PAGES}dataModel.Device/device-schema.json": _read(MODELS / "device-schema.json"),
            f"{_PAGES}dataModel.Environment/Environment-schema.json": environment,
            f"{raw}dataModel.Environment/master/Environment-schema.json": environment,
        }.items()
    )


@cache
def _context(url: str) -> Any:
    if url == CONTEXTS.core:
        return {"@context": _read(ROOT / "ngsi-ld" / "ngsi-ld-core-context.as-in-smart-data-models.jsonld")["1.7"]}
    domain = url.split("dataModel.")[1].split("/", maxsplit=1)[0]
    return _read(MODELS / f"context.dataModel.{domain}.jsonld")


def _load(url: str, _options: object = None) -> dict[str, Any]:
    return {"contextUrl": None, "documentUrl": url, "contentType": "application/ld+json", "document": _context(url)}


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _names(tree: Any) -> list[str]:
    if isinstance(tree, list):
        return [name for one in tree for name in _names(one)]
    if isinstance(tree, dict):
        # A value under @type or @id is a name too: that of a type, or of what a Relationship points at.
        own = [str(value) for key in ("@type",) for value in (tree.get(key) or []) if isinstance(value, str)]
        return [*tree, *own, *(name for one in tree.values() for name in _names(one))]
    return []
