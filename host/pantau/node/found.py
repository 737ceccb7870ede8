"""What is at a port, without stopping or resetting it: a running node, a REPL, a chip in its ROM's loader, something else, nobody.

Asked are, in this order: Ctrl-B, which a REPL answers with its banner and a running program passes over; the console's hello;
the synchronisation of Espressif's loaders, which a chip with nothing in its flash waits for.
"""

from __future__ import annotations

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

from pantau.node.stream import SerialStream
from pantau.node.trouble import UnreachedError
from pantau_wire import line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pantau.node.ports import Port
    from pantau.node.stream import Stream

NODE, REPL, LOADER, OTHER, SILENT, BUSY, CLOSED = "node", "micropython", "loader", "other", "silent", "busy", "closed"
_LISTEN_S, _PROMPT_S, _HELLO_S, _SYNC_S = 0.2, 0.6, 1.2, 0.4
_HELLOS = 3
_MOST = 8192  # bytes that are kept of what is heard
_AT_ONCE = 8
_BANNER = re.compile(rb"MicroPython v?(\S+?)(?: on [^;\r\n]*)?; ([^\r\n]+)")
_SYNC = b"\xc0\x00\x08\x24\x00\x00\x00\x00\x00\x07\x07\x12\x20" + b"\x55" * 32 + b"\xc0"
_SYNCED = b"\xc0\x01\x08"
_BLANK = b"invalid header: 0xffffffff"


class Found(NamedTuple):
    """kind: one of the above; facts: of a node its hello; version and machine of a REPL; who of a busy port."""

    port: Port
    kind: str
    facts: dict[str, Any]


def look(port: Port) -> Found:
    """Return what is there; takes up to 6 s where nobody answers."""
    try:
        stream = SerialStream(port)
    except UnreachedError as error:
        who = error.values.get("who")
        return Found(port, BUSY, {"who": who}) if who else Found(port, CLOSED, {})
    try:
        kind, facts = _ask(stream)
    except (UnreachedError, OSError):
        kind, facts = CLOSED, {}
    finally:
        stream.close()
    return Found(port, kind, facts)


def look_all(ports: Iterable[Port]) -> list[Found]:
    """Return what is at each port, in their order."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(look, ports))


def _ask(stream: Stream) -> tuple[str, dict[str, Any]]:
    heard = _hear(stream, _LISTEN_S, b"")
    stream.write(b"\x02")
    heard += _hear(stream, _PROMPT_S, b">>> ")
    banner = _BANNER.search(heard)
    if banner is not None and heard.rstrip(b" ").endswith(b">>>"):
        version, machine = (part.decode("ascii", "replace") for part in banner.groups())
        return REPL, {"version": version, "machine": machine}
    for packet in _hellos():
        stream.write(packet)
        told = _hello(stream)
        if told is not None:
            return NODE, told
    stream.write(_SYNC)
    heard += _hear(stream, _SYNC_S, _SYNCED)
    if _SYNCED in heard or _BLANK in heard:
        return LOADER, {}
    return (OTHER if heard else SILENT), {}


def _hellos() -> list[bytes]:
    """Return some packets of hello that have no Ctrl-C in them: that would stop any program but a provisioned node's."""
    packets = (line.packet(line.ASK, "", bytes((number,)) + b'{"do":"hello"}') for number in range(16, 256))
    return [packet for packet in packets if b"\x03" not in packet][:_HELLOS]


def _hear(stream: Stream, seconds: float, end: bytes) -> bytes:
    """Return what is heard within a time, or until `end`."""
    heard, until = b"", time.monotonic() + seconds
    while time.monotonic() < until and len(heard) < _MOST and not (end and end in heard):
        heard += stream.read(0.05)
    return heard


def _hello(stream: Stream) -> dict[str, Any] | None:
    reader, parts, until = line.Reader(), b"", time.monotonic() + _HELLO_S
    while time.monotonic() < until:
        reader.feed(stream.read(0.05))
        while (packet := reader.next()) is not None:
            what, _, payload = packet
            if what != line.SAY or len(payload) < 2:
                continue
            parts += payload[2:]
            if payload[1]:
                continue
            try:
                told = json.loads(parts)
            except ValueError:
                return None
            return told if isinstance(told, dict) else None
    return None
