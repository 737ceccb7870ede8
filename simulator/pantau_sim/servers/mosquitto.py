"""A real Mosquitto as a child process."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from typing import TYPE_CHECKING

from pantau_sim.servers import Missing, free_port, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_STOP_S = 10.0
_PLACES = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin"))  # Debian keeps servers there


def find(tool: str = "mosquitto") -> str:
    """Return the path of the broker, or of one of its clients. Raises Missing."""
    found = shutil.which(tool, path=_PLACES)
    if found is None:
        raise Missing(tool, "mosquitto" if tool == "mosquitto" else "mosquitto-clients")
    return found


class Server:
    """One Mosquitto; its port and what it keeps survive `stop` and `kill`."""

    host = "127.0.0.1"

    def __init__(self, folder: Path, port: int | None = None, *, listener: str = "", config: str = "") -> None:
        """Set one up without starting it.

        `listener`: lines about its listener (TLS, passwords), for an open plain one if none. `config`: other lines.
        """
        self._binary = find()
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = free_port() if port is None else port
        self.url = f"mqtt://{self.host}:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None
        (folder / "mosquitto.conf").write_text(
            f"user root\npersistence true\npersistence_location {folder}/\nmax_queued_messages 100000\n{config}\n"
            f"listener {self.port} {self.host}\n{listener or 'allow_anonymous true'}\n"
        )

    def start(self) -> None:
        """Start it and return when it listens."""
        if self._process is not None:
            return
        log = self.folder / "log"
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                [self._binary, "-c", str(self.folder / "mosquitto.conf")],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )
        wait_for(self.port, self._process, log=log)

    def stop(self) -> None:
        """End it in order."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power cut does."""
        self._end(signal.SIGKILL)

    def hang(self) -> None:
        """Let it keep its connections and answer nothing, until `resume`."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after `hang`."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        process.send_signal(signal.SIGCONT)  # one that hangs would not hear
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(_STOP_S)


@contextlib.contextmanager
def running(folder: Path, port: int | None = None, *, listener: str = "", config: str = "") -> Iterator[Server]:
    """Run one in `folder`. Raises Missing."""
    server = Server(folder, port, listener=listener, config=config)
    try:
        server.start()
        yield server
    finally:
        server.stop()
