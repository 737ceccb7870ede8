"""What tests of sinks share: the form of a kit, a registry, frames as the followers hand them over, and what must be held.

A kit is one target on its real server; tests/sinks/test_contract.py runs over all of them. Tests that share a server
each take a `Town` of their own, so that they see only their own rows.
"""

from __future__ import annotations

import itertools
import math
import time
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from built import T0_S, health, records
from pantau.decode import Decoded, Decoder
from pantau.model import Observation, Revision
from pantau.registry import Placement, Registry, Station
from pantau_wire import frame as wire
from pantau_wire import names as T

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from pantau.sinks import Sink

CITY, LOG = "tng", "test"
TOWNS = 48  # tests that can share one server
INTERVAL_S = 60
MOVED_S = T0_S + 3600  # when the node `mover-NN` goes from one station to another
OFFSET_MS = 1000 * T0_S - 99_877  # UTC minus uptime of a boot whose clock was set late; hardly ever a whole second
TIMEOUT = wire.quality(T.R_TIMEOUT)
_DIGITS = 9  # significant ones of a value: targets scale some, and scale them back

# Names as people write them: every character that some format must escape.
ANGKE = Station(
    "angke", 'Kali "Angke", pintu = 10\\5 & <hulu>\' 水位 🌊', "flood", -6.1701, 106.6403, kemendagri="36.71.10",
    sensor_height_m=6.5, tip_mm=0.2, datum="peil schaal", datum_height_m=11.25,
)  # fmt: skip
BENDUNG = Station("bendung", "Bendung; Pasar Baru", "flood", -6.1725, 106.6292, sensor_height_m=8.0, tip_mm=0.5)
SUDIRMAN = Station("sudirman", "Jalan Sudirman", "traffic", -6.1811, 106.6459, kemendagri="36.71.01")
CIMONE = Station("cimone", "Cimone", "air", -6.1913, 106.6126)


class Row(NamedTuple):
    """One observation as a target holds it; None where it holds no such thing."""

    node: str
    boot: int | None
    seq: int | None
    index: int | None
    property: str
    value: float | None
    observed_at_ms: int | None
    quality: int | None


class Kit(Protocol):
    """One target on its real server, in tests/sinks/kit_<name>.py as `Kit`.

    `Kit(folder)` starts the server, or raises pantau_sim.servers.Missing. May have three more attributes: `omits`,
    properties that the target is never told; `by_frame`, when one bad observation costs its whole frame; `overwrites`,
    when an earlier frame that is delivered alone takes back the verdict that came later.
    """

    name: str
    keyed_by: Literal["identity", "time"]
    holds_null: bool
    holds_undated: bool
    takes_revisions: bool
    can_lose: bool

    def open(self, folder: Path | None = None) -> Sink:
        """Return a fresh sink as the city process makes it; what it remembers itself is kept in the same folder."""

    def rows(self) -> list[Row]:
        """Return all that the target holds, read without the sink; what it holds twice stands here twice."""

    def stop(self) -> None:
        """End the server; its data stay."""

    def start(self) -> None:
        """Start it again."""

    def lose(self) -> None:
        """Throw the target's data away; the server is up afterwards."""

    def close(self) -> None:
        """End the server for good."""


def registry(towns: int = TOWNS) -> Registry:
    """Return four stations of three domains with the nodes of so many towns."""
    fixed = [
        Placement(f"{kind}-{number:02}", station.id)
        for number in range(towns)
        for kind, station in (("flood", ANGKE), ("traffic", SUDIRMAN), ("air", CIMONE))
    ]
    moved = [
        place
        for number in range(towns)
        for place in (
            Placement(f"mover-{number:02}", ANGKE.id, end_ms=1000 * MOVED_S),
            Placement(f"mover-{number:02}", BENDUNG.id, start_ms=1000 * MOVED_S),
        )
    ]
    return Registry([ANGKE, BENDUNG, SUDIRMAN, CIMONE], [*fixed, *moved])


_DECODER = Decoder(registry())


