"""Putting a station into service: what is measured, checked and recorded. I/O-free: samples and answers in, checks and one record out."""

from __future__ import annotations

import json
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

from pantau.node.judge import BAD, judge, value_of, worst
from pantau.node.outlook import CLOCK_OFF_S, WEAK_DBM, clock_off_s
from pantau.node.words import say
from pantau_wire import names as T

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

SAMPLES = 10
MOST_BYTES = 900  # of the record: an order has 1,024 with its name, header and tag
_ENOUGH = 8  # valid ones of ten
_SOUND = 3
_COARSE = 2  # quality of a clock that a technician has set
_LONGEST_WHO = 80

# The most that ten samples in a row may differ, raw units. Distances: FloodNet's bench test, 10 mm at 1 m, in proportion beyond. The
# others: as far as the quality control lets the quantity move in a minute (docs/quality.md).
_SPREAD = {
    T.WATER_DISTANCE: 10,
    T.WATER_DEPTH: 10,
    T.AIR_TEMPERATURE: 300,
    T.RELATIVE_HUMIDITY: 1000,
    T.AIR_PRESSURE: 50,
    T.PM2_5: 2000,
    T.CO2: 500,
}
_PER_MILLE = {T.WATER_DISTANCE: 10}  # of the median, where that is more

# Blind zone and end of each distance sensor, mm: their manuals, as the drivers have them.
_RANGES = {
    "a02yyuw": (30, 4500),
    "a01nyub": (280, 7500),
    "jsn_sr04t": (200, 6000),
    "aj_sr04m": (200, 6000),
    "mb7389": (300, 4999),
    "mb7369": (300, 4999),
    "mb7388": (500, 9998),
    "mb7368": (500, 9998),
}


class Given(NamedTuple):
    """What the technician knows and the node does not. Heights in mm; position in degrees; photo: file name and SHA-256."""

    who: str
    mount_mm: int | None = None  # sensor above the ground (or river bed) below it
    gauge_mm: int | None = None  # reading of the staff gauge now
    zero_mm: int | None = None  # sensor above the datum, where it was levelled
    position: tuple[float, float] | None = None
    photo: tuple[str, str] | None = None
    note: str = ""


class Seen(NamedTuple):
    """What the node said: answers to hello, seen and selftest, and SAMPLES to read; set_by: "laptop" where we set its clock."""

    hello: Mapping[str, Any]
    seen: Mapping[str, Any]
    test: Mapping[str, Any]
    samples: Sequence[Mapping[str, Any]]
    set_by: str = ""


class Check(NamedTuple):
    """One thing that must be right. `text` says what is, in the technician's language."""

    name: str
    ok: bool
    text: str


class Spread(NamedTuple):
    """Ten samples of one property, raw: how many were valid, their median, how far they differ, and may."""

    ident: int
    n: int
    middle: int
    spread: int
    limit: int

    @property
    def ok(self) -> bool:
        """Whether it stands still."""
        return self.n >= _ENOUGH and self.spread <= self.limit


def spreads(samples: Iterable[Mapping[str, Any]]) -> list[Spread]:
    """Return how still each property stood that must stand still."""
    found: dict[int, list[int]] = {}
    for sample in samples:
        for ident, (raw, code) in sample.get("readings", {}).items():
            values = found.setdefault(int(ident), [])
            if raw is not None and code & 7 < _SOUND:
                values.append(raw)
    told = []
    for ident, values in sorted(found.items()):
        if ident in _SPREAD:
            middle = round(median(values)) if values else 0
            limit = max(_SPREAD[ident], middle * _PER_MILLE.get(ident, 0) // 1000)
            told.append(Spread(ident, len(values), middle, max(values) - min(values) if values else 0, limit))
    return told


def distance_mm(seen: Seen) -> int | None:
    """Return the median distance to the water or ground; None at a station without such a sensor, or that hears nothing."""
    return next((one.middle for one in spreads(seen.samples) if one.ident == T.WATER_DISTANCE and one.n), None)


def measures_distance(test: Mapping[str, Any]) -> bool:
    """Return whether the station has a sensor of distance, which a zero reference belongs to."""
    return any(sensor.get("model") in _RANGES for sensor in test.get("sensors", ()))


def zero_mm(given: Given, seen: Seen) -> int | None:
    """Return the height of the sensor above the datum: levelled, or the gauge's reading and the distance to the water."""
    if given.zero_mm is not None:
        return given.zero_mm
    distance = distance_mm(seen)
    return None if given.gauge_mm is None or distance is None else given.gauge_mm + distance


def checks(given: Given, seen: Seen, now_s: float, lang: str) -> list[Check]:
    """Return every check, the failed ones with what to do."""
    found = [_tested(seen, lang), _still(seen, lang), *_link(seen.seen, lang), _clock(seen, now_s, lang)]
    if measures_distance(seen.test):
        found += [_zero(given, seen, lang), _mount(given, seen, lang)]
    else:
        found.append(_told("mount", given.mount_mm is not None, lang, mount=_metres(given.mount_mm)))
    where = given.position and "{:.5f}, {:.5f}".format(*given.position)
    found.append(_told("position", where is not None, lang, where=where))
    found.append(_told("photo", given.photo is not None, lang, file=given.photo and given.photo[0]))
    return found


def record(given: Given, seen: Seen, checked: Sequence[Check], accepted: str, when: str) -> dict[str, Any]:
    """Return the body of the COMMISSIONING frame, short names, metres and degrees as texts where a float would be rounded."""
    still = {value_of(s.ident, None, 0).name: [s.n, s.middle, s.spread, s.limit] for s in spreads(seen.samples)}
    body: dict[str, Any] = {"v": 1, "who": given.who[:_LONGEST_WHO], "when": when, "station": seen.hello.get("station")}
    optional = {
        "mount_mm": given.mount_mm,
        "gauge_mm": given.gauge_mm,
        "zero_mm": zero_mm(given, seen),
        "distance_mm": distance_mm(seen),
        "position": given.position and [f"{degrees:.6f}" for degrees in given.position],
        "photo": given.photo and {"file": given.photo[0], "sha256": given.photo[1]},
        "note": given.note or None,
        "rssi": seen.seen.get("rssi"),
        "ack_s": seen.seen.get("ack_s"),
    }
    body |= {name: value for name, value in optional.items() if value is not None}
    body["still"] = still  # property: samples, median, spread, limit, all raw
    body["clock"] = {"quality": seen.hello.get("clock", 0)} | ({"set_by": seen.set_by} if seen.set_by else {})
    body["tested"] = {one.model: one.state for one in judge(seen.test)}
    failed = [one.name for one in checked if not one.ok]
    if failed:
        body["accepted"] = {"checks": failed, "reason": accepted}
    return body


def text(body: Mapping[str, Any]) -> str:
    """Return a record as it travels."""
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False)


