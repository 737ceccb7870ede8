# The ESP32's `time` for a node in the VM: epoch 2000 from the RTC, ticks that wrap at 2**30 and start with the boot.
import _simbus
from _simbus import uptime_us
from micropython import const
from utime import clock
from utime import gmtime as _gmtime
from utime import mktime as _mktime

_WRAP = const((1 << 30) - 1)
_HALF = const(1 << 29)
_EPOCH_2000_S = const(946684800)

rtc_us = _simbus.boot["rtc_us"]  # us since 2000-01-01 that the RTC shows at uptime 0


def ticks_ms():
    return uptime_us() // 1000 & _WRAP


def ticks_us():
    return uptime_us() & _WRAP


ticks_cpu = ticks_us


def ticks_add(ticks, delta):
    return ticks + delta & _WRAP


def ticks_diff(a, b):
    return (a - b + _HALF & _WRAP) - _HALF


def sleep_ms(ms):
    _simbus.sleep_us(ms * 1000)


def sleep_us(us):
    _simbus.sleep_us(us)


def sleep(seconds):
    _simbus.sleep_us(int(seconds * 1000000))


def time():
    return (rtc_us + uptime_us()) // 1000000


def time_ns():
    return (rtc_us + uptime_us()) * 1000


def gmtime(seconds=None):
    return _gmtime((time() if seconds is None else seconds) + _EPOCH_2000_S)[:8]


localtime = gmtime


def mktime(fields):
    return int(_mktime(fields)) - _EPOCH_2000_S
