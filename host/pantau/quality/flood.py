"""Flood stations: level of a transducer, depth over ground, float switch against depth, siaga states."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pantau.quality.flags import FAIL, GOOD, MISSING, SUSPECT, UNKNOWN
from pantau.quality.work import UNITS

if TYPE_CHECKING:
    from collections.abc import Callable

    from pantau.quality.site import FloodSite, RainFed
    from pantau.quality.work import Work

NORMAL = 4


def add_level(work: Work) -> None:
    """Add the column water_level from the transducer's depth, where decode had no distance to make one of.

    It is a column before the tests, so that a transducer's level is judged like any other.
    """
    zero = work.site.flood.transducer_level
    depths = work.columns.get("water_depth")
    if zero is None or depths is None or "water_level" in work.columns:
        return
    work.columns["water_level"] = [
        replace(row, property="water_level", unit=UNITS["water_level"], value=_plus(row.value, zero)) for row in depths
    ]


def _plus(value: float | None, zero: float) -> float | None:
    return None if value is None else round(value + zero, 3)


def cross(work: Work) -> None:
    """Compare the float switch with the depth: two records in a row that contradict each other are a fault of one."""
    site = work.site.flood
    contacts = work.columns.get("water_contact")
    if contacts is None or site.float_level is None:
        return
    name = "water_level" if "water_level" in work.columns else "water_depth"
    state = work.state.setdefault("flood", {})
    for at, contact in enumerate(contacts):
        level = work.usable(name, at)
        if contact.value is None or level is None:
            continue
        if work.again or work.times[at] <= state.get("contact_ms", 0):
            continue
        state["contact_ms"] = work.times[at]
        wet = contact.value >= 1
        against = (
            level < site.float_level - site.float_tolerance if wet else level > site.float_level + site.float_tolerance
        )
        flag = SUSPECT if against and state.get("contact_against") else GOOD
        state["contact_against"] = against
        for judged in ("water_contact", name):
            work.set(judged, at, "contact", flag)


def fed(work: Work, rained: Callable[[RainFed, int], bool | None]) -> None:
    """Refuse water that rises without rain, where all water comes from rain.

    `rained` says whether it rained enough before an instant (Unix ms), None where no gauge tells: then all is believed.
    """
    site = work.site.flood
    if site.rain_fed is None or "water_level" not in work.columns or work.again:
        return
    state = work.state.setdefault("fed", {"ms": 0, "level": None, "since": None})
    normal = next((level for level in (site.dry_level, site.siaga_4) if level is not None), None)
    for at, time_ms in enumerate(work.times):
        level = work.usable("water_level", at)
        if level is None:
            continue
        late = time_ms <= state["ms"]
        wet = rained(site.rain_fed, time_ms)
        known = [one for one in (normal, state["level"]) if one is not None]
        refused = wet is False and bool(known) and level > max(known, default=level) + site.rain_fed.rise_m
        if not late:
            refused = _long(state, time_ms, site.rain_fed, refused=refused)
            if not refused:
                state["level"] = level if wet is not False or state["since"] or not known else min(level, max(known))
        work.set("water_level", at, "no_rain", UNKNOWN if wet is None else FAIL if refused else GOOD)


def _long(state: dict[str, Any], time_ms: int, site: RainFed, *, refused: bool) -> bool:
    """Return whether the newest reading is still refused: not for ever."""
    state["ms"] = time_ms
    state["since"] = (state["since"] or time_ms) if refused else None
    return refused and time_ms - state["since"] < site.believed_s * 1000


def derive(work: Work) -> None:
    """Add depth over ground, which carries the level's verdict, and siaga states."""
    levels = work.columns.get("water_level")
    site = work.site.flood
    if levels is None:
        return
    if site.dry_level is not None:
        for at, row in enumerate(levels):
            found = work.verdict("water_level", at)
            depth = None if row.value is None else row.value - site.dry_level
            work.derive("flood_depth", at, depth, found.quality, found.reason, found.tests)
    if site.siaga_3 is not None or site.siaga_2 is not None or site.siaga_1 is not None:
        _siaga(work, site)


def _siaga(work: Work, site: FloodSite) -> None:
    if work.again:
        return
    state = work.state.setdefault("siaga", {"now": NORMAL, "ms": 0, "run": [], "below": None})
    told = state["now"]
    last = len(work.times) - 1
    for at, time_ms in enumerate(work.times):
        if time_ms <= state["ms"]:
            continue
        quality, reason, _ = work.verdict("water_level", at)
        if quality not in {FAIL, MISSING}:
            state["ms"] = time_ms
            step(state, time_ms, work.columns["water_level"][at].value, site)
            if state["now"] != told or at == last:
                told = state["now"]
                work.derive("siaga_state", at, told, quality, reason)


def _of(level: float, site: FloodSite, lower_by: float = 0.0) -> int:
    for number, threshold in ((1, site.siaga_1), (2, site.siaga_2), (3, site.siaga_3)):
        if threshold is not None and level >= threshold - lower_by:
            return number
    return NORMAL


def step(state: dict[str, Any], time_ms: int, level: float | None, site: FloodSite) -> None:
    """Advance {"now", "run", "below"} by one level that is not refused.

    Worse: when `siaga_readings` in a row say so, to the mildest that they say. Better: when the level has been below by the
    hysteresis for the hold time, to the worst of that time.
    """
    if level is None:
        return
    state["run"] = [*state["run"], _of(level, site)][-site.siaga_readings :]
    if len(state["run"]) == site.siaga_readings and (worse := max(state["run"])) < state["now"]:
        state["now"], state["below"] = worse, None
        return
    held = _of(level, site, site.siaga_hysteresis)
    if held <= state["now"]:
        state["below"] = None
        return
    since, worst = state["below"] or (time_ms, held)
    worst = min(worst, held)
    state["below"] = [since, worst]
    if time_ms - since >= site.siaga_hold_s * 1000:
        state["now"], state["below"] = worst, None