class Town:
    """Four nodes that one test has for itself, and their frames in log order; `said` is all that was made so far."""

    def __init__(self, number: int, ids: Iterator[int]) -> None:
        self.flood, self.traffic, self.air, self.mover = self.nodes = tuple(
            f"{kind}-{number:02}" for kind in ("flood", "traffic", "air", "mover")
        )
        self.said: list[Decoded] = []
        self._ids = ids
        self._seqs: Counter[tuple[str, int]] = Counter()

    def level(
        self, *raws: int | None, tips: int = 1, node: str | None = None, boot: int = 1, at_s: int = T0_S,
        clock: int = 3, codes: Sequence[int] | None = None,
    ) -> Decoded:  # fmt: skip
        """Return a frame of water distances (mm) and rain tips: the host derives level and rain of them."""
        marks = list(codes) if codes else [TIMEOUT if raw is None else 0 for raw in raws]
        columns = {T.WATER_DISTANCE: (list(raws), marks), T.RAIN_TIPS: ([tips] * len(raws), None)}
        return self._records(node or self.flood, boot, columns, at_s, clock)

    def road(self, *counts: int, at_s: int = T0_S, boot: int = 1) -> Decoded:
        """Return a frame of counts over the interval, an occupancy in percent and a speed that is missing at 0 vehicles."""
        speeds = [420 if count else None for count in counts]
        columns = {
            T.VEHICLE_COUNT: (list(counts), None),
            T.OCCUPANCY: ([125 + count for count in counts], None),
            T.VEHICLE_SPEED_MEAN: (speeds, [0 if speed else TIMEOUT for speed in speeds]),
        }
        return self._records(self.traffic, boot, columns, at_s, 3)

    def smog(self, *raws: int, at_s: int = T0_S, boot: int = 1) -> Decoded:
        """Return a frame of PM2.5, the second value suspect, with temperature and humidity."""
        marks = [wire.quality(T.R_STUCK) if at == 1 else 0 for at in range(len(raws))]
        columns = {
            T.PM2_5: (list(raws), marks),
            T.AIR_TEMPERATURE: ([-1050, *[2950] * (len(raws) - 1)], None),
            T.RELATIVE_HUMIDITY: ([6150] * len(raws), None),
        }
        return self._records(self.air, boot, columns, at_s, 3)

    def state(self, node: str | None = None, boot: int = 1, **fields: int | str) -> Decoded:
        """Return a health frame that dates its boot by OFFSET_MS."""
        node = node or self.flood
        told = {"uptime_ms": 200_000, "utc_ms": OFFSET_MS + 200_000, "firmware": "1.4.0", **fields}
        return self._decode(health(told, node=node, boot=boot, seq=self._seq(node, boot), ident=next(self._ids)))

    def broken(self) -> Decoded:
        """Return a frame that nobody can decode."""
        head = (next(self._ids), self.flood, 9, self._seq(self.flood, 9), 1000 * T0_S)
        return self._add(Decoded(*head, error="truncated"))

    def undated(self, *raws: int | None, boot: int = 7, uptime_s: int = 20) -> Decoded:
        """Return a frame of a boot whose clock is not set."""
        return self.level(*raws, boot=boot, at_s=uptime_s, clock=0)

    def dated(self, earlier: Decoded) -> Decoded:
        """Return an undated frame as it is told again once its boot's clock is known: as the follower does it."""
        seen = tuple(
            replace(o, observed_at_ms=o.uptime_ms + OFFSET_MS) for o in earlier.observations if o.uptime_ms is not None
        )
        told = tuple(Revision(o.key, o.quality, o.reason, o.tests, o.observed_at_ms) for o in seen)
        return self._add(replace(earlier, observations=seen, revisions=told))

    def revised(self, *seen: Observation, quality: int, reason: str = "spike") -> Decoded:
        """Return a health frame that brings a later verdict about `seen`, with the dates that they have."""
        told = tuple(Revision(o.key, quality, reason, f"spike={quality}", o.observed_at_ms) for o in seen)
        return self.instead(self.state(), revisions=told)

    def odd(self, decoded: Decoded, at: int = 0, **fields: object) -> Decoded:
        """Return `decoded` with one of its observations changed, as only a defect of ours would make it."""
        seen = [replace(o, **fields) if place == at else o for place, o in enumerate(decoded.observations)]
        return self.instead(decoded, observations=tuple(seen))

    def instead(self, decoded: Decoded, **fields: object) -> Decoded:
        """Return `decoded`, which was made last, with other fields."""
        assert self.said.pop() is decoded
        return self._add(replace(decoded, **fields))

    def day(self, at_s: int = T0_S, boot: int = 1) -> list[Decoded]:
        """Return a batch of all that is ordinary: three domains, flags, missing values, health, a node that moves.

        Days less than half an hour apart do not meet.
        """
        return [
            self.level(1500, None, 1502, at_s=at_s, boot=boot),
            self.road(12, 0, 7, at_s=at_s, boot=boot),
            self.smog(35, 180, 42, at_s=at_s, boot=boot),
            self.state(boot=boot),
            self.level(2100, at_s=at_s + MOVED_S - T0_S - 1800, node=self.mover, boot=boot),
            self.level(2200, at_s=at_s + MOVED_S - T0_S + 120, node=self.mover, boot=boot),
        ]

    def _records(self, node: str, boot: int, columns: dict, at_s: int, clock: int) -> Decoded:
        head = {"node": node, "boot": boot, "seq": self._seq(node, boot), "ident": next(self._ids)}
        return self._decode(records(columns, base_s=at_s, clock=clock, interval_s=INTERVAL_S, **head))

    def _decode(self, stored) -> Decoded:
        decoded = _DECODER.decode(stored)
        assert not decoded.error, decoded
        return self._add(decoded)

    def _add(self, decoded: Decoded) -> Decoded:
        self.said.append(decoded)
        return decoded

    def _seq(self, node: str, boot: int) -> int:
        self._seqs[node, boot] += 1
        return self._seqs[node, boot]


