"""Vectors of the Winsen ZE03, ZE07 and ZE25; of answers in Q&A mode, which the driver does not use, only the bytes are judged."""

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
    without_labels,
)

FILES = ("winsen_ze", "winsenze", "ze03", "ze07", "ze25")
MODELS = ("ze07_co", "ze03_co", "ze03_no2", "ze03_so2", "ze25_o3")
GOOD = b"\xff\x04\x03\x01\x00\x25\x13\x88\x38"
NAMES = {0x04: "CO", 0x2A: "O3", 0x2B: "SO2", 0x2C: "NO2"}
UNITS = {3: "ppm", 4: "ppb"}


def _row(reading, driver, wanted=None):
    gas, unit, decimals, raw, full = reading
    name = NAMES.get(gas, "%02X" % gas)
    row = {"gas": gas, "gas_name": name, "unit": unit, "decimals": decimals, "raw": raw, "full_scale_raw": full}
    if wanted and isinstance(wanted.get("gas"), str):
        row["gas"] = name
    if wanted and isinstance(wanted.get("unit"), str):
        row["unit"] = UNITS.get(unit, str(unit))
    row["value"] = raw / 10**decimals
    row["full_scale"] = row["full"] = full / 10**decimals
    ppb = driver.ppb(raw, unit, decimals)
    if ppb is not None:
        row["ppb"], row["ppm"] = ppb, ppb / 1000
    return row


def _cause(driver):
    def cause(row):
        if row[0] not in NAMES:
            return "gas"
        if driver.ppb(row[3], row[1], row[2]) is None:
            return "unit"
        return "out_of_range" if row[3] >= row[4] else ""

    return cause


def _step(vector, raw, driver):
    if len(raw) != 9 or raw[0] != 0xFF:
        raise MismatchError("not nine bytes that begin with FF")
    row = {"code": raw[2] if vector["kind"] == "command" else raw[1], "checksum": raw[8], "reply_len": 9}
    if vector["kind"] == "command" and (raw[1] != 1 or (raw[2] == 0x78 and raw[3] not in (3, 4))):
        raise MismatchError("no such order")
    if vector["kind"] == "command" and not any(raw[4:8]):
        again = driver.command(raw[2], raw[3])
    else:
        again = raw[:8] + bytes((-sum(raw[1:8]) & 0xFF,))
    encoded(raw, again)
    expect = vector["expect"]
    compare(vector, without_labels(expect, row), row)


def judge(vector, driver, tables):
    kind, expect = vector["kind"], vector["expect"]
    raw = given(vector, "raw")
    if kind in ("measurement", "stream"):
        if raw[:2] == b"\xff\x86":
            raise UnjudgeableError("an answer in Q&A mode: the driver uses active upload only")
        readings = readings_of(driver.Parser, raw)
        wanted = expect
        for key in expect:
            if isinstance(expect[key], list) and expect[key] and isinstance(expect[key][0], dict):
                wanted = expect[key][0]
        rows = [_row(reading, driver, wanted) for reading in readings]
        for row in rows:
            row["skip"] = lead(driver.Parser, raw)
        return compare_rows(vector, expect, rows)
    if kind == "negative":
        return refused(vector, driver.Parser, GOOD, _cause(driver))
    if kind in ("command", "response"):
        return _step(vector, raw, driver)
    raise UnjudgeableError("kind '" + kind + "': the driver has no such step")


def decode(raw, model, driver, tables):
    parser = driver.Parser()
    for reading in parser.feed(raw):
        row = _row(reading, driver)
        note = _cause(driver)(reading) or "ok"
        yield [(row["gas_name"], row["value"], UNITS.get(row["unit"], "?"), note)], parser
    yield None, parser
