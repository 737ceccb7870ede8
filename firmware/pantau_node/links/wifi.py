"""Wi-Fi station: brings the interface up, and again, without trusting its status codes.

Traps (measured elsewhere, firmware facts 4.7): a second connect() raises "Wifi Internal Error"; status 202 "wrong
password" may be false; IDLE flickers in between; the driver's own reconnects hide all of it, so they are off.
"""

from micropython import const

from pantau_node.rare import drop

from . import Net

_JOIN_MS = const(20000)  # association and DHCP take 1 to 6 s where they work at all


class Wifi(Net):
    """The network link.ssid."""

    def rssi(self):
        if self.state != 2:
            return None
        try:
            return self._nic.status("rssi")
        except (OSError, ValueError):
            return None  # lost between two looks

    async def _join(self):
        if self._nic is None:
            self._nic = self._board.wlan()  # its driver takes 28 KiB: not before they are needed
            drop("wiring")
        wlan = self._nic
        await self._on()
        if wlan.isconnected():
            return
        wlan.disconnect()
        wlan.config(reconnects=0)
        wlan.connect(self._conf.link_ssid, self._conf.link_password)
        await self._arrive(_JOIN_MS)


def make(board, conf, clock):
    """Return the Net; raises ValueError for a malformed link.address."""
    return Wifi("wifi " + conf.link_ssid, board, conf, clock)
