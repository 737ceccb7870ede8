"""Observations as InfluxDB line protocol. I/O-free.

One measurement for each property, one series in it for each node: `water_level,node=flood-01 value=1.234,quality=1i,...`.
Tags are nothing but the identity, so that a point written again falls on itself whatever else changed meanwhile: the station
may be corrected in the registry and is therefore a field, as is all that a revision changes.
"""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache
from math import isfinite
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pantau.decode import Decoded
    from pantau.model import Observation, Revision

POSITIONS = "pantau_bridge"  # the measurement that says how far a log was delivered
_MOST_MS = 9_223_372_036_854  # InfluxDB counts nanoseconds in 64 bits
_MISSING = 9  # QARTOD
_CACHED = 1 << 14  # series or words; some hundred bytes each


def point(seen: Observation, *, texts: bool) -> str:
    """Return the line of a measured, dated observation, milliseconds. ValueError says why the protocol cannot hold it.

    Numbers are floats, always, for a measurement keeps the type that its first point had. `texts`: with the string fields.
    """
    value, at_ms = seen.value, seen.observed_at_ms
    if value is None or at_ms is None or not isfinite(value):
        raise ValueError(f"line protocol has no {value} at {at_ms}")
    if not -_MOST_MS < at_ms < _MOST_MS:
        raise ValueError(f"observed_at {at_ms} ms is beyond the year 2262, the last that line protocol can write")
    words = _words(seen.reason, seen.station) if texts else ""
    return f"{_series(seen.property, seen.node)} value={float(value)!r},quality={seen.quality}i{words} {at_ms}"


def revised(revision: Revision, *, texts: bool) -> str:
    """Return the line that lays a new verdict over a point; the fields that it does not name stay."""
    node, _, _, _, name = revision.key
    words = _words(revision.reason, None) if texts else ""
    return f"{_series(name, node)} quality={revision.quality}i{words} {revision.observed_at_ms}"


def position(log: str, frame: int, at_ms: int) -> str:
    """Return the line that says that all through `frame` of the log was delivered."""
    return f"{POSITIONS},log={escaped(log)} position={frame}i {at_ms}"


def revisions(batch: Sequence[Decoded], *, texts: bool) -> list[str]:
    """Return the lines of what the batch says about earlier observations, the last word on each.

    Left out is what a later frame of the batch tells whole, what had no value and so was never written, and what has no
    date: there is no point to lay it over.
    """
    lines: dict[tuple[str, str, int], str] = {}
    for decoded in batch:
        if lines:
            for seen in decoded.observations:
                lines.pop((seen.node, seen.property, seen.observed_at_ms or 0), None)
        own = {seen.key for seen in decoded.observations} if decoded.revisions else set()
        for revision in decoded.revisions:
            at_ms = revision.observed_at_ms
            if at_ms is None or abs(at_ms) >= _MOST_MS or revision.quality == _MISSING or revision.key in own:
                continue
            with suppress(ValueError):  # a name that cannot be spelled: its point was rejected for that
                lines[revision.key[0], revision.key[4], at_ms] = revised(revision, texts=texts)
    return list(lines.values())


def escaped(text: str) -> str:
    """Return a name or tag value as the protocol spells it. ValueError for what it cannot spell.

    A backslash stands for itself there, except before what it escapes: before a comma, a space, an equals sign or the end it
    would be read as another text, and there is no spelling for it.
    """
    if not text or "\\" in text or any(letter < " " for letter in text):
        raise ValueError(f"line protocol cannot spell {text!r} as a name")
    text.encode()  # ValueError for half a character
    return text.replace(",", "\\,").replace("=", "\\=").replace(" ", "\\ ")


@lru_cache(maxsize=_CACHED)
def _series(name: str, node: str) -> str:
    measurement = escaped(name)
    if measurement.startswith("#"):
        raise ValueError(f"line protocol reads a line that begins with {name!r} as a comment")
    return f"{measurement},node={escaped(node)}"


@lru_cache(maxsize=_CACHED)
def _words(reason: str, station: str | None) -> str:
    return f",reason={_quoted(reason)}" + ("" if station is None else f",station={_quoted(station)}")


def _quoted(text: str) -> str:
    text.encode()  # ValueError for half a character
    escaped_text = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped_text}"'
