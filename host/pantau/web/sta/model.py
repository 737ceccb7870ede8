"""The entities of SensorThings as SQL views over the embedded store, and how they hang together. Data only.

Every relation is an equality of key columns: nid (node), pid (property), sid (station), model. Times are Unix ms UTC. A Thing is a node, a
Location and a FeatureOfInterest a station, a Datastream what a node has delivered of a property: the same names that the SensorThings
sink gives them. The joins of Observations are LEFT ones, though none is ever empty, so that SQLite leaves out those that a question does
not need. Undated observations have no phenomenonTime and so are not shown.
"""

from __future__ import annotations

from typing import NamedTuple

# `city` is the store, attached; the tables of `main` are made from the registry and the mapping (tables.py).
VIEWS = """
CREATE TEMP VIEW Things AS SELECT n.node AS id, n.node AS name, n.id AS nid, p.station AS sid,
    CASE WHEN s.name IS NULL THEN 'A node of Pantau' ELSE 'A node of Pantau, at ' || s.name END AS description,
    json_object('node_id', n.node, 'station', p.station, 'domain', s.domain, 'kemendagri', c.kemendagri, 'firmware', n.firmware) AS properties
    FROM city.nodes AS n LEFT JOIN city.placements AS p ON p.node = n.node LEFT JOIN city.stations AS s ON s.id = p.station
    LEFT JOIN codes AS c ON c.station = p.station;
CREATE TEMP VIEW Locations AS SELECT s.id AS id, s.name AS name, s.name AS description, 'application/geo+json' AS encodingType,
    s.lon || ' ' || s.lat AS location, json_object('station', s.id, 'domain', s.domain, 'kemendagri', c.kemendagri) AS properties,
    s.id AS sid FROM city.stations AS s LEFT JOIN codes AS c ON c.station = s.id WHERE s.lon IS NOT NULL;
CREATE TEMP VIEW HistoricalLocations AS SELECT h.node || ':' || h.start_ms AS id, h.start_ms AS time, h.station AS sid, n.id AS nid
    FROM stays AS h JOIN city.nodes AS n ON n.node = h.node;
CREATE TEMP VIEW Sensors AS SELECT model AS id, model AS name, said AS description, 'text/html' AS encodingType, said AS metadata,
    model AS model, '{}' AS properties FROM models;
CREATE TEMP VIEW ObservedProperties AS SELECT o.name AS id, o.name AS name, o.definition AS definition, o.title AS description,
    json_object('judul', o.judul) AS properties, p.id AS pid FROM observed AS o JOIN city.properties AS p ON p.name = o.name;
CREATE TEMP VIEW Datastreams AS SELECT n.node || ':' || p.name AS id, n.node || '/' || p.name AS name,
    o.title || ' by ' || n.node AS description,
    'http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement' AS observationType, o.unit AS unitOfMeasurement,
    json_patch(json_patch(o.properties, coalesce(c.properties, '{}')), coalesce(w.properties, '{}')) AS properties,
    s.lon || ' ' || s.lat AS observedArea,
    (SELECT min(observed_at) FROM city.observations WHERE node = l.node AND property = l.property AND observed_at IS NOT NULL) AS first,
    (SELECT max(observed_at) FROM city.observations WHERE node = l.node AND property = l.property AND observed_at IS NOT NULL) AS phenomenonTime,
    l.node AS nid, l.property AS pid, coalesce(w.model, 'pantau') AS model
    FROM city.latest AS l JOIN city.nodes AS n ON n.id = l.node JOIN city.properties AS p ON p.id = l.property
    JOIN observed AS o ON o.name = p.name LEFT JOIN wired AS w ON w.node = n.node AND w.property = p.name
    LEFT JOIN city.placements AS at ON at.node = n.node LEFT JOIN city.stations AS s ON s.id = at.station
    LEFT JOIN codes AS c ON c.station = at.station;
CREATE TEMP VIEW FeaturesOfInterest AS SELECT s.id AS id, s.name AS name, s.name AS description, 'application/geo+json' AS encodingType,
    s.lon || ' ' || s.lat AS feature, json_object('station', s.id) AS properties, w.id AS sid
    FROM city.stations AS s JOIN city.words AS w ON w.text = s.id WHERE s.lon IS NOT NULL;
CREATE TEMP VIEW Observations AS SELECT n.node || ':' || o.boot || ':' || o.seq || ':' || o.idx || ':' || p.name AS id,
    o.observed_at AS phenomenonTime, o.received AS resultTime, o.value AS result,
    json_object('quality', o.quality, 'reason', r.text, 'boot', o.boot, 'seq', o.seq, 'index', o.idx, 'dated_later',
        json(CASE o.dated_later WHEN 0 THEN 'false' ELSE 'true' END)) AS parameters,
    o.node AS nid, o.property AS pid, o.station AS sid, o.boot AS boot, o.seq AS seq, o.idx AS idx
    FROM city.observations AS o LEFT JOIN city.nodes AS n ON n.id = o.node LEFT JOIN city.properties AS p ON p.id = o.property
    LEFT JOIN city.words AS r ON r.id = o.reason WHERE o.observed_at IS NOT NULL;
"""


