"""Flood alerts as people got them, held against the truth: which floods were told of and how soon, which alerts were false."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from pantau.alerts.rules import Rise
from pantau_sim.score.truth import TOLERANCE_S

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pantau.alerts.rules import Rule
    from pantau_sim.score.truth import Event, Truth

FLOOD_RULES = ("siaga", "water-rises-fast", "water-rises", "node-alarm")
EARLY_S = 3600.0  # an alert that was opened so long before the onset, and still stands, is of this flood
LATE_S = 600.0  # after the link is back: so long may it take until a flood of meanwhile is told of


class Said(NamedTuple):
    """One decision about an alert; Unix s."""

    alert: int
    station: str
    rule: str
    action: str
    began_s: float
    at_s: float
    decided_s: float
    past: bool
    confirmed: bool


class Opening(NamedTuple):
    """A flood alert from the moment it was told of (again) until it ended; `began_s` and `at_s` are times of the data."""

    station: str
    rule: str
    began_s: float
    at_s: float
    decided_s: float
    ended_s: float
    past: bool
    confirmed: bool


class Found(NamedTuple):
    """What came of a flood: seconds from its onset to the first alert, None where there was none. `linked`: it had link and power then."""

    event: Event
    delay_s: float | None
    linked: bool


def openings(decisions: Iterable[Said]) -> list[Opening]:
    """Return the flood alerts in the order in which they were told; one that came back is told again."""
    found: list[Opening] = []
    standing: dict[int, int] = {}
    for said in decisions:
        if said.rule not in FLOOD_RULES:
            continue
        if said.action in {"open", "reopen"}:
            began_s = min(said.began_s, said.at_s) if said.action == "open" else said.at_s
            standing[said.alert] = len(found)
            found.append(
                Opening(
                    said.station, said.rule, began_s, said.at_s, said.decided_s, math.inf, said.past, said.confirmed
                )
            )
        elif (place := standing.get(said.alert)) is not None:
            if said.action in {"clear", "withdraw"}:
                found[place] = found[place]._replace(ended_s=said.decided_s)
                del standing[said.alert]
            elif said.confirmed:
                found[place] = found[place]._replace(confirmed=True)
    return found


def false(opening: Opening, truth: Truth, rules: Mapping[str, Rule]) -> bool:
    """Return whether, within the tolerance around it, the water was not over the threshold nor rose as the alert's rule says."""
    from_s, to_s = opening.began_s - TOLERANCE_S, opening.at_s + TOLERANCE_S
    if truth.over(opening.station, from_s, to_s):
        return False
    rule = rules.get(opening.rule)
    return not (isinstance(rule, Rise) and truth.rises(opening.station, rule, from_s, to_s))


def found(event: Event, told: Iterable[Opening], outages: Sequence[tuple[float, float]]) -> Found:
    """Return how soon a flood was told of. `outages` are the times in which its station had no link or no power."""
    away = next((end for start, end in outages if start <= event.onset_s < end), None)
    until_s = event.end_s if away is None else max(event.end_s, away + LATE_S)
    of_it = [
        max(0.0, one.decided_s - event.onset_s)
        for one in told
        if one.station == event.station
        and event.onset_s - EARLY_S <= one.decided_s <= until_s
        and one.ended_s >= event.onset_s
        and one.began_s <= event.end_s
    ]
    return Found(event, min(of_it, default=None), away is None)
