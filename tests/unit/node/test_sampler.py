"""The sampling grid under a clock in the hand: no instant is ever skipped."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from pantau_node import sampler
from pantau_node.clock import Clock
from pantau_wire import names as T
from pantau_wire.frame import quality

MISSING = (None, quality(T.R_NO_SAMPLE))


class Bench:
    """A sampler whose sleeps and samples take the time that the test says."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, start_ms: int = 100, run_s: int = 5, takes_ms: int = 10
    ) -> None:
        self.now = start_ms
        self.takes_ms = takes_ms
        self.budgets: list[int] = []
        self.records: list[tuple[int, dict[int, Any]]] = []
        self.fail = False
        self.PROPERTIES = (T.WATER_DISTANCE,)
        monkeypatch.setattr(sampler, "asyncio", SimpleNamespace(sleep=self._sleep))
        clock = Clock(lambda: self.now & 0x3FFFFFFF, 0)
        self.sampler = sampler.Sampler(clock, self, 1, run_s, lambda at, row, *_: self.records.append((at, row)))

    async def _sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += int(seconds * 1000) or 1

    async def sample(self, deadline_ms: int) -> dict[int, Any]:
        self.budgets.append(deadline_ms)
        self.now += self.takes_ms
        if self.fail:
            raise ZeroDivisionError
        return {T.WATER_DISTANCE: (self.now, 0)}

    def run(self) -> list[int]:
        asyncio.run(self.sampler.run())
        return [at for at, _ in self.records]


def test_each_instant_of_the_run_is_recorded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    assert bench.run() == [1, 2, 3, 4, 5]
    assert [row[T.WATER_DISTANCE] for _, row in bench.records] == [(1000 * k + 10, 0) for k in range(1, 6)]
    assert set(bench.budgets) == {900}


def test_instants_that_passed_before_the_start_are_recorded_as_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, start_ms=3400)
    assert bench.run() == [1, 2, 3, 4, 5]
    assert [row[T.WATER_DISTANCE] == MISSING for _, row in bench.records] == [True, True, False, False, False]
    assert bench.sampler.late == 2


def test_a_slow_station_loses_no_instant(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, takes_ms=2500)
    assert bench.run() == [1, 2, 3, 4, 5]
    assert bench.sampler.late > 0


def test_a_station_that_breaks_its_promise_costs_the_values_not_the_record(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bench = Bench(monkeypatch)
    bench.fail = True
    assert bench.run() == [1, 2, 3, 4, 5]
    assert all(row == {T.WATER_DISTANCE: MISSING} for _, row in bench.records)
    assert capsys.readouterr().err.count("ZeroDivisionError") == 1


def test_a_long_uptime_at_the_start_begins_with_the_next_instant(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, start_ms=100_500, run_s=103)
    assert bench.run() == [101, 102, 103]


def test_an_event_brings_the_next_instants_nearer_on_the_same_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, run_s=0)
    said: list[tuple[int, bool, int]] = []
    pace = [0]
    bench.pace_s = lambda: pace[0]  # type: ignore[attr-defined]
    judged: list[int] = []
    bench.judge = lambda at, _row: judged.append(at)  # type: ignore[attr-defined]
    bench.alarm = True  # type: ignore[attr-defined]
    clock = Clock(lambda: bench.now & 0x3FFFFFFF, 0)
    tick = sampler.Sampler(clock, bench, 60, 0, lambda at, _row, alarm, interval, _: said.append((at, alarm, interval)))

    async def steps() -> None:
        await tick.step()
        pace[0] = 10  # noticed at the latest 10 s later, as a contact that closes between two records is
        await tick.step()
        await tick.step()
        pace[0] = 0
        await tick.step()
        await tick.step()

    asyncio.run(steps())
    assert said == [(60, True, 60), (70, True, 10), (80, True, 10), (90, True, 60), (120, True, 60)]
    assert judged == [60, 70, 80, 90, 120]


def test_what_the_station_says_of_an_alarm_is_not_believed_of_an_instant_that_was_missed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(monkeypatch, start_ms=3400)
    bench.alarm = True  # type: ignore[attr-defined]
    alarms: list[tuple[bool, bool]] = []
    bench.sampler.emit = lambda _at, _row, alarm, _interval, urgent: alarms.append((alarm, urgent))
    bench.run()
    assert alarms == [(False, False), (False, False), (True, True), (True, True), (True, True)]
    bench.urgent = False  # type: ignore[attr-defined]
    asyncio.run(bench.sampler.step())
    assert alarms[-1] == (True, False)
