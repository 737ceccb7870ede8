"""Air stations: humidity rule, correction beside the raw value, A/B pair, NowCast and the indicative ISPU."""

from __future__ import annotations

from bisect import insort
from typing import TYPE_CHECKING, Any

from pantau.model import Revision
from pantau.quality import pm
from pantau.quality.flags import FAIL, GOOD, SUSPECT, UNKNOWN, worst
from pantau.quality.series import KEEP_LATE

if TYPE_CHECKING:
    from collections.abc import Callable

    from pantau.quality.work import Work

HOUR_MS = 3_600_000
_HOURS = 25  # a day and the hour that is filling
_COMPLETE = 0.75
_PAIR_HOURS = 3
_MASSES = ("pm1", "pm2_5", "pm2_5_cf1", "pm4", "pm10")

Hour = list[Any]  # [hour since 1970, sum of value * ms, ms covered]


def judge(work: Work, station_state: Callable[[], dict[str, Any]]) -> None:
    """Set the flags of the particle columns and add what is derived from them."""
    if "pm2_5" not in work.columns and "pm10" not in work.columns:
        return
    air = work.state.setdefault("air", {"humid": None, "ms": 0, "hours": {}, "pair": UNKNOWN, "beside": []})
    humid = [_humid(work, air, at) for at in range(len(work.times))]
    for name in _MASSES:
        for at, flag in enumerate(humid):
            work.set(name, at, "humid", flag)
    if "pm2_5" not in work.columns:
        return
    _revise(work, air)
    fine = _for_means(work)
    for at, time_ms in enumerate(work.times):
        if work.again:
            break
        if time_ms > air["ms"]:
            if air["ms"] and (time_ms - 1) // HOUR_MS > (air["ms"] - 1) // HOUR_MS:
                _whole_hour(work, at, air, station_state)
            air["ms"] = time_ms
            work.set("pm2_5", at, "pair", air["pair"])
        for name, value in (("pm2_5", fine[at]), ("pm10", work.usable("pm10", at))):
            if value is not None:
                _count(air["hours"].setdefault(name, []), time_ms, value, work.step_ms)
    _beside(work, air)


def _humid(work: Work, air: dict[str, Any], at: int) -> int:
    """Return SUSPECT once the air has been humid for so long without a drier reading in between."""
    humidity = work.usable("relative_humidity", at)
    time_ms, site = work.times[at], work.site.air
    if humidity is None or work.again or time_ms <= air.get("humid_ms", 0):
        return UNKNOWN
    air["humid_ms"] = time_ms
    if humidity <= site.humid_percent:
        air["humid"] = None
        return GOOD
    air["humid"] = time_ms if air["humid"] is None else air["humid"]
    return SUSPECT if time_ms - air["humid"] > site.humid_s * 1000 else GOOD


def _revise(work: Work, air: dict[str, Any]) -> None:
    """Let what is corrected follow a verdict that its raw value gets later."""
    for key, quality, reason, tests, at_ms in tuple(work.revisions):
        beside = next((entry for entry in air["beside"] if entry[0] == [*key[1:4]]), None)
        if key[4] == "pm2_5" and beside is not None:
            _, damp, damp_reason, clamped, profile = beside
            now = (quality, reason) if worst(quality, damp) == quality else (damp, damp_reason)
            told = now[0], "clamped" if clamped and now[0] == GOOD else now[1], f"{tests} {profile}".lstrip()
            work.revisions.append(Revision((*key[:4], "pm2_5_corrected"), *told, at_ms))


def _measured(work: Work, at: int) -> float | None:
    """Return the humidity unless its value alone forbids: which readings are corrected must not hang on neighbours."""
    column = work.columns.get("relative_humidity")
    limits = work.site.plans["relative_humidity"].limits.fail if "relative_humidity" in work.site.plans else None
    if column is None or (value := column[at].value) is None or column[at].quality == FAIL:
        return None
    return value if limits is None or limits[0] <= value <= limits[1] else None


def _corrected(work: Work, at: int) -> float | None:
    """Return PM2.5 by the station's profile, None where there is nothing to correct or no humidity."""
    profile, value, humidity = work.site.air.profile, work.columns["pm2_5"][at].value, _measured(work, at)
    return None if profile is None or value is None or humidity is None else pm.corrected(profile, value, humidity)


