"""Building blocks for declaring a binary format with `construct`: places that are remembered, streams of bits, numbers."""

# ruff: noqa: SLF001 (the methods by which construct is extended begin with an underscore)
from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import construct as cs


@dataclass(slots=True)
class Span:
    """One named region of a frame: [start, end) in bits from its first byte; end None where parsing failed inside."""

    name: str
    start: int
    depth: int
    end: int | None = None
    value: Any = None


# --- places: construct counts from the start of each inner stream, people from the start of the frame ---


class _Inner(io.BytesIO):
    """Bytes (or, one a byte, bits) that lie `origin` bits into the frame."""

    def __init__(self, data: bytes, origin: int, unit: int) -> None:
        super().__init__(data)
        self.origin, self.unit = origin, unit


def _at(stream: io.BytesIO) -> int:
    origin, unit = (stream.origin, stream.unit) if isinstance(stream, _Inner) else (0, 8)
    return origin + stream.tell() * unit


class Spot(cs.Subconstruct):  # type: ignore[misc]
    """A named region that leaves a Span in the trace."""

    def __init__(self, name: str, subcon: Any) -> None:
        super().__init__(subcon)
        self.spot = name

    def _parse(self, stream: io.BytesIO, context: Any, path: str) -> Any:
        trace: list[Span] = context._params.trace
        span = Span(self.spot, _at(stream), sum(s.end is None for s in trace))
        trace.append(span)
        span.value = self.subcon._parsereport(stream, context, path)
        span.end = _at(stream)
        return span.value


class Within(cs.Subconstruct):  # type: ignore[misc]
    """The next `length` bytes as a stream of their own, of bits if so asked, which the subcon must use up."""

    def __init__(self, length: Any, subcon: Any, bits: bool = False) -> None:
        super().__init__(subcon)
        self.length, self.bits = length, bits

    def _parse(self, stream: io.BytesIO, context: Any, path: str) -> Any:
        origin = _at(stream)
        data = cs.stream_read(stream, cs.evaluate(self.length, context), path)
        inner = _Inner(cs.bytes2bits(data), origin, 1) if self.bits else _Inner(data, origin, 8)
        value = self.subcon._parsereport(inner, context, path)
        cs.Terminated._parse(inner, context, path)
        return value


class UntilEnd(cs.Subconstruct):  # type: ignore[misc]
    """The subcon again and again up to the end of the stream, `most` times; `last` in its context is the one before."""

    def __init__(self, most: int, subcon: Any) -> None:
        super().__init__(subcon)
        self.most = most

    def _parse(self, stream: io.BytesIO, context: Any, path: str) -> list[Any]:
        found: list[Any] = []
        context.last = None
        size = len(stream.getbuffer())
        while stream.tell() < size:
            if len(found) == self.most:
                raise cs.ValidationError(f"more than {self.most} parts", path=path)
            context.last = self.subcon._parsereport(stream, context, path)
            found.append(context.last)
        return found


class WhileLeft(cs.Subconstruct):  # type: ignore[misc]
    """The subcon again and again while at least `least` bytes or bits (a function of the context) are left."""

    def __init__(self, least: Callable[[Any], int], subcon: Any) -> None:
        super().__init__(subcon)
        self.least = least

    def _parse(self, stream: io.BytesIO, context: Any, path: str) -> list[Any]:
        found: list[Any] = []
        size = len(stream.getbuffer())
        while size - stream.tell() >= self.least(context):
            found.append(self.subcon._parsereport(stream, context, path))
        return found


# --- numbers ---


def only(subcon: Any, allowed: Callable[[Any], bool]) -> Any:
    """Return the subcon with every value refused that is not allowed."""
    return cs.ExprValidator(subcon, lambda value, _: allowed(value))


def meaning(subcon: Any, of: Callable[[Any], Any]) -> Any:
    """Return the subcon with `of(value)` in the place of its value."""
    return cs.ExprAdapter(subcon, lambda value, _: of(value), lambda value, _: value)


def unzigzag(number: int) -> int:
    """Return 0, -1, 1, -2 ... for 0, 1, 2, 3 ..."""
    return number >> 1 if number % 2 == 0 else -(number >> 1) - 1


def uint_bits(width: Any) -> Any:
    """Return an unsigned number of `width` bits (a number or a function of the context), which may be none."""
    if isinstance(width, int):
        return cs.BitsInteger(width)
    return cs.IfThenElse(lambda ctx: width(ctx) == 0, cs.Computed(0), cs.BitsInteger(width))


def varint(below: int) -> Any:
    """Return a LEB128 number below `below`, in its shortest form."""
    shortest = only(cs.RawCopy(cs.VarInt), lambda raw: (raw.length == 1 or raw.data[-1] != 0) and raw.value < below)
    return meaning(shortest, lambda raw: raw.value)


def _group_value(groups: list[Any]) -> int:
    return sum(int(group.data) << 3 * i for i, group in enumerate(groups))


NIBBLE_GROUPS = meaning(
    only(
        cs.RepeatUntil(
            lambda group, groups, _: not group.more or len(groups) > 11,
            cs.Struct("more" / cs.Flag, "data" / cs.BitsInteger(3)),
        ),
        lambda groups: len(groups) <= 11 and (len(groups) == 1 or groups[-1].data != 0),
    ),
    _group_value,
)
SIGNED_GROUPS = meaning(NIBBLE_GROUPS, unzigzag)
