"""What a scenario breaks, played in a district at its instants."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pantau_sim.sensors.base import Prng

if TYPE_CHECKING:
    from collections.abc import Callable

    from pantau_sim.run.district import District, Resident
    from pantau_sim.scenario.plan import Span

_DIP_US = 1_000_000  # a brown-out
_WIRE = ("corrupt", "drop", "truncate", "garbage", "nack", "silence")


class Faults:
    """The faults of one district. Overlapping spans of a kind end with the last of them."""

    def __init__(self, district: District, spans: tuple[Span, ...], seed: int) -> None:
        self._district = district
        self._depth: Counter[str] = Counter()
        self._rng = Prng(seed, 0xFA0175, district.number)
        self._down_since: dict[str, int] = {}
        for span in spans:
            self._plan(span)

    def mains(self, resident: Resident) -> None:
        """Switch a node on for the first time; while its power is cut, the end of the cut does."""
        if not self._depth[f"power {resident.plan.id}"]:
            self._district.power(resident, on=True)

    def ended(self, now_us: int) -> None:
        """Count what still is down."""
        for node, since_us in self._down_since.items():
            self._district.residents[node].link_down_us += now_us - since_us
        self._down_since.clear()

    def _plan(self, span: Span) -> None:
        district = self._district
        if span.station is None or span.kind in {"broker", "broker_wiped", "bridge", "bridge_crash", "spool_full"}:
            if span.station is None:
                self._city(span)
            return
        for resident in district.residents.values():
            if resident.plan.station == span.station:
                self._node(span, resident)

    def _city(self, span: Span) -> None:
        bridge, name = self._district.bridge, span.kind.removesuffix("_wiped")
        if name == "broker":
            keep = span.kind == "broker"
            self._span(span, name, lambda: self._broker(up=False, keep=keep), lambda: self._broker(up=True))
        elif name == "bridge":
            self._span(span, "bridge", bridge.stop, bridge.start)
        elif name == "bridge_crash":
            when = ("before", "after")[self._rng.below(2)]
            self._span(span, "bridge", lambda: bridge.crash(when), bridge.revive)
        elif name == "spool_full":
            self._span(span, name, lambda: bridge.fill(full=True), lambda: bridge.fill(full=False))
        else:
            for resident in self._district.residents.values():
                self._node(span, resident)

    def _node(self, span: Span, resident: Resident) -> None:
        district, node = self._district, resident.plan.id
        if span.kind == "power":
            self._span(
                span,
                f"power {node}",
                lambda: district.power(resident, on=False),
                lambda: district.power(resident, on=True),
            )
        elif span.kind == "brown_out":
            dip = (span.start_us, span.start_us + _DIP_US)
            self._between(
                dip,
                f"power {node}",
                lambda: district.power(resident, on=False),
                lambda: district.power(resident, on=True),
            )
        elif span.kind == "link":
            self._span(
                span, f"link {node}", lambda: self._link(resident, up=False), lambda: self._link(resident, up=True)
            )
        elif span.kind == "sensor":
            district.at(span.start_us, lambda: self._sensor(span, resident))

    def _span(self, span: Span, name: str, begin: Callable[[], None], over: Callable[[], None]) -> None:
        self._between((span.start_us, span.end_us), name, begin, over)

    def _between(self, times: tuple[int, int], name: str, begin: Callable[[], None], over: Callable[[], None]) -> None:
        def starts() -> None:
            self._depth[name] += 1
            if self._depth[name] == 1:
                begin()

        def ends() -> None:
            self._depth[name] -= 1
            if not self._depth[name]:
                over()

        self._district.at(times[0], starts)
        self._district.at(times[1], ends)

    def _broker(self, *, up: bool, keep: bool = True) -> None:
        simulation = self._district.simulation
        simulation.broker_up = up
        if up:
            self._district.bridge.broker_back()
            self._district.broker_back()
        else:
            simulation.restart_broker(keep_sessions=keep)

    def _link(self, resident: Resident, *, up: bool) -> None:
        now_us, node = self._district.simulation.clock.now_us(), resident.plan.id
        if up:
            resident.link_down_us += now_us - self._down_since.pop(node)
        else:
            self._down_since[node] = now_us
        self._district.simulation.set_link(resident.node, up=up)

    def _sensor(self, span: Span, resident: Resident) -> None:
        """Let `count` packets or answers go wrong, or the sensor be silent for as long as the span lasts."""
        model, what = str(span.sensor), str(span.what)
        wire = resident.node.faults
        if what == "silence":
            wire.silence(model, (span.end_us - span.start_us) / 1e6)
        elif what == "corrupt":
            wire.corrupt_next(model, span.count)
        elif what in _WIRE:
            getattr(wire, what)(model, span.count)
        else:
            resident.emulators[model].inject(what, span.count)
