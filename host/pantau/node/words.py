"""What technicians read, in English and Indonesian. Each topic keeps its own sentences in words_<topic>.py, as WORDS."""

from __future__ import annotations

import importlib
import os
import pkgutil
from functools import cache

LANGUAGES = ("en", "id")


def language(wanted: str | None = None) -> str:
    """Return "en" or "id": what is wanted, else PANTAU_LANG, else what the terminal's LANG begins with, else English."""
    for name in (wanted, os.environ.get("PANTAU_LANG"), os.environ.get("LANG")):
        if name and name[:2] in LANGUAGES:
            return name[:2]
    return "en"


@cache
def _words() -> dict[str, tuple[str, str]]:
    import pantau.node as here

    found: dict[str, tuple[str, str]] = {}
    for module in sorted(module.name for module in pkgutil.iter_modules(here.__path__)):
        if module.startswith("words_"):
            found |= importlib.import_module(f"{here.__name__}.{module}").WORDS
    return found


def say(key: str, lang: str, **values: object) -> str:
    """Return the sentence `key` in a language, filled in. KeyError for a key that no topic has: a defect."""
    return _words()[key][LANGUAGES.index(lang)].format(**values)
