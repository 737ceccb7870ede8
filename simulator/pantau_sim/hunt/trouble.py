"""What goes wrong in a case: faults that meet, at instants that hurt; strangers at the broker; sensors that are ill.

An instant that hurts lies at a sampling, at a seal and send, at the very start, or at the edge of another fault.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pantau_sim.ailments import KINDS
from pantau_sim.hunt.lot import HOUR_MS, MINUTE_MS, Lot, hours, minutes
from pantau_sim.run.district import power_on_ms
from pantau_sim.scenario.hardware import WIRE_FAULTS, models, usual
from pantau_sim.scenario.spans import CITYWIDE

if TYPE_CHECKING:
    from collections.abc import Sequence

Tables = dict[str, Any]

_KINDS = (
    "power", "power", "power", "brown_out", "brown_out", "link", "link", "link", "broker", "broker", "broker_wiped",
    "bridge", "bridge_crash", "bridge_crash", "spool_full", "sensor", "sensor", "sensor",
)  # fmt: skip
_CLIENTS = ("forger", "conflicter", "corrupter", "flooder", "replayer", "down_forger")
_MOST_MESSAGES = 3000  # of one stranger
_MOST_FAULTS = 60
_SAMPLING_MS = 21_000  # the longest that the firmware takes for a record


class Schedule:
    """Gathers the faults of a case."""

    def __init__(self, seed: int, places: Sequence[Tables], profile: Tables, active_ms: int) -> None:
        self._lot = Lot(seed, "faults")
        self._places, self._profile, self._active_ms = places, profile, active_ms
        self._edges: list[int] = []
        # By station: when its node began, at the first time and after each power cut.
        self._began = {place["id"]: [power_on_ms(seed, place["id"])] for place in places}
        self.rows: list[Tables] = []

    def one(self) -> None:
        """Add a fault, or a burst of one kind."""
        lot = self._lot
        place = lot.one(self._places)
        kind = lot.one(_KINDS)
        at_ms = self._instant(place)
        if kind == "brown_out":
            for _ in range(lot.one((1, 1, 2, 4, 8))):
                self._add(kind, at_ms, 1000, place)
                at_ms += lot.spread(500, 20_000)
        elif kind == "link" and lot.chance(0.3):
            for _ in range(lot.whole(3, 15)):
                down_ms = lot.spread(100, 20_000)
                self._add(kind, at_ms, down_ms, place)
                at_ms += down_ms + lot.spread(100, 20_000)
        elif kind == "sensor":
            self._sensor(at_ms, place)
        else:
            self._add(kind, at_ms, self._duration(), place)

    def _duration(self) -> int:
        most = self._lot.one((1_000, 30_000, MINUTE_MS * 5, MINUTE_MS * 30, HOUR_MS * 3))
        return self._lot.spread(50, most)

    def _instant(self, place: Tables) -> int:
        lot = self._lot
        how = lot.one(("any", "any", "sample", "sample", "seal", "start", "edge"))
        if how == "edge" and self._edges:
            return max(0, lot.one(self._edges) + lot.whole(-3000, 3000))
        if how == "start":
            return lot.whole(0, 90_000)
        if how in {"sample", "seal"}:
            node = place.get("node", {})
            interval_ms = 1000 * int(node.get("interval_s", self._profile["interval_s"]))
            batch = int(node.get("batch", self._profile["batch"]))
            began_ms = lot.one(self._began[place["id"]])
            step_ms = interval_ms * (batch if how == "seal" else 1)
            number = lot.whole(1, max(1, (self._active_ms - began_ms) // step_ms))
            return max(0, began_ms + number * step_ms + lot.one((0, 0, 1, -1)) * lot.spread(1, _SAMPLING_MS))
        return lot.whole(0, self._active_ms)

    def _add(self, kind: str, at_ms: int, for_ms: int, place: Tables, **more: Any) -> None:
        if at_ms >= self._active_ms or len(self.rows) >= _MOST_FAULTS:
            return
        for_ms = max(1, min(for_ms, self._active_ms - at_ms))
        row: Tables = {"kind": kind, "at_h": hours(at_ms), "for_min": minutes(for_ms), **more}
        if kind not in CITYWIDE:
            row["stations"] = [place["id"]]
        self.rows.append(row)
        self._edges += [at_ms, at_ms + for_ms]
        if kind in {"power", "brown_out"}:
            self._began[place["id"]].append(at_ms + for_ms)

    def _sensor(self, at_ms: int, place: Tables) -> None:
        lot = self._lot
        model = models()[lot.one(fitted(place))]
        on_wire = [what for what, buses in WIRE_FAULTS.items() if model.bus in buses]
        what = lot.one((*on_wire, *model.faults))
        count = lot.spread(1, 500)
        self._add("sensor", at_ms, self._duration(), place, sensor=model.name, what=what, count=count)


def faults(seed: int, places: Sequence[Tables], profile: Tables, active_ms: int) -> list[Tables]:
    """Return the faults of a case, none to very many."""
    schedule = Schedule(seed, places, profile, active_ms)
    for _ in range(Lot(seed, "how many faults").one((0, 1, 2, 3, 5, 8, 12, 20, 40))):
        schedule.one()
    return schedule.rows


def fitted(place: Tables) -> list[str]:
    """Return the models of a station's sensors."""
    sensors = place.get("node", {}).get("sensors")
    return [sensor["model"] for sensor in (usual(place["domain"]) if sensors is None else sensors)]


