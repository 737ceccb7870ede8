"""A frame in words: every field with its place, its bytes and what it means; also of bytes that turn out to be wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from construct import ConstructError

from pantau import wire_declared as declared
from pantau.declare import Span
from pantau_wire import frame
from pantau_wire import names as T
from pantau_wire.bits import get_varint
from pantau_wire.errors import WireError

WIB = timezone(timedelta(hours=7), "WIB")
FLAG_NAMES = {1: "GOOD", 2: "UNKNOWN", 3: "SUSPECT", 4: "FAIL", 9: "MISSING"}
CLOCKS = (
    "unset: times are seconds of uptime",
    "carried over a reset",
    "set, coarse (more than 1 s off is possible)",
    "synchronised",
)
RESETS = {1: "power-on", 2: "hard reset", 3: "watchdog", 4: "deep sleep", 5: "soft reset"}
ERRORS = {
    "truncated": "the bytes end before what they announce; the rest was lost on the way",
    "too_long": f"more than {frame.MAX_FRAME} bytes: not one frame",
    "unknown_version": "made by a newer Pantau: keep the bytes, update, replay",
    "unknown_kind": "a kind that this version does not know: keep the bytes, update, replay",
    "bad_field": "not canonical, out of order, or not of its declared form: damaged, or not a frame",
    "bad_value": "a number that the format cannot carry",
    "bad_tag": "the keyed tag does not fit: wrong node, wrong key, or changed on the way",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One field: its first bit and length in bits from the frame's start, its bytes (hex; bits if a part of a byte)."""

    bit: int
    bits: int
    depth: int
    data: str
    field: str
    meaning: str

    @property
    def offset(self) -> str:
        """The byte, and after a point the bit in it unless that is 0."""
        return f"{self.bit >> 3}.{self.bit & 7}" if self.bit & 7 else str(self.bit >> 3)


@dataclass(slots=True)
class Explained:
    """What there is to say about some bytes; frame is None and error set when they are not a frame."""

    rows: list[Row]
    frame: frame.Frame | None = None
    error: WireError | None = None
    stopped: str = ""
    records: list[dict[str, Any]] = field(default_factory=list)
    fields: dict[str, str] = field(default_factory=dict)


def explain(payload: bytes) -> Explained:
    """Explain any bytes; the codec decides whether they are a frame, the declaration shows the places."""
    trace: list[Span] = []
    reason = ""
    try:
        declared.parse(payload, trace)
    except ConstructError as error:
        reason = str(error).splitlines()[-1] if str(error) else type(error).__name__
    try:
        found, refused = frame.decode(payload), None
    except WireError as error:
        found, refused = None, error
    names = _Names()
    rows = [_row(payload, span, names.meaning(span)) for span in trace if span.end is not None]
    out = Explained(rows, found, refused)
    if found is None:
        out.stopped = _stopped(trace, reason)
    elif found.kind == T.K_RECORDS:
        out.records = list(_records(found))
    else:
        out.fields = {name: field_text(name, value) for name, value in found.fields.items()}
    return out


def _row(payload: bytes, span: Span, meaning: str) -> Row:
    end = span.end or span.start
    whole = payload[span.start >> 3 : (end + 7) >> 3]
    if (span.start | end) & 7 and end - span.start <= 16:
        bits = "".join(f"{byte:08b}" for byte in whole)[span.start & 7 :]
        data = "0b" + bits[: end - span.start] if end > span.start else ""
    else:
        data = whole.hex()
    return Row(span.start, end - span.start, span.depth, data, span.name, meaning)


def _stopped(trace: Sequence[Span], reason: str) -> str:
    """Say how far decoding got."""
    done = [span for span in trace if span.end is not None]
    inside = [span for span in trace if span.end is None]
    if not trace:
        return f"before the first field: {reason}"
    at = max([span.start for span in inside] + [span.end or 0 for span in done])
    where = f"byte {at >> 3}" + (f", bit {at & 7}" if at & 7 else "")
    path = " > ".join(span.name for span in inside)
    last = f"after {done[-1].name}" if done else "at the start"
    return f"at {where}, {last}" + (f", inside {path}" if path else "") + f": {reason}"


