"""The truth of a station with all its ailments: what each question needs is found by property and hour.

A month of false floods is thousands of spans; nested wrappers would be as deep.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pantau_sim.ailments.catalog import kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pantau_sim.ailments.base import Ailment, Truth
    from pantau_sim.scenario.plan import Span
    from pantau_sim.sensors.base import Pass

_HOUR_S = 3600


def of(spans: Iterable[Span], station: str) -> list[Span]:
    """Return the spans that concern a station: its own, and those of all stations."""
    return [span for span in spans if span.station in {None, station}]


def ill(truth: Truth, spans: Sequence[Span], seed: int) -> Truth:
    """Return the truth of a station as it is seen through its ailments, in the order given.

    `spans` are those of this station (see `of`). What an ailment asks beside what it changes, it asks the truth.
    ValueError for an unknown kind.
    """
    return _Ill(truth, [kind(span.kind)(truth, span, seed) for span in spans]) if spans else truth


class _Ill:
    """Ailments by property and hour of the epoch, and those without end by property."""

    def __init__(self, truth: Truth, ailments: list[Ailment]) -> None:
        self._truth = truth
        self._hours: dict[str, dict[int, list[Ailment]]] = {}
        self._lasting: dict[str, list[Ailment]] = {}
        for ailment in ailments:
            for name in ailment.CHANGES:
                if ailment.LASTS:
                    self._lasting.setdefault(name, []).append(ailment)
                    continue
                hours = self._hours.setdefault(name, {})
                for hour in range(int(ailment.start_s // _HOUR_S), int(ailment.end_s // _HOUR_S) + 1):
                    hours.setdefault(hour, []).append(ailment)

    def __call__(self, name: str, t_s: float) -> float:
        value = self._truth(name, t_s)
        for ailment in self._at(name, t_s):
            if ailment.covers(t_s):
                value = ailment.change(name, t_s, value)
        return value

    def passes(self, t0_s: float, t1_s: float) -> list[Pass]:
        """Vehicles in (t0_s, t1_s] as they are seen."""
        seen = (self._seen(vehicle) for vehicle in self._truth.passes(t0_s, t1_s))
        return [vehicle for vehicle in seen if vehicle is not None]

    def _seen(self, vehicle: Pass) -> Pass | None:
        for ailment in self._at("passes", vehicle[0]):
            if ailment.covers(vehicle[0]):
                told = ailment.seen(vehicle)
                if told is None:
                    return None
                vehicle = told
        return vehicle

    def _at(self, name: str, t_s: float) -> list[Ailment]:
        hours = self._hours.get(name)
        now = hours.get(int(t_s // _HOUR_S), []) if hours else []
        return now + self._lasting[name] if name in self._lasting else now
