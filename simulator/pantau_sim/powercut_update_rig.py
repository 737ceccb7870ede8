"""A node under update for the power-cut sweep: powercut_rig's node on a littlefs, the real launcher and update on top, and a sender."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
import sys
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pantau.fleet import bundle
from pantau_sim.powercut_chip import DiskChip, RawChip
from pantau_sim.powercut_rig import INTERVAL_S, START_MS, Bridge, Rig, config_json, identity_json
from pantau_wire import frame
from pantau_wire import names as T
from pantau_wire.bundle import MAX_CHUNK

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator, Iterator

_SECTORS = 128
_WITH_FILES = (
    "pantau_boot",
    "pantau_node.update",
    "pantau_node.updatefile",
    "pantau_node.updatestart",
    "pantau_node.updatetrial",
    "pantau_node.updateunpack",
)
_TURN_MS = 1000
_AGAIN_MS = 8000  # a sender that hears nothing begins again where the node was last
POWER_ON, HARD = 1, 2
BOARD = "any/linux"  # what the update calls CPython


def version(folder: Path, mark: int) -> dict[str, bytes]:
    """Make a small application: files shorter and longer than a block of the flash, in folders in folders."""
    sizes = {
        "pantau_node/app": 9000,
        "pantau_node/links/mqtt": 700,
        "pantau_wire/frame": 60,
        "pantau_node/sensors/sht4x": 1,
    }
    files = {}
    for name, size in sizes.items():
        path = folder / f"{name}.mpy"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((hashlib.sha256(bytes([mark]) + name.encode()).digest() * 200)[:size])
        files[f"{name}.mpy"] = path.read_bytes()
    return files


@contextlib.contextmanager
def as_modules() -> Iterator[None]:
    """Keep the node's modules loaded: one that is loaded anew would have the host's files again; give those back at the end."""
    from pantau_node import rare

    kept, rare.drop = rare.drop, lambda *_names: None
    modules = [importlib.import_module(name) for name in _WITH_FILES]
    try:
        yield
    finally:
        rare.drop = kept
        RawChip(Path()).use()  # the core's modules
        for module in modules:
            module.__dict__.pop("open", None)
            vars(module).update({name: sys.modules[name] for name in ("os", "asyncio") if name in vars(module)})


def install(chip: UpdateChip, files: dict[str, bytes], trusted: list[str]) -> None:
    """Put on a chip what a technician puts there: slot a, identity, configuration, the keys that may sign."""
    from pantau_node.slots import FileSlots

    chip.power_on()
    chip.use()
    for name, content in files.items():
        chip.fs.makedirs(f"/a/{name}".rpartition("/")[0], exist_ok=True)
        chip.put(f"a/{name}", content)
    chip.put("a/ready", json.dumps({"version": "0.1.0", "release": 1}).encode())
    chip.put("slot", b"a")
    chip.put("identity.json", identity_json(1))
    chip.put("config.json", config_json(1))
    for generation in (1, 2):
        FileSlots("/trust").write(generation, json.dumps({"keys": trusted}).encode(), 1)


class _Loop:
    """In place of asyncio for the update's tasks: the rig's clock tells when they go on."""

    def __init__(self) -> None:
        self.now_ms = 0
        self._tasks: list[tuple[int, Coroutine[int, None, None]]] = []

    @staticmethod
    @types.coroutine
    def sleep(seconds: float) -> Generator[int, None, None]:
        """Wait."""
        yield int(seconds * 1000)

    def create_task(self, task: Coroutine[int, None, None]) -> None:
        """Take a task."""
        self._tasks.append((self.now_ms, task))

    def step(self, now_ms: int) -> None:
        """Let the tasks run that are due."""
        self.now_ms = now_ms
        while any(due <= now_ms for due, _ in self._tasks):
            tasks, self._tasks = self._tasks, []
            for due, task in tasks:
                with contextlib.suppress(StopIteration):
                    self._tasks.append((due + task.send(None) if due <= now_ms else due, task))


class _Os:
    """What the update uses of `os` on a littlefs, as MicroPython has it."""

    def __init__(self, chip: DiskChip) -> None:
        self._chip = chip

    def __getattr__(self, name: str) -> Any:
        from littlefs import LittleFSError

        def call(path: str, *args: str) -> Any:
            fs: Any = self._chip.fs
            try:
                if name == "stat":
                    found = fs.stat(path)
                    return (0x4000 if found.type == 2 else 0x8000, 0, 0, 0, 0, 0, found.size)
                if name == "statvfs":
                    blocks = self._chip.flash.sectors
                    return (4096, 4096, blocks, blocks - fs.used_block_count, blocks - fs.used_block_count)
                return getattr(fs, name)(path, *args)
            except LittleFSError as error:
                raise OSError(-error.code, path) from None

        return call


class _Text:
    """A text file on a littlefs."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._file.close()

    def read(self) -> str:
        """Return all."""
        return bytes(self._file.read()).decode()

    def write(self, text: str) -> None:
        """Write it."""
        self._file.write(text.encode())


class UpdateChip(DiskChip):
    """A littlefs that the launcher and the update have as well."""

    def __init__(self, sectors: int = _SECTORS) -> None:
        super().__init__(sectors)
        self.loop = _Loop()

    def use(self) -> None:
        """Let launcher and update have this chip's files and clock, too."""
        super().use()

        def opened(path: str, mode: str = "r") -> Any:
            return self.open(path, mode) if "b" in mode else _Text(self.open(path, mode + "b"))

        for name in _WITH_FILES:
            module: Any = importlib.import_module(name)
            module.open = opened
            module.os = _Os(self)
            module.asyncio = self.loop

    def whole(self, folder: str, files: dict[str, bytes]) -> bool:
        """Tell whether a folder holds exactly these files, and `ready`."""
        return self.below(folder) == {**files, "ready": b""}

    def below(self, folder: str) -> dict[str, bytes]:
        """Return the files below a folder; of `ready` only that it is there."""
        fs: Any = self.fs
        found = {}
        for top, _, names in fs.walk(folder):
            for name in names:
                path = f"{top.rstrip('/')}/{name}"
                with fs.open(path, "rb") as file:
                    found[path[len(folder) + 1 :]] = b"" if name == "ready" else file.read()
        return found