def clients(lot: Lot, places: Sequence[Tables], active_ms: int) -> list[Tables]:
    """Return the strangers of a case."""
    rows = []
    for _ in range(lot.one((0, 0, 1, 1, 2, 4))):
        at_ms = lot.whole(0, active_ms - 1)
        for_ms = min(active_ms - at_ms, lot.spread(1000, 5 * HOUR_MS))
        per_min = min(lot.one((0.5, 6, 60, 600)), max(0.5, _MOST_MESSAGES / max(1, for_ms / MINUTE_MS)))
        row: Tables = {"kind": lot.one(_CLIENTS), "at_h": hours(at_ms), "for_min": minutes(max(1, for_ms))}
        row["per_min"] = round(per_min, 3)
        if lot.chance(0.5):
            row["stations"] = [lot.one(places)["id"]]
        rows.append(row)
    return rows


def traps(lot: Lot, strangers: Sequence[Tables]) -> list[Tables]:
    """Return what makes a forged acknowledgement hurt, were it believed: the bridge is down, and the broker forgets what it kept."""
    rows: list[Tables] = []
    for row in strangers:
        at_ms, for_ms = round(row["at_h"] * HOUR_MS), round(row["for_min"] * MINUTE_MS)
        if row["kind"] == "down_forger" and for_ms > MINUTE_MS and lot.chance(0.6):
            down_ms = lot.whole(MINUTE_MS, for_ms)
            down_at = at_ms + lot.whole(0, for_ms - down_ms)
            wiped_at = down_at + lot.whole(0, down_ms - 1)
            rows += [
                {"kind": "bridge", "at_h": hours(down_at), "for_min": minutes(down_ms)},
                {"kind": "broker_wiped", "at_h": hours(wiped_at), "for_min": minutes(lot.spread(1000, MINUTE_MS))},
            ]
    return rows


def ailments(lot: Lot, places: Sequence[Tables], active_ms: int) -> list[Tables]:
    """Return what the sensors of a case suffer from."""
    rows = []
    for _ in range(lot.one((0, 0, 0, 1, 2, 4))):
        place = lot.one(places)
        kind = lot.one([name for name in sorted(KINDS) if _suits(name, place)])
        at_ms = lot.whole(0, active_ms - 1)
        for_ms = max(1000, min(active_ms - at_ms, lot.spread(MINUTE_MS, 5 * HOUR_MS)))
        row: Tables = {"kind": kind, "at_h": hours(at_ms), "for_min": minutes(for_ms), "stations": [place["id"]]}
        row["strength"] = lot.between(0.2, 2.5)
        rows.append(row)
    return rows


def _suits(kind: str, place: Tables) -> bool:
    from pantau_sim.scenario.places import suits
    from pantau_sim.scenario.tables import PlaceTable

    return suits(kind, PlaceTable.model_validate(place))
