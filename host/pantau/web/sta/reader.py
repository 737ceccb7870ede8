"""The model's connection: the store attached read-only beside tables made from the registry. Each question has a bound in time."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pantau import mapping
from pantau.registry import EVER_MS
from pantau.web.method import INDICATIVE, method
from pantau.web.sta.functions import teach
from pantau.web.sta.model import VIEWS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pantau.registry import Registry
    from pantau.web.sta.sql import Query

BUDGET_S = 2.0  # of one statement: what takes longer keeps others waiting
ANSWER_S = 10.0  # of one answer with all that is expanded
_OTHER_KIND = (
    "a function got a value of another kind: geo functions compare location, feature or observedArea with geography'...', "
    "round, floor and ceiling take numbers"
)
_STEPS = 20_000  # of SQLite's machine between two looks at the clock
_DERIVED = "pantau"  # the Sensor of what no sensor of the registry observes, as the SensorThings sink calls it
_UCUM = "http://www.opengis.net/def/uom/UCUM/0/"
_TABLES = """
CREATE TABLE observed (name TEXT PRIMARY KEY, title, judul, definition, unit, properties) WITHOUT ROWID;
CREATE TABLE codes (station TEXT PRIMARY KEY, kemendagri, properties) WITHOUT ROWID;
CREATE TABLE stays (node, station, start_ms, PRIMARY KEY (node, start_ms)) WITHOUT ROWID;
CREATE TABLE models (model TEXT PRIMARY KEY, said) WITHOUT ROWID;
CREATE TABLE wired (node, property, model, properties, PRIMARY KEY (node, property)) WITHOUT ROWID;
"""
_FILLED = ("observed", "codes", "stays", "models", "wired")


class TooLongError(RuntimeError):
    """A question took longer than it may; the text says what helps."""


class Reader:
    """Reads of one city store in SensorThings' terms. Calls block and may come from any thread. Raises sqlite3.Error, TooLongError."""

    def __init__(self, path: Path, licence: str, now_ms: Callable[[], int]) -> None:
        """Attach the store at `path`, which a CityStore has created. `licence` stands in each Datastream's metadata."""
        self._licence, self._now_ms = licence, now_ms
        self._lock = threading.Lock()
        self._given: Registry | None = None
        self._db = sqlite3.connect(":memory:", uri=True, check_same_thread=False, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        self._db.execute("ATTACH ? AS city", (f"{path.absolute().as_uri()}?mode=ro",))
        teach(self._db)
        self._db.executescript(_TABLES + VIEWS)

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._db.close()

    def use(self, registry: Registry) -> None:
        """Take over stations, sensors and their calibration as they are now; cheap where it is the same registry."""
        with self._lock:
            if registry is self._given:
                return
            self._db.execute("BEGIN")
            for table in _FILLED:
                self._db.execute(f"DELETE FROM {table}")  # noqa: S608  names from above
            self._db.executemany("INSERT INTO observed VALUES (?,?,?,?,?,?)", _observed(self._licence))
            now_ms = self._now_ms()
            self._db.executemany("INSERT INTO codes VALUES (?,?,?)", _codes(registry, now_ms))
            stays = [
                (stay.id, stay.station, max(0, stay.start_ms) if stay.start_ms > EVER_MS else 0)
                for node in registry.nodes
                for stay in registry.placements(node)
                if stay.start_ms <= now_ms
            ]
            self._db.executemany("INSERT OR REPLACE INTO stays VALUES (?,?,?)", stays)
            wired = list(_wired(registry, now_ms))
            self._db.executemany("INSERT OR REPLACE INTO wired VALUES (?,?,?,?)", wired)
            said = {_DERIVED: "Made by Pantau, or read by a sensor that the registry does not name"}
            said |= {row[2]: f"Model {row[2]}" for row in wired}
            self._db.executemany("INSERT INTO models VALUES (?,?)", said.items())
            self._db.execute("COMMIT")
            self._given = registry

    def rows(self, query: Query, until_s: float) -> list[dict[str, Any]]:
        """Return the rows of a statement of an answer that must be whole at `until_s` of the monotonic clock."""
        with self._lock:
            now_s = time.monotonic()
            if now_s > until_s:
                raise TooLongError(
                    f"the answer takes more than {ANSWER_S:g} s: a smaller $top, here or in $expand, and follow the links"
                )
            end = min(until_s, now_s + BUDGET_S)
            self._db.set_progress_handler(lambda: time.monotonic() > end, _STEPS)
            try:
                return [dict(row) for row in self._db.execute(query.text, query.values)]
            except sqlite3.OperationalError as error:
                if time.monotonic() > end:
                    raise TooLongError(
                        f"the answer takes more than {BUDGET_S:g} s: ask for one Datastream, a shorter time or fewer conditions"
                    ) from None
                if "attached" in str(error) or "disk" in str(error) or "no such table" in str(error):
                    raise
                if "user-defined" in str(error):
                    raise ValueError(_OTHER_KIND) from None
                raise ValueError(str(error)) from None  # of the values: an integer overflow, say
            finally:
                self._db.set_progress_handler(None, 0)


def _observed(licence: str) -> Iterator[tuple[Any, ...]]:
    from pantau_wire import names as wire

    for name in sorted({row[0] for row in wire.PROPERTIES.values()}):
        try:
            seen = mapping.observed(name)
        except ValueError:
            continue  # nothing that platforms are told of
        unit = seen.unit
        told = {"name": unit.name, "symbol": unit.symbol, "definition": unit.qudt or _UCUM + quote(unit.ucum, safe="")}
        more = {
            "ucum": unit.ucum,
            "judul": seen.judul,
            "method": method(name),
            "indicative": name in INDICATIVE,
            "period": seen.period,
            "licence": licence or None,
        }
        yield (
            name,
            seen.title,
            seen.judul,
            seen.definition,
            json.dumps(told),
            json.dumps(more),
        )


def _codes(registry: Registry, now_ms: int) -> Iterator[tuple[str, str | None, str]]:
    """Yield (station, its code, what its figures are now: metadata of each Datastream there)."""
    for name, last in registry.stations.items():
        station = registry.station(name, now_ms) or last
        more = {
            "station": name,
            "kemendagri": station.kemendagri,
            "datum": station.datum,
            "datum_height_m": station.datum_height_m,
            "sensor_height_m": station.sensor_height_m,
            "calibration": max(station.calibrations, default=None),
        }
        yield name, station.kemendagri, json.dumps({key: value for key, value in more.items() if value is not None})


def _wired(registry: Registry, now_ms: int) -> Iterator[tuple[str, str, str, str]]:
    """Yield (node, property, model of its sensor, metadata) of all that the registry says stands there now."""
    for station in registry.stations.values():
        nodes = registry.nodes_at(station.id, now_ms)
        for sensor in registry.sensors_at(station.id, now_ms):
            more: dict[str, Any] = {
                "sensor": sensor.model,
                "serial": sensor.serial,
            }
            told = json.dumps({key: value for key, value in more.items() if value is not None})
            for node in nodes if sensor.node is None else (sensor.node,):
                for name in sensor.properties:
                    yield node, name, sensor.model, told
