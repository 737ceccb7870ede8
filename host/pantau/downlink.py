"""What the bridge sends to nodes: acknowledgements and the time, tagged with the node's key. I/O-free."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pantau_wire import frame as wire
from pantau_wire import names as T
from pantau_wire import tag
from pantau_wire.bits import put_varint

if TYPE_CHECKING:
    from collections.abc import Callable

    from pantau.batch import Ack
    from pantau.keys import Keys


class Downlink:
    """Builds down-going frames. Counters rise strictly, also over a restart and over a restored host: they are the time."""

    def __init__(self, keys: Keys, now_ms: Callable[[], int]) -> None:
        """`now_ms` returns Unix milliseconds UTC."""
        self.use(keys)
        self._now_ms = now_ms
        self._counter = 0

    def use(self, keys: Keys) -> None:
        """Sign with these keys from now on."""
        self._keys = keys

    def ack(self, ack: Ack) -> bytes | None:
        """Return the ACK frame of one boot; None for a node whose key was withdrawn meanwhile.

        The bytes of `wire.encode`, made without it: there is an acknowledgement for every few frames of a city.
        """
        signing = self._keys.signing(ack.node)
        if signing is None:
            return None
        key_id, key = signing
        out = bytearray((wire.VERSION << 6 | T.K_ACK, key_id << 6))
        put_varint(out, self._count())
        for value in (ack.boot, ack.through, ack.map):
            size = (value.bit_length() + 7) // 8
            out.append(1 << 4 | size)
            out += value.to_bytes(size, "big")
        return bytes(out) + bytes(tag.tag(key, tag.DOWN, ack.node, out))

    def time(self, node: str, nonce: int) -> bytes | None:
        """Return the answer to a node that asked for the time; send it at once."""
        return self._frame(node, T.K_TIME, {"utc_ms": self._now_ms(), "nonce": nonce})

    def _frame(self, node: str, kind: int, fields: dict[str, int]) -> bytes | None:
        signing = self._keys.signing(node)
        if signing is None:
            return None
        key_id, key = signing
        frame = wire.Frame(kind, key_id)
        frame.counter = self._count()
        frame.fields = fields
        data: bytes = wire.encode(frame, node, key)
        return data

    def _count(self) -> int:
        self._counter = max(self._counter + 1, self._now_ms())
        return self._counter
