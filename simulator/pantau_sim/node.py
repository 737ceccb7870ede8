"""One node: the unmodified firmware in a MicroPython process, its buses served by the host."""

import asyncio
import contextlib
import hashlib
import json
import re
import runpy
import socket
import subprocess
import threading
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from pantau.node import mpy
from pantau_sim.bus import HEADER, Bus, Faults, Wiring
from pantau_sim.clock import Clock, RealClock
from pantau_sim.mpy import STARTED, compiled
from pantau_sim.partitions import Partitions
from pantau_sim.sensors.base import Prng
from pantau_sim.vm import find_vm

PWRON, HARD, WATCHDOG, DEEPSLEEP, SOFT = 1, 2, 3, 4, 5
_HERE = Path(__file__).parent
_WDT_TICK_S = 0.25
_SHIM_HEAP_K = (
    45  # what launcher and shims take of the VM's heap (measured); on a board these modules are not on the heap
)
_WINDOWS_K = 64  # in virtual time: windows of a UART (pantau_sim.early) in one piece each, in a heap that is in pieces


class NodeError(Exception):
    """The node could not be run as asked; the text says what to change."""


def firmware_folder() -> Path:
    """The firmware of this checkout, or the copy that an installed wheel carries."""
    try:
        return mpy.firmware_folder()
    except mpy.FirmwareError as error:
        raise NodeError(str(error)) from None


def wire_folder() -> Path:
    """The folder that holds the package pantau_wire."""
    return mpy.wire_folder()


def pulse_pins(firmware: Path, board: str) -> dict[int, int]:
    """GPIO of each pulse input, from the firmware's board data; empty when the firmware has none (a stand-in)."""
    data = firmware / "pantau_node" / "boards.py"
    if not data.is_file():
        return {}
    boards = runpy.run_path(str(data))["BOARDS"]
    return dict(enumerate(boards[board]["pulse"]))


def _heap_option(heap: str, *, virtual: bool) -> str:
    """The VM's option for a node's heap such as 160wK (K = KiB; w = doubled, as objects of a 64-bit VM are), plus the shims' share."""
    match = re.fullmatch(r"(\d+)(w?)[kK]", heap)
    if not match:
        raise NodeError(f"heap {heap!r} is not of the form 160wK (w doubles for the 64-bit VM) or 320K")
    shims = _SHIM_HEAP_K + (_WINDOWS_K if virtual else 0)
    return f"{int(match[1]) * (2 if match[2] else 1) + shims}K"