# --- values in words ---


def instant(unix_ms: int) -> str:
    """Return Unix milliseconds as UTC and WIB time."""
    moment = datetime(1970, 1, 1, tzinfo=UTC)
    try:
        moment += timedelta(milliseconds=unix_ms)
        local = moment.astimezone(WIB)
    except OverflowError:
        return f"{unix_ms} ms: beyond any calendar"
    part = "%Y-%m-%d %H:%M:%S" + (f".{unix_ms % 1000:03d}" if unix_ms % 1000 else "")
    return f"{moment.strftime(part)} UTC = {local.strftime(part)} WIB"


def duration(ms: int) -> str:
    """Return milliseconds as days, hours, minutes and seconds."""
    seconds = Decimal(ms % 60000) / 1000
    minutes = ms // 60000
    parts = [(minutes // 1440, "d"), (minutes // 60 % 24, "h"), (minutes % 60, "min")]
    return " ".join([f"{number} {unit}" for number, unit in parts if number] + [f"{seconds:f} s"])


def scaled(ident: int, raw: int) -> str:
    """Return a raw value of a property in its unit, without the unit."""
    return f"{Decimal(raw).scaleb(T.PROPERTIES[ident][2]):f}"


def quality_text(code: int) -> str:
    """Return a quality code as flag and reason names."""
    flag = T.FLAGS[code & 7]
    reason, _ = T.REASONS.get(code >> 3, (f"reason {code >> 3}", flag))
    return f"{FLAG_NAMES[flag]} {reason}"


def field_text(name: str, value: int | str | bytes) -> str:
    """Return a field's value with its unit or sense."""
    if isinstance(value, bytes):
        return _sensor_errors(value) if name == "sensor_errors" else f"{len(value)} bytes {value[:32].hex()}"
    if isinstance(value, str):
        return repr(value)
    if name == "utc_ms":
        return f"{value} = {instant(value)}"
    if name == "expires_s":
        return f"{value} = {instant(value * 1000)}"
    if name == "uptime_ms":
        return f"{value} = {duration(value)}"
    if name == "reset_cause":
        return f"{value} = {RESETS.get(value, 'unknown')}"
    if name == "map":
        stored = ", ".join(f"through + {i + 1}" for i in range(64) if value >> i & 1)
        return f"{value:#018x}: stored beyond through: {stored or 'nothing'}"
    return f"{value} dBm" if name == "rssi" else f"{value}"


def _sensor_errors(data: bytes) -> str:
    numbers = []
    at = 0
    try:
        while at < len(data):
            number, at = get_varint(data, at)
            numbers.append(number)
    except WireError:
        return f"not varints: {data.hex()}"
    triples = [
        f"sensor {sensor}: {count} x {T.REASONS.get(reason, (f'reason {reason}', 0))[0]}"
        for sensor, reason, count in zip(numbers[::3], numbers[1::3], numbers[2::3], strict=False)
    ]
    return "; ".join(triples) or "none"


def _records(found: frame.Frame) -> Iterator[dict[str, Any]]:
    """Yield each record: its time, and {property: {value, unit, flag, reason}}."""
    for i, second in enumerate(frame.times(found)):
        row: dict[str, Any] = {"index": i, "time_s": second}
        row["time"] = instant(second * 1000) if found.clock else f"uptime {duration(second * 1000)}"
        for ident, (values, codes) in found.columns.items():
            if ident == T.TIME_OFFSET:
                continue
            name, unit = T.PROPERTIES[ident][:2]
            code = codes[i] if codes else 0
            text = quality_text(code)
            value = None if values[i] is None else scaled(ident, values[i])
            row[name] = {"value": value, "unit": unit, "flag": text.split()[0], "reason": text.split(" ", 1)[1]}
        yield row


class _Names:
    """Gives each span its meaning; walks through a trace from its start, to know the kind and the column it is in."""

    def __init__(self) -> None:
        self.kind = T.K_RECORDS
        self.clock = 0
        self.ident = 0

    def meaning(self, span: Span) -> str:
        """Return what the span says, in words."""
        value = span.value
        if span.name == "kind":
            self.kind = value
        elif span.name == "clock":
            self.clock = value
        elif span.name == "part":
            self.ident = value.id
        made = getattr(self, "_" + span.name.replace(" ", "_").replace(",", ""), None)
        if made is not None:
            return str(made(value))
        return SIMPLE[span.name](value) if span.name in SIMPLE else str(value)

    def _part(self, part: Any) -> str:
        word = "column" if self.kind == T.K_RECORDS else "field"
        if not part.known:
            return f"{word} {part.id}: not known to this version, skipped"
        if self.kind == T.K_RECORDS:
            return f"{word} {part.id} {T.PROPERTIES[part.id][0]}"
        return f"{word} {part.id} " + next(name for ident, name, _ in T.FIELDS[self.kind] if ident == part.id)

    def _clock(self, value: int) -> str:
        return f"{value} = {CLOCKS[value]}" if self.kind in T.UP else "not used in kinds that go down"

    def _content(self, value: Any) -> str:
        if self.kind != T.K_RECORDS:
            name = next((name for ident, name, _ in T.FIELDS[self.kind] if ident == self.ident), "")
            return field_text(name, value) if name else value.hex()
        if self.ident not in T.IDS:
            return f"{len(value)} bytes"
        shown = " ".join("-" if raw is None else scaled(self.ident, raw) for raw in value[0])
        return f"{shown} {T.PROPERTIES[self.ident][1]}"

    def _time_base(self, value: int) -> str:
        return instant(value * 1000) if self.clock else f"uptime {duration(value * 1000)}"


SIMPLE = {
    "version": lambda value: f"wire version {value}",
    "records": lambda value: "a RECORDS frame" if value else "another kind",
    "kind": lambda value: f"{value} = {T.KINDS[value]}, goes {'up' if value in T.UP else 'down'}",
    "key id": lambda value: f"key {value} of the node signed",
    "alarm": lambda value: "sent ahead of everything else" if value else "no",
    "interval code": lambda value: f"{declared.INTERVALS[value]} s" if value else "a varint follows",
    "count code": lambda value: f"{value + 1} records" if value < 31 else "a count byte follows",
    "count": lambda value: f"{value} records",
    "interval": lambda value: f"{value} s",
    "counter": instant,
    "step": lambda value: f"id = last id + {value}" if value < 15 else "id = last id + 15 + the varint that follows",
    "size": lambda value: f"{value} bytes" if value < 15 else "15 bytes + the varint that follows",
    "step, continued": lambda value: f"+ {value}",
    "size, continued": lambda value: f"+ {value} = {value + 15} bytes",
    "code": lambda value: "{}, base of {} bits".format(*declared.FORMS[value]),
    "radix": lambda value: f"digits below {value}",
    "digits": lambda value: "the digits as one number" if value else "all digits 0",
    "rice codes": lambda value: "differences " + " ".join(f"{code.value:+d}" for code in value),
    "least difference": lambda value: f"{value:+d}",
    "difference": lambda value: f"{value:+d}",
    "index": lambda value: f"record {value} of those in the stream",
    "with quality": lambda _: "a quality stream, then the values",
    "quality stream": lambda value: ", ".join(map(quality_text, value)),
    "value stream": lambda value: f"{len(value)} raw values",
    "padding": lambda value: f"{len(value)} bits fill the last byte",
    "zero": lambda _: "not used",
    "tag": lambda _: "HMAC-SHA256 of label, node id and all bytes before, first 8 bytes",
}
