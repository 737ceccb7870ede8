"""A virtual board: the VM in its folder with a REPL on a serial port, from power-on to reset to reset.

What runs is what was installed into the folder, and nothing else: no firmware is mounted beside it.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
import subprocess
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pantau.node.partitions import SECTOR, Partition
from pantau_sim.board.blank import BlankChip
from pantau_sim.board.console import Console
from pantau_sim.mpy import compiled
from pantau_sim.node import HARD, PWRON, SOFT, WATCHDOG, SimNode
from pantau_sim.partitions import Partitions

if TYPE_CHECKING:
    from pantau_sim.bus import Wiring

MIB = 1 << 20
VERSION = (1, 29, 0)  # of the VM
MACHINE = "Pantau virtual board with ESP32"
_HERE = Path(__file__).parent
_CONSOLE, _ECHO = 20, 21  # operations of the bus, shims/_board.py
_REPL_HEAP_K = 96  # what the REPL and the board's modules take, which a board has in C (measured: 60)
_PANIC_MS = 1000
# Of the stock image (facts/firmware.md 4.9).
STOCK = (
    Partition("nvs", 1, 2, 0x9000, 0x6000),
    Partition("phy_init", 1, 1, 0xF000, 0x1000),
    Partition("factory", 0, 0, 0x10000, 0x1F0000),
    Partition("vfs", 1, 0x81, 0x200000, 0x200000),
)
_FIRST_BOOT = "# This file is executed on every boot (including wake-boot from deepsleep)\n"
_RST = {PWRON: "0x1 (POWERON_RESET)", HARD: "0xc (SW_CPU_RESET)", WATCHDOG: "0x8 (TG1WDT_SYS_RESET)"}


@dataclass(frozen=True, slots=True)
class Kind:
    """What a virtual board says it is; table: its partitions, of which those called pantau_... are raw flash."""

    flash_bytes: int = 4 * MIB
    version: tuple[int, int, int] = VERSION
    machine: str = MACHINE
    table: tuple[Partition, ...] = STOCK

    @property
    def raw(self) -> dict[str, int]:
        """Return the sectors of each raw partition."""
        return {row.label: row.size // SECTOR for row in self.table if row.label.startswith("pantau_")}

    @property
    def disk_bytes(self) -> int:
        """Return the size of the file system."""
        return next(row.size for row in self.table if row.label == "vfs")


class VirtualBoard(SimNode):
    """A board in `root`, its file system. start() switches it on, stop() pulls the plug; `port` is where a cable goes."""

    def __init__(self, root: Path, kind: Kind | None = None, wiring: Wiring | None = None) -> None:
        self._table = root.with_name(f"{root.name}.partitions.json")  # beside the folder, as its raw partitions are
        self.kind = kind or self._as_flashed()
        super().__init__(root, None, wiring, heap="160wK", partitions=self.kind.raw)
        self._heap = f"{int(self._heap[:-1]) + _REPL_HEAP_K}K"
        self._raw = False
        self._blank: BlankChip | None = None
        self._booted = threading.Event()
        self.console = Console()
        self.bus.answer(_CONSOLE, self._on_console)
        self.bus.answer(_ECHO, lambda _t_us, body: body)

    @property
    def port(self) -> str:
        """The device that tools open."""
        return self.console.path

    @property
    def serial(self) -> str:
        """A serial number that stays with the folder, as that of a USB chip stays with the board."""
        return "PV" + hashlib.sha256(str(self.root.resolve()).encode()).hexdigest()[:10].upper()

    def power_on(self) -> None:
        """As of SimNode; the first time with what a freshly flashed chip makes for itself."""
        self._raw = False
        self.root.mkdir(parents=True, exist_ok=True)
        if not any(self.root.iterdir()):
            (self.root / "boot.py").write_text(_FIRST_BOOT)
        super().power_on()

    def boot(self, cause: int) -> None:
        """Start the VM and say outside what the chip's ROM says."""
        self.console.drain()
        if cause == SOFT:
            self.console.say(b"MPY: soft reboot\r\n")
        else:
            self._raw = False
            said = _RST.get(cause, f"0x{cause:x}")
            self.console.say(f"ets virtual\r\n\r\nrst:{said},boot:0x13 (SPI_FAST_FLASH_BOOT)\r\n".encode())
        super().boot(cause)

    def spawn(self, argv: list[str], link: socket.socket) -> subprocess.Popen[bytes]:
        """Start the VM with the console as stdin and stdout, in a group of its own: a Ctrl-C at the terminal is not for it."""
        with self.console.plug() as console:
            process = subprocess.Popen(
                [*argv, str(link.fileno())],
                stdin=console.fileno(),
                stdout=console.fileno(),
                stderr=console.fileno(),
                pass_fds=(link.fileno(),),
                cwd=self.root,
                env={"MICROPYPATH": ".frozen"},
                start_new_session=True,
            )
        self.console.started(process.pid)
        return process

    def mounts(self) -> dict[str, object]:
        """What a board has in C and the VM has not."""
        folders = (_HERE / "shims", _HERE.parent / "shims" / "vm")
        return {"mounts": [[f"shims{i}", str(compiled(at))] for i, at in enumerate(folders)], "shims": len(folders)}

    def boot_config(self, cause: int) -> dict[str, object]:
        """What the VM is told of this boot."""
        board = {
            "raw": self._raw,
            "flash_bytes": self.kind.flash_bytes,
            "disk_bytes": self.kind.disk_bytes,
            "version": self.kind.version,
            "machine": self.kind.machine,
            "partitions": [
                (row.type, row.subtype, row.offset, row.size, row.label)
                for row in self.kind.table
                if row.label not in self.kind.raw
            ],
        }
        return super().boot_config(cause) | {"board": board}

    async def start_blank(self) -> None:
        """Switch on a chip with nothing in its flash; what is flashed to it boots, with the partitions of its table."""
        self._blank = BlankChip(self.console, self._flashed)
        self._blank.start()

    def wait_flashed(self, within_s: float) -> bool:
        """Wait until a blank chip has got something that boots."""
        return self._booted.wait(within_s)

    def _as_flashed(self) -> Kind:
        """Return what stands beside the folder: the partitions that were flashed when it was last on."""
        if not self._table.exists():
            return Kind()
        rows = json.loads(self._table.read_text(encoding="utf-8"))
        return Kind(table=tuple(Partition(*row) for row in rows))

    def _flashed(self, table: list[Partition]) -> None:
        self._table.parent.mkdir(parents=True, exist_ok=True)
        self._table.write_text(json.dumps(table), encoding="utf-8")
        self.kind = replace(self.kind, table=tuple(table))
        self.partitions = Partitions(self.root, self.kind.raw)
        asyncio.run(self.start())
        self._booted.set()

    async def stop(self) -> None:
        """Pull the plug."""
        if self._blank is not None:
            await asyncio.to_thread(self._blank.stop)
            self._blank = None
        await super().stop()
        self.console.drain()

    def close_port(self) -> None:
        """Take the port away for good."""
        self.console.close()

    def _on_console(self, _t_us: int, body: bytes) -> bytes:
        self._raw = bool(body[1])
        self.console.interrupt_char(body[0])
        return b""

    def _serve_boot(self) -> None:
        super()._serve_boot()
        if self.bus.reset is None and not self._stopping.is_set():
            self.bus.reset = (HARD, _PANIC_MS)  # the VM died: a chip panics, and starts again

    def about(self) -> str:
        """Return what tools need to know, as JSON."""
        return json.dumps(
            {"port": self.port, "serial": self.serial, "root": str(self.root), "machine": self.kind.machine}
        )
