"""What the mapping tables share. Runs on CPython and MicroPython; nothing here knows a sensor."""

import binascii

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"
GARBAGE = b"\x00\x13\x37\x55\xa1"  # holds no header of any sensor
MAX_SPLITS = 64  # of a long stream: enough to cut every kind of field

# What a vector may add to `expect` for people; never judged.
REMARKS = ("note", "meaning", "label")
# cause that a driver names: words by which a vector may name the same cause
CAUSES = {
    "checksum": ("checksum", "sum", "crc"),
    "crc_t": ("crc_t", "crc", "checksum"),
    "crc_rh": ("crc_rh", "crc", "checksum"),
    "crc": ("crc", "checksum"),
    "tail": ("tail", "footer", "end", "terminat", "carriage"),
    "length": ("length", "len", "count", "size", "digit", "target", "more", "max"),
    "count": ("count", "length", "len", "target", "more", "max"),
    "short": (
        "short",
        "trunc",
        "incomplete",
        "partial",
        "length",
        "tail",
        "half",
        "terminat",
        "missing",
        "carriage",
        "no cr",
    ),
    "header": ("header", "start", "sync", "framing", "garbage"),
    "no_echo": ("echo", "range", "zero", "target"),
    "out_of_range": ("range", "above", "below", "min", "max", "limit"),
    "inconsistent": ("inconsistent", "contradict", "n0"),
    "skipped": ("skip", "reset", "ready", "measure", "0x80000"),
    "chip_id": ("id", "chip", "bmp280"),
    "no_target": ("target", "echo", "range"),
    "digit": ("digit", "ascii", "format", "numeric"),
    "command": ("command", "cmd", "reply", "response", "header", "start", "echo", "byte 1"),
    "gas": ("gas", "type", "device"),
    "unit": ("unit", "decimal"),
    "inverted": ("invert", "rs-232", "rs232", "polarity"),
    "not_ready": ("ready", "busy", "empty", "no data"),
    "overflow": ("overflow", "ovl", "saturat"),
    "address": ("address", "byte 1", "echo", "nack", "acknowledge", "absent"),
    "stuffing": ("stuff", "escape"),
    "fault": ("fault", "error"),
    "state": ("state", "status", "error", "fault"),
    "value": ("nan", "inf", "negative", "finite", "float", "value", "range"),
    "loop": ("loop", "namur", "broken", "short", "open", "wire", "fault", "range"),
}


class UnjudgeableError(Exception):
    """The vector asks for something that this driver does not have: skip it, with the reason."""


class MismatchError(Exception):
    """The driver gives something else than the vector says."""


def unhex(text):
    """Return the bytes of hexadecimal text; spaces, colons and 0x are for people. Raises ValueError."""
    for mark in ("0x", "0X", " ", ":", ",", "-", "\n", "\t"):
        text = text.replace(mark, "")
    return binascii.unhexlify(text)


def tohex(data):
    """Return bytes as spaced hexadecimal text."""
    return " ".join(["%02X" % byte for byte in data])


def given(vector, *keys):
    """Return the bytes under the first of `keys` that the vector has."""
    for key in keys:
        if isinstance(vector.get(key), str):
            return unhex(vector[key])
    raise UnjudgeableError("no input that this driver knows; the vector has: " + ", ".join(sorted(vector)))


def same(vector, key, expected, got, step):
    """Raise MismatchError unless `got` is `expected`; numbers within the vector's tolerance, else within `step`."""
    if isinstance(expected, dict) and isinstance(got, dict):
        return compare(vector, expected, got, dict.fromkeys(expected, step))
    if isinstance(expected, list) and isinstance(got, (list, tuple)) and len(expected) == len(got):
        for one, other in zip(expected, got):
            same(vector, key, one, other, step)
        return None
    allowed = vector.get("tolerance", step)
    if isinstance(allowed, dict):
        allowed = allowed.get(key, step)
    numbers = isinstance(expected, (int, float)) and isinstance(got, (int, float))
    if numbers and not isinstance(expected, bool):
        good = abs(expected - got) <= allowed + 1e-9
    else:
        good = expected == got
    if not good:
        raise MismatchError(key + ": expected " + repr(expected) + ", got " + repr(got))
    return None


def compare_rows(vector, expect, rows, steps=None):
    """Hold the readings of a stream, or the one reading of a measurement, against `expect`."""
    if vector["kind"] == "stream":
        return compare_stream(vector, expect, rows, steps)
    if len(rows) != 1:
        raise MismatchError("expected 1 packet, got " + str(len(rows)))
    return compare(vector, expect, rows[0], steps)


def without_labels(expect, row=None):
    """Return `expect` without the text that only names a step: its numbers are judged.

    row: what the bytes say; then every text that it has no word on is such a label.
    """
    if row is not None:
        return {key: expect[key] for key in expect if key in row or not isinstance(expect[key], str)}
    labels = ("cmd", "command", "ack", "rsp", "reply", "response", "write", "read", "name", "step", "op", "action")
    return {key: expect[key] for key in expect if key not in labels or not isinstance(expect[key], str)}


