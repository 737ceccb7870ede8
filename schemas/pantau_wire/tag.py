"""The keyed tag: HMAC-SHA256 (RFC 2104) cut to eight bytes, over direction, node and frame."""

import hashlib

SIZE = 8
UP = b"pantau up"
DOWN = b"pantau down"


def hmac_sha256(key, message):
    """Return HMAC-SHA256 of message, 32 bytes; MicroPython has no hmac module."""
    if len(key) > 64:
        key = hashlib.sha256(key).digest()
    # one long integer: sixty-four bytes in a loop would take most of the time of a frame
    number = int.from_bytes(key + bytes(64 - len(key)), "big")
    inner = hashlib.sha256((number ^ int.from_bytes(b"\x36" * 64, "big")).to_bytes(64, "big"))
    inner.update(message)
    outer = hashlib.sha256((number ^ int.from_bytes(b"\x5c" * 64, "big")).to_bytes(64, "big"))
    outer.update(inner.digest())
    return outer.digest()


def tag(key, label, node, data):
    """Return the tag of data (header and body) sent by or to the node id, under the direction's label."""
    name = node.encode()
    return hmac_sha256(key, label + bytes([len(name)]) + name + data)[:SIZE]


def same(left, right):
    """Compare two byte strings in a time that does not depend on where they differ."""
    if len(left) != len(right):
        return False
    difference = 0
    for a, b in zip(left, right):
        difference |= a ^ b
    return difference == 0
