"""Vectors of the Nova SDS011, 018 and 021."""

from common import (
    MismatchError,
    UnjudgeableError,
    compare,
    compare_rows,
    encoded,
    given,
    lead,
    named,
    readings_of,
    refused,
    tohex,
    without_labels,
)

FILES = ("sds011", "sds018", "sds021", "sds01", "sds")
MODELS = ("sds011",)
GOOD = b"\xaa\xc0\xd4\x04\x3a\x0a\xa1\x60\x1d\xab"
_STEPS = {"pm25": 0.05, "pm10": 0.05}
_LIMIT = 9999


def _row(reading):
    pm25, pm10, ident = reading
    row = {"id": "%04X" % ident, "device_id": "%04X" % ident, "pm25_raw": pm25, "pm10_raw": pm10}
    for key in ("pm25", "pm2_5", "pm25_ug_m3"):
        row[key] = pm25 / 10
    for key in ("pm10", "pm10_ug_m3"):
        row[key] = pm10 / 10
    return row


def _reply(code, value, device):
    body = bytes((code,)) + value + device
    return b"\xaa\xc5" + body + bytes((sum(body) & 0xFF, 0xAB))


def _order(code, value):
    """Raise MismatchError when no order of the protocol reads so: which codes there are, and how far their data goes."""
    most = {2: 1, 4: 0, 5: 0, 6: 1, 7: 0, 8: 30}.get(code)
    data = value[2:10] if code == 5 else value[2:]  # 5 gives a new id, in the last two
    if most is None or value[0] > 1 or value[1] > most or any(data):
        raise MismatchError("no such order: " + tohex(bytes((code,)) + value))


def _step(vector, raw, driver):
    """Take a command of 19 bytes or a reply of 10 apart, build it again and judge what it says."""
    if len(raw) == 19 and raw[:2] == b"\xaa\xb4":
        code, value, device = raw[2], raw[3:15], raw[15:17]
        again = driver.command(code, value, device)
    elif len(raw) == 10 and raw[:2] == b"\xaa\xc5":
        code, value, device = raw[2], raw[3:6], raw[6:8]
        again = _reply(code, value, device)
    else:
        raise MismatchError("neither a command of 19 bytes nor a reply of 10")
    encoded(raw, again)
    ident = "%02X%02X" % (device[0], device[1])
    row = {"checksum": raw[-2], "id": ident, "device_id": ident, "code": code, "command": code}
    if code == 7 and len(value) == 3:
        row["firmware"] = "%02d-%02d-%02d" % tuple(value)
    if code == 7 and len(value) == 3:
        row["year"], row["month"], row["day"] = value
    row["set"] = value[0]
    row["value"] = value[1]
    row["minutes"] = row["period"] = row["period_min"] = value[1]
    row["query_mode"] = row["sleep"] = row["work"] = None
    row["reply_len"] = 10
    if code in (2, 6):
        row["query_mode" if code == 2 else "work"] = bool(value[1])
        row["sleep"] = code == 6 and not value[1]
    if len(raw) == 19:
        _order(code, value)
    expect = vector["expect"]
    compare(vector, without_labels(expect, row), row)


def judge(vector, driver, tables):
    kind, expect = vector["kind"], vector["expect"]
    raw = given(vector, "raw")
    if kind in ("measurement", "stream"):
        rows = [_row(reading) for reading in readings_of(driver.Parser, raw)]
        for row in rows:
            row["skip"] = lead(driver.Parser, raw)
        return compare_rows(vector, expect, rows, _STEPS)
    if kind == "negative":
        if raw[:1] == b"\xaa" and raw[1:2] not in (b"", b"\xc0", b"\xc5"):
            if readings_of(driver.Parser, raw):
                raise MismatchError("accepted a packet of another kind")
            return named(vector, "command")
        return refused(vector, driver.Parser, GOOD, lambda row: "out_of_range" if max(row[:2]) > _LIMIT else "")
    if kind in ("command", "response"):
        return _step(vector, raw, driver)
    raise UnjudgeableError("kind '" + kind + "': the driver has no such step")


def decode(raw, model, driver, tables):
    parser = driver.Parser()
    for reading in parser.feed(raw):
        row = _row(reading)
        note = "out of range" if max(reading[:2]) > _LIMIT else "device " + row["id"]
        yield [(key, row[key], "ug/m3", note) for key in ("pm25", "pm10")], parser
    yield None, parser