def compare(vector, expect, row, steps=None):
    """Hold one reading {key: value} against `expect`; a key that the reading lacks makes the vector unjudgeable."""
    steps = steps or {}
    missing = []
    for key in expect:
        if key in REMARKS:
            continue
        if key not in row:
            missing.append(key)
            continue
        same(vector, key, expect[key], row[key], steps.get(key, 0))
    if missing:
        raise UnjudgeableError("this driver has no reading for: " + ", ".join(sorted(missing)))


def compare_stream(vector, expect, rows, steps=None):
    """Hold a list of readings against {key: [values]} or {any name: [{key: value}, ...]}; what is wrong goes first."""
    unknown = ""
    for key in expect:
        wanted = expect[key]
        if key in REMARKS:
            continue
        if isinstance(wanted, int) and key in ("n", "frames", "packets", "readings", "reports"):
            same(vector, key, wanted, len(rows), 0)
            continue
        if not isinstance(wanted, list):
            wanted = [wanted]  # one packet in the stream
        if len(wanted) != len(rows):
            raise MismatchError(key + ": expected " + str(len(wanted)) + " packets, got " + str(len(rows)))
        for one, row in zip(wanted, rows):
            try:
                compare(vector, one if isinstance(one, dict) and key not in row else {key: one}, row, steps)
            except UnjudgeableError as error:
                unknown = unknown or str(error)
    if unknown:
        raise UnjudgeableError(unknown)


def splits(raw):
    """Yield ways to cut `raw` into pieces: whole, byte by byte, in two at every offset."""
    yield [raw]
    yield [raw[i : i + 1] for i in range(len(raw))]
    for at in range(1, len(raw), max(1, len(raw) // MAX_SPLITS)):
        yield [raw[:at], raw[at:]]


def feed_all(make, pieces):
    """Return (parser, readings) of a new parser fed with the pieces."""
    parser = make()
    readings = []
    for piece in pieces:
        readings += parser.feed(piece)
    return parser, readings


def readings_of(make, raw):
    """Return the readings of `raw`; raises MismatchError when cutting it or garbage before it changes them."""
    _, whole = feed_all(make, [raw])
    for lead in (b"", GARBAGE):
        for pieces in splits(raw):
            if feed_all(make, [lead] + pieces)[1] != whole:
                cut = "+".join([str(len(piece)) for piece in pieces[:9]])
                raise MismatchError(
                    "cut as " + cut + " bytes after " + str(len(lead)) + " of garbage the result changes"
                )
    return whole


def lead(make, raw):
    """Return how many bytes are passed over before the first packet: without them, and no more, nothing is lost."""
    whole = feed_all(make, [raw])[1]
    if not whole:
        return len(raw)
    at = 0
    while feed_all(make, [raw[at + 1 :]])[1] == whole:
        at += 1
    return at


def mended(vector, make):
    """Hold `want`, the right checksum of a negative vector: put in its place, it makes a packet of the bytes."""
    want = vector["expect"].get("want")
    if want is None:
        return
    raw = given(vector, "raw")
    if isinstance(want, str):
        want = unhex(want)
    elif 0 <= want < 65536:
        want = bytes((want,)) if want < 256 else bytes((want >> 8, want & 255))
    else:
        raise MismatchError("want: no checksum is " + str(want))
    for end in (len(raw), len(raw) - 1):  # a tail may follow
        at = end - len(want)
        if raw[at:end] != want and feed_all(make, [raw[:at] + want + raw[end:]])[1]:
            return
    raise MismatchError("want: with that checksum it is no packet either")


def refused(vector, make, good, judge_reading=None):
    """Hold a negative vector: nothing comes out, the cause is the named one, and a good packet after it still decodes.

    judge_reading(reading) -> cause or "" is asked when framing accepts the bytes (a value out of range).
    """
    raw = given(vector, "raw")
    for pieces in splits(raw):
        parser, readings = feed_all(make, pieces)
        cause = parser.framer.cause
        if readings:
            cause = judge_reading(readings[-1]) if judge_reading else ""
            if not cause:
                raise MismatchError("accepted as " + repr(readings))
        elif not cause:
            cause = "short" if parser.framer.pending else "header"
        after = parser.feed(good)
        if after[-1:] != feed_all(make, [good])[1]:
            raise MismatchError("the good packet after it is lost: " + repr(after))
    named(vector, cause, ("error", "want"))
    mended(vector, make)


def named(vector, cause, judged=("error",)):
    """Raise MismatchError unless the vector's error names `cause`, in any of the words for it.

    judged: the keys that the caller holds; what a negative vector says beside them makes it unjudgeable.
    """
    error = str(vector["expect"].get("error", "")).lower()
    if not [word for word in CAUSES[cause] if word in error]:
        raise MismatchError("refused for '" + cause + "', expected '" + error + "'")
    more = [key for key in sorted(vector["expect"]) if key not in judged and key not in REMARKS]
    if more and vector["kind"] == "negative":
        raise UnjudgeableError("what is refused has no reading: " + ", ".join(more))


def encoded(raw, again):
    """Raise MismatchError unless encoding what was decoded gives the same bytes."""
    if again != raw:
        raise MismatchError("encoded again as " + tohex(again))
