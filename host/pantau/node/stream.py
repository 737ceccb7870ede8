"""The bytes of a cable, opened so that the chip goes on with what it does: for session.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from pantau.node.ports import holders
from pantau.node.trouble import UnreachedError

if TYPE_CHECKING:
    from pantau.node.ports import Port

BAUD = 115200
_ESPRESSIF, _USB_JTAG = 0x303A, 0x1001
_WRITE_S = 5  # a port that takes nothing for so long has nobody at its other end


class Stream(Protocol):
    """What a session needs of a cable. OSError from any of them: the cable is gone."""

    def read(self, timeout_s: float) -> bytes:
        """Return what arrives, b"" when that is nothing for `timeout_s`."""
        ...

    def write(self, data: bytes) -> None:
        """Send bytes."""
        ...

    def close(self) -> None:
        """Let go of the port."""
        ...


class SerialStream:
    """A serial port, or socket://host:port, of a board that is not reset by opening or closing it."""

    def __init__(self, port: Port, baud: int = BAUD) -> None:
        """Open it; UnreachedError names who has it open already."""
        import serial

        try:
            self._serial = serial.serial_for_url(
                port.device, baud, timeout=0, write_timeout=_WRITE_S, exclusive=True, do_not_open=True
            )
            # Both low before the port opens: the usual two transistors would reset the chip otherwise. A chip with a USB
            # stack of its own has none, and says nothing to a computer that does not raise DTR.
            self._serial.rts = False
            self._serial.dtr = port.vid == _ESPRESSIF and port.pid != _USB_JTAG
            self._serial.open()
        except (OSError, ValueError):  # SerialException is an OSError
            who = holders(port.device)
            if who:
                raise UnreachedError("board.busy", port=port.device, who=", ".join(who)) from None
            raise UnreachedError("board.closed", port=port.device) from None

    def read(self, timeout_s: float) -> bytes:
        """Return what arrives, b"" when that is nothing for `timeout_s`."""
        self._serial.timeout = timeout_s
        data = bytes(self._serial.read(1))
        while data and (more := self._serial.in_waiting):
            data += bytes(self._serial.read(more))
        return data

    def write(self, data: bytes) -> None:
        """Send bytes."""
        self._serial.write(data)
        self._serial.flush()

    def close(self) -> None:
        """Let go of the port."""
        self._serial.close()
