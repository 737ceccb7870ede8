"""One pair of release keys for all tests: making one takes a second."""

from __future__ import annotations

import contextlib
import functools
from itertools import cycle
from unittest import mock

from cryptography.hazmat.primitives.asymmetric import rsa

from pantau.fleet.release_keys import INDEXES


@functools.cache
def pair() -> tuple[rsa.RSAPrivateKey, ...]:
    """Return both keys."""
    return tuple(rsa.generate_private_key(65537, 3072) for _ in INDEXES)


def known() -> contextlib.AbstractContextManager[object]:
    """Let every fleet that is made meanwhile have this pair."""
    turn = cycle(pair())
    return mock.patch.object(rsa, "generate_private_key", side_effect=turn)
