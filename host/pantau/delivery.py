"""One step of a sink's walk through the log: read, decode, judge, deliver. No task and no clock: the follower has those."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, Protocol

from pantau.decode import Decoded, Decoder
from pantau.log import event
from pantau.model import Revision
from pantau.spool import SpoolUnavailable

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Sequence

    from pantau.model import StoredFrame
    from pantau.registry import Registry
    from pantau.sinks import Sink

_log = logging.getLogger("pantau.sink")
BATCH = 100  # frames per delivery: some ten thousand observations, a transaction of tens of milliseconds

Mark = tuple["StoredFrame", str, str]  # frame, reason, detail


class Quality(Protocol):
    """The fold that judges observations by their neighbours in time (pantau.quality)."""

    defects: Counter[str]  # by part: what a bug of ours cost in flags

    def assess(self, decoded: Decoded) -> Decoded:
        """Return the frame with the host's flags, derived observations and revisions of earlier ones."""

    def changed(self) -> dict[str, str]:
        """Return the state that changed and is not saved."""

    def saved(self) -> None:
        """Note that what `changed` returned last was saved."""

    def use(self, registry: Registry) -> None:
        """Judge by another registry from now on."""


class Log(Protocol):
    """What is followed: the spool of this bridge, or the log that several bridges share."""

    waits: bool  # whether `read` itself waits a while for something to come; else somebody calls `wake`

    def read(self, after: int, limit: int) -> list[StoredFrame]:
        """Return up to `limit` frames with an id above `after`, in order. Raises SpoolUnavailable or SpoolBroken."""

    def get(self, ids: Sequence[int]) -> list[StoredFrame]:
        """Return the frames with these ids, as far as the log holds them."""

    def close(self) -> None:
        """Release the log."""


class Step(NamedTuple):
    """What one delivery came to: the frames that the sink took, those for the quarantine, or why to try again."""

    frames: list[StoredFrame]
    marks: list[Mark]
    retry: str
    observations: int = 0
    wait_s: float = 0.0
    lost_after: int | None = None  # the target turned out to hold nothing above this frame


class Delivery:
    """What one sink is given and how, in the thread that calls. `quality` is as it was at the frame that is asked for first."""

    def __init__(self, sink: Sink, reader: Log, decoder: Decoder, quality: Quality) -> None:
        self._sink = sink
        self._reader = reader
        self._decoder = decoder
        self.quality = quality
        # Folded and not yet taken by the sink, by id and by the frame whose turn it was: the frame itself, or a later one
        # that gave it its date. Both may fall into one delivery.
        self._assessed: dict[tuple[int, int], Decoded] = {}

    @property
    def waiting(self) -> int:
        """Return how many frames are folded and not taken by the sink: the state must not be saved between."""
        return len(self._assessed)

    def use(self, registry: Registry) -> None:
        """Go on with another registry."""
        self._decoder = Decoder(registry)
        self.quality.use(registry)
        self._sink.use(registry)

    def forget(self) -> None:
        """Let go what was folded and not taken: the walk goes back to before it."""
        self._assessed.clear()

    def holds(self) -> int | None:
        """Return through which frame the target holds what it was given, None when it cannot tell."""
        try:
            return self._sink.position()
        except Exception as error:  # noqa: BLE001  as in deliver; the next delivery says what is wrong
            event(_log, logging.WARNING, "sink.position_unknown", sink=self._sink.name, reason=repr(error))
            return None

    def deliver(self, ids: Sequence[int] | None, after: int, limit: int = BATCH) -> Step:
        """Deliver the frames `ids`, or else up to `limit` that follow `after`. Raises SpoolUnavailable."""
        frames = self._reader.get(ids) if ids is not None else self._reader.read(after, limit)
        if not frames:
            return Step([], [], "")
        pairs = [pair for frame in frames for pair in self._told(frame)]
        marks: list[Mark] = []
        for at in range(0, len(pairs), BATCH):
            some = pairs[at : at + BATCH]
            try:
                verdicts = self._sink.deliver([decoded for _, decoded in some])
                answers = list(zip(some, verdicts, strict=True))
            except Exception as error:  # noqa: BLE001  a sink that breaks its contract must not take the bridge with it
                reason = f"sink {self._sink.name} failed: {type(error).__name__}: {error}"
                return Step([], [], reason)
            for (frame, decoded), verdict in answers:
                if verdict.kind == "retry":
                    reason = verdict.reason or "asked to retry"
                    return Step([], [], reason, wait_s=verdict.wait_s)
                if decoded.error:
                    marks.append((frame, "undecodable", decoded.error))
                elif verdict.kind == "rejected":
                    marks.append((frame, "sink_rejected", f"{self._sink.name}: {verdict.reason}"))
        turns = {frame.id for frame in frames}
        self._assessed = {key: known for key, known in self._assessed.items() if key[1] not in turns}
        return Step(frames, marks, "", sum(len(decoded.observations) for _, decoded in pairs))

    def close(self) -> None:
        """Release sink and log."""
        try:
            self._sink.close()
        except Exception as error:  # noqa: BLE001  the others are still to be stopped in order
            event(_log, logging.WARNING, "sink.not_closed", sink=self._sink.name, reason=repr(error))
        self._reader.close()

    def _told(self, frame: StoredFrame) -> list[tuple[StoredFrame, Decoded]]:
        """Return a frame with what it says, and after it earlier ones that it gives a date to, told once more."""
        decoded = self._assess(frame, frame.id)
        told = [(frame, decoded)]
        for earlier in self._reader.get(decoded.dated):
            again = self._assess(earlier, frame.id)
            revisions = tuple(
                Revision(o.key, o.quality, o.reason, o.tests, o.observed_at_ms) for o in again.observations
            )
            told.append((earlier, replace(again, revisions=again.revisions + revisions)))
        return told

    def _assess(self, frame: StoredFrame, turn: int) -> Decoded:
        """Decode and judge one frame, once in each turn: a sink that asks to retry gets the same again."""
        known = self._assessed.get((frame.id, turn))
        if known is None:
            decoded = self._decode(frame)
            try:
                known = self.quality.assess(decoded)
            except SpoolUnavailable:
                raise  # the state could not be read: judged later, rather than without it
            except Exception as error:  # noqa: BLE001  a defect of ours must cost flags, never the readings
                event(_log, logging.ERROR, "quality.failed", node=frame.node, frame=frame.id, defect=repr(error))
                known = decoded
            self._assessed[frame.id, turn] = known
        return known

    def _decode(self, frame: StoredFrame) -> Decoded:
        """Decode one frame; a defect of ours marks this frame and no other: its bytes stay, a replay tries again."""
        try:
            return self._decoder.decode(frame)
        except Exception as error:  # noqa: BLE001  else one frame would end the bridge, again at each start
            defect = f"internal: {type(error).__name__}: {error}"
            return Decoded(frame.id, frame.node, frame.boot, frame.seq, frame.received_ms, error=defect)
