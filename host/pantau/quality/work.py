"""One frame while it is judged: its columns, the flags of each reading, and what is derived and revised."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pantau.model import Observation, Revision
from pantau.quality.flags import FAIL, MISSING, UNKNOWN, Verdict, verdict
from pantau.quality.series import BOOT, FLAGS, INDEX, QUALITY, REASON, SEQ, TIME, Point
from pantau_wire import names as T

if TYPE_CHECKING:
    from pantau.quality.plans import Plan, Site

UNITS = {row[0]: row[1] for row in T.PROPERTIES.values()}
_SCALES = {row[0]: -row[2] for row in T.PROPERTIES.values()}


class Work:
    """A dated records frame of a node at a station. `again`: it was judged before, so it must leave no trace.

    `times` are Unix ms by record; `state` is the node's own; `step_ms` the sampling interval.
    """

    def __init__(
        self, node: str, rows: list[Observation], site: Site, state: dict[str, Any], *, again: bool, gaps: bool
    ) -> None:
        self.node, self.site, self.state, self.again, self.gaps = node, site, state, again, gaps
        self.columns: dict[str, list[Observation]] = {}
        for row in rows:
            self.columns.setdefault(row.property, []).append(row)
        longest = max(self.columns.values(), key=len)
        self.rows = longest
        self.times: list[int] = [row.observed_at_ms or 0 for row in longest]
        self.flags: dict[str, list[list[int] | None]] = {}
        self.doubtful: set[tuple[str, int]] = set()
        self.derived: list[Observation] = []
        self.revisions: list[Revision] = []
        self.step_ms = self._step()

    def _step(self) -> int:
        steps = [b - a for a, b in zip(self.times, self.times[1:], strict=False) if b > a]
        if steps and not self.again:
            self.state["step"] = min(steps)
            self.state["least"] = min(self.state.get("least", steps[0]), *steps)
        return int(min(steps) if steps else self.state.get("step", 60_000))

    @property
    def least_ms(self) -> int:
        """The shortest interval that this node has ever sampled in."""
        return int(self.state.get("least", self.step_ms))

    def values(self, name: str) -> list[float | None]:
        """Return the values of a column by record, all None where the frame has no such column."""
        column = self.columns.get(name)
        return [None] * len(self.times) if column is None else [row.value for row in column]

    def set(self, name: str, at: int, test: str, flag: int) -> None:
        """Set the flag of one test of a reading; nothing where the reading has no value or the plan no such test."""
        plan = self.site.plans.get(name)
        flags = self.flags.get(name)
        if plan is not None and flags is not None and (found := flags[at]) is not None and test in plan.cross:
            found[plan.cross[test]] = flag

    def verdict(self, name: str, at: int) -> Verdict:
        """Return what a reading is worth by all that is known now."""
        row = self.columns[name][at]
        flags = self.flags.get(name, [None] * (at + 1))[at]
        if flags is None:
            return Verdict(row.quality, row.reason, row.tests)
        found = verdict(self.site.plans[name].names, tuple(flags), row.quality, row.reason)
        if (name, at) in self.doubtful and found.quality not in {FAIL, MISSING}:
            return Verdict(UNKNOWN, "not_evaluated", found.tests)
        return found

    def usable(self, name: str, at: int) -> float | None:
        """Return the value unless it is missing or FAIL."""
        column = self.columns.get(name)
        if column is None or column[at].value is None or self.verdict(name, at).quality in {FAIL, MISSING}:
            return None
        return column[at].value

    def derive(self, name: str, at: int, value: float | None, quality: int, reason: str, tests: str = "") -> None:
        """Add an observation that the host makes of record `at`."""
        row = self.rows[at]
        if value is not None:
            value = round(value, _SCALES[name])
        self.derived.append(
            Observation(
                row.node, row.boot, row.seq, row.index, name, value, UNITS[name], quality, reason, row.observed_at_ms,
                row.uptime_ms, row.clock, row.received_ms, row.station, tests,
            )
        )  # fmt: skip

    def revise(self, name: str, plan: Plan, point: Point) -> None:
        """Tell the new verdict of a reading of an earlier frame."""
        found = verdict(plan.names, tuple(point[FLAGS]), point[QUALITY], point[REASON])
        key = (self.node, point[BOOT], point[SEQ], point[INDEX], name)
        self.revisions.append(Revision(key, found.quality, found.reason, found.tests, point[TIME]))
