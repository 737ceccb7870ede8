"""The part of a Board that only the start, the first join of a link and the end need. Board loads it then.

The machine module comes from board.py, the only one that imports hardware.
"""

from micropython import const

_I2C_HZ = const(100000)
_I2C_US = const(50000)  # a sensor may stretch the clock this long
_REPL_MS = const(3600000)  # a technician who forgets the REPL loses an hour of records, not the node


class Wiring:
    """Pins, buses, Wi-Fi, watchdog, sleep."""

    def __init__(self, board, machine):
        self._board = board
        self._machine = machine

    def choose(self, name):
        """Take the pins of a board of boards.BOARDS; return what is wrong or None: an unknown one still boots and says so."""
        from .boards import BOARDS

        if name not in BOARDS:
            return "board: %s is not one of %s" % (name, ", ".join(sorted(BOARDS)))
        self._board.pins = BOARDS[name]
        return None

    def _pins(self, kind, number):
        try:
            return self._board.pins[kind][number]
        except (KeyError, IndexError):
            raise OSError("this board has no %s %s: see pantau_node/boards.py" % (kind, number))

    def data(self, name):
        """Return what the board's entry has under a name ("lan", "modem", "battery")."""
        if name not in self._board.pins:
            raise OSError("this board has no %s: see pantau_node/boards.py" % name)
        return self._board.pins[name]

    def uart(self, number, baud, rxbuf=512, inverted=False):
        """Return a machine.UART, 8N1, that never waits; rxbuf in bytes; inverted: the sensor's line idles low."""
        tx, rx = self._pins("uart", number)
        kind = self._machine.UART
        invert = kind.INV_RX if inverted else 0
        return kind(number, baudrate=baud, tx=tx, rx=rx, rxbuf=rxbuf, timeout=0, invert=invert)

    def i2c(self, number):
        """Return the machine.I2C of a bus; sensors share it."""
        made = self._board.buses
        if number not in made:
            scl, sda = self._pins("i2c", number)
            pins = (self.pin(scl), self.pin(sda))
            made[number] = self._machine.I2C(number, scl=pins[0], sda=pins[1], freq=_I2C_HZ, timeout=_I2C_US)
        return made[number]

    def pulse(self, number):
        """Return the PulseInput of a counting input."""
        from .pulseinput import PulseInput

        return PulseInput(self._machine, self._pins("pulse", number))

    def edges(self, number):
        """Return the EdgeInput of a counting input: closures and openings with their time."""
        from .edgeinput import EdgeInput

        return EdgeInput(self._machine, self._pins("pulse", number))

    def contact(self, number):
        """Return the machine.Pin of a counting input whose state is asked: value() is 0 while the contact is closed."""
        kind = self._machine.Pin
        return kind(self._pins("pulse", number), kind.IN, kind.PULL_UP)

    def output(self, name, value):
        """Return the machine.Pin that the board's entry has under a name, an output that begins with `value`."""
        return self.pin(self.data(name), self._machine.Pin.OUT, value=value)

    def pin(self, number, *mode, **options):
        """Return a machine.Pin."""
        return self._machine.Pin(number, *mode, **options)

    def wlan(self):
        """Return the station interface of the Wi-Fi."""
        network = self._board.network()
        return network.WLAN(network.STA_IF)

    def wdt(self, timeout_ms):
        """Arm the watchdog: from now on feed() must be called more often than timeout_ms."""
        self._board.armed = True
        return self._machine.WDT(timeout=timeout_ms)

    def cable(self):
        """Return input and output of the console, where a technician's cable ends, as streams of bytes."""
        import sys

        return sys.stdin.buffer, sys.stdout.buffer

    def keyboard(self, on):
        """Let Ctrl-C on the console stop the node, or not."""
        import micropython

        micropython.kbd_intr(3 if on else -1)

    def leave(self):
        """The REPL takes over: the siren, which nobody drives any more, is let go; the watchdog, which nothing can disarm, gets an hour."""
        self.keyboard(True)
        if "siren" in self._board.pins:
            self.pin(self._board.pins["siren"], self._machine.Pin.IN)
        if self._board.repl_ms or self._board.armed:
            self.wdt(self._board.repl_ms or _REPL_MS)

    def deepsleep(self, ms):
        """Sleep for so long and start from the beginning; does not return."""
        self._machine.deepsleep(ms)

    def memory(self, *data):
        """Return or replace the RTC memory, which outlives resets but not the power."""
        return self._machine.RTC().memory(*data)

    def unique_id(self):
        """Return the chip's id as bytes."""
        return self._machine.unique_id()
