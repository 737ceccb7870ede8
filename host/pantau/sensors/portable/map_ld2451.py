"""Vectors of the HLK-LD2451."""

import map_ld2450
from common import (
    MismatchError,
    UnjudgeableError,
    compare,
    compare_stream,
    encoded,
    given,
    lead,
    readings_of,
    refused,
    tohex,
    without_labels,
)

FILES = ("ld2451",)
MODELS = ("ld2451",)
GOOD = b"\xf4\xf3\xf2\xf1\x00\x00\xf8\xf7\xf6\xf5"
ENABLE = b"\x01\x00"
BAUDS = (9600, 19200, 38400, 57600, 115200, 230400, 256000, 460800)
# Bytes of data of each command and, after the status, of its reply.
SIZES = {
    0x02: (4, 0),
    0x03: (4, 0),
    0x12: (0, 4),
    0x13: (0, 4),
    0xA0: (0, 8),
    0xA1: (2, 0),
    0xA2: (0, 0),
    0xA3: (0, 0),
    0xFE: (0, 0),
    0xFF: (2, 4),
}

# What a step is called, by the start of its label.
NAMES = (
    ("enable", 0xFF),
    ("end", 0xFE),
    ("set_detect", 0x02),
    ("get_detect", 0x12),
    ("set_sens", 0x03),
    ("get_sens", 0x13),
    ("firmware", 0xA0),
    ("baud", 0xA1),
    ("factory", 0xA2),
    ("restart", 0xA3),
)


def _report(body):
    """Return (count, alarm, [(angle deg, distance m, direction, speed km/h, SNR)]) of what the parser gives."""
    rows = [body[i : i + 5] for i in range(4, len(body), 5)]
    targets = [(row[0] - 128, row[1], row[2], row[3], row[4]) for row in rows]
    return (body[2], body[3], targets) if len(body) > 2 else (0, 0, targets)


def _row(body):
    count, alarm, targets = _report(body)
    return {"count": count, "n": count, "alarm": alarm, "targets": [_target(target) for target in targets]}


WAYS = (("rece", "away", "leav"), ("appr", "towa", "near"))  # by the first four letters
_ALIASES = (
    ("angle_deg", "angle"),
    ("dist_m", "distance_m", "distance", "dist"),
    ("dir_raw", "direction"),
    ("speed_kmh", "speed", "v_kmh"),
    ("snr",),
)


def _target(values):
    row = {}
    for names, value in zip(_ALIASES, values):
        for name in names:
            row[name] = value
    row["dir"] = values[2]
    row["approaching"] = values[2] == 1
    return row


def _said(target, row):
    """Return the row in the vector's own words where they are text: 'approach' for the direction."""
    for key in ("dir", "direction"):
        if isinstance(target.get(key), str):
            row = dict(row)
            row[key] = target[key]
            if target[key].lower()[:4] not in WAYS[row["dir_raw"] == 1]:
                row[key] = "approaching" if row["dir_raw"] == 1 else "receding"
    return row


def _judge_report(vector, expect, row):
    """Hold one report, its targets in the vector's own words."""
    targets = expect.get("targets")
    if isinstance(targets, list):
        row["targets"] = [_said(target, one) for target, one in zip(targets, row["targets"])] + row["targets"][
            len(targets) :
        ]
    compare(vector, expect, row)


def judge(vector, driver, tables):
    kind, expect = vector["kind"], vector["expect"]
    raw = given(vector, "raw")
    if raw[:4] == map_ld2450.HEAD:
        from pantau_node.sensors.catalog import load

        return map_ld2450.judge(vector, load("ld2450"), tables)
    if kind in ("measurement", "stream"):
        rows = [_row(body) for body in readings_of(driver.Parser, raw)]
        for row in rows:
            row["skip"] = lead(driver.Parser, raw)
        if kind == "stream":
            return compare_stream(vector, expect, rows)
        if len(rows) != 1:
            raise MismatchError("expected 1 report, got " + str(len(rows)))
        return _judge_report(vector, expect, rows[0])
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
    asked = code & 0xFF
    if asked not in SIZES or code >> 8 > 1 or (vector["kind"] == "command") != (code < 0x100):
        raise MismatchError("no such " + vector["kind"] + ": %04X" % code)
    size = len(value) - 2 if code >> 8 else len(value)
    if size != SIZES[asked][code >> 8] and not (
        code >> 8 and (size < 0 or value[0] | value[1])
    ):  # a refusal is shorter
        raise MismatchError("a " + vector["kind"] + " %04X has other data than " % code + str(len(value)) + " bytes")
    _labelled(str(vector["expect"].get("cmd", vector["expect"].get("ack", ""))).lower(), asked, fields(code, value))
    if code == 0xFF:
        encoded(raw, driver.command(code, ENABLE))  # which the driver sends
    row = fields(code, value)
    if code in (0xA1, 0x02, 0x03) and None in row.values():
        raise MismatchError("no such setting: " + tohex(value))
    expect = without_labels(vector["expect"])
    for key in ("dir", "direction"):
        if isinstance(expect.get(key), str) and key in row:
            ways = WAYS[row[key]] if row[key] < 2 else ("both",)
            row[key] = expect[key] if expect[key].lower()[:4] in ways else ways[0]
    compare(vector, expect, row)


