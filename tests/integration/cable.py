"""A technician's cable to a node in the VM: questions and orders as docs/console.md says them."""

from __future__ import annotations

import base64
import json
import time
from typing import TYPE_CHECKING, Any

from pantau_wire import frame, line

if TYPE_CHECKING:
    from collections.abc import Callable

MOST = 200  # bytes of a packet to the node
_PATIENCE_S = 25
_LOOK_S = 0.01


class Cable:
    """One end. type: sends bytes; read: returns what came since it was asked last; heard: all of that."""

    def __init__(self, send: Callable[[bytes], Any], read: Callable[[], bytes], name: str, key: bytes) -> None:
        self.type, self._read, self.name, self.key = send, read, name, key
        self.counter = int(time.time() * 1000)
        self.reader = line.Reader()
        self.number = 0
        self.heard = b""

    def look(self) -> bool:
        """Take what came; whether anything did."""
        data = self._read()
        self.heard += data
        self.reader.feed(data)
        if not data:
            time.sleep(_LOOK_S)
        return bool(data)

    def until(self, true: Callable[[], bool], patience_s: float = _PATIENCE_S) -> None:
        """Look until it is true."""
        end = time.monotonic() + patience_s
        while not true():
            assert time.monotonic() < end, self.heard[-2000:]
            self.look()

    def hear(self, number: int, patience_s: float = _PATIENCE_S) -> list[bytes]:
        """The parts of the answer with this number; TimeoutError when it does not come."""
        parts: list[bytes] = []
        end = time.monotonic() + patience_s
        while time.monotonic() < end:
            found = self.reader.next()
            if found is None:
                self.look()
                continue
            what, _, payload = found
            if what != line.SAY or payload[0] != number:
                continue
            parts.append(payload[2:])
            if not payload[1]:
                return parts
        raise TimeoutError(self.heard[-2000:])

    def parts(self, verb: str, **args: Any) -> list[bytes]:
        """The parts of an answer."""
        return self._parts(json.dumps({"do": verb, **args}, separators=(",", ":")).encode())

    def _parts(self, question: bytes) -> list[bytes]:
        self.number = self.number % 255 + 1
        packet = line.packet(line.ASK, "", bytes([self.number]) + question)
        assert len(packet) <= MOST, len(packet)
        self.type(packet)
        return self.hear(self.number)

    def raw(self, question: bytes) -> dict[str, Any]:
        """The answer to any bytes."""
        said: dict[str, Any] = json.loads(b"".join(self._parts(question)))
        return said

    def ask(self, verb: str, **args: Any) -> dict[str, Any]:
        """The answer to a question."""
        said: dict[str, Any] = json.loads(b"".join(self.parts(verb, **args)))
        return said

    def order(self, order: bytes) -> dict[str, Any]:
        """What the node says to an order in one packet."""
        self.type(line.packet("cmd", self.name, order))
        said: dict[str, Any] = json.loads(b"".join(self.hear(0)))
        return said

    def frame(self, kind: int, fields: dict[str, Any], key: bytes | None = None) -> bytes:
        """A signed frame, newer than those before."""
        self.counter += 1
        f = frame.Frame(kind, 0)
        f.counter, f.fields = self.counter, fields
        return frame.encode(f, self.name, key or self.key)

    def put(self, order: bytes, piece: int = 90) -> dict[str, Any]:
        """What the node says to an order in parts."""
        said: dict[str, Any] = {}
        for at in range(0, len(order), piece):
            part = base64.b64encode(order[at : at + piece]).decode()
            said = self.ask("put", at=at, of=len(order), b64=part)
        return said
