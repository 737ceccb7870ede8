"""The processes under test: Mosquitto, and `pantau bridge run`, started again whenever it ends, as systemd would."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import socket
import sys
import time
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from pantau_sim.chaos import launcher
from pantau_wire import topics

if TYPE_CHECKING:
    from collections.abc import Callable

_PATIENCE_S = 20.0
_AGAIN_S = 0.05
_STOP_S = 30.0
_SESSIONS = re.compile(r"mqtt\.sessions.* connected=(\d+)")
_EARLY_S = 5.0  # an end so soon after a fault is its consequence


class ServerError(RuntimeError):
    """A server did not start or stop; the text says which and where to look."""


class MissingBrokerError(RuntimeError):
    """Mosquitto is not installed."""


def find_mosquitto() -> str:
    """Return its path. Raises MissingBrokerError."""
    found = shutil.which("mosquitto", path=os.environ.get("PATH", os.defpath) + os.pathsep + "/usr/sbin")
    if found is None:
        raise MissingBrokerError("mosquitto is not installed: install the package mosquitto (make servers)")
    return found


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class Broker:
    """Mosquitto, always on the same port."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._exe = find_mosquitto()
        self._folder = folder
        self.port = free_port()
        self._config = folder / "mosquitto.conf"
        self._config.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence true\npersistence_location {folder}/\n"
            "autosave_interval 1\nmax_inflight_messages 1000\nmax_queued_messages 100000\nset_tcp_nodelay true\n"
            "message_size_limit 65536\n" + ("user root\n" if os.geteuid() == 0 else "")
        )
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start and wait until it listens."""
        log = (self._folder / "mosquitto.log").open("ab")
        with log:
            self._process = await asyncio.create_subprocess_exec(
                self._exe, "-c", str(self._config), stdout=log, stderr=log
            )
        end = time.monotonic() + _PATIENCE_S
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError:
                if self._process.returncode is not None or time.monotonic() > end:
                    raise ServerError(f"mosquitto does not start: see {self._folder / 'mosquitto.log'}") from None
                await asyncio.sleep(0.01)
            else:
                writer.close()
                return

    async def kill(self, *, wipe: bool) -> None:
        """Kill it at once; `wipe`: with all that it kept of sessions and messages."""
        await self._end(signal.SIGKILL)
        if wipe:
            (self._folder / "mosquitto.db").unlink(missing_ok=True)

    async def stop(self) -> None:
        """Let it end."""
        await self._end(signal.SIGTERM)

    async def _end(self, how: signal.Signals) -> None:
        process = self._process
        if process is not None and process.returncode is None:
            process.send_signal(how)
            await process.wait()


def _environment(control: Path) -> dict[str, str]:
    """Return the environment in which Python wraps itself, with the packages that we run from on the path."""
    inject = Path(__file__).parent / "inject"
    specs = (find_spec(name) for name in ("pantau", "pantau_wire", "pantau_sim"))
    roots = [str(Path(spec.origin).parents[1]) for spec in specs if spec is not None and spec.origin]
    path = os.pathsep.join(dict.fromkeys([str(inject), *roots, *filter(None, [os.environ.get("PYTHONPATH")])]))
    return os.environ | {"PYTHONPATH": path, launcher.VARIABLE: str(control)}


class Bridge:
    """The bridge's processes. `exits` counts how they ended, `crashes` keeps the ends that no fault explains."""

    def __init__(
        self, config: Path, control: Path, log: Path, excused: Callable[[], bool], command: str = "bridge"
    ) -> None:
        """`excused` tells whether a fault is on that may keep a bridge from starting. `command`: or "city"."""
        self._words = [sys.executable, "-m", "pantau", command, "run", "-c", str(config)]
        self._environment = _environment(control)
        self._log_path, self._excused = log, excused
        self._process: asyncio.subprocess.Process | None = None
        self._last: list[str] = []
        self._hit_at = 0.0
        self._stopping = False
        self.sessions = 0  # partition sessions that stand
        self.up = asyncio.Event()  # all of them
        self.ended = asyncio.Event()  # since the last `ended.clear()`
        self.exits: Counter[str] = Counter()
        self.events: Counter[str] = Counter()  # of its log
        self.crashes: list[str] = []

    async def run(self) -> None:
        """Keep it running until `stop`."""
        with self._log_path.open("ab") as log:
            while not self._stopping:
                self._process = await asyncio.create_subprocess_exec(
                    *self._words, env=self._environment, stderr=asyncio.subprocess.PIPE, start_new_session=True
                )
                stderr = self._process.stderr
                assert stderr is not None
                async for line in stderr:
                    log.write(line)
                    self._heard(line.decode("utf-8", "replace").rstrip())
                self._over(await self._process.wait())
                await asyncio.sleep(_AGAIN_S)

    def members(self) -> list[int]:
        """Return the process ids of the bridge's group, the first process first."""
        process = self._process
        if process is None or process.returncode is not None:
            return []
        found = [process.pid]
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(") ")[2].split()
            except OSError:
                continue
            number = int(stat.parent.name)
            if int(fields[2]) == process.pid and fields[0] != "Z" and number != process.pid:
                found.append(number)
        return found

    def kill(self, pid: int | None = None) -> None:
        """Kill one process, or all at once."""
        self.hit()
        members = self.members()
        if members:
            os.kill(pid, signal.SIGKILL) if pid in members else os.killpg(members[0], signal.SIGKILL)

    def hit(self) -> None:
        """Note that what ends soon, ends of a fault."""
        self._hit_at = time.monotonic()

    async def stop(self) -> str:
        """End it in order; return what was not in order, "" when all was."""
        self._stopping = True
        process = self._process
        if process is None or process.returncode is not None:
            return "the bridge did not run at the end"
        process.terminate()
        try:
            async with asyncio.timeout(_STOP_S):
                code = await process.wait()
        except TimeoutError:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
            return f"the bridge did not stop within {_STOP_S:g} s of SIGTERM"
        return f"the bridge ended with status {code}: {self.last_words()}" if code else ""

    def last_words(self) -> str:
        """Return the end of its log."""
        return " | ".join(self._last[-3:]) or "it said nothing"

    def _heard(self, line: str) -> None:
        self._last = [*self._last[-9:], line]
        words = line.split()
        if len(words) > 2 and words[1] in {"DEBUG", "INFO", "WARNING", "ERROR"}:
            self.events[words[2]] += 1
        if (found := _SESSIONS.search(line)) is not None:
            self.sessions = int(found[1])
            if self.sessions == topics.PARTITIONS:
                self.up.set()

    def _over(self, code: int) -> None:
        self.up.clear()
        self.sessions = 0
        self.ended.set()
        name = signal.Signals(-code).name if code < 0 else str(code)
        self.exits[name] += 1
        explained = self._stopping or self._excused() or time.monotonic() - self._hit_at < _EARLY_S
        if code != -signal.SIGKILL and not explained:
            self.crashes.append(f"status {name}: {self.last_words()}")
