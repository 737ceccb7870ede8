"""Two things on one wire: the problem names both and the wire, and the first sensor of the configuration still works."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pantau_node import config, start


@pytest.fixture(autouse=True)
def ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.ticks_ms", lambda: 1234, raising=False)


class Board:
    """Has every bus of every number; remembers which were taken into use."""

    def __init__(self, **pins: Any) -> None:
        self.pins = pins
        self.used: list[str] = []

    def uart(self, number: int, _baud: int, _rxbuf: int, _inverted: bool) -> object:
        self.used.append(f"uart {number}")
        return SimpleNamespace(read=lambda: None, write=lambda _data: None)

    def i2c(self, number: int) -> object:
        self.used.append(f"i2c {number}")
        return object()

    def pulse(self, number: int) -> object:
        self.used.append(f"input {number}")
        return SimpleNamespace(count=lambda: 0, take=list)

    def edges(self, number: int) -> object:
        return self.pulse(number)

    def contact(self, number: int) -> object:
        self.used.append(f"input {number}")
        return SimpleNamespace(value=lambda: 1)


def build(sensors: list[dict[str, Any]], board: Board, **link: Any) -> tuple[list[Any], list[str]]:
    body: dict[str, Any] = {"broker": {"host": "h"}, "sensors": sensors}
    if link:
        body["link"] = link
    conf, problems = config.build(body)
    assert problems == []
    return start.make_drivers(board, conf, problems), problems


@pytest.mark.parametrize(
    "first, second, wire",
    [
        ({"model": "a02yyuw", "uart": 1}, {"model": "pms5003", "uart": 1}, "uart 1"),
        ({"model": "ld2451", "uart": 2}, {"model": "ld2451", "uart": 2}, "uart 2"),
        ({"model": "sht4x", "i2c": 0}, {"model": "sht3x", "i2c": 0}, "i2c 0 address 0x44"),
        ({"model": "bme280", "i2c": 0, "address": 0x44}, {"model": "sht4x", "i2c": 0}, "i2c 0 address 0x44"),
        ({"model": "tipping_bucket", "pulse": 0}, {"model": "pulse", "pulse": 0}, "input 0"),
        ({"model": "tipping_bucket", "pulse": 1}, {"model": "float_switch", "contact": 1}, "input 1"),
    ],
)
def test_the_second_sensor_of_a_wire_is_refused_and_the_first_one_measures(
    first: dict[str, Any], second: dict[str, Any], wire: str
) -> None:
    board = Board()
    drivers, problems = build([first, second], board)
    assert drivers[0] is not None and drivers[1] is None
    assert problems == [f"sensors[1] {second['model']}: {wire} is taken by {first['model']}: give one of them another"]
    assert len(board.used) == 1, "a wire in use is not touched again"


@pytest.mark.parametrize(
    "sensors",
    [
        [{"model": "a02yyuw", "uart": 1}, {"model": "pms5003", "uart": 2}],
        [{"model": "sht4x", "i2c": 0}, {"model": "sht3x", "i2c": 0, "address": 0x45}],
        [{"model": "sht4x", "i2c": 0}, {"model": "sht3x", "i2c": 1}],
        [{"model": "sht4x", "i2c": 0}, {"model": "bme280", "i2c": 0}],
        [{"model": "tipping_bucket", "pulse": 0}, {"model": "pulse", "pulse": 1}],
        [{"model": "a02yyuw", "uart": 0}, {"model": "tipping_bucket", "pulse": 0}, {"model": "sht4x", "i2c": 0}],
    ],
)
def test_wires_of_their_own_are_no_conflict(sensors: list[dict[str, Any]]) -> None:
    drivers, problems = build(sensors, Board())
    assert problems == [] and None not in drivers


def test_the_modem_keeps_its_uart() -> None:
    sensors = [{"model": "a02yyuw", "uart": 2}, {"model": "sht4x", "i2c": 0}]
    board = Board(modem={"uart": 2})
    drivers, problems = build(sensors, board, kind="ppp", apn="internet")
    assert problems == ["sensors[0] a02yyuw: uart 2 is taken by the modem: give one of them another"]
    assert drivers[0] is None and drivers[1] is not None and board.used == ["i2c 0"]
    drivers, problems = build(sensors, Board(modem={"uart": 2}), kind="wifi", ssid="city", password="secret-secret")
    assert problems == [] and None not in drivers, "a modem that is not used needs no UART"


def test_the_third_sensor_is_told_of_the_one_that_has_the_wire() -> None:
    sensors = [{"model": model, "uart": 1} for model in ("a02yyuw", "pms5003", "ld2451")]
    drivers, problems = build(sensors, Board())
    assert [one is None for one in drivers] == [False, True, True]
    assert all("uart 1 is taken by a02yyuw" in problem for problem in problems) and len(problems) == 2


def test_a_sensor_without_its_wire_or_with_nonsense_for_it_takes_none() -> None:
    sensors = [{"model": "a02yyuw"}, {"model": "sht4x", "i2c": 0, "address": "44"}, {"model": "sht3x", "i2c": 0}]
    drivers, problems = build(sensors, Board())
    assert [one is None for one in drivers] == [True, True, False]
    assert [problem.split(":")[0] for problem in problems] == ["sensors[0] a02yyuw", "sensors[1] sht4x"]