def _labelled(label, asked, row):
    """Hold what the label of a step says: which command, and its settings as in set_detect_100m_approach_5kmh_2s."""
    for name, code in NAMES:
        if label.startswith(name) and code != asked:
            raise MismatchError("%02X is not " % asked + label)
    for word in label.split("_"):
        unit = word.lstrip("0123456789")
        key = {"m": "max_m", "kmh": "min_speed", "s": "delay_s", "": "baud"}.get(unit)
        if unit != word and key in row and row[key] != int(word[: len(word) - len(unit)]):
            raise MismatchError(key + ": the label says " + word + ", the bytes " + str(row[key]))
        if word[:4] in WAYS[0] + WAYS[1] and "dir" in row and word[:4] not in (WAYS + ((),))[min(row["dir"], 2)]:
            raise MismatchError("direction: the label says " + word + ", the bytes " + str(row["dir"]))


def fields(code, value):
    """Return what a reply says: status and, of the commands that ask, the settings."""
    row = {"code": code}
    if not code & 0x0100:
        if code == 2 and len(value) == 4:
            row.update(_detect(value))
        if code == 3 and len(value) == 4:
            row.update(_sensitivity(value))
        if code == 0xA1 and len(value) == 2:
            row["index"] = value[0]
            row["baud"] = row["baudrate"] = BAUDS[value[0] - 1] if 0 < value[0] <= 8 and not value[1] else None
        if code == 0xFF:
            row["value"] = value[0] | value[1] << 8
        return row
    row["status"] = value[0] | value[1] << 8 if len(value) >= 2 else None
    body = value[2:]
    if code == 0x0112 and len(body) == 4:
        row.update(_detect(body))
    if code == 0x0113 and len(body) >= 2:
        row.update(_sensitivity(body))
    if code == 0x01FF and len(body) == 4:
        row["protocol"] = row["protocol_version"] = body[0] | body[1] << 8
        row["buffer"] = row["buffer_size"] = body[2] | body[3] << 8
    if code == 0x01A0 and len(body) == 8:
        row["type"] = body[0] | body[1] << 8
        row["version"] = "V%X.%02X.%02X%02X%02X%02X" % (body[3], body[2], body[7], body[6], body[5], body[4])
    return row


def _sensitivity(body):
    return {"trigger": body[0], "trigger_count": body[0], "snr": body[1], "snr_effective": body[1] or 4}


def _detect(body):
    return {
        "min_speed": body[2],
        "no_target_delay_s": body[3],
        "no_target_s": body[3],
        "max_m": body[0],
        "max_dist_m": body[0],
        "dir": body[1],
        "direction": body[1],
        "min_speed_kmh": body[2],
        "delay_s": body[3],
    }


def decode(raw, model, driver, tables):
    parser = driver.Parser()
    for body in parser.feed(raw):
        count, alarm, targets = _report(body)
        rows = [("targets", count, "", "alarm" if alarm else "")]
        for angle, distance, direction, speed, snr in targets:
            way = "approaching" if direction == 1 else "receding"
            rows.append((way, speed, "km/h", str(distance) + " m, " + str(angle) + " deg, SNR " + str(snr)))
        yield rows, parser
    for code, value, _ in parser.replies:
        yield [(key, item, "", "") for key, item in sorted(fields(code, value).items())], parser
    yield None, parser
