# The ESP32's `machine` for a node in the VM: every pin, bus and clock goes to the host's emulators.
import io
import struct
from array import array

import _simbus

PWRON_RESET, HARD_RESET, WDT_RESET, DEEPSLEEP_RESET, SOFT_RESET = 1, 2, 3, 4, 5
_ENODEV, _ETIMEDOUT, _EBUSY = 19, 116, 16  # errno as the ESP32 port numbers them
_POLLIN, _POLLOUT, _IOCTL_POLL = 1, 4, 3
_FIFO = 128  # bytes of the UART's hardware behind rxbuf (ESP32 technical reference)
_RTC_MEMORY = 2048  # bytes: MICROPY_HW_RTC_USER_MEM_MAX


def reset_cause():
    return _simbus.boot["reset_cause"]


def unique_id():
    return bytes(_simbus.boot["unique_id"])


def freq(_hz=None):
    return 160000000


def reset():
    _reset(HARD_RESET, 0)


def soft_reset():
    _reset(SOFT_RESET, 0)


def deepsleep(time_ms=0):
    _reset(DEEPSLEEP_RESET, time_ms)


def lightsleep(time_ms=0):
    _simbus.sleep_us(time_ms * 1000)


def idle():
    _simbus.sleep_us(1000)


def disable_irq():
    return 0


def enable_irq(_state=0):
    pass


def _reset(cause, wake_ms):
    _simbus.call(_simbus.RESET, struct.pack("<BQ", cause, wake_ms))
    _simbus.stop_here()


class Pin:
    IN, OUT, OPEN_DRAIN = 1, 3, 7
    PULL_UP, PULL_DOWN = 2, 1
    IRQ_RISING, IRQ_FALLING = 1, 2

    def __init__(self, number, mode=-1, pull=-1, value=None, **_options):
        self.number = number.number if isinstance(number, Pin) else number
        self.init(mode, pull, value)

    def init(self, mode=-1, pull=-1, value=None, **_options):
        self._mode = mode
        if value is not None:
            self.value(value)

    def value(self, level=None):
        if level is None:
            return _simbus.call(_simbus.PIN_READ, bytes((self.number,)))[0]
        _simbus.call(_simbus.PIN_WRITE, bytes((self.number, 1 if level else 0)))
        return None

    __call__ = value

    def on(self):
        self.value(1)

    def off(self):
        self.value(0)

    def irq(self, handler=None, trigger=3, **_options):
        def edge(level):
            if trigger & (1 if level else 2):
                handler(self)

        _simbus.on_edge(self.number, edge if handler else None)
        return self


