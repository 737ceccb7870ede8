"""What holds for every sensor of the catalog: each fault has its test and its counter, and no garbage outlives a good packet."""

import asyncio
import importlib
import importlib.util
import inspect
import json
import re
from pathlib import Path

import pytest

from pantau_node.sensors.catalog import driver, load, models
from pantau_node.sensors.stream import Stream
from pantau_sim.faults import Faults
from pantau_sim.sensors.base import Prng
from sensor_harness import I2c, Uart

HERE = Path(__file__).resolve().parent
FILES = sorted(set(models().values()))
CAPTURES = [json.loads(path.read_text()) for path in sorted((HERE.parents[1] / "captures").glob("*.json"))]
COUNTED = ("checksum", "framing", "timeout", "absent", "fault")
UNCHECKED = {"bme280", "ads1115", "qmc5883l"}  # nothing in their bytes tells a turned bit
# Where a fault of the wire may show; a lost packet is one only to a driver that asked for it.
SHOWN = {
    "corrupt": {"checksum", "framing"},
    "truncate": {"framing", "checksum", "timeout"},
    "garbage": {"framing"},
    "drop": {"timeout"},
}


def model_of(file):
    return next(model for model, name in models().items() if name == file)


def on(bus):
    return [file for file in FILES if bus == load(model_of(file)).BUS]


def emulator_of(file, truth):
    return importlib.import_module("pantau_sim.sensors." + file).Emulator(truth, 2)


class Air:
    """The world's truth, and something that moves where it has none."""

    def __init__(self, truth):
        self._truth = truth
        self.passes = truth.passes

    def __call__(self, name, t_s):
        try:
            return self._truth(name, t_s)
        except KeyError:
            return 500.0 + t_s % 97


class Rig:
    """A driver on its emulator, asked at its own pace."""

    def __init__(self, clock, truth, file):
        self.module = load(model_of(file))
        self.clock, self.faults, self.emulator = clock, Faults(3), emulator_of(file, Air(truth))
        if self.module.BUS == "uart":
            bus = Uart(clock, self.emulator, self.faults, self.module.RXBUF)
        else:
            bus = I2c(clock, self.emulator, self.faults)
        self.sensor = driver(model_of(file), bus)
        self.asks = False  # it answers when it is asked: seen in the bytes that the driver sends
        self._receive, self.emulator.receive = getattr(self.emulator, "receive", None), self._asked

    def _asked(self, t_us, data):
        self.asks = True
        self._receive(t_us, data)

    def steps(self, n):
        collects = hasattr(self.sensor, "collect")
        often = 1000 if collects and self.module.BUS == "i2c" else 300
        pace_ms = getattr(self.sensor, "COLLECT_MS", max(often, self.module.PERIOD_MS))

        async def run():
            for _ in range(n):
                self.clock.ms += pace_ms
                await (self.sensor.collect() if collects else self.sensor.read(pace_ms - 50))

        asyncio.run(run())

    def counted(self):
        return {name: getattr(self.sensor.counters, name) for name in COUNTED}

    def risen(self, before):
        return {name: n - before[name] for name, n in self.counted().items() if n != before[name]}


