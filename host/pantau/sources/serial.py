"""Nodes wired to this computer: one serial port each, packets as in docs/serial.md. Linux and other Unix.

A port may vanish and come back: each is opened again for ever. Nothing is confirmed on the line: a node sends a frame until the
bridge's signed acknowledgement has come down the same line, so what a line damages costs time and no data.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol

from pydantic import Field

from pantau.log import event
from pantau.problems import Table
from pantau.sources import Chunk
from pantau_wire import line, topics

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pantau.sources import Inbox

_log = logging.getLogger("pantau.serial")
HELLO_S = 10.0  # a node that hears nothing for three and a half of these takes the bridge to be away
_TICK_S = 0.5
_READ = 4096  # what a tty holds
_MAX_OUT = 16 << 10  # bytes that wait to be written: a second and a half at 115,200 baud
_RETRY_S = 1.0  # a technician who plugs a cable in waits for it
_MAX_NODES = 64  # heard on one port: one is usual, and a stranger's packets may claim any id
_REASONS = {
    errno.EACCES: "not allowed; put the bridge's user into the group dialout",
    errno.EAGAIN: "in use by another program; close that",
    errno.ENOENT: "not there; plug the node in, or correct [[serial]] path",
}


class SerialTable(Table):
    """One port, `[[serial]]` in pantau.toml. `path` is a stable name below /dev/serial/by-id, or any other tty."""

    path: Annotated[str, Field(pattern=r"^/dev/.+|^/.+")]
    baud: Annotated[int, Field(ge=9600, le=4_000_000)] = 115_200


class _Tty(Protocol):
    """What is used of a serial.Serial."""

    def fileno(self) -> int:
        """Return the file descriptor, which never blocks."""

    def close(self) -> None:
        """Close the port."""


def open_port(settings: SerialTable) -> _Tty:
    """Return the port, open for us alone, 8N1, non-blocking. Raises OSError, of which SerialException is one.

    DTR and RTS stay as the kernel raises them, both at once: any other order resets an ESP32's development board.
    """
    import serial

    port: _Tty = serial.Serial(settings.path, settings.baud, timeout=0, write_timeout=0, exclusive=True)
    return port


def stable_name(path: str, by_id: Path = Path("/dev/serial/by-id")) -> str | None:
    """Return the name below `by_id` that leads to `path`; None when it is one itself, or there is none."""
    if Path(path).is_symlink():
        return None
    with contextlib.suppress(OSError):
        for link in sorted(by_id.iterdir()):
            if link.resolve() == Path(path):
                return str(link)
    return None


class Port:
    """One port and what is known of it; a Channel that has nothing to confirm."""

    ended = False  # nothing of what it brought is brought again by anybody but the node

    def __init__(self, settings: SerialTable, city: str) -> None:
        self.path = settings.path
        self.trouble = "not opened yet"
        self.opened = 0  # how often
        self.passed = 0  # chunks that were no packets: text, noise, damage
        self.nodes: dict[str, None] = {}  # heard on this port since it was opened, bounded by _MAX_NODES
        self.heard_at: float | None = None
        self._settings = settings
        self._city = city
        self._tty: _Tty | None = None
        self._inbox: Inbox | None = None
        self._reader = line.Reader()
        self._out = bytearray()
        self._lost = asyncio.Event()
        self._paused = False

    @property
    def is_open(self) -> bool:
        """Return whether the port is there."""
        return self._tty is not None

    def confirm(self, pids: Sequence[bytes]) -> None:
        """Do nothing: the acknowledgement that counts comes down as a frame."""

    def send(self, what: str, node: str, payload: bytes) -> bool:
        """Queue one packet; False when the port is away or does not take what it has."""
        if self._tty is None or len(self._out) > _MAX_OUT:
            return False
        data = line.packet(what, node, payload)
        if not self._out:
            asyncio.get_running_loop().add_writer(self._tty.fileno(), self._write)
        self._out += data
        return True

    async def serve(self, inbox: Inbox) -> None:
        """Open the port and receive until it is lost. Raises OSError with the reason."""
        self._tty = open_port(self._settings)
        self._inbox, self._reader, self._paused = inbox, line.Reader(), False
        self._lost.clear()
        self.opened += 1
        self.trouble = ""
        hello_at = 0.0
        try:
            asyncio.get_running_loop().add_reader(self._tty.fileno(), self._read)
            event(_log, logging.INFO, "serial.open", port=self.path)
            while not self._lost.is_set():
                self._resume(full=inbox.full)
                # While nothing can be taken in nobody listens, and the nodes keep what they have.
                if time.monotonic() >= hello_at and not self._paused:
                    hello_at = time.monotonic() + HELLO_S
                    self.send(line.HELLO, "", b"")
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._lost.wait(), _TICK_S)
        finally:
            self.close()
        raise OSError(self.trouble or "closed")

    def close(self) -> None:
        """Let go of the port; its nodes are offline."""
        tty, self._tty = self._tty, None
        self._lost.set()
        if tty is None:
            return
        loop = asyncio.get_running_loop()
        loop.remove_reader(tty.fileno())
        loop.remove_writer(tty.fileno())
        tty.close()
        self._out.clear()
        self._put([("will", node, b"offline") for node in self.nodes])
        self.nodes.clear()

    def _read(self) -> None:
        if self._tty is None or self._inbox is None:
            return
        try:
            data = os.read(self._tty.fileno(), _READ)
        except BlockingIOError:
            return
        except OSError as error:
            self._gone(error.strerror)
            return
        if not data:
            self._gone("unplugged")
            return
        before = self._reader.passed
        self._reader.feed(data)
        packets: list[tuple[str, str, bytes]] = []
        while (packet := self._reader.next()) is not None:
            if packet[0] == "up":
                if packet[1] not in self.nodes:
                    packets.append(("will", packet[1], b"online"))
                packets.append(packet)
                self._heard(packet[1])
            elif packet[0] == line.HELLO and packet[2] and not self._inbox.full:
                self.send(line.HELLO, "", b"")  # a node that has just started need not wait for the next one
        self.passed += self._reader.passed - before
        self._put(packets)
        if self._inbox.full and not self._paused:
            self._paused = True
            asyncio.get_running_loop().remove_reader(self._tty.fileno())

    def _heard(self, node: str) -> None:
        self.nodes.pop(node, None)
        self.nodes[node] = None
        if len(self.nodes) > _MAX_NODES:
            del self.nodes[next(iter(self.nodes))]

    def _put(self, packets: Sequence[tuple[str, str, bytes]]) -> None:
        if not packets or self._inbox is None:
            return
        self.heard_at = time.monotonic()
        names = [topics.topic(self._city, node, what).encode() for what, node, _ in packets]
        payloads = [payload for _, _, payload in packets]
        now_ms = time.time_ns() // 1_000_000
        self._inbox.put(Chunk(self, now_ms, names, payloads, [b""] * len(names), sum(map(len, payloads))))

    def _resume(self, *, full: bool) -> None:
        if self._paused and not full and self._tty is not None:
            self._paused = False
            asyncio.get_running_loop().add_reader(self._tty.fileno(), self._read)

    def _write(self) -> None:
        if self._tty is None:
            return
        try:
            del self._out[: os.write(self._tty.fileno(), self._out)]
        except BlockingIOError:
            return
        except OSError as error:
            self._gone(error.strerror)
            return
        if not self._out:
            asyncio.get_running_loop().remove_writer(self._tty.fileno())

    def _gone(self, why: str | None) -> None:
        self.trouble = f"lost ({why})"
        if self._tty is not None:  # the loop would call us again at once
            asyncio.get_running_loop().remove_reader(self._tty.fileno())
            asyncio.get_running_loop().remove_writer(self._tty.fileno())
        self._lost.set()


class SerialSource:
    """All ports of this computer."""

    name = "serial"

    def __init__(self, city: str, ports: Sequence[SerialTable]) -> None:
        self._ports = [Port(settings, city) for settings in ports]
        self._closing = asyncio.Event()

    async def run(self, inbox: Inbox) -> None:
        """Receive until cancelled or closed."""
        async with asyncio.TaskGroup() as group:
            for port in self._ports:
                group.create_task(self._keep(port, inbox), name=f"serial-{port.path}")

    def publish(self, node: str, what: str, payload: bytes) -> bool:
        """Send to a node by the port that it was heard on last; False while there is none."""
        heard = [port for port in self._ports if node in port.nodes]
        best = max(heard, key=lambda port: port.heard_at or 0.0, default=None)
        return best is not None and best.send(what, node, payload)

    async def close(self) -> None:
        """Stop receiving and let go of the ports. What the line has not taken yet the nodes ask for again."""
        self._closing.set()
        for port in self._ports:
            port.close()

    def problems(self) -> Sequence[str]:
        """Return which ports are away, and what to do."""
        return [f"serial port {port.path}: {port.trouble}" for port in self._ports if port.trouble]

    def figures(self) -> Mapping[str, float]:
        """Return numbers for the metrics."""
        figures = {
            "serial_ports_open": float(sum(port.is_open for port in self._ports)),
            "serial_opened_total": float(sum(port.opened for port in self._ports)),
        }
        for port in self._ports:
            figures[f'serial_passed_over_total{{port="{port.path}"}}'] = float(port.passed)
        return figures

    async def _keep(self, port: Port, inbox: Inbox) -> None:
        """Hold one port until closed."""
        told = ""
        if better := stable_name(port.path):
            event(_log, logging.WARNING, "serial.unstable_name", port=port.path, better=better)
        while not self._closing.is_set():
            opened = port.opened
            try:
                await port.serve(inbox)
            except (OSError, ValueError) as error:  # ValueError: a speed that this port cannot have
                if self._closing.is_set():
                    return
                told = told if port.opened == opened else ""
                port.trouble = _why(error)
                if port.trouble != told:
                    event(_log, logging.WARNING, "serial.away", port=port.path, reason=port.trouble)
                    told = port.trouble
            await asyncio.sleep(_RETRY_S)


def _why(error: Exception) -> str:
    """Return the reason and what to do; pyserial wraps the system's words."""
    return _REASONS.get(getattr(error, "errno", None) or 0, str(error))
