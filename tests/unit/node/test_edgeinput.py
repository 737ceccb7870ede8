"""An input whose edges are stamped, on a fake pin."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pantau_node.edgeinput import EdgeInput


class Pin:
    IN, PULL_UP, IRQ_FALLING, IRQ_RISING = 1, 2, 4, 8

    def __init__(self, number: int, mode: int, pull: int) -> None:
        assert (number, mode, pull) == (25, self.IN, self.PULL_UP)
        self.level = 1

    def irq(self, handler: Any, trigger: int) -> None:
        assert trigger == self.IRQ_FALLING | self.IRQ_RISING
        self.handler = handler

    def value(self) -> int:
        return self.level

    def turn(self, level: int) -> None:
        self.level = level
        self.handler(self)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    now = SimpleNamespace(ms=1000)
    monkeypatch.setattr("time.ticks_ms", lambda: now.ms, raising=False)
    return now


def test_closures_and_openings_are_given_once_with_their_time(clock: Any) -> None:
    made: Any = EdgeInput(SimpleNamespace(Pin=Pin), 25)
    made._pin.turn(0)
    clock.ms = 1300
    made._pin.turn(1)
    assert made.take() == [(1000, True), (1300, False)]
    assert made.take() == [] and made.overflow == 0


def test_what_does_not_fit_is_counted(clock: Any) -> None:
    made: Any = EdgeInput(SimpleNamespace(Pin=Pin), 25)
    for k in range(130):
        made._pin.turn(k & 1)
    assert len(made.take()) == 128 and made.overflow == 2
    made._pin.turn(0)
    assert made.take() == [(1000, True)] and made.overflow == 2
