"""What is remembered of the stations: their JSON texts, and as objects those that are busy. A text takes a tenth."""

from __future__ import annotations

import json
from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

from pantau.alerts.track import Alert, Spot, standing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_LIVE = 1024  # far more than one frame and all neighbours of its station: none in use is put away


class Open(NamedTuple):
    """An alert that was open when the state was saved."""

    station: str
    track: str
    alert: Alert


class Spots:
    """Spots by station id. `heard` has for each when anything was last received, Unix ms: silence is looked for often."""

    def __init__(self, texts: Mapping[str, str], live: int = _LIVE) -> None:
        self._texts = dict(texts)
        self._live: OrderedDict[str, Spot] = OrderedDict()
        self._most = live
        self._dirty: dict[str, None] = {}
        self.heard: dict[str, int] = {}
        self.silent: set[str] = set()  # stations with an alert about their silence, or in a gathered one
        # Called with a station and its spot when that is taken up again: rules may have changed meanwhile.
        self.on_taken_up: Callable[[str, Spot], None] | None = None

    def standing(self) -> Iterator[Open]:
        """Yield the open alerts, and note what is looked for often. Once, at the start."""
        for station, text in self._texts.items():
            heard_ms, late, open_alerts = standing(json.loads(text))
            self.heard[station] = heard_ms
            if late:
                self.silent.add(station)
            for track, alert in open_alerts:
                yield Open(station, track, alert)

    def get(self, station: str) -> Spot:
        """Return a station's spot to be changed now, a new one for a new station; it will be saved."""
        self._dirty[station] = None
        spot = self.look(station)
        if spot is None:
            spot = Spot()
            self._keep(station, spot)
        return spot

    def look(self, station: str) -> Spot | None:
        """Return a station's spot to look at, None where nothing is remembered."""
        if (spot := self._live.get(station)) is not None:
            self._live.move_to_end(station)
            return spot
        text = self._texts.pop(station, None)
        if text is None:
            return None
        spot = Spot.load(text)
        if self.on_taken_up is not None:
            self.on_taken_up(station, spot)
        self._keep(station, spot)
        return spot

    def live(self) -> list[tuple[str, Spot]]:
        """Return the spots that are objects now."""
        return list(self._live.items())

    def forget(self, station: str) -> None:
        """Drop a station."""
        self._live.pop(station, None)
        self._texts.pop(station, None)
        self.heard.pop(station, None)
        self.silent.discard(station)
        self._dirty[station] = None

    def stations(self) -> list[str]:
        """Return all stations that anything is remembered of."""
        return sorted({*self._live, *self._texts})

    def changed(self) -> dict[str, str]:
        """Return the texts of all that changed since the last call; "" for one that was dropped."""
        texts = {
            station: spot.dump() if (spot := self._live.get(station)) is not None else self._texts.get(station, "")
            for station in self._dirty
        }
        self._dirty.clear()
        return texts

    def _keep(self, station: str, spot: Spot) -> None:
        self._live[station] = spot
        if len(self._live) > self._most:
            idle, other = self._live.popitem(last=False)
            self._texts[idle] = other.dump()
