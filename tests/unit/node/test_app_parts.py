"""What the composition root does with configurations that do not fit the board, and the board on a fake `machine`."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from pantau_node import config, pulseinput, start
from pantau_node.facts import pack, sensor_errors
from pantau_node.health import Health
from pantau_node.slots import FileSlots


@pytest.fixture(autouse=True)
def ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.ticks_ms", lambda: 1234, raising=False)


class Board:
    """Has UART 1, I2C 0 and one pulse input; remembers its RTC."""

    def uart(self, number: int, _baud: int, rxbuf: int, _inverted: bool = False) -> object:
        assert rxbuf >= 256, "a driver says how much may arrive between two reads"
        if number != 1:
            raise OSError("this board has no uart %d: see pantau_node/boards.py" % number)
        return object()

    def i2c(self, _number: int) -> object:
        return object()

    def pulse(self, _number: int) -> Any:
        return SimpleNamespace(count=lambda: 0, take=list)

    def reset_cause(self) -> int:
        return 3

    def heap_free(self) -> int:
        return 50000

    heap_largest = heap_free

    def battery_mv(self) -> int:
        return 3700


def build(sensors: list[Any], station: str = "flood") -> tuple[list[Any], Any, list[str]]:
    conf, problems = config.build({"broker": {"host": "h"}, "station": station, "sensors": sensors})
    assert problems == []
    drivers = start.make_drivers(Board(), conf, problems)
    return drivers, start.make_station(conf, drivers, problems), problems


def test_each_configured_sensor_becomes_a_driver_of_the_station() -> None:
    drivers, station, problems = build(
        [
            {"model": "a02yyuw", "uart": 1},
            {"model": "sht4x", "i2c": 0, "address": 68},
            {"model": "tipping_bucket", "pulse": 0},
        ]
    )
    assert problems == [] and len(drivers) == 3 and sorted(station.drivers) == ["a02yyuw", "sht4x", "tipping_bucket"]


@pytest.mark.parametrize(
    "sensor,said",
    [
        ({"model": "a02yyuw", "uart": 2}, "sensors[0] a02yyuw: this board has no uart 2"),
        ({"model": "a02yyuw"}, "sensors[0] a02yyuw: needs 'uart'"),
        ({"model": "thermometer", "uart": 1}, "sensors[0] thermometer: no driver"),
        ({"model": "sht4x", "i2c": 0, "colour": 1}, "sensors[0] sht4x: "),
    ],
)
def test_a_sensor_that_does_not_fit_is_named_and_the_others_measure(sensor: dict[str, Any], said: str) -> None:
    drivers, station, problems = build([sensor, {"model": "tipping_bucket", "pulse": 0}])
    assert drivers[0] is None and list(station.drivers) == ["tipping_bucket"]
    assert len(problems) == 1 and problems[0].startswith(said), problems


def test_an_unknown_station_still_records_and_a_sensor_named_twice_is_told() -> None:
    twice = [{"model": "sht4x", "i2c": 0}, {"model": "sht4x", "i2c": 1}]
    _, station, problems = build(twice, station="volcano")
    assert station.PROPERTIES and len(problems) == 2
    assert "volcano" in problems[0] and "twice" in problems[1]


def test_without_an_identity_it_waits_says_so_once_and_goes_on_when_provisioned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "identity.json"
    slots = FileSlots(str(tmp_path / "identity"))
    waits = []

    async def sleep(_seconds: float) -> None:
        waits.append(path.exists())
        if len(waits) == 3:
            path.write_text(json.dumps({"node": "n-1", "keys": {"0": "00" * 32}}))

    monkeypatch.setattr(start, "asyncio", SimpleNamespace(sleep=sleep))
    assert asyncio.run(start.wait_for_identity(slots, str(path), [])).node == "n-1"
    assert len(slots.read()) == 2 and not path.exists(), "both copies hold it, the file is gone"
    said = capsys.readouterr().err
    assert said.count("provision it anew") == 1 and len(waits) == 3


def test_health_carries_sensor_errors_as_triples_and_the_heaps_low_water() -> None:
    class Driver:
        def __init__(self, errors: list[tuple[int, int]]) -> None:
            self.counters = SimpleNamespace(errors=lambda: errors)

    drivers = [Driver([(2, 1), (4, 300)]), None, Driver([(3, 5)])]
    assert sensor_errors(drivers) == bytes([0, 2, 1, 0, 4, 0xAC, 2, 2, 3, 5])
    assert len(sensor_errors([Driver([(2, 1 << 30)] * 20)] * 8)) <= 64
    net = SimpleNamespace(rssi=lambda: -70)
    health = Health(Board(), drivers, net, "1.2.3", SimpleNamespace(failures=2))
    health.causes = {10: 300, 3: 1}
    health.late_ms, health.defect = 40, "OSError: 5 at node.py:1 seal"
    fields = health.fields()
    assert (fields["rssi"], fields["reset_cause"], fields["heap_min"], fields["firmware"]) == (-70, 3, 50000, "1.2.3")
    assert (fields["restarts"], fields["late_ms"], fields["battery_mv"]) == (2, 40, 3700)
    assert fields["reconnect_causes"] == bytes([3, 1, 10, 0xAC, 2]) and fields["last_exception"].startswith("OSError")
    assert health.fields()["late_ms"] == 0, "the longest since the last frame"
    quiet = Health(Board(), [], SimpleNamespace(rssi=lambda: None), "1", SimpleNamespace(failures=0)).fields()
    assert not {"rssi", "sensor_errors", "restarts", "safe_profile", "shed", "last_exception"} & set(quiet)
    assert len(pack([(1 << 30, 1 << 30)] * 20)) <= 64


class Rtc:
    """An ESP32's RTC after power-on: the year 2000 and no memory."""

    fields: tuple[int, ...] = (2000, 1, 1, 5, 0, 0, 7, 0)
    kept = b""

    def datetime(self, fields: tuple[int, ...]) -> None:
        Rtc.fields = fields

    def memory(self, data: bytes | None = None) -> bytes | None:
        if data is None:
            return Rtc.kept
        Rtc.kept = data
        return None


