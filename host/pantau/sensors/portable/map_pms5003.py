"""Vectors of the Plantower family; which variant a packet is of follows from its length and the keys that are asked for."""

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

FILES = ("pms5003", "pms7003", "pms1003", "pmsa003", "pmsx003", "pms3003", "pms")
MODELS = ("pms5003", "pms1003", "pms7003", "pmsa003")
GOOD = b"BM\x00\x1c" + bytes(24) + b"\x97\x00\x01\x42"
MASSES = ("pm1_cf1", "pm25_cf1", "pm10_cf1", "pm1_atm", "pm25_atm", "pm10_atm")
_HEADER = b"\x42\x4d"
COUNTS = ("n0_3", "n0_5", "n1_0", "n2_5", "n5_0", "n10")


SENT = ((0xE4, 1), (0xE1, 1))  # the commands that the driver uses: wake, active


def _signed(word):
    return word - 65536 if word & 0x8000 else word


def _row(words, expect):
    row = dict(zip(MASSES, words))
    if len(words) == 9:  # PMS3003: masses only
        return row
    row.update(zip(COUNTS, words[6:]))
    row["version"], row["error"] = words[-1] >> 8, words[-1] & 255
    if len(words) == 17:  # PMS5003ST
        row.update({"hcho_raw": words[12], "temp_c": _signed(words[13]) / 10, "rh": words[14] / 10})
        row["hcho"] = row["hcho_mg_m3"] = words[12] / 1000
        row["hcho_ug_m3"] = words[12]
        row["t_c"] = row["temp_c"]
    elif "temp_c" in expect or "t_c" in expect or "rh" in expect:  # PMS5003T: two counts give way
        row.update({"temp_c": _signed(words[10]) / 10, "t_c": _signed(words[10]) / 10, "rh": words[11] / 10})
        del row["n5_0"], row["n10"]
    return row


def _cause(words, driver):
    """Return why the driver takes a whole packet for a fault of the device, "" when it does not."""
    if len(words) < 13:
        return ""
    values, fault, _ = driver.Driver.take(None, words)
    if fault:
        return "fault" if words[-1] & 255 else "inconsistent"
    over = [value for value, most in zip(values, driver.Driver.LIMITS) if value > most]
    return "out_of_range" if over else ""


def _sum(body):
    total = sum(body)
    return bytes((total >> 8, total & 0xFF))


def _command(code, data):
    """Return the 7 bytes of a command."""
    body = _HEADER + bytes((code, data >> 8, data & 0xFF))
    return body + _sum(body)


def _parse_command(packet):
    """Return (code, data) of a command of 7 bytes or a reply of 8, None when its sum or shape is wrong."""
    if packet[:2] != _HEADER or packet[-2:] != _sum(packet[:-2]):
        return None
    if len(packet) == 7:
        return packet[2], packet[3] << 8 | packet[4]
    return (packet[4], packet[5]) if len(packet) == 8 and packet[2:4] == b"\x00\x04" else None


def _reply(code, data):
    """Return the 8 bytes with which the sensor answers sleep and passive."""
    body = _HEADER + bytes((0, 4, code, data))
    return body + _sum(body)


def judge(vector, driver, tables):
    kind, expect = vector["kind"], vector["expect"]
    raw = given(vector, "raw")
    if kind in ("measurement", "stream"):
        rows = [_row(words, expect) for words in readings_of(driver.Parser, raw)]
        for row in rows:
            row["skip"] = lead(driver.Parser, raw)
        return compare_rows(vector, expect, rows)
    if kind == "negative":
        if raw[:4] == GOOD[:4] and not any(raw[4:28]) and "checksum" not in str(expect.get("error", "")):
            raise UnjudgeableError("zero of everything is clean air until it has lasted for an hour")
        return refused(vector, driver.Parser, GOOD, lambda row: _cause(row, driver))
    if kind in ("command", "response"):
        found = _parse_command(raw)
        if found is None:
            raise MismatchError("not a whole command or reply with a right sum")
        if kind == "command" and found in SENT and raw not in driver.Driver.CALL:
            raise MismatchError("the driver sends " + tohex(driver.Driver.CALL))
        if kind == "command":
            # Passive and sleep are confirmed, the others answered with a reading.
            row = {"code": found[0], "data": found[1], "checksum": raw[-2] << 8 | raw[-1]}
            row["reply_len"] = 32 if found[1] or found[0] == 0xE2 else 8
            compare(vector, without_labels(expect), row)
            if found[0] not in (0xE1, 0xE2, 0xE4) or found[1] > (found[0] != 0xE2):
                raise MismatchError("no such command: " + tohex(raw[2:5]))
            return encoded(raw, _command(*found))
        compare(vector, without_labels(expect), {"code": found[0], "data": found[1], "status": found[1]})
        return encoded(raw, _reply(*found))
    raise UnjudgeableError("kind '" + kind + "': the driver has no such step")


def decode(raw, model, driver, tables):
    parser = driver.Parser()
    for words in parser.feed(raw):
        row = _row(words, {})
        note = _cause(words, driver)
        out = [(key, row[key], "ug/m3", note) for key in MASSES]
        out += [(key, row[key], "/dL", "") for key in COUNTS if key in row]
        yield out, parser
    yield None, parser