class Relation(NamedTuple):
    """A navigation: the set it leads to, the key columns that must be equal, and whether it leads to several."""

    target: str
    keys: tuple[str, ...]
    many: bool


class EntitySet(NamedTuple):
    """fields: columns by kind, in the order in which they are shown; order: what keeps pages apart; links: navigations by name."""

    one: str
    fields: dict[str, str]
    order: tuple[str, ...]
    links: dict[str, Relation]


TEXT, NUMBER, TIME, JSON, PLACE = "text", "number", "time", "json", "place"
_NAMED = {"name": TEXT, "description": TEXT}
_NID, _SID = ("nid",), ("sid",)
SETS = {
    "Things": EntitySet(
        "Thing",
        {**_NAMED, "properties": JSON},
        ("id",),
        {
            "Locations": Relation("Locations", _SID, many=True),
            "HistoricalLocations": Relation("HistoricalLocations", _NID, many=True),
            "Datastreams": Relation("Datastreams", _NID, many=True),
        },
    ),
    "Locations": EntitySet(
        "Location",
        {**_NAMED, "encodingType": TEXT, "location": PLACE, "properties": JSON},
        ("id",),
        {
            "Things": Relation("Things", _SID, many=True),
            "HistoricalLocations": Relation("HistoricalLocations", _SID, many=True),
        },
    ),
    "HistoricalLocations": EntitySet(
        "HistoricalLocation",
        {"time": TIME},
        ("nid", "time"),
        {"Thing": Relation("Things", _NID, many=False), "Locations": Relation("Locations", _SID, many=True)},
    ),
    "Datastreams": EntitySet(
        "Datastream",
        {
            **_NAMED, "observationType": TEXT, "unitOfMeasurement": JSON, "observedArea": PLACE,
            "phenomenonTime": TIME, "properties": JSON,
        },
        ("nid", "pid"),
        {
            "Thing": Relation("Things", _NID, many=False),
            "Sensor": Relation("Sensors", ("model",), many=False),
            "ObservedProperty": Relation("ObservedProperties", ("pid",), many=False),
            "Observations": Relation("Observations", ("nid", "pid"), many=True),
        },
    ),
    "Sensors": EntitySet(
        "Sensor",
        {**_NAMED, "encodingType": TEXT, "metadata": TEXT, "properties": JSON},
        ("id",),
        {"Datastreams": Relation("Datastreams", ("model",), many=True)},
    ),
    "ObservedProperties": EntitySet(
        "ObservedProperty",
        {**_NAMED, "definition": TEXT, "properties": JSON},
        ("id",),
        {"Datastreams": Relation("Datastreams", ("pid",), many=True)},
    ),
    "FeaturesOfInterest": EntitySet(
        "FeatureOfInterest",
        {**_NAMED, "encodingType": TEXT, "feature": PLACE, "properties": JSON},
        ("id",),
        {"Observations": Relation("Observations", _SID, many=True)},
    ),
    "Observations": EntitySet(
        "Observation",
        {"phenomenonTime": TIME, "resultTime": TIME, "result": NUMBER, "parameters": JSON},
        ("nid", "pid", "phenomenonTime", "boot", "seq", "idx"),
        {
            "Datastream": Relation("Datastreams", ("nid", "pid"), many=False),
            "FeatureOfInterest": Relation("FeaturesOfInterest", _SID, many=False),
        },
    ),
}  # fmt: skip
