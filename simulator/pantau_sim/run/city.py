"""The city process on virtual time: one log of all districts, and behind it the real decoder, quality control, store and alerts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pantau.alerts.files import defaults
from pantau.alerts.store import AlertStore
from pantau.decode import Decoder
from pantau.delivery import BATCH, Delivery
from pantau.model import StoredFrame
from pantau.quality.assessor import Assessor
from pantau.sinks.sqlite import CityStore
from pantau_wire import frame

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from pantau.alerts.rules import RuleSet
    from pantau.decode import Decoded
    from pantau.registry import Registry
    from pantau.sinks import Sink, Verdict
    from pantau_sim.run.district import Kept

_TICK_MS = 5_000  # silence is judged so often; the city process does once a second


class MergedLog:
    """What several bridges stored, in the order of receipt (pantau.delivery.Log)."""

    waits = False

    def __init__(self) -> None:
        self._frames: list[StoredFrame] = []

    def __len__(self) -> int:
        return len(self._frames)

    def append(self, kept: Kept) -> None:
        """Add a frame, which gets the next id."""
        head = frame.header(kept.payload)
        self._frames.append(
            StoredFrame(len(self._frames) + 1, kept.node, head.boot, head.seq, kept.received_ms, kept.payload)
        )

    def read(self, after: int, limit: int) -> list[StoredFrame]:
        """Return up to `limit` frames with an id above `after`."""
        return self._frames[after : after + limit]

    def get(self, ids: Sequence[int]) -> list[StoredFrame]:
        """Return the frames with these ids."""
        return [self._frames[number - 1] for number in ids]

    def close(self) -> None:
        """Nothing is open."""


class _Both:
    """Two sinks behind one fold: a real city process has one of each, with the same verdicts."""

    name = "city"

    def __init__(self, sinks: Sequence[Sink]) -> None:
        self._sinks = sinks

    def position(self) -> int | None:
        """Return what all of them hold."""
        return min(sink.position() or 0 for sink in self._sinks)

    def use(self, registry: Registry) -> None:
        """Registries do not change in a run."""

    def deliver(self, batch: Sequence[Decoded]) -> list[Verdict]:
        """Apply to each; the first that is not content speaks."""
        answers = [sink.deliver(batch) for sink in self._sinks]
        return [next((v for v in row if v.kind in {"retry", "rejected"}), row[0]) for row in zip(*answers, strict=True)]

    def close(self) -> None:
        """Release both."""
        for sink in self._sinks:
            sink.close()


def judge(kept: Iterable[Kept], registry: Registry, rules: RuleSet, folder: Path, start_ms: int, end_ms: int) -> None:
    """Give a log that was kept to another city: other figures in the registry, other rules. The stores are left in `folder`."""
    city = VirtualCity(registry, folder, start_ms, rules)
    city.take(kept, end_ms)
    city.close()


class CityTroubleError(Exception):
    """The city process could not take a frame, or found a defect of ours; the text says which."""


class VirtualCity:
    """Take what districts stored, in order of receipt, and let time pass."""

    def __init__(self, registry: Registry, folder: Path, start_ms: int, rules: RuleSet | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.log = MergedLog()
        self.alerts = AlertStore(folder / "alerts.sqlite3", rules or defaults(), registry)
        self.store = CityStore(folder / "city.sqlite3")
        self.store.use(registry)
        self.quality = Assessor(registry)
        self._delivery = Delivery(_Both([self.store, self.alerts]), self.log, Decoder(registry), self.quality)
        self._position = 0
        self._tick_ms = start_ms + _TICK_MS
        self.undecodable: list[str] = []

    def take(self, fresh: Iterable[Kept], until_ms: int) -> None:
        """Judge what came until `until_ms`, sorted by receipt, with the ticks between."""
        for kept in fresh:
            while self._tick_ms <= kept.received_ms:
                self._tick()
            self.log.append(kept)
        while self._tick_ms <= until_ms:
            self._tick()

    def close(self) -> None:
        """Take the rest and close the files; CityTroubleError for a defect that quality control survived."""
        self._deliver()
        self._delivery.close()
        if self.quality.defects:
            raise CityTroubleError(
                f"quality control failed {dict(self.quality.defects)}, last with {self.quality.last_defect}"
            )

    def _tick(self) -> None:
        self._deliver()
        self.alerts.tick(self._tick_ms)
        self._tick_ms += _TICK_MS

    def _deliver(self) -> None:
        while self._position < len(self.log):
            step = self._delivery.deliver(None, self._position, BATCH)
            if step.retry:
                raise CityTroubleError(step.retry)
            self.undecodable += [
                f"{frame.node} boot {frame.boot} seq {frame.seq}: {reason}, {detail}"
                for frame, reason, detail in step.marks
            ]
            self._position = step.frames[-1].id
