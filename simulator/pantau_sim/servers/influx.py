"""InfluxDB 1.x and VictoriaMetrics, each on a port and in a folder of its own."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pantau_sim.servers import Missing, free_port, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_STOP_S = 20.0
_CONFIG = """
reporting-disabled = true
bind-address = "127.0.0.1:{backup}"
[meta]
dir = "{folder}/meta"
[data]
dir = "{folder}/data"
wal-dir = "{folder}/wal"
[monitor]
store-enabled = false
[http]
bind-address = "127.0.0.1:{port}"
log-enabled = false
"""


class Server:
    """A child process that keeps its data in `folder` over stop and start."""

    def __init__(self, command: list[str], port: int, folder: Path, ready: str) -> None:
        """`ready` is a path that answers once it can take data."""
        self.host, self.port = "127.0.0.1", port
        self.url = f"http://127.0.0.1:{port}"
        self.folder = folder
        self._command = command
        self._ready = self.url + ready
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Return its process, None while it is stopped."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Return once it answers."""
        log = self.folder / "log"
        with log.open("ab") as out:
            self._process = subprocess.Popen(self._command, stdout=out, stderr=out)
        wait_for(self._ready, self._process, log=log)

    def stop(self) -> None:
        """End it; what it acknowledged stays."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def running(folder: Path, port: int | None = None) -> Iterator[Server]:
    """Run InfluxDB 1.x while the context lasts. Raises Missing."""
    influxd = _found("influxd", "influxdb")
    folder.mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    config = folder / "influxdb.conf"
    config.write_text(_CONFIG.format(folder=folder.resolve(), port=port, backup=free_port()))
    yield from _run(Server([influxd, "-config", str(config)], port, folder, "/ping"))


@contextmanager
def victoriametrics(folder: Path, port: int | None = None) -> Iterator[Server]:
    """Run VictoriaMetrics while the context lasts, as docs/targets/line-protocol.md says to. Raises Missing."""
    found = _found("victoria-metrics", "victoria-metrics")
    folder.mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    command = [
        found, f"-storageDataPath={folder / 'data'}", f"-httpListenAddr=127.0.0.1:{port}",
        "-retentionPeriod=100y", "-dedup.minScrapeInterval=1ms",
    ]  # fmt: skip
    yield from _run(Server(command, port, folder, "/health"))


def _run(server: Server) -> Iterator[Server]:
    try:
        server.start()
        yield server
    finally:
        server.stop()


def _found(tool: str, package: str) -> str:
    found = shutil.which(tool)
    if found is None:
        raise Missing(tool, package)
    return found
