"""Drivers on emulators: the chip's buses between the two, on a clock in the hand. No test; see test_against_emulators.py."""

import asyncio

from pantau_node.sensors import base
from pantau_node.sensors.catalog import driver, load

T0_S = 1767250800  # 14:00 in Tangerang, day traffic
STATION = "station-1"


class Clock:
    """The drivers' clock, in Unix ms; sleeping moves it."""

    def __init__(self, monkeypatch):
        self.ms = T0_S * 1000
        monkeypatch.setattr(base, "now", lambda: self.ms & ((1 << 30) - 1))
        monkeypatch.setattr(base, "sleep_ms", self.sleep_ms)

    @property
    def us(self):
        return self.ms * 1000

    @property
    def s(self):
        return self.ms / 1000

    async def sleep_ms(self, ms):
        self.ms += ms


class Uart:
    """What the chip gives: what arrived since the last read, at most the receive buffer."""

    def __init__(self, clock, emulator, faults, rxbuf):
        self._clock, self._emulator, self._rxbuf = clock, emulator, rxbuf
        emulator.fault = faults.uart(emulator)
        emulator.power_on(clock.us)

    def read(self):
        return self._emulator.produce(self._clock.us, self._rxbuf)[: self._rxbuf] or None

    def write(self, data):
        self._emulator.receive(self._clock.us, bytes(data))


class I2c:
    """One device on the bus, or none: plug(None) pulls it out, plug(emulator) puts one in, which powers up."""

    def __init__(self, clock, emulator, faults):
        self._clock, self._faults = clock, faults
        self.plug(emulator)

    def plug(self, emulator):
        self._emulator = emulator
        if emulator is not None:
            emulator.power_on(self._clock.us)

    def _reach(self):
        """Return the device; OSError as the chip raises it when it cannot be reached."""
        emulator = self._emulator
        if emulator is None or self._faults.refuses(emulator.MODEL, self._clock.us):
            raise OSError(19)
        if emulator.hit("clock_stretch"):
            raise OSError(116)
        return emulator

    def writeto(self, _address, data):
        if not self._reach().write(self._clock.us, bytes(data)):
            raise OSError(19)

    def readfrom(self, _address, size):
        return self._read(self._reach(), size)

    def writeto_mem(self, address, register, data):
        self.writeto(address, bytes((register,)) + bytes(data))

    def readfrom_mem(self, _address, register, size):
        emulator = self._reach()
        if not emulator.write(self._clock.us, bytes((register,))):
            raise OSError(19)
        return self._read(emulator, size)

    def _read(self, emulator, size):
        data = emulator.read(self._clock.us, size)
        if data is None:
            raise OSError(19)
        return self._faults.answer(emulator.MODEL, data)


class Contact:
    def __init__(self, clock, emulator):
        self._clock, self._emulator, self._from = clock, emulator, clock.us
        emulator.power_on(clock.us)
        self._n = 0
        self._stamps = []

    def _run(self):
        for at, level in self._emulator.edges(self._from, self._clock.us):
            if level == 0:
                self._n += 1
                self._stamps.append(at // 1000 & ((1 << 30) - 1))
        self._from = self._clock.us

    def count(self):
        self._run()
        return self._n

    def take(self):
        self._run()
        stamps, self._stamps = self._stamps, []
        return stamps


class Pin:
    """The pin of a contact: value() is its level now."""

    def __init__(self, clock, emulator):
        self._clock, self._emulator = clock, emulator
        emulator.power_on(clock.us)

    def value(self):
        return self._emulator.level(self._clock.us)


class Edges:
    """An EdgeInput: what the interrupt would have seen, the level asked at the edge."""

    def __init__(self, clock, emulator):
        self._clock, self._emulator, self._from = clock, emulator, clock.us
        self.overflow = 0
        emulator.power_on(clock.us)

    def take(self):
        found = self._emulator.edges(self._from, self._clock.us)
        self._from = self._clock.us
        return [(at // 1000 & ((1 << 30) - 1), self._emulator.level(at) == 0) for at, _ in found]


def on_uart(clock, model, emulator, faults, **options):
    return driver(model, Uart(clock, emulator, faults, load(model).RXBUF), **options)


def read(sensor, deadline_ms=20000):
    return {ident: (value, reason) for ident, value, reason in asyncio.run(sensor.read(deadline_ms))}


def collect(clock, sensor, seconds, step_ms=1000):
    async def steps():
        for _ in range(seconds * 1000 // step_ms):
            clock.ms += step_ms
            await sensor.collect()

    asyncio.run(steps())


def reasons_of(clock, sensor, ident, n, step_ms=1000):
    """Return the reason of a property in each of n records, step_ms apart."""
    reasons = []
    for _ in range(n):
        clock.ms += step_ms
        reasons.append(read(sensor, 900)[ident][1])
    return reasons
