# The ESP32's `time` for a node in the VM: epoch 2000 from the RTC, ticks that wrap at 2**30 and start with the boot.
import _simbus
from utime import clock
from utime import gmtime as _gmtime
from utime import mktime as _mktime

_PERIOD = 1 << 30
_HALF = 1 << 29
_EPOCH_2000_S = 946684800

rtc_us = _simbus.boot["rtc_us"]  # us since 2000-01-01 that the RTC shows at uptime 0


def ticks_ms():
    return _simbus.uptime_us() // 1000 & _PERIOD - 1


def ticks_us():
    return _simbus.uptime_us() & _PERIOD - 1


ticks_cpu = ticks_us


def ticks_add(ticks, delta):
    return ticks + delta & _PERIOD - 1


def ticks_diff(a, b):
    return (a - b + _HALF & _PERIOD - 1) - _HALF


def sleep_ms(ms):
    _simbus.sleep_us(ms * 1000)


def sleep_us(us):
    _simbus.sleep_us(us)


def sleep(seconds):
    _simbus.sleep_us(int(seconds * 1000000))


def time():
    return (rtc_us + _simbus.uptime_us()) // 1000000


def time_ns():
    return (rtc_us + _simbus.uptime_us()) * 1000


def gmtime(seconds=None):
    return _gmtime((time() if seconds is None else seconds) + _EPOCH_2000_S)[:8]


localtime = gmtime


def mktime(fields):
    return int(_mktime(fields)) - _EPOCH_2000_S