class Pin:
    IN, PULL_UP, IRQ_FALLING = 1, 2, 2

    def __init__(self, number: int, *_mode: int) -> None:
        self.number = number

    def irq(self, handler: Any, **_options: int) -> None:
        self.fall = handler


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> Any:
    machine = ModuleType("machine")
    vars(machine).update(RTC=Rtc, Pin=Pin, UART=lambda *a, **k: (a, k), I2C=lambda *a, **k: (a, k))
    monkeypatch.setitem(sys.modules, "machine", machine)
    monkeypatch.delitem(sys.modules, "pantau_node.board", raising=False)
    import pantau_node.board as module

    yield module
    sys.modules.pop("pantau_node.board", None)


def test_the_rtc_counts_from_the_ports_own_epoch_and_is_read_and_set_in_unix_time(
    board: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    since_2000 = 1795478400 - 946684800
    monkeypatch.setattr("time.gmtime", lambda s, real=time.gmtime: real(s + 946684800))
    monkeypatch.setattr("time.time_ns", lambda: since_2000 * 10**9 + 7_000_000)
    b = board.Board()
    assert (b.rtc_read(), b.rtc_ms()) == (1795478400, 1795478400007)
    b.rtc_write(1795478400)
    assert Rtc.fields == (2026, 11, 24, 1, 0, 0, 0, 0)
    b.memory(b"kept")
    assert b.memory() == b"kept"


def test_pins_come_from_the_boards_data_and_a_missing_bus_is_named(board: Any) -> None:
    b = board.Board()
    assert b.choose("esp32-c3") is None
    assert b.uart(1, 9600)[1]["tx"] == 4
    assert b.i2c(0) is b.i2c(0)
    with pytest.raises(OSError, match="no uart 2"):
        b.uart(2, 9600)
    with pytest.raises(OSError, match="no ethernet"):
        b.data("ethernet")
    problem = board.Board().choose("toaster")
    assert "toaster" in problem and "esp32-c3" in problem
    with pytest.raises(OSError, match="no pulse 0"):
        board.Board().pulse(0)


def test_pulses_are_counted_beyond_the_stamps_that_are_kept(board: Any) -> None:
    pulse = pulseinput.PulseInput(board.machine, 25)
    for _ in range(102):
        pulse._pin.fall(pulse._pin)
    assert pulse.count() == 102 and len(pulse.take()) == 96 and pulse.overflow == 6
    pulse._pin.fall(pulse._pin)
    assert pulse.take() == [1234] and pulse.count() == 103 and pulse.take() == []