def _for_means(work: Work) -> list[float | None]:
    """Return what means are made of: corrected but not clamped where there is a profile, else raw; nothing that failed."""
    plain = work.site.air.profile is None
    usable = [work.usable("pm2_5", at) for at in range(len(work.times))]
    return [v if plain or v is None else _corrected(work, at) for at, v in enumerate(usable)]


def _beside(work: Work, air: dict[str, Any]) -> None:
    """Add pm2_5_corrected, with the verdict of its raw value or of the humidity, whichever is worse."""
    profile = work.site.air.profile
    for at, row in enumerate(work.columns["pm2_5"]):
        value = _corrected(work, at)
        if value is None or profile is None:
            continue
        found, damp = work.verdict("pm2_5", at), work.verdict("relative_humidity", at)
        ruling = found if worst(found.quality, damp.quality) == found.quality else damp
        reason = "clamped" if value < 0 and ruling.quality == GOOD else ruling.reason
        said = f"{profile.name}/{profile.version}=1"
        work.derive("pm2_5_corrected", at, max(0.0, value), ruling.quality, reason, f"{found.tests} {said}".lstrip())
        if not work.again:
            air["beside"].append([[row.boot, row.seq, row.index], damp.quality, damp.reason, value < 0, said])
    del air["beside"][: max(0, len(air["beside"]) - KEEP_LATE)]


def _count(hours: list[Hour], time_ms: int, value: float, step_ms: int) -> None:
    """Add a reading to its hour; it stands for the sampling interval before it, as a record's mean does."""
    hour = (time_ms - 1) // HOUR_MS
    for entry in reversed(hours):
        if entry[0] == hour:
            entry[1] += value * step_ms
            entry[2] += step_ms
            return
    insort(hours, [hour, value * step_ms, step_ms])
    del hours[: max(0, len(hours) - _HOURS)]


def mean(hours: list[Hour], hour: int) -> float | None:
    """Return the mean of a whole hour, None unless three quarters of it are covered."""
    for entry in reversed(hours):
        if entry[0] == hour:
            return float(entry[1] / entry[2]) if entry[2] >= _COMPLETE * HOUR_MS else None
    return None


def _whole_hour(work: Work, at: int, air: dict[str, Any], station_state: Callable[[], dict[str, Any]]) -> None:
    """Tell what follows from the hours before that of record `at`."""
    hour = (work.times[at] - 1) // HOUR_MS
    fine: list[Hour] = air["hours"].get("pm2_5", [])
    now = pm.nowcast([mean(fine, hour - age) for age in range(1, 13)])
    if now is not None:
        work.derive("pm2_5_nowcast", at, max(0.0, now), GOOD, "ok")
    _ispu(work, at, air["hours"], hour)
    air["pair"] = _pair(work, station_state(), hour - 1, mean(fine, hour - 1))


def _ispu(work: Work, at: int, hours: dict[str, list[Hour]], hour: int) -> None:
    indices = {}
    for pollutant in pm.ISPU_BOUNDS:
        means = [m for age in range(1, 25) if (m := mean(hours.get(pollutant, []), hour - age)) is not None]
        if len(means) >= _COMPLETE * 24:
            indices[pollutant] = pm.ispu(pollutant, sum(means) / len(means))
    if indices:
        tests = " ".join(f"{p}={GOOD if p in indices else UNKNOWN}" for p in pm.ISPU_BOUNDS)
        work.derive("ispu", at, max(indices.values()), GOOD, "indicative", tests)


def _pair(work: Work, station: dict[str, Any], hour: int, own: float | None) -> int:
    """Compare the last hour with that of another node at the station. Which of the two is right is not known."""
    if own is None:
        return UNKNOWN
    means: dict[str, list[list[Any]]] = station.setdefault("pm", {})
    for node in [node for node, told in means.items() if told[-1][0] < hour - 24]:
        del means[node]
    mine = means[work.node] = [*means.get(work.node, []), [hour, own]][-_PAIR_HOURS:]
    others = []
    for node, told in means.items():
        if node != work.node:  # the latest hour that both have told: one of two is always the first
            others += [(value, theirs) for then, value in mine for when, theirs in told if then == when][-1:]
    if not others:
        return UNKNOWN
    site = work.site.air
    for one, other in others:
        difference = abs(one - other)
        if difference > site.pair_difference and difference > site.pair_share * (one + other) / 2:
            return SUSPECT
    return GOOD
