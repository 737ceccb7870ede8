"""Where nodes stand, told to a SensorThings server: Things, Locations with their history, features of interest."""

from __future__ import annotations

import json
import logging
import time
from typing import TYPE_CHECKING, Any

from pantau.log import event
from pantau.registry import EVER_MS
from pantau.sinks._sta_client import Gone, encoded, id_of, iot_id
from pantau.sinks._sta_rows import iso, second_of
from pantau.sinks.items import Refused

if TYPE_CHECKING:
    from pantau.registry import Placement, Registry, Station
    from pantau.sinks._sta_ids import Ids

_log = logging.getLogger("pantau.sink")
_GEOJSON = "application/geo+json"
NOWHERE = "unknown station"  # where a node stood that the registry gives no place


class Places:
    """Things and what they stand at. Entities are named by the ids of the registry: node for a Thing, station for the rest."""

    def __init__(self, ids: Ids, registry: Registry) -> None:
        self._ids, self._registry = ids, registry
        self._told: set[str] = set()  # nodes that were brought up to this registry

    def use(self, registry: Registry) -> None:
        """Take over another registry; what it changes is told with the next observation."""
        self._registry = registry
        self._told.clear()

    def forget(self) -> None:
        """Note that the server knows nothing of what it was told."""
        self._told.clear()

    def feature(self, station: str | None) -> str | None:
        """Return the FeatureOfInterest of observations at a station, None where the server has none and we make none."""
        name = station or NOWHERE
        if not self._ids.provision:
            return self._ids.found("FeaturesOfInterest", name)
        self._draw(name)
        return self._ids.made("FeaturesOfInterest", name, lambda: _feature(self._registry.stations.get(name), name))

    def thing(self, node: str) -> str:
        """Return the Thing of a node, at the place where it stands now."""
        if node in self._told and (known := self._ids.get("Things", node)) is not None:
            return known
        stays = self._registry.placements(node)
        now_ms = int(time.time() * 1000)
        past = [stay for stay in stays if stay.start_ms <= now_ms]
        here = self._registry.stations.get(past[-1].station) if past else None
        known = self._ids.found("Things", node)
        if not self._ids.provision:
            return known or self._ids.made("Things", node, dict, look=False)
        text = _fingerprint(here, past)
        if known is None:
            at = {"Locations": [{"@iot.id": iot_id(self._location(here))}]} if here else {}
            known = self._ids.made("Things", node, lambda: {**_thing(node, here), **at}, look=False)
            self._remember(known, past)
        elif self._ids.get("placed", node) != text:
            self._move(known, node, here)
            self._remember(known, past)
        self._ids.note("placed", {node: text})
        self._told.add(node)
        return known

    def _move(self, thing: str, node: str, here: Station | None) -> None:
        """Bring a Thing up to the registry. Some servers leave its Locations as they are and say nothing."""
        at = {"Locations": [{"@iot.id": iot_id(self._location(here))}]} if here else {}
        self._change(f"/Things({thing})", {**_thing(node, here), **at})

    def _change(self, path: str, body: dict[str, Any]) -> None:
        """Change an entity; one that the server does not let us change stays as it is, and that is said."""
        try:
            there = self._ids.client.change(path, body)
        except Refused as error:
            event(_log, logging.WARNING, "sensorthings.refused", sink="sensorthings", entity=path, reason=str(error))
            return
        if not there:
            raise Gone(f"{path} is not there any more")

    def _remember(self, thing: str, stays: list[Placement]) -> None:
        """Tell where a node stood before, where that is more than the Thing's own Location says."""
        if len(stays) == 1 and stays[0].start_ms == EVER_MS:
            return
        client = self._ids.client
        path = f"/Things({thing})/HistoricalLocations?{encoded('$expand=Locations($select=name)')}"
        known = {
            second_of(past.get("time")): (past, {place.get("name") for place in past.get("Locations") or ()})
            for past in client.pages(path)
        }
        for stay in stays:
            station = self._registry.stations.get(stay.station)
            if station is None:
                continue
            past, names = known.get(stay.start_ms // 1000, (None, set()))
            if past is not None and station.id in names:
                continue
            if past is not None:  # the registry was corrected: one place at a time
                client.delete(f"/HistoricalLocations({id_of(past)})")
            place = [{"@iot.id": iot_id(self._location(station))}]
            body = {"time": iso(stay.start_ms), "Thing": {"@iot.id": iot_id(thing)}, "Locations": place}
            try:
                client.create("HistoricalLocations", body)
            except Refused as error:  # the observations keep their FeatureOfInterest all the same
                event(
                    _log, logging.WARNING, "sensorthings.refused", sink="sensorthings", entity=path, reason=str(error)
                )

    def _location(self, station: Station) -> str:
        self._draw(station.id)
        return self._ids.made("Locations", station.id, lambda: _location(station))

    def _draw(self, name: str) -> None:
        """Correct a station's place on the server where the registry has another for it now."""
        station = self._registry.stations.get(name)
        if station is None:
            return
        text = json.dumps([station.name, station.longitude, station.latitude])
        before = self._ids.get("drawn", name)
        if before == text:
            return
        if before is not None:
            for kind, body in (("FeaturesOfInterest", _feature(station, name)), ("Locations", _location(station))):
                if (known := self._ids.get(kind, name)) is not None:
                    self._change(f"/{kind}({known})", body)
        self._ids.note("drawn", {name: text})


def _fingerprint(here: Station | None, stays: list[Placement]) -> str:
    place = [here.id, here.domain, here.kemendagri, here.name] if here else []
    return json.dumps([place, [(stay.start_ms, stay.station) for stay in stays]])


def _thing(node: str, here: Station | None) -> dict[str, Any]:
    properties: dict[str, Any] = {"node_id": node}
    if here is None:
        return {"description": "A node of Pantau", "properties": properties}
    properties |= {"domain": here.domain, "station": here.id}
    if here.kemendagri is not None:
        properties["kemendagri"] = here.kemendagri
    return {"description": f"A node of Pantau, at {here.name}", "properties": properties}


def _point(station: Station) -> dict[str, Any]:
    return {"type": "Point", "coordinates": [station.longitude, station.latitude]}


def _location(station: Station) -> dict[str, Any]:
    return {"description": station.name, "encodingType": _GEOJSON, "location": _point(station)}


def _feature(station: Station | None, name: str) -> dict[str, Any]:
    if station is None:
        nowhere = {"type": "Feature", "geometry": None, "properties": {"station": name}}
        said = "A station of which the registry has no position"
        return {"description": said, "encodingType": _GEOJSON, "feature": nowhere}
    return {"description": station.name, "encodingType": _GEOJSON, "feature": _point(station)}