def _metres(mm: int | None) -> str:
    return "-" if mm is None else f"{mm / 1000:.3f} m"


def _told(name: str, ok: bool, lang: str, **values: object) -> Check:
    return Check(name, ok, say(f"commission.{name}" if ok else f"commission.{name}_not", lang, **values))


def _tested(seen: Seen, lang: str) -> Check:
    verdicts = judge(seen.test)
    bad = ", ".join(f"{one.model} ({', '.join(one.causes)})" for one in verdicts if one.state == BAD)
    return _told("sensors", worst(verdicts) != BAD, lang, count=len(verdicts), bad=bad or "-")


def _still(seen: Seen, lang: str) -> Check:
    moving = []
    for one in spreads(seen.samples):
        if not one.ok:
            spread, limit = (value_of(one.ident, raw, 0) for raw in (one.spread, one.limit))
            moving.append(f"{spread.name}: {one.n}/{SAMPLES}, {spread.value:g} > {limit.value:g} {limit.unit}")
    return _told("still", not moving, lang, n=len(seen.samples), moving="; ".join(moving))


def _link(seen: Mapping[str, Any], lang: str) -> list[Check]:
    rssi, acked = seen.get("rssi"), seen.get("ack_s") is not None
    found = [_told("delivery", acked, lang, ack_s=seen.get("ack_s"))]
    if rssi is not None or not seen.get("up"):
        found.append(_told("signal", rssi is not None and rssi >= WEAK_DBM, lang, rssi="-" if rssi is None else rssi))
    return found


def _clock(seen: Seen, now_s: float, lang: str) -> Check:
    off = clock_off_s(seen.hello, now_s)
    good = off is not None and abs(off) <= CLOCK_OFF_S and seen.hello.get("clock", 0) >= _COARSE
    return _told("clock", good, lang, off="-" if off is None else f"{off:+.1f}")


def _zero(given: Given, seen: Seen, lang: str) -> Check:
    zero = zero_mm(given, seen)
    return _told("zero", zero is not None, lang, zero=_metres(zero))


def _mount(given: Given, seen: Seen, lang: str) -> Check:
    """The ground must lie within the range of each distance sensor, and the distance not beyond the ground."""
    if given.mount_mm is None:
        return _told("mount", False, lang)
    models = [str(sensor["model"]) for sensor in seen.test.get("sensors", ()) if sensor.get("model") in _RANGES]
    for model in models:
        least, most = _RANGES[model]
        if not least < given.mount_mm <= most:
            values = {"mount": _metres(given.mount_mm), "model": model, "least": _metres(least), "most": _metres(most)}
            return Check("mount", ok=False, text=say("commission.mount_range", lang, **values))
    distance = distance_mm(seen)
    limit = given.mount_mm + max(_SPREAD[T.WATER_DISTANCE] * 2, given.mount_mm // 50)
    if distance is not None and distance > limit:
        values = {"mount": _metres(given.mount_mm), "distance": _metres(distance)}
        return Check("mount", ok=False, text=say("commission.mount_beyond", lang, **values))
    return _told("mount", True, lang, mount=_metres(given.mount_mm))
