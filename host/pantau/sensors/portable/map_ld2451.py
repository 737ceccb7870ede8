"""Vectors of the HLK-LD2451."""

import map_ld2450
from common import MismatchError, UnjudgeableError, compare, compare_stream, encoded, given, readings_of, refused

FILES = ("ld2451",)
MODELS = ("ld2451",)
GOOD = b"\xf4\xf3\xf2\xf1\x00\x00\xf8\xf7\xf6\xf5"


def _row(report):
    count, alarm, targets = report
    keys = ("angle_deg", "dist_m", "dir_raw", "speed_kmh", "snr")
    return {"count": count, "alarm": alarm, "targets": [dict(zip(keys, target)) for target in targets]}


def judge(vector, driver, tables):
    kind, expect = vector["kind"], vector["expect"]
    raw = given(vector, "raw")
    if raw[:4] == map_ld2450.HEAD:
        from pantau_node.sensors import load

        return map_ld2450.judge(vector, load("ld2450"), tables)
    if kind in ("measurement", "stream"):
        rows = [_row(report) for report in readings_of(driver.Parser, raw)]
        if kind == "stream":
            return compare_stream(vector, expect, rows)
        if len(rows) != 1:
            raise MismatchError("expected 1 report, got " + str(len(rows)))
        return compare(vector, expect, rows[0])
    if kind == "negative":
        return refused(vector, driver.Parser, GOOD)
    if kind in ("command", "response"):
        return _step(vector, raw, driver)
    raise UnjudgeableError("kind '" + kind + "': the driver has no such step")


def _step(vector, raw, driver):
    parser = driver.Parser()
    parser.feed(raw)
    if len(parser.replies) != 1 or parser.framer.pending:
        raise MismatchError("not one command packet: " + (parser.framer.cause or "incomplete"))
    code, value, length = parser.replies[0]
    encoded(raw, driver.command(code, value, length))
    expect = vector["expect"]
    row = fields(code, value)
    for key in expect:
        if key not in row and isinstance(expect[key], str):
            row[key] = expect[key]  # a label
    compare(vector, expect, row)


def fields(code, value):
    """Return what a reply says: status and, of the commands that ask, the settings."""
    row = {"code": code}
    if not code & 0x0100:
        if code == 2 and len(value) == 4:
            row.update(_detect(value))
        return row
    row["status"] = value[0] | value[1] << 8 if len(value) >= 2 else None
    body = value[2:]
    if code == 0x0112 and len(body) == 4:
        row.update(_detect(body))
    if code == 0x0113 and len(body) >= 2:
        row.update({"trigger": body[0], "snr": body[1], "snr_effective": body[1] or 4})
    if code == 0x01A0 and len(body) == 8:
        row["type"] = body[0] | body[1] << 8
        row["version"] = "V%X.%02X.%02X%02X%02X%02X" % (body[3], body[2], body[7], body[6], body[5], body[4])
    return row


def _detect(body):
    return {
        "max_m": body[0],
        "max_dist_m": body[0],
        "dir": body[1],
        "direction": body[1],
        "min_speed_kmh": body[2],
        "delay_s": body[3],
    }


def decode(raw, model, driver, tables):
    parser = driver.Parser()
    for count, alarm, targets in parser.feed(raw):
        rows = [("targets", count, "", "alarm" if alarm else "")]
        for angle, distance, direction, speed, snr in targets:
            way = "approaching" if direction == 1 else "receding"
            rows.append((way, speed, "km/h", str(distance) + " m, " + str(angle) + " deg, SNR " + str(snr)))
        yield rows, parser
    for code, value, _ in parser.replies:
        yield [(key, item, "", "") for key, item in sorted(fields(code, value).items())], parser
    yield None, parser
