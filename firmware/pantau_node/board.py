"""The only module that imports hardware. What a board lacks is an OSError that names the pin data."""

import gc
import time

import machine
from micropython import const

_EPOCH_2000_S = const(946684800)  # the ESP32 port counts from 2000
_BATTERY_MV = const(1000)  # no chip runs on less: the divider is not there


class Board:
    """Buses and chip services of one board; nothing is wired until choose()."""

    def __init__(self):
        self.pins = {}  # its entry in boards.BOARDS
        self.buses = {}  # I2C made so far
        self._rtc = machine.RTC()
        self._epoch_s = _EPOCH_2000_S if time.gmtime(0)[0] == 2000 else 0
        self.armed = False  # the watchdog
        self.repl_ms = 0  # for how long the REPL was ordered

    def __getattr__(self, name):
        """Return a method of wiring.Wiring, which can be let go again: it is needed at the start, and hardly later."""
        from .wiring import Wiring

        return getattr(Wiring(self, machine), name)

    def network(self):
        """Return the module `network`: not every build has its LAN or PPP."""
        import network

        return network

    def ota(self):
        """Return the class of partitions."""
        from esp32 import Partition

        return Partition

    def partition(self, label):
        """Return the data partition of that label, or None: a stock image has none of ours."""
        kind = self.ota()
        found = kind.find(kind.TYPE_DATA, label=label)
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

    def reset_cause(self):
        """Return the reported cause: 1 power-on or brown-out, 2 hard, 3 watchdog, 4 deep sleep, 5 soft."""
        return machine.reset_cause()

    def restart(self):
        """Reset the chip."""
        machine.reset()

    def heap_free(self):
        """Return the bytes that the MicroPython heap can give after a collection, what it may still grow by included."""
        gc.collect()
        return gc.mem_free()

    def heap_largest(self):
        """Return the largest free block of the chip's own heap, bytes: TLS takes its buffers there."""
        import esp32

        return max([region[2] for region in esp32.idf_heap_info(esp32.HEAP_DATA)])

    def battery_mv(self):
        """Return the supply at the pin that the board names for it, mV, or None where nothing is wired to it."""
        if "battery" not in self.pins:
            return None
        pin, times, by = self.pins["battery"]
        mv = machine.ADC(machine.Pin(pin), atten=machine.ADC.ATTN_11DB).read_uv() * times // by // 1000
        return mv if mv >= _BATTERY_MV else None
