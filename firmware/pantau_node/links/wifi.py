"""Wi-Fi station: brings the interface up, and again, without trusting its status codes.

Traps (measured elsewhere, firmware facts 4.7): a second connect() raises "Wifi Internal Error"; status 202 "wrong
password" may be false; IDLE flickers in between; the driver's own reconnects hide all of it, so they are off.
"""

import asyncio

from micropython import const

from . import LinkError

DOWN, JOINING, UP = 0, 1, 2
_JOIN_MS = const(20000)  # association and DHCP take 1 to 6 s where they work at all
_POLL_MS = const(250)
_CYCLE_AFTER = const(3)  # failures before the radio is switched off and on


class Wifi:
    """One network. state: DOWN, JOINING or UP; failures: attempts in a row that came to nothing."""

    def __init__(self, wlan, ssid, password, clock):
        self._wlan = wlan
        self._ssid = ssid
        self._password = password
        self._clock = clock
        self.state = DOWN
        self.failures = 0

    def rssi(self):
        """Return the signal in dBm, or None while down."""
        if self.state != UP:
            return None
        try:
            return self._wlan.status("rssi")
        except (OSError, ValueError):
            return None  # lost between two looks

    async def up(self):
        """Return once there is an address; raises LinkError after 20 s without."""
        if self.state == UP and self._wlan.isconnected():
            return
        self.state = JOINING
        try:
            await self._join()
        except OSError as error:
            self._failed()
            raise LinkError("wifi %s: %s" % (self._ssid, error))
        self.state = UP
        self.failures = 0

    async def _join(self):
        wlan = self._wlan
        if self.failures and self.failures % _CYCLE_AFTER == 0:
            wlan.active(False)
            await asyncio.sleep(_POLL_MS / 1000)
        wlan.active(True)
        if wlan.isconnected():
            return
        wlan.disconnect()
        wlan.config(reconnects=0)
        wlan.connect(self._ssid, self._password)
        end_ms = self._clock.uptime_ms() + _JOIN_MS
        while not wlan.isconnected():
            if self._clock.uptime_ms() >= end_ms:
                raise OSError("no connection within %d s, status %s" % (_JOIN_MS // 1000, wlan.status()))
            await asyncio.sleep(_POLL_MS / 1000)

    def _failed(self):
        self.state = DOWN
        self.failures += 1


class NoNet:
    """The network is somebody else's (link.kind "none"): always up, no signal to report."""

    def rssi(self):
        """Return None: nothing is measured."""

    async def up(self):
        """Return at once."""
