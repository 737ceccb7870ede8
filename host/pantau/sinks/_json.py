"""JSON for targets: bytes, without spaces, fast."""

from __future__ import annotations

import json

import orjson


def dumps(said: object) -> bytes:
    """Return `said` as JSON. What is not finite becomes null: look before."""
    try:
        return orjson.dumps(said)
    except TypeError:  # integers beyond 64 bits and halves of characters: nothing of ours, but JSON can carry them
        return json.dumps(said, separators=(",", ":")).encode()


loads = orjson.loads
