"""Observations as a ThingsBoard gateway tells them: {"device": [{"ts": ms, "values": {...}}]}. I/O-free.

The target keeps one value for each device, key and time, the last that it was told, so a batch may be told as a whole and
again. A reading's key is its property's name; `<property>_quality` beside it is its QARTOD flag, unless that is 1.
"""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any, NamedTuple

from pantau.sinks._json import dumps

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pantau.decode import Decoded
    from pantau.model import Observation
    from pantau.registry.model import Station

_GOOD, _MISSING = 1, 9  # QARTOD
_MOST_MS = 253_402_300_800_000  # the year 10000
_LONGEST = 128  # characters of a key: that one entry always fits into a message
LEAST_BYTES = 1_024  # of a message: the longest device with the longest key

Values = dict[str, Any]
Series = dict[str, dict[int, Values]]


class Told(NamedTuple):
    """What a batch says: {device: {ts: values}}, and {place of a frame: why some of it cannot be said}."""

    series: Series
    refused: dict[int, str]


def device(template: str, city: str, node: str) -> str:
    """Return what the target calls a node."""
    return template.replace("{city}", city).replace("{node}", node)


def telemetry(batch: Sequence[Decoded], template: str, city: str) -> Told:
    """Return what a batch says of readings: measured and dated ones, then what is known later about earlier ones."""
    series: Series = {}
    refused: dict[int, str] = {}
    for at, decoded in enumerate(batch):
        if decoded.observations:
            bad = _add(series.setdefault(device(template, city, decoded.node), {}), decoded.observations)
            if bad:
                refused[at] = f"{len(bad)} of {len(decoded.observations)} observations: {'; '.join(bad[:3])}"
        own = {seen.key for seen in decoded.observations} if decoded.revisions else set()
        for revision in decoded.revisions:
            node, _, _, _, name = revision.key
            ms = revision.observed_at_ms
            # What had no value was not told, and what the frame tells of itself it has told.
            if ms is not None and 0 <= ms < _MOST_MS and revision.quality != _MISSING and revision.key not in own:
                of_node = series.setdefault(device(template, city, node), {})
                of_node.setdefault(ms, {})[f"{name}_quality"] = revision.quality
    return Told(series, refused)


def _add(of_node: dict[int, Values], observations: Iterable[Observation]) -> list[str]:
    """Add observations of one node; return what of them cannot be told."""
    bad = []
    for seen in observations:
        value, ms, name = seen.value, seen.observed_at_ms, seen.property
        if value is None or ms is None:
            continue
        if not (isfinite(value) and 0 <= ms < _MOST_MS and len(name) <= _LONGEST):
            bad.append(f"{name[:_LONGEST]}[{seen.index}]: neither JSON nor this target has {value} at {ms} ms")
            continue
        values = of_node.get(ms)
        if values is None:
            values = of_node[ms] = {}
        values[name] = value
        if seen.quality != _GOOD:
            values[f"{name}_quality"] = seen.quality
    return bad


def messages(series: Series, most: int) -> Iterator[bytes]:
    """Yield payloads of at most `most` bytes that say all of `series`, in its order. Each is one line."""
    pieces: list[bytes] = []
    size = len(b"{}")
    for name, entries in series.items():
        head = dumps(name) + b":["
        opened = False
        for entry in _entries(entries, most - len(head) - len(b"{]}")):
            more = len(entry) + (1 if opened else len(head) + len(b"],"))
            if pieces and size + more > most:
                yield _closed(pieces, opened)
                pieces, size, opened = [], len(b"{}"), False
                more = len(entry) + len(head) + len(b"],")
            pieces.append((b"," if opened else head) + entry)
            size += more
            opened = True
        if opened:
            pieces.append(b"],")
    if pieces:
        yield _closed(pieces, opened=False)


def _closed(pieces: list[bytes], opened: bool) -> bytes:
    return b"{" + b"".join(pieces).removesuffix(b",") + (b"]}" if opened else b"}")


def _entries(entries: Mapping[int, Values], most: int) -> Iterator[bytes]:
    """Yield the entries of one device; one that is too large in parts, for the target lays them together."""
    for ms, values in entries.items():
        entry = dumps({"ts": ms, "values": values})
        if len(entry) <= most or len(values) == 1:
            yield entry
            continue
        items = list(values.items())
        middle = len(items) // 2
        for part in (items[:middle], items[middle:]):
            yield from _entries({ms: dict(part)}, most)


def attributes(station: Station | None, health: Mapping[str, Any] | None) -> Values:
    """Return what the target is told of a node itself: where it stands, and how it is."""
    said: Values = {}
    if station is not None:
        said = {
            "station": station.id, "station_name": station.name, "domain": station.domain,
            "latitude": station.latitude, "longitude": station.longitude,
        }  # fmt: skip
        said |= {} if station.kemendagri is None else {"kemendagri": station.kemendagri}
    return said | {f"health_{key}": value for key, value in (health or {}).items()}


def objects(of: Mapping[str, Values], most: int) -> Iterator[bytes]:
    """Yield payloads {device: {key: value}} of at most `most` bytes; a device that is too large stands alone."""
    pieces: list[bytes] = []
    size = len(b"{}")
    for name, values in of.items():
        piece = dumps(name) + b":" + dumps(values)
        if pieces and size + len(piece) + 1 > most:
            yield b"{" + b",".join(pieces) + b"}"
            pieces, size = [], len(b"{}")
        pieces.append(piece)
        size += len(piece) + 1
    if pieces:
        yield b"{" + b",".join(pieces) + b"}"
