"""Every driver after days: the clock's 30 bits wrap, and a sensor that then goes and comes back is found again in minutes."""

import asyncio
import importlib

import pytest

from pantau_node.sensors import base
from pantau_node.sensors.catalog import driver, load, models
from pantau_sim.faults import Faults
from pantau_wire import names as T
from sensor_harness import Contact, Edges, I2c, Pin, Uart, read

FILES = sorted(set(models().values()))
MODELS = {file: next(model for model, name in models().items() if name == file) for file in FILES}
MARKED = ("_on",)  # since power-on: marked anew before it is asked again
SIGNS = (T.R_OK, T.R_NO_SAMPLE, T.R_SPREAD)  # of life: a road may be empty, and these calls come slowly


class Air:
    """The world's truth, and something that moves where it has none; on the road a car every twenty seconds."""

    def __init__(self, truth):
        self._truth = truth

    def passes(self, t0_s, t1_s):
        return [(20.0 * k, True, 40.0, 2.5, 4.5) for k in range(int(t0_s // 20) + 1, int(t1_s // 20) + 1)]

    def __call__(self, name, t_s):
        try:
            return self._truth(name, t_s)
        except KeyError:
            return 1.0 + t_s % 97 / 1000 if name == "water_depth" else 500.0 + t_s % 97


class Rig:
    """A driver on its emulator, called as a station does."""

    def __init__(self, clock, truth, file):
        self.clock, self.faults, self.module = clock, Faults(3), load(MODELS[file])
        make = importlib.import_module("pantau_sim.sensors." + file).Emulator
        self.emulators = [make(Air(truth), 2) for _ in range(2 if self.module.BUS == "pulses" else 1)]
        self.emulator = self.emulators[0]
        if self.module.BUS == "uart":
            bus = Uart(clock, self.emulator, self.faults, self.module.RXBUF)
            bus.init = lambda **_rate: None
        elif self.module.BUS == "i2c":
            bus = I2c(clock, self.emulator, self.faults)
        elif self.module.BUS == "pulses":
            bus = [Edges(clock, one) for one in self.emulators]
        else:
            bus = {"pulse": Contact, "contact": Pin}[self.module.BUS](clock, self.emulator)
        self.sensor = driver(MODELS[file], bus)

    def steps(self, n):
        """Collect n times at the driver's own pace, then read: what that said."""

        async def run():
            for _ in range(n):
                self.clock.ms += getattr(self.sensor, "COLLECT_MS", 1000)
                await self.sensor.collect()

        if hasattr(self.sensor, "collect"):
            asyncio.run(run())
        else:
            self.clock.ms += 1000 * n
        return {reason for _, reason in read(self.sensor).values()}

    def lives(self):
        """Whether one of ten minutes says so."""
        minute = 60000 // getattr(self.sensor, "COLLECT_MS", 1000)
        return any(self.steps(minute) <= set(SIGNS) for _ in range(10))


@pytest.mark.parametrize("days", [7, 13])
@pytest.mark.parametrize("file", FILES)
def test_what_goes_after_days_and_comes_back_is_found_again(clock, truth, file, days):
    rig = Rig(clock, truth, file)
    assert rig.lives()
    for _ in range(24 * days):
        clock.ms += 3600000 - 10000
        rig.steps(10)
    assert rig.lives()
    if rig.module.BUS in ("uart", "i2c"):
        rig.faults.silence(rig.emulator.MODEL, 600)
        for _ in range(10):
            rig.steps(60)
        while rig.faults.silenced(rig.emulator.MODEL, clock.us):
            clock.ms += 10000
        rig.emulator.power_on(clock.us)  # without power it forgot everything
    assert rig.lives()


@pytest.mark.parametrize("file", FILES)
def test_no_age_is_left_unasked(clock, truth, file, monkeypatch):
    """An Age that nobody asks for days turns young again: while all is well each of a driver's is asked or marked, or gone."""
    seen = {}
    for name in ("ms", "mark"):
        real = getattr(base.Age, name)

        def spy(age, real=real):
            seen[id(age)] = clock.ms
            return real(age)

        monkeypatch.setattr(base.Age, name, spy)
    rig = Rig(clock, truth, file)
    assert rig.lives()
    before = clock.ms
    rig.lives()
    assert [name for name, age in ages(rig.sensor) if seen[id(age)] <= before and name not in MARKED] == []


def ages(thing, path="", done=None):
    """Every (where, Age) that a driver holds."""
    done = set() if done is None else done
    parts = vars(thing) if hasattr(thing, "__dict__") else {}
    for name, part in parts.items():
        for one in part if isinstance(part, (list, tuple)) else part.values() if isinstance(part, dict) else [part]:
            if isinstance(one, base.Age):
                yield path + name, one
            elif type(one).__module__.startswith("pantau_node.") and id(one) not in done:
                done.add(id(one))
                yield from ages(one, path + name + ".", done)
