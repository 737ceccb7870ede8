"""The only module that imports hardware. What a board lacks is an OSError that names the pin data."""

import gc
import time

import machine
from micropython import const

_STAMPS = const(64)  # closures kept between two reads; more are counted without their time
_I2C_HZ = const(100000)
_I2C_US = const(50000)  # a sensor may stretch the clock this long
_EPOCH_2000_S = const(946684800)  # the ESP32 port counts from 2000
_REPL_MS = const(3600000)  # a technician who forgets the REPL loses an hour of records, not the node


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
    """Buses and chip services of one board; nothing is wired until choose()."""

    def __init__(self):
        self._data = {}
        self._i2c = {}
        self._rtc = machine.RTC()
        self._epoch_s = _EPOCH_2000_S if time.gmtime(0)[0] == 2000 else 0
        self._armed = False

    def choose(self, name):
        """Take the pins of a board of boards.BOARDS; return what is wrong or None: an unknown one still boots and says so."""
        from .boards import BOARDS

        if name not in BOARDS:
            return "board: %s is not one of %s" % (name, ", ".join(sorted(BOARDS)))
        self._data = BOARDS[name]
        return None

    def _pins(self, kind, number):
        try:
            return self._data[kind][number]
        except (KeyError, IndexError):
            raise OSError("this board has no %s %s: see pantau_node/boards.py" % (kind, number))

    def data(self, name):
        """Return what the board's entry has under a name ("lan", "modem", "battery")."""
        if name not in self._data:
            raise OSError("this board has no %s: see pantau_node/boards.py" % name)
        return self._data[name]

    def network(self):
        """Return the module `network`: not every build has its LAN or PPP."""
        import network

        return network

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

    def partition(self, label):
        """Return the data partition of that label, or None: a stock image has none of ours."""
        from esp32 import Partition

        found = Partition.find(Partition.TYPE_DATA, label=label)
        return found[0] if found else None

    def rtc_ms(self):
        """Return Unix ms by the RTC, which says 2000-01-01 after power-on."""
        return time.time_ns() // 1000000 + self._epoch_s * 1000

    def rtc_read(self):
        """Return Unix seconds by the RTC."""
        return self.rtc_ms() // 1000

    def rtc_write(self, unix_s):
        """Set the RTC, which TLS checks certificates against."""
        year, month, day, hour, minute, second, weekday = time.gmtime(unix_s - self._epoch_s)[:7]
        self._rtc.datetime((year, month, day, weekday, hour, minute, second, 0))

    def memory(self, *data):
        """Return or replace the RTC memory, which outlives resets but not the power."""
        return self._rtc.memory(*data)

    def reset_cause(self):
        """Return the reported cause: 1 power-on or brown-out, 2 hard, 3 watchdog, 4 deep sleep, 5 soft."""
        return machine.reset_cause()

    def restart(self):
        """Reset the chip."""
        machine.reset()

    def deepsleep(self, ms):
        """Sleep for so long and start from the beginning; does not return."""
        machine.deepsleep(ms)

    def unique_id(self):
        """Return the chip's id as bytes."""
        return machine.unique_id()

    def heap_free(self):
        """Return the bytes that the MicroPython heap can give after a collection, what it may still grow by included."""
        gc.collect()
        return gc.mem_free()

    def heap_largest(self):
        """Return the largest free block of the chip's own heap, bytes: TLS takes its buffers there."""
        import esp32

        return max([region[2] for region in esp32.idf_heap_info(esp32.HEAP_DATA)])

    def battery_mv(self):
        """Return the supply at the pin that the board names for it, mV, or None."""
        if "battery" not in self._data:
            return None
        pin, times, by = self._data["battery"]
        return machine.ADC(machine.Pin(pin), atten=machine.ADC.ATTN_11DB).read_uv() * times // by // 1000

    def wlan(self):
        """Return the station interface of the Wi-Fi."""
        import network

        return network.WLAN(network.STA_IF)

    def wdt(self, timeout_ms):
        """Arm the watchdog: from now on feed() must be called more often than timeout_ms."""
        self._armed = True
        return machine.WDT(timeout=timeout_ms)

    def leave(self):
        """The REPL takes over: the watchdog, which nothing can disarm, gets an hour."""
        if self._armed:
            machine.WDT(timeout=_REPL_MS)
