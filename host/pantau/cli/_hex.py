"""Bytes that people type."""

from __future__ import annotations

from pantau.cli.report import UsageError

_DIGITS = frozenset("0123456789abcdefABCDEF")


def parse(text: str) -> bytes:
    """Return the bytes of the argument HEX; spaces, 0x and : , - between them are for people. UsageError otherwise."""
    clean = "".join(text.split())
    for mark in ("0x", "0X", ":", ",", "-"):
        clean = clean.replace(mark, "")
    odd = next((i for i, c in enumerate(clean) if c not in _DIGITS), None)
    if odd is None and len(clean) % 2 == 0:
        return bytes.fromhex(clean)
    what = f"{len(clean)} digits, an odd number" if odd is None else f"{clean[odd]!r} at digit {odd + 1}"
    raise UsageError(f"HEX is not hexadecimal ({what}); give pairs of 0-9 a-f")
