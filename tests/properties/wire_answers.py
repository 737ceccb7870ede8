"""What a wire case answers, as text that any interpreter writes alike; also the script that a VM runs over `cases.CASES`.

A case is {"hex": ...} (decode it) or {"frame": {...}} (encode it, then decode the bytes).
"""

import binascii

from pantau_wire import frame
from pantau_wire.errors import WireError

NODE = "flood-01"
KEY = bytes(range(32))
ATTRIBUTES = ("kind", "key_id", "boot", "seq", "clock", "base_s", "profile", "alarm", "count", "interval_s", "counter")


def build(spec):
    """Return the Frame of a case's "frame": attributes, columns as [[id, values, quality]], fields (bytes as ["hex"])."""
    made = frame.Frame(spec["kind"])
    for name in ATTRIBUTES:
        if name in spec:
            setattr(made, name, spec[name])
    for ident, values, quality in spec.get("columns", ()):
        made.columns[ident] = (values, quality)
    for name, value in spec.get("fields", {}).items():
        made.fields[name] = binascii.unhexlify(value[0]) if isinstance(value, list) else value
    return made


def describe(got):
    """Return every attribute of a Frame as one line."""
    parts = ["%s=%r" % (name, getattr(got, name)) for name in ATTRIBUTES]
    parts += ["%d:%r" % (ident, got.columns[ident]) for ident in sorted(got.columns)]
    for name in sorted(got.fields):
        value = got.fields[name]
        if not isinstance(value, int):
            value = binascii.hexlify(value if isinstance(value, bytes) else value.encode()).decode()
        parts.append("%s=%s" % (name, value))
    return " ".join(parts) + " skipped=%r times=%r" % (got.skipped, frame.times(got))


def answer(case):
    """Return the answer to one case: what was decoded, the bytes encoded, or the error's code; anything else is a bug."""
    said = ""
    try:
        if "hex" in case:
            data = binascii.unhexlify(case["hex"])
        else:
            data = frame.encode(build(case["frame"]), NODE, KEY)
            said = binascii.hexlify(data).decode() + " "
        got = frame.decode(data)
        return "%s%s verified=%r" % (said, describe(got), frame.verify(data, NODE, KEY))
    except WireError as error:
        return "%s%s" % (said, error.code)


if __name__ == "__main__":
    from cases import CASES

    for case in CASES:
        print(answer(case))
