"""Real nats-servers as child processes: one alone, or a cluster with JetStream, with or without their MQTT listener."""

from __future__ import annotations

import contextlib
import json
import subprocess
from typing import TYPE_CHECKING, Any

from pantau_sim.demo import nats as demo
from pantau_sim.servers import Child, Missing, free_port, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_WINDOW = 2000  # unacknowledged messages of an MQTT session; the bridge asks for as much


class Server(Child):
    """One nats-server: its ports, and its JetStream store in `folder`. `start`, `stop` and `kill` keep both."""

    host = "127.0.0.1"

    def __init__(
        self,
        folder: Path,
        port: int | None = None,
        *,
        mqtt_port: int | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        """Set one up without starting it; `config` is added to its configuration. Raises Missing."""
        self._binary = find()
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = free_port() if port is None else port
        self.mqtt_port = mqtt_port
        self.url = f"nats://{self.host}:{self.port}"
        self.monitor = f"http://{self.host}:{free_port()}"
        told: dict[str, Any] = {
            "server_name": folder.name,  # MQTT asks for one, and routes for different ones
            "listen": f"{self.host}:{self.port}",
            "http": self.monitor.removeprefix("http://"),
            "jetstream": {"store_dir": str(folder / "store")},
        }
        if mqtt_port is not None:
            told["mqtt"] = {"listen": f"{self.host}:{mqtt_port}", "max_ack_pending": _WINDOW}
        (folder / "nats.conf").write_text(json.dumps({**told, **(config or {})}, indent=1))  # its format takes JSON

    def start(self) -> None:
        """Start it and return when it is ready: of a cluster, when that has a leader for its streams."""
        self.launch()
        self.wait()

    def launch(self) -> None:
        """Start it and return at once: one of a cluster is not ready before most of the others are there."""
        if self._process is not None:
            return
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._binary, "-c", str(self.folder / "nats.conf")], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,  # Ctrl-C is for whoever runs it
            )  # fmt: skip

    def wait(self) -> None:
        """Return when it is ready: JetStream answers."""
        if self._process is not None:
            wait_for(f"{self.monitor}/healthz", self._process, log=self.folder / "log")


def find() -> str:
    """Return the path of nats-server. Raises Missing."""
    try:
        return demo.find()
    except demo.MissingBrokerError:
        raise Missing("nats-server", demo.PACKAGE) from None


@contextlib.contextmanager
def running(
    folder: Path, port: int | None = None, *, mqtt_port: int | None = None, config: Mapping[str, Any] | None = None
) -> Iterator[Server]:
    """Run one server with JetStream in `folder`, and MQTT on `mqtt_port` if given. Raises Missing."""
    server = Server(folder, port, mqtt_port=mqtt_port, config=config)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@contextlib.contextmanager
def cluster(folder: Path, size: int = 3, *, mqtt: bool = False) -> Iterator[list[Server]]:
    """Run `size` servers as one cluster, in folders of their own under `folder`. Streams can have up to `size` replicas.

    With `mqtt` each has a listener for it. Raises Missing.
    """
    routes = [free_port() for _ in range(size)]
    servers = []
    for number, route in enumerate(routes):
        others = [f"nats://127.0.0.1:{other}" for other in routes if other != route]
        config = {"cluster": {"name": "pantau", "listen": f"127.0.0.1:{route}", "routes": others}}
        name = f"{folder.name}-n{number + 1}"
        servers.append(Server(folder / name, mqtt_port=free_port() if mqtt else None, config=config))
    try:
        for server in servers:
            server.launch()
        for server in servers:
            server.wait()
        yield servers
    finally:
        for server in servers:
            server.stop()
