"""A node's tag from hash states that already hold all that does not vary: half a microsecond instead of five. I/O-free."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hashlib import _Hash


def tag_states(key: bytes, label: bytes, node: str) -> tuple[_Hash, _Hash]:
    """Return the inner and outer hash of `pantau_wire.tag` (RFC 2104). A key has 32 bytes.

    Copy both; update the inner one with the frame, the outer one with the inner one's digest.
    """
    pad, name = key.ljust(64, b"\0"), node.encode()
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in pad) + label + bytes([len(name)]) + name)
    return inner, hashlib.sha256(bytes(byte ^ 0x5C for byte in pad))
