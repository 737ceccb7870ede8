"""Words that several checks of a scenario share."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection


def unknown(what: str, name: str, known: Collection[str]) -> str:
    """Return the words for a name that does not exist."""
    close = difflib.get_close_matches(name, list(known), n=1)
    there = ", ".join(sorted(known)[:40])
    return f"unknown {what} {name}; {f'did you mean {close[0]}?' if close else f'there are: {there}'}"
