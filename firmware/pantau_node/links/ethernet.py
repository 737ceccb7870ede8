"""Ethernet by the MAC of the chip and a PHY of the board (entry "lan" of boards.py). Only the original ESP32 has one."""

from micropython import const

from . import Net

_JOIN_MS = const(20000)  # negotiation 2 to 3 s, DHCP 1 to 6 s


class Ethernet(Net):
    """The cable."""

    def rssi(self):
        """A cable has none."""

    async def _join(self):
        if self._nic is None:
            self._nic = self._lan()
        await self._on()
        await self._arrive(_JOIN_MS)

    def _lan(self):
        """Return the driver. There is one for ever: where its making failed, only a power cycle frees the PHY."""
        network, pin = self._board.network(), self._board.pin
        if not hasattr(network, "LAN"):
            raise OSError("this MicroPython has no network.LAN: install the image of an original ESP32")
        lan = self._board.data("lan")
        options = {name: pin(lan[name]) for name in ("mdc", "mdio", "power", "ref_clk") if name in lan}
        clock = options["ref_clk"]
        options["ref_clk_mode"] = clock.OUT if lan["ref_clk_out"] else clock.IN
        return network.LAN(phy_type=getattr(network, "PHY_" + lan["phy_type"]), phy_addr=lan["phy_addr"], **options)


def make(board, conf, clock):
    """Return the Net; raises OSError where the board has no "lan", ValueError for a malformed link.address."""
    board.data("lan")
    return Ethernet("ethernet", board, conf, clock)