def towns(first: int = 0) -> Iterator[Town]:
    """Return towns one after another, with ids that grow over all of them: tests of one server take the next."""
    ids = itertools.count(1)
    return (Town(number, ids) for number in range(first, TOWNS))


def told(said: Iterable[Decoded], *, revised: bool = True) -> list[Observation]:
    """Return what is known of each key after all of `said`: dates come later, and verdicts where they are `revised`."""
    held: dict[tuple[str, int, int, int, str], Observation] = {}
    for decoded in said:
        for seen in decoded.observations:
            before = held.get(seen.key)
            known = seen.observed_at_ms if before is None or seen.observed_at_ms is not None else before.observed_at_ms
            held[seen.key] = replace(before or seen, observed_at_ms=known)
        for key, quality, reason, tests, at_ms in decoded.revisions if revised else ():
            if (before := held.get(key)) is not None:
                at_ms = before.observed_at_ms if at_ms is None else at_ms
                held[key] = replace(before, quality=quality, reason=reason, tests=tests, observed_at_ms=at_ms)
    return list(held.values())


def expected(kit: Kit, said: Iterable[Decoded]) -> Counter[Row]:
    """Return the rows that the target of `kit` must hold after all of `said`, in the form of `held`."""
    omits = getattr(kit, "omits", frozenset())
    rows = Counter(
        _row(kit, Row(*o.key[:4], o.property, o.value, o.observed_at_ms, o.quality))
        for o in told(said, revised=kit.takes_revisions)
        if o.property not in omits
        and (o.value is not None or kit.holds_null)
        and (o.observed_at_ms is not None or kit.holds_undated)
    )
    assert set(rows.values()) <= {1}, f"two readings of one thing at one time: {rows.most_common(2)}"
    return rows


def held(kit: Kit, nodes: Sequence[str]) -> Counter[Row]:
    """Return what the target holds of `nodes`, comparable with `expected`."""
    return Counter(_row(kit, row) for row in kit.rows() if row.node in nodes)


def check(kit: Kit, town: Town, said: Iterable[Decoded] | None = None) -> None:
    """Assert that the target holds of `town` exactly what was said, everything once."""
    want, has = expected(kit, town.said if said is None else said), held(kit, town.nodes)
    if any(row.quality is None for row in has):
        want, has = _without_quality(want), _without_quality(has)
    lost, more = want - has, has - want
    assert not lost and not more, "\n".join(
        [f"{kit.name}: {lost.total()} missing, {more.total()} too many or different"]
        + [f"  - {row} x{n}" for row, n in sorted(lost.items(), key=str)[:6]]
        + [f"  + {row} x{n}" for row, n in sorted(more.items(), key=str)[:6]]
    )


def until(true: Callable[[], object], what: str | Callable[[], str], within_s: float = 20.0) -> None:
    """Return once something holds that nothing signals; `what` says what was waited for."""
    deadline = time.monotonic() + within_s
    while not true():
        said = what if isinstance(what, str) else what()
        assert time.monotonic() < deadline, f"waited {within_s:g} s until {said}"
        time.sleep(0.01)


def _row(kit: Kit, row: Row) -> Row:
    value = row.value
    if value is not None and math.isfinite(value):
        value = float(f"{value:.{_DIGITS}g}")
    row = row._replace(value="nan" if value is not None and math.isnan(value) else value)
    return row if kit.keyed_by == "identity" else row._replace(boot=None, seq=None, index=None)


def _without_quality(rows: Counter[Row]) -> Counter[Row]:
    out: Counter[Row] = Counter()
    for row, number in rows.items():
        out[row._replace(quality=None)] += number
    return out
