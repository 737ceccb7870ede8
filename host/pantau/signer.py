"""A node's tag from hash states that already hold all that does not vary: half a microsecond instead of five. I/O-free."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hashlib import _Hash

_BLOCK = 64  # bytes of a block of SHA-256
_INNER, _OUTER = (int.from_bytes(bytes([byte]) * _BLOCK, "big") for byte in (0x36, 0x5C))


def tag_states(key: bytes, label: bytes, node: str) -> tuple[_Hash, _Hash]:
    """Return the inner and outer hash of `pantau_wire.tag` (RFC 2104). A key has 32 bytes.

    Copy both; update the inner one with the frame, the outer one with the inner one's digest.
    """
    pad, name = int.from_bytes(key.ljust(_BLOCK, b"\0"), "big"), node.encode()
    inner = hashlib.sha256((pad ^ _INNER).to_bytes(_BLOCK, "big") + label + bytes([len(name)]) + name)
    return inner, hashlib.sha256((pad ^ _OUTER).to_bytes(_BLOCK, "big"))
