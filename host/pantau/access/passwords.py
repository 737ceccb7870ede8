"""Passwords: what is taken for one, and how it is kept (argon2id, RFC 9106)."""

from __future__ import annotations

import threading

from argon2 import PasswordHasher, exceptions, profiles

LEAST = 10  # characters
_MOST = 256  # longer ones are no safer, and hashing them costs
_AT_ONCE = 2  # each takes 64 MiB while it is hashed


class BadPasswordError(ValueError):
    """It is not taken for a password; the text says why."""


def check(name: str, password: str) -> None:
    """Refuse what is guessed first. Raises BadPasswordError."""
    if len(password) < LEAST:
        raise BadPasswordError(f"a password has {LEAST} characters or more; three or four words are a good one")
    if len(password) > _MOST:
        raise BadPasswordError(f"a password has {_MOST} characters at most")
    if name.casefold() in password.casefold() or len(set(password)) < 4:
        raise BadPasswordError("the name, or one character again and again, is guessed first; take another")


class Passwords:
    """Hashes and verifies, a bounded number at a time. Blocks for some 50 ms, longer where several log in at once."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher.from_parameters(profiles.RFC_9106_LOW_MEMORY)
        self._places = threading.BoundedSemaphore(_AT_ONCE)
        self._nobody = ""

    def hash(self, password: str) -> str:
        """Return what is stored."""
        with self._places:
            return self._hasher.hash(password)

    def verify(self, stored: str | None, password: str) -> bool:
        """Return whether it is the password; for an unknown name (None) it takes as long to say no."""
        if stored is None:
            self._nobody = self._nobody or self.hash("nobody's")
        with self._places:
            try:
                self._hasher.verify(stored or self._nobody, password[:_MOST])
            except (exceptions.VerifyMismatchError, exceptions.InvalidHashError, exceptions.VerificationError):
                return False
        return stored is not None

    def outdated(self, stored: str) -> bool:
        """Return whether it was hashed with weaker parameters than today's."""
        return self._hasher.check_needs_rehash(stored)
