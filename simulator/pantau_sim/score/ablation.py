"""What each filter and each confirmation is worth: the same logs judged again with one of them off."""

from __future__ import annotations

import tomllib
from functools import partial
from importlib.resources import files
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pantau.alerts.files import check
from pantau.registry.file import read
from pantau_sim.score import replay
from pantau_sim.score.city import watched
from pantau_sim.score.seed import Alerts, days, held_against
from pantau_sim.score.summary import alert_figures
from pantau_sim.score.truth import Truth
from pantau_sim.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pantau_sim.run.district import Kept
    from pantau_sim.scenario.plan import ScenarioPlan

    Change = Callable[[dict[str, Any], dict[str, Any]], None]  # of registry.toml and alerts.toml, as tables

NOTHING = "nothing"
_FIGURES = ("recall", "false_alerts_per_node_month", "detection_delay_p95_s")


class Row(NamedTuple):
    """One seed's alerts with something off."""

    off: str
    alerts: Alerts
    node_days: float


def _flood(registry: dict[str, Any], **settings: Any) -> None:
    for station in registry["station"]:
        if station["domain"] == "flood":
            station.setdefault("flood", {}).update(settings)


def _filter(name: str) -> Change:
    def change(registry: dict[str, Any], _rules: dict[str, Any]) -> None:
        for station in registry["station"]:
            if station["domain"] == "flood":
                station.setdefault("flood", {}).setdefault("filters", {})[name] = False

    return change


def _limit(name: str) -> Change:
    def change(registry: dict[str, Any], _rules: dict[str, Any]) -> None:
        for station in registry["station"]:
            if station["domain"] == "flood":
                limits = station.setdefault("flood", {}).setdefault("limits", {})
                for seen in ("water_level", "water_distance"):
                    limits.setdefault(seen, {}).setdefault("off", []).append(name)

    return change


def _setting(**settings: Any) -> Change:
    return lambda registry, _rules: _flood(registry, **settings)


def _rule(name: str, **keys: Any) -> Change:
    def change(_registry: dict[str, Any], rules: dict[str, Any]) -> None:
        for rule in rules["rule"]:
            if rule["id"] == name:
                rule.update(keys)

    return change


def _both_rises(**keys: Any) -> Change:
    def change(registry: dict[str, Any], rules: dict[str, Any]) -> None:
        for name in ("water-rises-fast", "water-rises"):
            _rule(name, **keys)(registry, rules)

    return change


CHANGES: dict[str, Change] = {
    **{f"filter {name}": _filter(name) for name in ("floor", "gradient", "blip", "box", "short")},
    **{f"test {name}": _limit(name) for name in ("range", "rate", "spike", "flat")},
    "test no_rain": _setting(rain_fed=None),
    "siaga: two readings in a row": _setting(siaga_readings=1),
    "siaga: hysteresis": _setting(siaga_hysteresis=0.0),
    "siaga: hold": _setting(siaga_hold_s=0),
    "rises: hold": _both_rises(hold_s=0),
    "node-alarm: checked": _rule("node-alarm", checked=False),
    "rule siaga": _rule("siaga", enabled=False),
    "rule water-rises-fast": _rule("water-rises-fast", enabled=False),
    "rule water-rises": _rule("water-rises", enabled=False),
    "rule node-alarm": _rule("node-alarm", enabled=False),
}


def table(logs: Sequence[tuple[ScenarioPlan, list[Kept]]], jobs: int) -> list[dict[str, Any]]:
    """Return a row of figures for everything that can be off, and one for nothing; the same for any number of jobs."""
    if not logs:
        return []
    if jobs > 1 and len(logs) > 1:
        with get_context("spawn").Pool(min(jobs, len(logs))) as pool:
            seeds = pool.map(rows, logs, chunksize=1)
    else:
        seeds = list(map(rows, logs))
    found = []
    for place, off in enumerate((NOTHING, *CHANGES)):
        mine = [seed[place] for seed in seeds]
        figures = alert_figures([row.alerts for row in mine], sum(row.node_days for row in mine))
        found.append({"off": off} | {name: figures[name] for name in _FIGURES})
    for row in found:
        row["makes_no_difference"] = row["off"] != NOTHING and all(row[name] == found[0][name] for name in _FIGURES)
    return found


def rows(log: tuple[ScenarioPlan, list[Kept]]) -> list[Row]:
    """Return what comes of one seed's log: as it is, then with each thing off in turn."""
    plan, kept = log
    truth = Truth(plan, World(plan.seed, plan.world))
    node_days = days(plan, len(watched(plan)))
    frames = replay.decoded(kept, read(tomllib.loads(plan.registry), Path("registry.toml")))
    changes: dict[str, Change] = {NOTHING: lambda _registry, _rules: None, **CHANGES}
    return [
        Row(off, _alerts(plan, truth, partial(replay.judged, frames), change), node_days)
        for off, change in changes.items()
    ]


def _alerts(plan: ScenarioPlan, truth: Truth, judged: Callable[..., Any], change: Change) -> Alerts:
    registry = tomllib.loads(plan.registry)
    rules = tomllib.loads(files("pantau").joinpath("templates", "alerts.toml").read_text(encoding="utf-8"))
    change(registry, rules)
    decisions = judged(read(registry, Path("registry.toml")), check(Path("alerts.toml"), rules), plan.start_us // 1000)
    return held_against(decisions, plan, truth)