class ADC:
    ATTN_0DB, ATTN_2_5DB, ATTN_6DB, ATTN_11DB = 0, 1, 2, 3

    def __init__(self, pin, atten=3, **_options):
        self._pin = pin.number if isinstance(pin, Pin) else pin

    def atten(self, _atten):
        pass

    def width(self, _bits):
        pass

    def read_uv(self):
        return struct.unpack("<I", _simbus.call(_simbus.ADC_READ, bytes((self._pin,))))[0]

    def read_u16(self):
        return min(65535, self.read_uv() * 65535 // 3300000)

    def read(self):
        return self.read_u16() >> 4


class UART(io.IOBase):
    """`timeout` is not modelled: reads return what has arrived. init() keeps what it is not given, as the port does."""

    INV_TX, INV_RX = 16, 4

    def __init__(self, port, baudrate=115200, **options):
        self._port = port
        self._rxbuf = 256
        self._invert = 0
        self.init(baudrate, **options)

    def init(self, baudrate=115200, rxbuf=None, invert=None, **_options):
        self._rxbuf = self._rxbuf if rxbuf is None else rxbuf
        self._invert = self._invert if invert is None else invert
        inverted = 1 if self._invert & self.INV_RX else 0
        _simbus.call(_simbus.UART_INIT, struct.pack("<BIHB", self._port, baudrate, self._rxbuf, inverted))

    def deinit(self):
        pass

    def any(self):
        return struct.unpack("<H", _simbus.call(_simbus.UART_ANY, bytes((self._port,))))[0]

    def read(self, size=-1):
        got = _simbus.call(
            _simbus.UART_READ, struct.pack("<BH", self._port, 65535 if size is None or size < 0 else size)
        )
        return got or None

    def readinto(self, buf, size=-1):
        got = self.read(len(buf) if size < 0 else size)
        if not got:
            return None
        buf[: len(got)] = got
        return len(got)

    def readline(self):
        line = b""
        while not line.endswith(b"\n"):
            got = self.read(1)
            if not got:
                break
            line += got
        return line or None

    def write(self, data):
        _simbus.call(_simbus.UART_WRITE, bytes((self._port,)) + bytes(data))
        return len(data)

    def flush(self):
        pass

    def txdone(self):
        return True

    def ioctl(self, request, arg):
        if request != _IOCTL_POLL:
            return -1
        return (arg & _POLLOUT) | (arg & _POLLIN if arg & _POLLIN and self.any() else 0)

    def ready_in_us(self):
        return 1000


class _EarlyUART(UART):
    """In virtual time: what the sensor will have sent is fetched a window ahead, and arrives here byte by byte."""

    def __init__(self, port, baudrate=115200, **options):
        self._lost = 0
        self._begin(b"", 0, -1)
        super().__init__(port, baudrate, **options)

    def init(self, *args, **options):
        super().init(*args, **options)
        self._fifo = b""
        self._begin(b"", 0, -1)

    def _begin(self, window, now, until_us):
        """Take over a window, whose times are from `now` on."""
        self._fifo = b""
        self._window = window
        self._from_us = now
        self._until_us = until_us
        self._at = self._end = len(window)
        self._k = 0  # packet on the line, or the one before it

    def _sync(self):
        now = _simbus.uptime_us()
        if now > self._until_us:
            self._keep(self._end)
            self._fetch(now)
        elif self._at < self._end:
            self._keep(self._arrived(now - self._from_us))

    def _fetch(self, now):
        held = self._fifo
        body = struct.pack("<BHI", self._port, len(held), self._lost)
        self._window = b""  # room for the next
        window = _simbus.call(_simbus.UART_EARLY, body)
        until_us, self._byte_us, packets, there = struct.unpack_from("<QHHH", window)
        self._begin(window, now, until_us)
        self._lost = 0
        self._starts = array("i", window[14 : 14 + 4 * packets])
        self._ends = array("H", window[14 + 4 * packets : 14 + 6 * packets])
        self._base = self._at = 14 + 6 * packets + there
        self._fifo = held + window[self._base - there : self._base]
        self._keep(self._arrived(0))  # what came since the last window ended

    def _arrived(self, at_us):
        """Where in the window the first byte stands that has not arrived."""
        starts = self._starts
        low, high = self._k, len(starts)
        if low + 32 < high and starts[low + 32] > at_us:
            high = low + 32  # as a rule: a few seconds of packets
        while low < high:
            middle = (low + high) >> 1
            if starts[middle] <= at_us:
                low = middle + 1
            else:
                high = middle
        if not low:
            return self._base
        self._k = low - 1
        begin = self._ends[low - 2] if low > 1 else 0
        return self._base + min(self._ends[low - 1], begin + (at_us - starts[low - 1]) // self._byte_us)

    def _keep(self, end):
        """What arrives goes into the buffer; what does not fit is lost, as on the chip."""
        size = end - self._at
        if size > 0:
            room = self._rxbuf + _FIFO - len(self._fifo)
            if size > room:
                self._lost += size - room
                size = room
            self._fifo += self._window[self._at : self._at + size]
            self._at = end

    def any(self):
        self._sync()
        return len(self._fifo)

    def read(self, size=-1):
        self._sync()
        got = self._fifo
        if size is None or size < 0:
            self._fifo = b""
        else:
            self._fifo = got[size:]
            got = got[:size]
        return got or None

    def write(self, data):
        self._sync()
        held = self._fifo
        self._begin(b"", 0, -1)  # the sensor may say something else now
        self._fifo = held
        return super().write(data)


if _simbus.virtual:
    UART = _EarlyUART


class I2C:
    def __init__(self, bus=0, **_options):
        self._bus = bus

    def init(self, **_options):
        pass

    def scan(self):
        found = []
        for address in range(8, 120):
            if _simbus.call(_simbus.I2C_WRITE, bytes((self._bus, address)))[0] == 0:
                found.append(address)
        return found

    def writeto(self, addr, buf, stop=True):
        _check(_simbus.call(_simbus.I2C_WRITE, bytes((self._bus, addr)) + bytes(buf)))
        return len(buf)

    def readfrom(self, addr, nbytes, stop=True):
        reply = _simbus.call(_simbus.I2C_READ, struct.pack("<BBH", self._bus, addr, nbytes))
        _check(reply)
        return reply[1:]

    def readfrom_into(self, addr, buf, stop=True):
        buf[:] = self.readfrom(addr, len(buf))

    def writeto_mem(self, addr, memaddr, buf, addrsize=8):
        self.writeto(addr, memaddr.to_bytes(addrsize // 8, "big") + bytes(buf))

    def readfrom_mem(self, addr, memaddr, nbytes, addrsize=8):
        register = memaddr.to_bytes(addrsize // 8, "big")
        reply = _simbus.call(_simbus.I2C_READ, struct.pack("<BBH", self._bus, addr, nbytes) + register)
        _check(reply)
        return reply[1:]

    def readfrom_mem_into(self, addr, memaddr, buf, addrsize=8):
        buf[:] = self.readfrom_mem(addr, memaddr, len(buf), addrsize=addrsize)


SoftI2C = I2C


def _check(reply):
    if reply[0]:
        raise OSError(_ENODEV if reply[0] == 1 else _ETIMEDOUT)


class RTC:
    def __init__(self, _id=0):
        pass

    def init(self, fields):
        self.datetime(fields)

    def datetime(self, fields=None):
        """(year, month, day, weekday, hour, minute, second, us)."""
        import time

        if fields is None:
            us = time.rtc_us + _simbus.uptime_us()
            year, month, day, hour, minute, second, weekday, _yearday = time.gmtime(us // 1000000)
            return (year, month, day, weekday, hour, minute, second, us % 1000000)
        year, month, day, _weekday, hour, minute, second, us = fields
        shown_us = time.mktime((year, month, day, hour, minute, second, 0, 0)) * 1000000 + us
        time.rtc_us = shown_us - _simbus.uptime_us()
        _simbus.call(_simbus.RTC_SET, struct.pack("<q", shown_us))
        return None

    def memory(self, data=None):
        if data is None:
            return bytes(_simbus.boot["rtc_memory"])
        data = bytes(data)
        if len(data) > _RTC_MEMORY:
            raise ValueError("buffer too long")
        _simbus.boot["rtc_memory"] = data
        _simbus.call(_simbus.RTC_MEMORY, data)
        return None


class WDT:
    """One watchdog, as the port has: a second WDT() sets it anew, the objects made before feed the same one."""

    _timeout = 0
    _fed_us = 0

    def __init__(self, id=0, timeout=5000):
        if id != 0:
            raise ValueError
        if timeout <= 0:
            raise ValueError("WDT timeout too short")
        WDT._timeout = timeout
        self._send()

    def feed(self):
        # One message per eighth of the timeout is enough for the host to judge, and spares it the rest.
        if _simbus.virtual or _simbus.uptime_us() - WDT._fed_us >= WDT._timeout * 125:
            self._send()

    def _send(self):
        WDT._fed_us = _simbus.uptime_us()
        if _simbus.virtual:  # told with each wait: time passes at no other time
            _simbus.dog_us = WDT._fed_us + WDT._timeout * 1000
            return
        _simbus.call(_simbus.WDT, struct.pack("<I", WDT._timeout))


class Timer:
    """Present so that an import works; a node that needs a timer uses asyncio."""

    ONE_SHOT, PERIODIC = 0, 1

    def __init__(self, _id, **_options):
        raise NotImplementedError("machine.Timer is not modelled: use asyncio")
