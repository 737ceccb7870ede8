"""From seeds to the report: sums, percentiles, intervals, and which goals are met. Definitions: docs/score.md."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from pantau_sim.score.counts import LENGTHS, WAYS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pantau_sim.score.alerts import Found
    from pantau_sim.score.counts import Hour
    from pantau_sim.score.seed import Alerts, Measured

TUNING_SEEDS = tuple(range(1, 9))  # set aside for choosing rules, filters and settings; what counts is judged on others
MONTH_DAYS = 30.0
_Z = 1.959964  # of a normal distribution, for 95 %
_DAY_H = 24
_WIB_H = 7


class Goal(NamedTuple):
    """What is wanted of a figure: at least, or at most."""

    least: float | None = None
    most: float | None = None
    unit: str = ""

    def met(self, got: float | None) -> bool:
        """Return whether a figure keeps it; one that could not be measured does not."""
        if got is None:
            return False
        return (self.least is None or got >= self.least) and (self.most is None or got <= self.most)

    def __str__(self) -> str:
        if self.least is not None:
            return f"at least {self.least:g}{self.unit}"
        return f"at most {self.most:g}{self.unit}"


GOALS: dict[str, Goal] = {
    "recall": Goal(least=0.95),
    "false_alerts_per_node_month": Goal(most=1.0),
    "detection_delay_p95_s": Goal(most=120.0, unit=" s"),
    "depth_error_mm_p95": Goal(most=10.0, unit=" mm"),
    "count_error_light": Goal(most=0.05),
    "count_error_motorcycle": Goal(most=0.10),
    "completeness": Goal(least=1.0),
}


def report(
    seeds: Sequence[Measured], ablation: Sequence[dict[str, Any]], tuning: Sequence[int] = TUNING_SEEDS
) -> dict[str, Any]:
    """Return the report of seeds in their order: JSON values, rounded, nothing of the machine."""
    figures = alert_figures([one.alerts for one in seeds], sum(one.node_days for one in seeds))
    depth, clean = (
        sum((one.depth_mm for one in seeds), Counter[int]()),
        sum((one.clean_mm for one in seeds), Counter[int]()),
    )
    hours = [hour for one in seeds for hour in one.hours]
    counts = count_errors(hours)
    due, stored = sum(one.due for one in seeds), sum(one.stored for one in seeds)
    days = sum(one.all_node_days for one in seeds)
    figures |= {
        "depth_error_mm_p95": p95_of(depth),
        "depth_error_mm_p95_nothing_odd": p95_of(clean),
        "depth_readings": depth.total(),
        "count_error": {name: error["day"] for name, error in counts.items()},
        "count_error_hour_p95": {name: error["hour_p95"] for name, error in counts.items()},
        "counted_vehicles": {name: error["vehicles"] for name, error in counts.items()},
        "completeness": rounded(stored / due, 6) if due else None,
        "records": {"due": due, "stored": stored},
        "lost": sum(one.lost for one in seeds),
        "duplicates": sum(one.duplicates for one in seeds),
        "links_down": rounded(sum(one.link_down for one in seeds) / days) if days else None,
    }
    played = [one.seed for one in seeds]
    return figures | {
        "goals": goals(figures),
        "by_seed": {str(one.seed): _of_seed(one) for one in seeds},
        "ablation": list(ablation),
        "tuning_seeds": list(tuning),
        "judging_seeds": [seed for seed in played if seed not in tuning],
        "played_tuning_seeds": [seed for seed in played if seed in tuning],
    }


def alert_figures(alerts: Sequence[Alerts], node_days: float) -> dict[str, Any]:
    """Return what is to be said of alerts: recall with its interval, false ones per node and month, delays."""
    found = [one for some in alerts for one in some.events]
    told = [one for one in found if one.delay_s is not None]
    linked = [one for one in found if one.linked]
    wrong = [one for some in alerts for one in some.false]
    months = node_days / MONTH_DAYS
    return {
        "events": len(found),
        "node_months": rounded(months, 2),
        "recall": rounded(len(told) / len(found)) if found else None,
        "recall_interval_95": wilson(len(told), len(found)),
        "recall_linked": rounded(sum(one.delay_s is not None for one in linked) / len(linked)) if linked else None,
        "events_linked": len(linked),
        "false_alerts_per_node_month": rounded(len(wrong) / months) if months else None,
        "false_alerts": len(wrong),
        "false_alerts_interval_95": poisson(len(wrong), months),
        "false_by_rule": dict(sorted(Counter(one.rule for one in wrong).items())),
        "false_never_confirmed": sum(one.rule == "node-alarm" and not one.confirmed for one in wrong),
        "false_of_the_past": sum(one.past for one in wrong),
        "true_alerts": sum(some.true for some in alerts),
        "detection_delay_p95_s": _delay(linked),
        "detection_delay_p95_s_all": _delay(found),
        "detection_delay_p50_s": percentile([one.delay_s for one in linked if one.delay_s is not None], 50),
    }


def _delay(found: Iterable[Found]) -> float | None:
    """Return the delay that 95 of 100 floods do not exceed; one that was never told of has waited for ever."""
    delays = [math.inf if one.delay_s is None else one.delay_s for one in found]
    value = percentile(delays, 95)
    return None if value is None or math.isinf(value) else value


def count_errors(hours: Sequence[Hour]) -> dict[str, dict[str, Any]]:
    """Return by class the error of a station's day (95th percentile of the days) and of an hour, in hours of free flow."""
    found: dict[str, dict[str, Any]] = {}
    for name in dict.fromkeys((*LENGTHS, *WAYS)):
        free = [hour for hour in hours if hour.counted == name and hour.free and hour.true]
        if not free:
            continue
        days: dict[tuple[int, str, int], list[int]] = {}
        for hour in free:
            sums = days.setdefault((hour.seed, hour.station, (hour.hour + _WIB_H) // _DAY_H), [0, 0])
            sums[0] += hour.true
            sums[1] += hour.told
        found[name] = {
            "day": rounded(percentile([abs(told - true) / true for true, told in days.values()], 95)),
            "hour_p95": rounded(percentile([abs(hour.told - hour.true) / hour.true for hour in free], 95)),
            "vehicles": sum(hour.true for hour in free),
        }
    return found


def goals(figures: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return each goal with what was reached."""
    got = dict(figures) | {f"count_error_{name}": error for name, error in figures["count_error"].items()}
    return {
        name: {"goal": str(goal), "got": got.get(name), "met": goal.met(got.get(name))} for name, goal in GOALS.items()
    }


def _of_seed(one: Measured) -> dict[str, Any]:
    figures = alert_figures([one.alerts], one.node_days)
    wanted = ("events", "recall", "false_alerts", "false_by_rule", "detection_delay_p95_s")
    missed = [
        f"{found.event.station} after {found.event.onset_s:.0f}" for found in one.alerts.events if found.delay_s is None
    ]
    return {name: figures[name] for name in wanted} | {
        "node_days": rounded(one.node_days, 2),
        "depth_error_mm_p95": p95_of(one.depth_mm),
        "completeness": rounded(one.stored / one.due, 6) if one.due else None,
        "missed": missed,
    }


def percentile(values: Iterable[float], percent: int) -> float | None:
    """Return the value that `percent` of a hundred do not exceed (nearest rank), None of none."""
    ordered = sorted(values)
    return ordered[max(0, -(-percent * len(ordered) // 100) - 1)] if ordered else None


def p95_of(tenths: Counter[int]) -> float | None:
    """Return the 95th percentile in mm of errors that were counted in tenths."""
    left = -(-95 * tenths.total() // 100)
    for error in sorted(tenths):
        left -= tenths[error]
        if left <= 0:
            return error / 10
    return None


def wilson(hits: int, of: int) -> list[float] | None:
    """Return the interval of a share at 95 % (Wilson 1927), None of none."""
    if not of:
        return None
    share, z2 = hits / of, _Z * _Z
    middle = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = _Z / (1 + z2 / of) * math.sqrt(share * (1 - share) / of + z2 / (4 * of * of))
    return [rounded(max(0.0, middle - half)), rounded(min(1.0, middle + half))]


def poisson(count: int, months: float) -> list[float] | None:
    """Return the interval of a rate per month at 95 %, by Byar's approximation of the exact one."""
    if not months:
        return None
    low = count * (1 - 1 / (9 * count) - _Z / (3 * math.sqrt(count))) ** 3 if count else 0.0
    more = count + 1
    high = more * (1 - 1 / (9 * more) + _Z / (3 * math.sqrt(more))) ** 3
    return [rounded(low / months), rounded(high / months)]


def rounded(value: float | None, digits: int = 4) -> Any:
    """Return a figure as the report has it: the last bits of libm differ between machines."""
    return None if value is None else round(value, digits)
