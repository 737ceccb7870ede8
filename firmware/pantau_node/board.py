"""The only module that imports hardware. What a board lacks is an OSError that names the pin data."""

import gc
import sys
import time

import machine
from micropython import const

from .boards import BOARDS
from .clock import civil_from_unix, unix_from_civil

_STAMPS = const(64)  # closures kept between two reads; more are counted without their time
_I2C_HZ = const(100000)
_I2C_US = const(50000)  # a sensor may stretch the clock this long
_RESTART_S = const(5)  # a crash at each start must not wear out the flash with boot marks
_MARK = b"PT1"  # in RTC memory while the RTC holds a time that was really known
_YEAR_MIN = const(2001)  # an RTC that was never set says 2000


class PulseInput:
    """Falling edges on a pin with pull-up: count() since boot, take() their ticks_ms.

    Pin interrupts stamp with some 50 us of jitter on the ESP32, milliseconds while flash is written: fine for tips and
    axles. count() goes on when the stamps are full.
    """

    def __init__(self, number):
        self._count = 0
        self._stamps = []
        self.overflow = 0
        self._pin = machine.Pin(number, machine.Pin.IN, machine.Pin.PULL_UP)
        self._pin.irq(handler=self._edge, trigger=machine.Pin.IRQ_FALLING)

    def _edge(self, _pin):
        self._count += 1
        if len(self._stamps) < _STAMPS:
            self._stamps.append(time.ticks_ms())
        else:
            self.overflow += 1

    def count(self):
        """Return the number of edges since boot."""
        return self._count

    def take(self):
        """Return the stamps since the last call, oldest first."""
        stamps, self._stamps = self._stamps, []
        return stamps


class Board:
    """Buses and chip services of one board; data: an entry of boards.BOARDS."""

    def __init__(self, data):
        self._data = data
        self._i2c = {}
        self._rtc = machine.RTC()

    def _pins(self, kind, number):
        try:
            return self._data[kind][number]
        except (KeyError, IndexError):
            raise OSError("this board has no %s %s: see pantau_node/boards.py" % (kind, number))

    def uart(self, number, baud, rxbuf=512):
        """Return a machine.UART, 8N1, that never waits; rxbuf in bytes."""
        tx, rx = self._pins("uart", number)
        return machine.UART(number, baudrate=baud, tx=tx, rx=rx, rxbuf=rxbuf, timeout=0)

    def i2c(self, number):
        """Return the machine.I2C of a bus; sensors share it."""
        if number not in self._i2c:
            scl, sda = self._pins("i2c", number)
            pins = (machine.Pin(scl), machine.Pin(sda))
            self._i2c[number] = machine.I2C(number, scl=pins[0], sda=pins[1], freq=_I2C_HZ, timeout=_I2C_US)
        return self._i2c[number]

    def pulse(self, number):
        """Return the PulseInput of a counting input."""
        return PulseInput(self._pins("pulse", number))

    def pin(self, number, *mode):
        """Return a machine.Pin."""
        return machine.Pin(number, *mode)

    def rtc_get(self):
        """Return the Unix seconds that the RTC carried over a reset, or None if it was never truly set."""
        if self._rtc.memory() != _MARK:
            return None
        year, month, day, _, hour, minute, second, _ = self._rtc.datetime()
        return unix_from_civil(year, month, day, hour, minute, second)

    def rtc_set(self, unix_s):
        """Set the RTC to a time that is known, and mark it so."""
        self._rtc_write(unix_s)
        self._rtc.memory(_MARK)

    def rtc_floor(self, unix_s):
        """Lift an unset RTC to the earliest possible time: TLS checks certificates against it. Not marked as known."""
        if self._rtc.datetime()[0] < _YEAR_MIN or self.rtc_get() is None:
            self._rtc_write(unix_s)

    def _rtc_write(self, unix_s):
        year, month, day, weekday, hour, minute, second = civil_from_unix(unix_s)
        self._rtc.datetime((year, month, day, weekday, hour, minute, second, 0))

    def reset_cause(self):
        """Return the reported cause: 1 power-on, 2 hard, 3 watchdog, 4 deep sleep, 5 soft."""
        return machine.reset_cause()

    def unique_id(self):
        """Return the chip's id as bytes."""
        return machine.unique_id()

    def heap_free(self):
        """Return the bytes free in the MicroPython heap after a collection."""
        gc.collect()
        return gc.mem_free()

    def wlan(self):
        """Return the station interface of the Wi-Fi."""
        import network

        return network.WLAN(network.STA_IF)

    def wdt(self, timeout_ms):
        """Arm the watchdog: from now on feed() must be called more often than timeout_ms."""
        return machine.WDT(timeout=timeout_ms)


def find(name):
    """Return (data, problem): an unknown board measures nothing, but its node boots and says so."""
    if name in BOARDS:
        return BOARDS[name], None
    return {"uart": {}, "i2c": {}, "pulse": ()}, "board: %s is not one of %s" % (name, ", ".join(sorted(BOARDS)))


def restart_after(error):
    """Print the traceback and restart the chip: an idle REPL on a pole measures nothing."""
    sys.print_exception(error, sys.stderr)  # pyright: ignore[reportArgumentType]  a stub too narrow
    time.sleep(_RESTART_S)
    machine.reset()
