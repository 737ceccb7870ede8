"""What the bridge sends to nodes: acknowledgements and the time, tagged with the node's key. I/O-free."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pantau_wire import frame as wire
from pantau_wire import names as T

if TYPE_CHECKING:
    from collections.abc import Callable

    from pantau.ingest import Ack
    from pantau.keys import Keys


class Downlink:
    """Builds down-going frames. Counters rise strictly, also over a restart and over a restored host: they are the time."""

    def __init__(self, keys: Keys, now_ms: Callable[[], int]) -> None:
        """`now_ms` returns Unix milliseconds UTC."""
        self.keys = keys
        self._now_ms = now_ms
        self._counter = 0

    def ack(self, ack: Ack) -> bytes | None:
        """Return the ACK frame of one boot; None for a node whose key was withdrawn meanwhile."""
        return self._frame(ack.node, T.K_ACK, {"boot": ack.boot, "through": ack.through, "map": ack.map})

    def time(self, node: str, nonce: int) -> bytes | None:
        """Return the answer to a node that asked for the time; send it at once."""
        return self._frame(node, T.K_TIME, {"utc_ms": self._now_ms(), "nonce": nonce})

    def _frame(self, node: str, kind: int, fields: dict[str, int]) -> bytes | None:
        signing = self.keys.signing(node)
        if signing is None:
            return None
        key_id, key = signing
        frame = wire.Frame(kind, key_id)
        self._counter = max(self._counter + 1, self._now_ms())
        frame.counter = self._counter
        frame.fields = fields
        data: bytes = wire.encode(frame, node, key)
        return data
