"""A chip out of its bag: nothing in its flash, only the ROM's loader, which esptool takes for real; what it flashes then boots.

The loader is that of the package esp32-mock-bootloader.
"""

from __future__ import annotations

import importlib
import threading
from typing import TYPE_CHECKING, Any

from pantau.node.partitions import TABLE_AT, Partition, TableError, read_table
from pantau_sim.vm import MissingVmError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pantau_sim.board.console import Console

PACKAGE = "esp32-mock-bootloader"
_APP_AT, _MAGIC = 0x10000, 0xE9


class BlankChip:
    """The loader on a console, until what is in the flash can boot: then `booted` gets the partition table. stop() ends it."""

    def __init__(self, console: Console, booted: Callable[[list[Partition]], object]) -> None:
        try:
            server: Any = importlib.import_module("esp32_mock_bootloader.server")
        except ImportError:
            raise MissingVmError(f"a blank chip needs {PACKAGE}: pip install {PACKAGE}") from None
        self._server = server
        self._flash = server.FlashImage()
        self._console, self._booted = console, booted
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="rom loader", daemon=True)

    @property
    def flash(self) -> bytes:
        """What the flash holds."""
        return bytes(self._flash.data)

    def start(self) -> None:
        """Wait for a flasher."""
        self._console.say(b"ets virtual\r\n\r\nrst:0x1 (POWERON_RESET),boot:0x13\r\ninvalid header: 0xffffffff\r\n")
        self._thread.start()

    def stop(self) -> None:
        """Pull the plug; what was written stays, and start() of another BlankChip does not see it."""
        self._ending.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _serve(self) -> None:
        while not self._ending.is_set():
            with self._console.plug() as end:
                self._server.handle_client(
                    self._server.BootloaderConnection(sock=end), self._ending, "esp32", flash=self._flash
                )
            self._console.drain()
            table = self._bootable()
            if table is not None and not self._ending.is_set():
                self._booted(table)
                return

    def _bootable(self) -> list[Partition] | None:
        data = self._flash.data
        if data[0x1000] != _MAGIC or data[_APP_AT] != _MAGIC:
            return None
        try:
            return read_table(bytes(data[TABLE_AT : TABLE_AT + 0xC00]))
        except TableError:
            return None
