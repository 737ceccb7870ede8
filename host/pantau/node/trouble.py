"""What stands between a technician and a board, told in the technician's language: UnreachedError (exit 4), RefusedError (exit 5)."""

from __future__ import annotations

from pantau.node.words import say


class TroubleError(Exception):
    """key: a sentence of the words_<topic>.py files, filled in with `values`; str() is the English one."""

    def __init__(self, key: str, **values: object) -> None:
        self.key, self.values = key, values
        super().__init__(say(key, "en", **values))

    def said(self, lang: str) -> str:
        """Return the sentence in a language."""
        return say(self.key, lang, **self.values)


class UnreachedError(TroubleError):
    """Nobody answers: no such port, port busy, cable pulled. Running the command again finishes the job."""


class RefusedError(TroubleError):
    """The board answers, and what was asked of it does not go: wrong chip, too large, disk full, too old."""
