"""What cannot be true together in a scenario, beyond the form of its tables: names, times, and what stands at stations. Pure."""

from __future__ import annotations

import difflib
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pantau.alerts.files import defaults
from pantau.alerts.rules import SEVERITIES
from pantau.refusals import REASONS
from pantau_sim.ailments import KINDS
from pantau_sim.expect import CHECKS
from pantau_sim.scenario import standing
from pantau_sim.scenario.hardware import WIRE_FAULTS, built_s, models
from pantau_sim.scenario.places import fleet_ids, sensors, suits
from pantau_sim.scenario.spans import CITYWIDE
from pantau_sim.scenario.tables import Fault
from pantau_sim.scenario.words import unknown
from pantau_wire import names as wire

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pantau_sim.scenario.tables import Expect, PlaceTable, Scenario, When

Place = tuple[int | str, ...]
Found = tuple[Place, str]

_DAY_S = 86_400
_LIFE_S = 9 * 365 * _DAY_S  # a node believes no time ten years after it was made
_MOST = 20_000  # of one table: more is a slip of `every_h`
_SIAGA = (1, 2, 3)
_PROPERTIES = tuple(row[0] for row in wire.PROPERTIES.values())


def contradictions(scenario: Scenario, tables: Mapping[str, Any], kept: Mapping[str, Sequence[int]]) -> list[Found]:
    """Return every contradiction. `tables` is the file as read, `kept` says which rows of it the scenario's are."""
    stations = {place.id: place for place in scenario.station}
    written = tables.get("station")
    known = [str(row.get("id")) for row in (written if isinstance(written, list) else []) if isinstance(row, dict)]
    known += [name for fleet in fleet_ids(scenario) for name in fleet]
    found = [
        *_head(scenario, tables),
        *standing.contradictions(scenario, tables, kept),
        *_showers(scenario, kept["shower"]),
    ]
    for array, rows in (("fault", scenario.fault), ("ailment", scenario.ailment), ("client", scenario.client)):
        for at, row in zip(kept[array], rows, strict=True):
            calm = array != "ailment"
            found += [((array, at, *place), words) for place, words in _when(scenario, row, len(known), calm=calm)]
            found += [((array, at, *place), words) for place, words in _stations(row.stations, known)]
            if array == "ailment":
                found += [((array, at, *place), words) for place, words in _ailment(row, stations)]
            elif isinstance(row, Fault):
                found += [((array, at, *place), words) for place, words in _fault(row, stations, scenario)]
    names = Counter(expect.name for expect in scenario.expect)
    for at, expect in zip(kept["expect"], scenario.expect, strict=False):
        found += [(("expect", at, *place), words) for place, words in _expect(expect, known)]
        if names[expect.name] > 1:
            found.append((("expect", at, "name"), f"{expect.name} occurs {names[expect.name]} times; names are unique"))
    return found


def _head(scenario: Scenario, tables: Mapping[str, Any]) -> Iterator[Found]:
    head, built = scenario.scenario, built_s()
    earliest = built + _DAY_S
    if head.start.timestamp() < earliest:
        yield (
            ("scenario", "start"),
            f"is before the nodes' firmware was made: no node believes such a time; begin {_date(earliest)} or later",
        )
    if head.start.timestamp() + head.hours * 3600 > built + _LIFE_S:
        yield ("scenario", "start"), f"is later than a node believes; end before {_date(built + _LIFE_S)}"
    if head.calm_h >= head.hours:
        yield ("scenario", "calm_h"), f"leaves nothing of the {head.hours:g} hours; make it shorter"
    if not tables.get("station") and not tables.get("fleet"):
        yield ("scenario",), "has no station; add a [[station]] or a [[fleet]]"


def _date(unix_s: float) -> str:
    return f"{datetime.fromtimestamp(unix_s, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _showers(scenario: Scenario, kept: Sequence[int]) -> Iterator[Found]:
    for at, shower in zip(kept, scenario.shower, strict=True):
        if (shower.latitude is None) != (shower.longitude is None):
            missing = "latitude" if shower.latitude is None else "longitude"
            yield ("shower", at), f"{missing} is missing; a shower has both, or neither and falls everywhere"
        if shower.at_h > scenario.scenario.hours:
            words = f"{shower.at_h:g} h is after the end of the run, at {scenario.scenario.hours:g} h"
            yield ("shower", at, "at_h"), words


