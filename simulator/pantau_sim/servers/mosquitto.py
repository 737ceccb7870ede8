"""A real Mosquitto as a child process."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

from pantau_sim.servers import Child, Missing, free_port, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PLACES = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin"))  # Debian keeps servers there


def find(tool: str = "mosquitto") -> str:
    """Return the path of the broker, or of one of its clients. Raises Missing."""
    found = shutil.which(tool, path=_PLACES)
    if found is None:
        raise Missing(tool, "mosquitto" if tool == "mosquitto" else "mosquitto-clients")
    return found


class Server(Child):
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


@contextlib.contextmanager
def running(folder: Path, port: int | None = None, *, listener: str = "", config: str = "") -> Iterator[Server]:
    """Run one in `folder`. Raises Missing."""
    server = Server(folder, port, listener=listener, config=config)
    try:
        server.start()
        yield server
    finally:
        server.stop()
