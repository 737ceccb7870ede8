"""The registry.toml of a scenario's city: what its station tables say, verbatim, and which node stands where."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pantau_sim.scenario.places import node_ids, tip_mm

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pantau_sim.scenario.tables import PlaceTable, Profile

_OWN = {"site", "node"}  # tables of the world and of the board


def text(stations: Sequence[PlaceTable], profile: Profile) -> str:
    """Return the file. A station's report interval is that of its nodes unless it says another."""
    lines: list[str] = []
    for place in stations:
        table = place.model_dump(exclude=_OWN, exclude_unset=True, exclude_none=True, by_alias=True)
        table.setdefault("report_interval_s", report_s(place, profile))
        if (tip := tip_mm(place)) is not None:
            table["tip_mm"] = tip
        lines += ["[[station]]", *_table(table, "station"), ""]
        for node in node_ids(place):
            lines += ["[[node]]", *_table({"id": node, "station": place.id}, "node"), ""]
    return "\n".join(lines)


def report_s(place: PlaceTable, profile: Profile) -> int:
    """Return how often a node there sends a frame when nothing happens, s."""
    return (place.node.interval_s or profile.interval_s) * (place.node.batch or profile.batch)


def _table(table: dict[str, Any], path: str) -> Iterator[str]:
    """Yield the lines of a table: its values, then the tables in it."""
    for key, value in table.items():
        if not isinstance(value, dict):
            yield f"{key} = {_value(value)}"
    for key, value in table.items():
        if isinstance(value, dict):
            yield f"[{path}.{key}]"
            yield from _table(value, f"{path}.{key}")


def _value(value: Any) -> str:
    """Return a value as TOML: its strings, numbers and booleans are JSON's, and so are lists of them."""
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{key} = {_value(inner)}' for key, inner in value.items())} }}"
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