def _when(scenario: Scenario, row: When, stations: int, *, calm: bool) -> Iterator[Found]:
    """Yield impossible times. `calm`: it has to be over before the calm hours."""
    hours = scenario.scenario.hours
    last = hours - scenario.scenario.calm_h if calm else hours
    for key in ("at_h", "until_h"):
        value = getattr(row, key)
        if value is None or (key == "until_h" and value <= hours):
            continue
        if value >= hours:
            yield (key,), f"impossible time: {value:g} h is not within the run, which ends at {hours:g} h"
        elif value >= last:
            yield (
                (key,),
                f"impossible time: {value:g} h lies in the calm hours, from {last:g} h on, in which nothing may break",
            )
    if row.until_h is not None and row.every_h is None:
        yield ("until_h",), "needs every_h: without it this happens once"
    if row.until_h is not None and row.until_h <= row.at_h:
        yield ("until_h",), f"impossible time: {row.until_h:g} h is not after at_h"
    if isinstance(row.for_min, list) and row.for_min[0] > row.for_min[1]:
        yield ("for_min",), "is [least, most]; exchange the two"
    if row.every_h is not None and (count := hours / row.every_h * (1 if row.together else stations)) > _MOST:
        yield ("every_h",), f"would make {count:.0f} of it; at most {_MOST} are meant: are these hours, not minutes?"


def _stations(named: list[str] | None, known: list[str]) -> Iterator[Found]:
    for at, name in enumerate(named or ()):
        if name not in known:
            yield ("stations", at), unknown("station", name, known)


def _ailment(row: Any, stations: Mapping[str, PlaceTable]) -> Iterator[Found]:
    if row.kind not in KINDS:
        yield ("kind",), unknown("ailment", row.kind, KINDS)
        return
    for at, name in enumerate(row.stations or ()):
        if name in stations and not suits(row.kind, stations[name]):
            here = stations[name].domain
            yield ("stations", at), f"{name} observes {here}; {row.kind} is an ailment of {KINDS[row.kind].DOMAIN}"


def _fault(row: Fault, stations: Mapping[str, PlaceTable], scenario: Scenario) -> Iterator[Found]:
    if row.kind in CITYWIDE and row.stations is not None:
        yield ("stations",), f"{row.kind} is everybody's; leave the stations out"
    if row.kind != "sensor" or row.sensor is None or row.what is None:
        return
    model = models().get(row.sensor)
    if model is None:
        yield ("sensor",), unknown("sensor model", row.sensor, models())
        return
    on_wire = [what for what, buses in WIRE_FAULTS.items() if model.bus in buses]
    if row.what not in on_wire and row.what not in model.faults:
        both = ", ".join((*on_wire, *model.faults))
        yield ("what",), f"{row.sensor} has no fault {row.what}; {_near(row.what, (*on_wire, *model.faults), both)}"
    having = [name for name, place in stations.items() if any(s["model"] == row.sensor for s in sensors(place))]
    for at, name in enumerate(row.stations or ()):
        if name in stations and name not in having:
            yield ("stations", at), f"{name} has no {row.sensor}; it has: {_models(stations[name])}"
    if row.stations is None and not having and not scenario.fleet:
        yield ("sensor",), f"no station has a {row.sensor}"


def _near(name: str, known: Sequence[str], told: str) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]}?" if close else f"it has: {told}"


def _models(place: PlaceTable) -> str:
    return ", ".join(sensor["model"] for sensor in sensors(place))


def _expect(expect: Expect, known: list[str]) -> Iterator[Found]:
    """Yield what is wrong with an expectation: names, and keys that its check does not take or lacks."""
    check = CHECKS.get(expect.check)
    if check is None:
        yield ("check",), unknown("check", expect.check, CHECKS)
        return
    given = {key for key in expect.model_fields_set if getattr(expect, key) is not None} - {"name", "check"}
    for key in sorted(given - check.keys):
        yield (key,), f"{expect.check} does not take this; it takes: {', '.join(sorted(check.keys)) or 'no key'}"
    for needs in check.needs:
        if not given & set(needs):
            yield (), f"{expect.check} needs {' or '.join(needs)}; add it"
    yield from _stations(expect.stations, known)
    rules = defaults().rules
    if expect.rule is not None and expect.rule not in rules:
        yield ("rule",), unknown("alert rule", expect.rule, rules)
    if expect.severity is not None and expect.severity not in SEVERITIES[1:]:
        yield ("severity",), unknown("severity", expect.severity, SEVERITIES[1:])
    if expect.property is not None and expect.property not in _PROPERTIES:
        yield ("property",), unknown("observed property", expect.property, _PROPERTIES)
    if expect.reason is not None and expect.reason not in REASONS:
        yield ("reason",), unknown("reason", expect.reason, REASONS)
    if expect.level is not None and expect.level not in _SIAGA:
        yield ("level",), "is a siaga state: 3 waspada, 2 siaga, 1 awas"
    if expect.at_least is not None and expect.at_most is not None and expect.at_least > expect.at_most:
        yield ("at_least",), "is more than at_most"
    if check.share and any(not 0 <= v <= 1 for v in (expect.at_least, expect.at_most) if v is not None):
        yield ("at_least",), f"{expect.check} is a share: from 0 to 1"
