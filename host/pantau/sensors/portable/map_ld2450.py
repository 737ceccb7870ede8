"""Vectors of the HLK-LD2450, also where they lie among those of its sister for roads."""

from common import MismatchError, UnjudgeableError, compare, compare_stream, given, readings_of, refused

FILES = ("ld2450",)
MODELS = ("ld2450",)
HEAD = b"\xaa\xff\x03\x00"
GOOD = HEAD + bytes(24) + b"\x55\xcc"
_ALIASES = (
    ("x_mm", "x"),
    ("y_mm", "y"),
    ("speed_cms", "speed_cm_s", "speed"),
    ("resolution_mm", "res_mm", "resolution"),
)


def _target(values):
    row = {}
    for names, value in zip(_ALIASES, values):
        for name in names:
            row[name] = value
    return row


def _row(targets):
    rows = [_target(values) for values in targets]
    first = dict(rows[0]) if rows else {}
    first.update({"count": len(rows), "n": len(rows), "targets": rows})
    return first


def _same_targets(vector, wanted, rows):
    present = [one for one in wanted if one]
    if len(present) != len(rows):
        raise MismatchError("expected " + str(len(present)) + " targets, got " + str(len(rows)))
    for one, row in zip(present, rows):
        compare(vector, one, row)


def judge(vector, driver, tables):
    kind, expect = vector["kind"], dict(vector["expect"])
    raw = given(vector, "raw")
    if kind == "negative":
        return refused(vector, driver.Parser, GOOD)
    if kind not in ("measurement", "stream"):
        raise UnjudgeableError("kind '" + kind + "': the driver sends this radar no orders")
    rows = [_row(targets) for targets in readings_of(driver.Parser, raw)]
    if kind == "stream":
        return compare_stream(vector, expect, rows)
    if len(rows) != 1:
        raise MismatchError("expected 1 report, got " + str(len(rows)))
    targets = expect.pop("targets", None)
    if isinstance(targets, list):
        _same_targets(vector, targets, rows[0]["targets"])
    return compare(vector, expect, rows[0])


def decode(raw, model, driver, tables):
    parser = driver.Parser()
    for targets in parser.feed(raw):
        rows = [("targets", len(targets), "", "")]
        for x, y, speed, _ in targets:
            rows.append(("target", speed, "cm/s", "x " + str(x) + " mm, y " + str(y) + " mm"))
        yield rows, parser
    yield None, parser