class SimNode:
    """A node with its own folder as file system. One `start` to `stop` is one time with the power on.

    `heap` is what the firmware may use, in the VM's notation; the share of launcher and shims is added.

    `partitions` are raw flash (label -> sectors of 4 KiB) that esp32.Partition.find finds; the stock image has none.

    `run` names the file to run instead of boot.py and main.py. In virtual time use pantau_sim.virtual instead of `start`.
    """

    def __init__(
        self,
        root: Path,
        firmware: Path | None = None,
        wiring: Wiring | None = None,
        *,
        heap: str = "160wK",
        clock: Clock | None = None,
        seed: int = 0,
        run: str | None = None,
        board: str = "esp32-generic",
        partitions: Mapping[str, int] | None = None,
    ) -> None:
        self.root = root
        self.clock = clock or RealClock()
        self.faults = Faults(seed)
        self.returncode: int | None = None
        self.boots = 0
        self.boot_utc_ms = 0
        self.log_path = root.parent / f"{root.name}.log"
        self.partitions = Partitions(root, partitions or {})
        self._firmware = firmware or firmware_folder()
        self._heap = _heap_option(heap, virtual=self.clock.virtual)
        self._run = run
        self._seed = seed
        look_ahead_us = 60000000 if self.clock.virtual else 1000000
        self.bus = Bus(wiring or {}, self.faults, pulse_pins(self._firmware, board), look_ahead_us)
        self._process: subprocess.Popen[bytes] | None = None
        self.link: socket.socket | None = None
        self._log: IO[bytes] | None = None
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._failure: BaseException | None = None

    async def start(self) -> None:
        """Switch the power on. MissingVmError without a VM, NodeError if it is on already."""
        if self._thread:
            raise NodeError(f"node {self.root.name} is running: stop it first")
        self._stopping.clear()
        self.power_on()
        self._thread = threading.Thread(target=self._serve, name=f"node {self.root.name}", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """Switch the power off, at once, wherever the firmware is. Raises what went wrong on the bus, if anything did."""
        self._stopping.set()
        self.kill()
        thread, self._thread = self._thread, None
        if thread:
            await asyncio.to_thread(thread.join)
        self.close()
        if self._failure:
            failure, self._failure = self._failure, None
            raise NodeError(f"the bus of node {self.root.name} failed: {failure!r}, see {self.log_path}") from failure

    async def wait(self) -> int:
        """Wait until the firmware ends by itself; its exit status."""
        if self._thread:
            await asyncio.to_thread(self._thread.join)
        await self.stop()
        return self.returncode if self.returncode is not None else -1

    @property
    def running(self) -> bool:
        """Whether the power is on and the firmware has not ended."""
        return self._process is not None and self._process.poll() is None

    def power_on(self) -> None:
        """Start the VM with cold sensors; the caller serves `link`."""
        self.bus.power_on(self.clock.now_us())
        self.boot(PWRON)

    def boot(self, cause: int) -> None:
        """Start the VM; sensors and RTC keep what they have."""
        vm, mounts = find_vm(), self.mounts()  # before the VM starts: uptime 0 is when it gets its config
        self.root.mkdir(parents=True, exist_ok=True)
        self.partitions.make()
        self._log = self.log_path.open("ab")
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = self.spawn(
                [str(vm), "-X", f"heapsize={self._heap}", str(_HERE / "shims" / "vm" / "_launch.py")], theirs
            )
        self.link = ours
        self.returncode = None
        self.boots += 1
        _receive(ours, HEADER.size)
        now_us = self.clock.now_us()
        self.bus.begin(now_us)
        self.boot_utc_ms = now_us // 1000
        config = json.dumps(self.boot_config(cause) | mounts).encode()
        ours.sendall(len(config).to_bytes(4, "little") + config)

    def spawn(self, argv: list[str], link: socket.socket) -> subprocess.Popen[bytes]:
        """Start the VM, which is told its end of the bus; its stdin is what is typed, its output the log."""
        return subprocess.Popen(
            [*argv, str(link.fileno())],
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=self._log,
            pass_fds=(link.fileno(),),
            cwd=self.root,
            env={"MICROPYPATH": ".frozen"},
        )

    def type(self, data: bytes) -> None:
        """Send bytes to the node's console, in real time only; what it answers is in the log, between its lines."""
        if self._process is None or self._process.stdin is None:
            raise NodeError(f"node {self.root.name} is off: nobody hears what is typed")
        self._process.stdin.write(data)
        self._process.stdin.flush()

    def mounts(self) -> dict[str, object]:
        """What the VM runs, compiled; the first time in a checkout takes seconds."""
        shims = [["shims", str(compiled(_HERE / "shims" / "vm"))]]
        if self.clock.virtual:
            shims.append(["shims_virtual", str(compiled(_HERE / "shims" / "vm_virtual"))])
        code = [
            ["firmware", str(compiled(self._firmware, keep=(*STARTED, self._run) if self._run else STARTED))],
            ["wire", str(compiled(wire_folder(), ("pantau_wire",)))],
            ["sim", str(compiled(_HERE.parent, ("pantau_sim/__init__.py", "pantau_sim/sensors")))],
        ]
        return {"mounts": shims + code, "shims": len(shims)}

    def boot_config(self, cause: int) -> dict[str, object]:
        """What the VM is told of this boot, beside its mounts."""
        return {
            "root": str(self.root.resolve()),
            "virtual": self.clock.virtual,
            "flash": str(self.root.parent.resolve()),
            "partitions": self.partitions.table(),
            "reset_cause": cause,
            "rtc_us": self.bus.rtc_us(),
            "rtc_memory": list(self.bus.rtc_memory),
            "unique_id": list(hashlib.sha256(self.root.name.encode()).digest()[:6]),
            "run": self._run,
            "seed": Prng(self._seed, zlib.crc32(self.root.name.encode()), self.boots).bits(),
        }

    def kill(self) -> None:
        """Cut the power: no chance to say goodbye."""
        if self._process and self._process.poll() is None:
            self._process.kill()

    def close(self) -> None:
        """Collect the ended VM."""
        if self._process:
            code = self._process.wait()
            if self._process.stdin:
                with contextlib.suppress(BrokenPipeError):
                    self._process.stdin.close()
            self.returncode = code
            self._process = None
        if self.link:
            self.link.close()
            self.link = None
        if self._log:
            self._log.close()
            self._log = None

    def _serve(self) -> None:
        """The bus thread: serve, and boot again after a reset, until the power is cut or the firmware ends."""
        try:
            while True:
                self._serve_boot()
                self.kill()
                reset = self.bus.reset
                if self._stopping.is_set() or reset is None:
                    break
                self.close()
                if reset[1] and self._stopping.wait(reset[1] / 1000):
                    break
                self.boot(reset[0])
        except Exception as error:  # noqa: BLE001  a thread must not swallow it: stop() raises it again
            self._failure = error
            self.kill()

    def _serve_boot(self) -> None:
        """Answer requests until this boot ends; sets bus.reset when it is to boot again."""
        link = self.link
        if link is None:
            return
        link.settimeout(_WDT_TICK_S)
        inbox = b""
        while not self._stopping.is_set():  # stop() may have found no process to kill: between two boots
            try:
                data = link.recv(65536)
            except TimeoutError:
                if self.bus.watchdog_us is not None and self.clock.now_us() > self.bus.watchdog_us:
                    self.bus.reset = (WATCHDOG, 0)
                    return
                continue
            except ConnectionError:
                return
            if not data:
                return
            inbox += data
            while len(inbox) >= HEADER.size:
                size, op, uptime_us = HEADER.unpack_from(inbox)
                end = HEADER.size + size
                if len(inbox) < end:
                    break
                reply = self.bus.handle(op, uptime_us, inbox[HEADER.size : end])
                inbox = inbox[end:]
                with contextlib.suppress(BrokenPipeError):
                    link.sendall(len(reply).to_bytes(2, "little") + reply)
                if self.bus.reset:
                    return


def _receive(link: socket.socket, size: int) -> bytes:
    """Exactly size bytes; NodeError if the VM ends first."""
    data = b""
    link.settimeout(30)
    while len(data) < size:
        try:
            got = link.recv(size - len(data))
        except TimeoutError as error:
            raise NodeError("the VM did not come up within 30 s") from error
        if not got:
            raise NodeError("the VM ended before it came up: its log says why")
        data += got
    return data
