"""Where a test keeps its files: several processes run these tests at the same time."""

import os


def own(name):
    """Return a path that no other process uses. The 32-bit VM has no random bytes, and a file system of its own."""
    urandom = getattr(os, "urandom", None)
    return "/tmp/pantau-dual-%s-%d" % (name, int.from_bytes(urandom(4), "big") if urandom else 0)
