"""Which Datastream an observation belongs to; made at the first one, with its Thing, Sensor and ObservedProperty."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from pantau import mapping
from pantau.sinks._sta_client import id_of, iot_id
from pantau.sinks._sta_ids import Ids, NotProvided
from pantau.sinks._sta_places import Places

if TYPE_CHECKING:
    from pantau.model import Observation
    from pantau.registry import Registry
    from pantau.sinks._sta_client import Client
    from pantau.sinks.kept import Kept

_MEASUREMENT = "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement"
_UCUM = "http://www.opengis.net/def/uom/UCUM/0/"
_DERIVED = "pantau"  # the Sensor of what no sensor of the registry observes


class Stream(NamedTuple):
    """A Datastream. `period`: its values are counts or amounts over an interval."""

    id: str
    period: bool


class Catalog:
    """Datastreams by node and property, and features of interest by station."""

    def __init__(
        self, client: Client, kept: Kept, registry: Registry, *, provision: bool, definitions: str | None
    ) -> None:
        self.ids = Ids(client, kept, provision=provision)
        self._places = Places(self.ids, registry)
        self._registry, self._definitions = registry, definitions
        self._streams: dict[tuple[str, str, str], Stream] = {}
        self._features: dict[str | None, str | None] = {}
        self._listed: set[str] = set()  # nodes of which all Datastreams are known

    def use(self, registry: Registry) -> None:
        """Take over another registry."""
        self._registry = registry
        self._places.use(registry)
        self._streams.clear()
        self._features.clear()

    def forget(self) -> None:
        """Forget all ids; they are found or made again when they are needed."""
        self.ids.forget()
        self._places.forget()
        self.unsure()

    def unsure(self) -> None:
        """Look again before anything is made: what was sent last may have been made."""
        self._streams.clear()
        self._features.clear()
        self._listed.clear()

    def stream(self, seen: Observation) -> Stream:
        """Return the Datastream of an observation. ValueError with words when there is none for it, and can be none."""
        known = self._streams.get((seen.node, seen.property, seen.unit))
        if known is None:
            observed = mapping.observed(seen.property)
            if mapping.unit(seen.unit) != observed.unit:
                raise NotProvided(f"the unit {seen.unit!r} is not that of its Datastream, {observed.unit.ucum!r}")
            known = Stream(self._datastream(seen, observed), observed.period)
            self._streams[seen.node, seen.property, seen.unit] = known
        return known

    def known(self, node: str, name: str) -> str | None:
        """Return the Datastream of a node's property, None when there is none: nothing is made."""
        return self.ids.found("Datastreams", f"{node}/{name}")

    def feature(self, station: str | None) -> str | None:
        """Return the FeatureOfInterest of a station; see Places.feature."""
        if station not in self._features:
            self._features[station] = self._places.feature(station)
        return self._features[station]

    def _datastream(self, seen: Observation, observed: mapping.Observed) -> str:
        name = f"{seen.node}/{seen.property}"
        known = self.ids.get("Datastreams", name)
        if not self.ids.provision:
            return known or self.ids.made("Datastreams", name, dict)
        thing = self._places.thing(seen.node)
        if known is None and seen.node not in self._listed:
            held = self.ids.client.pages(f"/Things({thing})/Datastreams")
            self.ids.note("Datastreams", {str(stream["name"]): id_of(stream) for stream in held})
            self._listed.add(seen.node)
        return self.ids.made("Datastreams", name, lambda: self._body(seen, observed, thing), look=False)

    def _body(self, seen: Observation, observed: mapping.Observed, thing: str) -> dict[str, Any]:
        unit = observed.unit
        definition = unit.qudt or _UCUM + quote(unit.ucum, safe="")
        return {
            "description": f"{observed.title} by {seen.node}", "observationType": _MEASUREMENT,
            "unitOfMeasurement": {"name": unit.name, "symbol": unit.symbol, "definition": definition},
            "properties": {"ucum": unit.ucum, "judul": observed.judul, "period": observed.period},
            "Thing": {"@iot.id": iot_id(thing)},
            "Sensor": {"@iot.id": iot_id(self._sensor(seen))},
            "ObservedProperty": {"@iot.id": iot_id(self._property(observed))},
        }  # fmt: skip

    def _property(self, observed: mapping.Observed) -> str:
        definition = observed.definition if self._definitions is None else self._definitions + observed.name
        body = {"description": observed.title, "definition": definition, "properties": {"judul": observed.judul}}
        return self.ids.made("ObservedProperties", observed.name, lambda: body)

    def _sensor(self, seen: Observation) -> str:
        """Return the Sensor that observes: one for each model, whichever node has it."""
        at_ms = seen.observed_at_ms or seen.received_ms
        models = [
            sensor.model
            for sensor in (self._registry.sensors_at(seen.station, at_ms) if seen.station is not None else ())
            if seen.property in sensor.properties and sensor.node in (None, seen.node)
        ]
        model = models[0] if models else _DERIVED
        said = (
            "Made by Pantau, or read by a sensor that the registry does not name"
            if model == _DERIVED
            else f"Model {model}"
        )
        body = {"description": said, "encodingType": "text/html", "metadata": said}
        return self.ids.made("Sensors", model, lambda: body)