class UpdateBridge(Bridge):
    """Remembers what the node said of the update."""

    def __init__(self, before: UpdateBridge | None = None) -> None:
        super().__init__(before)
        self.said: list[dict[str, Any]] = list(before.said) if before else []

    def offer(self, payload: bytes, utc_ms: int) -> list[bytes]:
        """Take a frame, and remember what a RESULT says."""
        f = frame.decode(payload)
        new = (f.boot, f.seq) not in self.frames
        answers = super().offer(payload, utc_ms)
        if new and f.kind == T.K_RESULT:
            self.said.append(f.fields)
        return answers


class Memory:
    """RTC memory: outlives resets."""

    def __init__(self) -> None:
        self._data = b""

    def __call__(self, data: bytes | None = None) -> bytes | None:
        """Return what is kept, or keep something else."""
        if data is None:
            return self._data
        self._data = bytes(data)
        return None


class _Sampler:
    """What the update asks of the sampler."""

    interval_s = INTERVAL_S

    def __init__(self, rig: Rig) -> None:
        self._rig = rig

    @property
    def emit(self) -> Any:
        """Return what takes the records."""
        return self._rig.emit

    @emit.setter
    def emit(self, emit: Any) -> None:
        self._rig.emit = emit


class _App:
    """What the update asks of the application, around a Rig. Stands for App of pantau_node/app.py."""

    def __init__(self, rig: Rig, starts: Any) -> None:
        self.starts = starts
        self.node = rig.node
        self.clock = rig.clock
        self.sampler = _Sampler(rig)
        self.proved = True
        self.board = self.link = self.facts = self
        self.station = self
        self.defect = starts.last_defect()
        self.PROPERTIES = tuple(range(1, 64))
        self._rig = rig
        if starts.usual:
            starts.proved()

    def battery_mv(self) -> None:
        """Return None: mains."""

    def wake(self) -> None:
        """The link is asked in the next turn anyway."""

    async def guard(self, _name: str, task: Any) -> None:
        """Run a task; a defect in it ends the sweep's run."""
        await task()

    def restart(self, why: str) -> None:
        """Reset the chip."""
        self._rig.restart = why


class Life:
    """The node with the power on, over its restarts; and the sender of the bundle."""

    def __init__(self, chip: UpdateChip, bridge: UpdateBridge, data: bytes, seed: int, value: int) -> None:
        self.chip = chip
        self.bridge = bridge
        self.value = value
        self.taking = False  # the last record is being written
        self.linked = True
        self.silent = False  # nothing is sent
        self.now_ms = 0
        self.data = data
        self.ident = bundle.read(data).ident
        self._seed = seed
        self._memory = Memory()
        self._have = self._next = 0
        self._heard = len(bridge.said)
        self._sent_ms = 0
        self.boot(POWER_ON)

    def boot(self, cause: int) -> None:
        """Start: launcher, node, what an update has left."""
        from pantau_node import updatestart

        self._seed += 1
        self.chip.loop = _Loop()
        self.rig = Rig(self.chip, self._seed)
        self._record_at = self.rig.now + 2000
        self.starts, self.folder = launched(self._memory, cause)
        self.app = _App(self.rig, self.starts)
        self.rig.on_action = self._act
        self.rig.link(up=self.linked)
        if "update" in self.chip.listing():
            updatestart.look(self.app)

    def _act(self, name: str, value: Any) -> None:
        if name == "update":
            from pantau_node.update import take

            take(self.app, value)

    def turn(self) -> None:
        """Let a second pass."""
        rig = self.rig
        utc_ms = START_MS + self.now_ms
        if rig.now >= self._record_at:
            self._record_at += INTERVAL_S * 1000
            self.value += 1
            self.taking = True
            rig.record(self.value)
            self.taking = False
        if not self.silent:
            self._send()
        until = rig.now + _TURN_MS
        rig.pump(self.bridge, utc_ms, until)
        self.now_ms += _TURN_MS
        rig.now = max(rig.now, until)
        self.chip.loop.step(rig.now)
        if rig.restart:
            self.starts.planned()
            self.boot(HARD)

    def _send(self) -> None:
        """Send a chunk; where the node says to, or after a silence, from there on."""
        for said in self.bridge.said[self._heard :]:
            self._have = self._next = said.get("have", 0)
        self._heard = len(self.bridge.said)
        if self.now_ms - self._sent_ms > _AGAIN_MS:
            self._next = min(self._have, len(self.data) - 1)
        if self._next < len(self.data):
            self.rig.node.on_message(self.bridge.down(T.K_UPDATE, bundle.chunk(self.data, self.ident, self._next)))
            self._next += MAX_CHUNK
            self._sent_ms = self.now_ms

    @property
    def done(self) -> bool:
        """Whether the node has said what became of it."""
        return bool(self.bridge.said) and self.bridge.said[-1]["detail"].startswith(
            ("accepted", "refused", "rolled back")
        )


def launched(memory: Memory, cause: int) -> tuple[Any, str]:
    """Return pantau_boot.Starts and the folder of the application, as the launcher has them."""
    boot: Any = importlib.import_module("pantau_boot")
    starts = boot.Starts(boot.Keep(memory), cause)
    return starts, boot.choose("/", starts)
