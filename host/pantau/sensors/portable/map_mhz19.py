"""Vectors of the Winsen MH-Z19B and C."""

from common import (
    MismatchError,
    UnjudgeableError,
    compare,
    compare_rows,
    encoded,
    given,
    lead,
    readings_of,
    refused,
    tohex,
    without_labels,
)

FILES = ("mhz19", "mh-z19", "mh_z19", "mhz")
MODELS = ("mhz19", "mhz19b", "mhz19c")
GOOD = b"\xff\x86\x02\x60\x47\x00\x00\x00\xd1"


def _row(reading):
    code, ppm, celsius, status = reading
    return {
        "cmd_code": code,
        "co2_ppm": ppm,
        "co2": ppm,
        "ppm": ppm,
        "temp_c_undoc": celsius,
        "temp_c": celsius,
        "t_c": celsius,
        "status": status,
    }


def _made(driver, code, value):
    """Return the nine bytes of a command: by the driver when it is of the form that the driver sends."""
    if not any(value[1:]):
        return driver.command(code, value[0])
    body = bytes((1, code)) + value
    return b"\xff" + body + bytes((-sum(body) & 0xFF,))


def _step(vector, raw, driver):
    if len(raw) != 9 or raw[0] != 0xFF:
        raise MismatchError("not nine bytes that begin with FF")
    if vector["kind"] == "command":
        if raw[1] != 1:
            raise MismatchError("not for sensor 1")
        again = _made(driver, raw[2], raw[3:8])
        if (raw[2] in (0x86, 0x87) and any(raw[3:8])) or (raw[2] == 0x79 and raw[3] not in (0, 0xA0)):
            raise MismatchError("no such order: " + tohex(raw[2:8]))
        ppm = raw[3] << 8 | raw[4] if raw[2] == 0x88 else raw[6] << 8 | raw[7]
        row = {"code": raw[2], "checksum": raw[8], "reply_len": 9, "abc": raw[3] == 0xA0}
        for key in ("range", "range_ppm", "ppm", "span", "span_ppm"):
            row[key] = ppm
    else:
        again = raw[:8] + bytes((-sum(raw[1:8]) & 0xFF,))
        row = _row((raw[1], raw[2] << 8 | raw[3], raw[4] - 40, raw[5]))
        row.update({"code": raw[1], "checksum": raw[8]})
    encoded(raw, again)
    expect = vector["expect"]
    compare(vector, without_labels(expect, row), row)


def _cause(row):
    return "command" if row[0] != 0x86 else "" if 0 < row[1] <= 10000 else "out_of_range"


def judge(vector, driver, tables):
    kind, expect = vector["kind"], vector["expect"]
    raw = given(vector, "raw")
    if kind in ("measurement", "stream"):
        rows = [_row(reading) for reading in readings_of(driver.Parser, raw) if reading[0] == 0x86]
        for row in rows:
            row["skip"] = lead(driver.Parser, raw)
        return compare_rows(vector, expect, rows)
    if kind == "negative":
        return refused(vector, driver.Parser, GOOD, _cause)
    if kind in ("command", "response"):
        return _step(vector, raw, driver)
    raise UnjudgeableError("kind '" + kind + "': the driver has no such step")


def decode(raw, model, driver, tables):
    parser = driver.Parser()
    for code, ppm, celsius, status in parser.feed(raw):
        note = "ok" if code == 0x86 else "answers command %02X: no reading" % code
        yield (
            [
                ("co2", ppm, "ppm", note),
                ("temperature", celsius, "Cel", "undocumented"),
                ("status", status, "", "undocumented"),
            ],
            parser,
        )
    yield None, parser