def injected_by(path):
    """Kinds that a file of tests injects: inject("kind"), or inject(x) in a test whose table has x."""
    spec = importlib.util.spec_from_file_location("faults_of_" + path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    kinds = set(re.findall(r"\binject\(\"(\w+)\"", path.read_text(encoding="utf-8")))
    for test in vars(module).values():
        for mark in getattr(test, "pytestmark", []):
            names = [name.strip() for name in mark.args[0].split(",")]
            for at, name in enumerate(names):
                if re.search(rf"\binject\({name}\b", inspect.getsource(test)):
                    rows = [getattr(row, "values", row) for row in mark.args[1]]
                    kinds |= {row if len(names) == 1 else row[at] for row in rows}
    return kinds


@pytest.mark.parametrize("file", FILES)
def test_every_emulator_has_faults_and_each_is_injected_in_the_tests_of_its_sensor(file):
    kinds = set(importlib.import_module("pantau_sim.sensors." + file).Emulator.FAULTS)
    assert kinds and kinds <= injected_by(HERE / f"test_{file}.py")


@pytest.mark.parametrize("deadline_ms", [0, 1, 50, 900])
@pytest.mark.parametrize("file", on("uart") + on("i2c"))
def test_a_read_of_a_running_sensor_keeps_its_deadline_and_of_a_stream_takes_no_time(clock, truth, file, deadline_ms):
    rig = Rig(clock, truth, file)
    rig.steps(12)
    start = clock.ms
    asyncio.run(rig.sensor.read(deadline_ms))
    assert clock.ms - start <= (0 if isinstance(rig.sensor, Stream) else deadline_ms)


def test_no_driver_has_a_counter_that_its_errors_do_not_tell():
    counters = load(model_of(FILES[0])).base.Counters()
    for name in set(counters.FAULTS.values()) | {"framing"}:
        setattr(counters, name, 1)
    assert sum(n for _, n in counters.errors()) == len(counters.FAULTS) + 1


@pytest.mark.parametrize("kind", SHOWN)
@pytest.mark.parametrize("file", on("uart"))
def test_each_fault_on_a_line_is_counted_once(clock, truth, file, kind):
    rig = Rig(clock, truth, file)
    rig.steps(12)
    model = rig.emulator.MODEL
    start = rig.counted()
    inject = {"corrupt": rig.faults.corrupt_next}.get(kind) or getattr(rig.faults, kind)
    for _ in range(5):
        before = rig.counted()
        inject(model)
        rig.steps(6)
        assert rig.faults.pending() == 0
        if kind == "drop" and not rig.asks:
            assert rig.risen(before) == {}
        else:
            risen = rig.risen(before)
            assert sum(risen.values()) == 1 and set(risen) <= SHOWN[kind]
    good = rig.sensor.counters.good
    rig.steps(6)
    assert rig.sensor.counters.good >= good + 5
    assert rig.faults.injected[kind] == 5 == sum(rig.risen(start).values()) + 5 * (kind == "drop" and not rig.asks)


@pytest.mark.parametrize(
    "file, kind",
    [(file, "nack") for file in on("i2c")]
    + [(file, kind) for file in on("i2c") if file not in UNCHECKED for kind in ("corrupt", "truncate")],
)
def test_each_fault_on_i2c_is_counted_once(clock, truth, file, kind):
    rig = Rig(clock, truth, file)
    rig.steps(12)
    model = rig.emulator.MODEL
    inject = {"corrupt": rig.faults.corrupt_next}.get(kind) or getattr(rig.faults, kind)
    for _ in range(5):
        before, good = rig.counted(), rig.sensor.counters.good
        inject(model)
        rig.steps(6)
        assert rig.risen(before) == {"timeout" if kind == "nack" else "checksum": 1}
        assert rig.sensor.counters.good > good
    assert rig.faults.injected[kind] == 5


# --- after any garbage the next good packet decodes


def parsers():
    """(name, maker of a parser, a good packet) of each capture whose driver has a Parser."""
    for capture in CAPTURES:
        module = load(model_of(capture["file"])) if capture.get("file") in FILES else None
        if hasattr(module, "Parser"):
            options = capture.get("options", {})
            good = bytes.fromhex(capture["packets"][0]["raw"])
            yield pytest.param(lambda m=module, o=options: m.Parser(**o), good, id=capture["file"])


def damages(good, rng):
    """Bytes that may come before a good packet: stray ones, and what is left of packets."""
    for size in range(41):
        yield bytes(rng.below(256) for _ in range(size))
    for at in range(1, len(good)):
        yield good[:at]  # cut off
        yield good[at:]  # begun before we listened
        yield good[:at] + good[at + 1 :]  # a byte lost
        yield good[:at] + bytes((good[at] ^ 1 << rng.below(8),)) + good[at + 1 :]  # a bit turned


@pytest.mark.parametrize("make, good", list(parsers()))
def test_a_good_packet_after_any_damage_decodes_however_it_is_cut(make, good):
    rng = Prng(5)
    whole = make().feed(good)
    assert whole
    for damage in damages(good, rng):
        stream = damage + good
        assert make().feed(stream)[-1:] == whole[-1:], damage.hex(" ")
        for cut in range(len(stream) + 1):
            parser = make()
            got = parser.feed(stream[:cut]) + parser.feed(stream[cut:])
            assert got == make().feed(stream), (damage.hex(" "), cut)
        parser = make()
        single = []
        for byte in stream:
            single += parser.feed(bytes((byte,)))
        assert single == make().feed(stream), damage.hex(" ")
