"""Which boards hang on this computer, by what stays the same when they re-enumerate: the serial number of their USB.

Beside the USB ports stand those that PANTAU_BOARDS names, as virtual boards and serial servers need:
`PANTAU_BOARDS=[SERIAL=]DEVICE,...` with DEVICE a path or `socket://host:port`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from pantau.node.trouble import UnreachedError

VARIABLE = "PANTAU_BOARDS"
_PROC = Path("/proc")


class Port(NamedTuple):
    """A place where a board may be. serial: of its USB, else the device itself, else given; vid, pid: of the USB or None."""

    device: str
    serial: str
    description: str = ""
    vid: int | None = None
    pid: int | None = None


def find_ports() -> list[Port]:
    """Return the USB serial ports of this computer and those of PANTAU_BOARDS, in the order of their serial numbers."""
    from serial.tools import list_ports

    found = [
        Port(item.device, item.serial_number or item.device, item.description or "", item.vid, item.pid)
        for item in list_ports.comports()
        if item.vid is not None  # a computer's own ports (ttyS0 ...) are no boards
    ]
    return sorted(found + _extra(os.environ.get(VARIABLE, "")), key=lambda port: (port.serial, port.device))


def _extra(text: str) -> list[Port]:
    found = []
    for item in filter(None, map(str.strip, text.split(","))):
        serial, equals, device = item.partition("=")
        found.append(Port(device, serial, VARIABLE) if equals else Port(item, item, VARIABLE))
    return found


def choose(wanted: str | None, ports: list[Port]) -> Port:
    """Return the port meant by a device, a USB serial number or a URL; without one the only port. Raises UnreachedError."""
    if wanted is None:
        if len(ports) == 1:
            return ports[0]
        if not ports:
            raise UnreachedError("board.none")
        raise UnreachedError("board.several", ports=", ".join(f"{port.serial} ({port.device})" for port in ports))
    for port in ports:
        if wanted in {port.serial, port.device}:
            return port
    if "://" in wanted or Path(wanted).exists():
        return Port(wanted, wanted)
    raise UnreachedError("board.unknown", port=wanted)


def again(port: Port) -> Port:
    """Return the port as it is called now: a chip with USB of its own gets another device after a reset."""
    return next((one for one in find_ports() if one.serial == port.serial and port.serial != port.device), port)


def holders(device: str) -> list[str]:
    """Return "program (process id)" of the others that have a device open; what cannot be looked into stays unnamed."""
    if "://" in device or not _PROC.is_dir():
        return []
    real, found = os.path.realpath(device), []
    for process in _PROC.iterdir():
        if not process.name.isdigit() or int(process.name) == os.getpid():
            continue
        try:
            if any(str(one.readlink()) == real for one in (process / "fd").iterdir()):
                found.append(f"{(process / 'comm').read_text(encoding='utf-8').strip()} ({process.name})")
        except OSError:
            continue  # ended meanwhile, or another user's
    return found
