"""What the bridge sends to nodes: acknowledgements, the time and orders, tagged with the node's key. I/O-free."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from pantau_wire import frame as wire
from pantau_wire import names as T
from pantau_wire import tag
from pantau_wire.bits import put_varint

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pantau.batch import Ack
    from pantau.keys import Keys


class Downlink:
    """Builds down-going frames. Counters rise strictly, also over a restart and over a restored host: they are the time."""

    def __init__(self, keys: Keys, now_ms: Callable[[], int]) -> None:
        """`now_ms` returns Unix milliseconds UTC."""
        self.use(keys)
        self._now_ms = now_ms
        self._counter = 0
        self._lock = threading.Lock()

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
        made = self.order(node, T.K_TIME, {"utc_ms": self._now_ms(), "nonce": nonce})
        return None if made is None else made[1]

    def order(
        self, node: str, kind: int, fields: Mapping[str, Any], counter: int = 0, above: int = 0
    ) -> tuple[int, bytes] | None:
        """Return (counter, frame) with this counter, or for 0 with a new one above `above`; None for a node without a key.

        Raises WireError for fields that no frame can carry. Any thread may call it.
        """
        signing = self._keys.signing(node)
        if signing is None:
            return None
        key_id, key = signing
        frame = wire.Frame(kind, key_id)
        frame.counter = counter or self._count(above)
        frame.fields = dict(fields)
        data: bytes = wire.encode(frame, node, key)
        return frame.counter, data

    def _count(self, above: int = 0) -> int:
        with self._lock:  # the desk signs in a thread of its own
            self._counter = max(self._counter, above, self._now_ms() - 1) + 1
            return self._counter
