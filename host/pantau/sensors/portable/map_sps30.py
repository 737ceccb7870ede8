"""Vectors of the Sensirion SPS30: SHDLC frames are held against the driver sps30_uart, words with a CRC against sps30."""

from common import (
    MismatchError,
    UnjudgeableError,
    compare,
    compare_rows,
    encoded,
    given,
    readings_of,
    refused,
    same,
    tohex,
    unhex,
    without_labels,
)
from map_scd4x import command_of, judge_command, judge_crc, named_words, serial_of, words_of

FILES = ("sps30", "sps3x", "sps")
MODELS = ("sps30", "sps30_uart")
GOOD = b"\x7e\x00\x03\x00\x28" + bytes(40) + b"\xd4\x7e"
KEYS = ("pm1", "pm25", "pm4", "pm10", "n0_5", "n1", "n2_5", "n4", "n10", "size_um")
ALIASES = {
    "pm25": ("pm2_5",),
    "n0_5": ("n05",),
    "n1": ("n1_0",),
    "n2_5": ("n25",),
    "n4": ("n4_0",),
    "n10": ("n10_0",),
    "size_um": ("size", "typical_size", "tps", "tps_um"),
}
# Every command on I2C: words that it takes, milliseconds that it lasts.
COMMANDS = {
    0x0010: ((1,), (20,)),
    0x0104: ((0,), (20,)),
    0x0202: ((0,), (0,)),
    0x0300: ((0,), (0,)),
    0x1001: ((0,), (5,)),
    0x1103: ((0,), (5,)),
    0x5607: ((0,), (5,)),
    0x8004: ((0, 2), (5, 20)),
    0xD002: ((0,), (0,)),
    0xD025: ((0,), (0,)),
    0xD033: ((0,), (0,)),
    0xD100: ((0,), (0,)),
    0xD206: ((0,), (0,)),
    0xD210: ((0,), (5,)),
    0xD304: ((0,), (100,)),
}
# Every command of SHDLC: the lengths of its data, and what the first byte of that may be.
SHDLC = {
    0x00: ((2,), (1,)),
    0x01: ((0,), ()),
    0x03: ((0,), ()),
    0x10: ((0,), ()),
    0x11: ((0,), ()),
    0x56: ((0,), ()),
    0x80: ((1, 5), (0,)),
    0xD0: ((1,), (0, 1, 2, 3)),
    0xD1: ((0,), ()),
    0xD2: ((0, 1), (0, 1)),
    0xD3: ((0,), ()),
}
STEP = 0.00006  # expectations are printed with four or five decimals


class _Feeder:
    """The parser as common.refused asks for it."""

    def __init__(self, driver):
        self.framer = driver.Reader()
        self.feed = self.framer.feed


def _uart():
    from pantau_node.sensors.catalog import load

    return load("sps30_uart")


def _row(values):
    """Return {key: value} of ten values in units of 2**-32."""
    row = {}
    for key, value in zip(KEYS, values):
        for name in (key,) + ALIASES.get(key, ()):
            row[name] = value / 4294967296
    return row


def _floats(data, driver):
    values, cause = driver.floats(data) if len(data) == 40 else (None, "length" if data else "not_ready")
    if cause:
        raise MismatchError("refused: " + cause)
    return _row(values)


def _refusal(answer, driver):
    """Return why an answer that is whole is no reading, or ""."""
    _, state, data = answer
    if state:
        return "state"
    if len(data) != 40:
        return "length" if data else "not_ready"
    return driver.floats(data)[1]


def _answer_row(answer):
    """Return what an answer (command, state, data) says beside a reading."""
    command, state, data = answer
    row = {"cmd": command, "state": state, "data_len": len(data), "length": len(data), "adr": 0, "ready": bool(data)}
    row.update({"error": state & 0x7F, "device_error": bool(state & 0x80), "ok": state == 0})
    text = data.split(b"\x00")[0]
    if command == 0xD0:
        row.update({"text": text.decode(), "serial": text.decode(), "product": text.decode()})
    if command == 0xD1 and len(data) == 7:
        row.update({"major": data[0], "minor": data[1], "hardware": data[3]})
        row.update({"shdlc_major": data[5], "shdlc_minor": data[6], "shdlc": "%d.%d" % (data[5], data[6])})
        row["firmware"] = row["version"] = "%d.%d" % (data[0], data[1])
    if command == 0xD2 and len(data) >= 4:
        row.update(_status_row(data[:4]))
    if command == 0x80 and len(data) == 4:
        row["interval_s"] = data[0] << 24 | data[1] << 16 | data[2] << 8 | data[3]
    return row


def _status_row(status):
    from pantau_node.sensors.catalog import load

    row = {"status": status[0] << 24 | status[1] << 16 | status[2] << 8 | status[3]}
    row.update({"speed": bool(status[1] & 0x20), "laser": bool(status[3] & 0x20), "fan": bool(status[3] & 0x10)})
    row["fault"] = bool(load("sps30").broken(status))
    return row


def _as_sent(order, driver):
    """Raise MismatchError when an order is none of this sensor's, or otherwise than the driver sends it."""
    width = 2 if driver.BUS == "i2c" else 1
    if width == 1:
        sizes, firsts = SHDLC.get(order[0], ((), ()))
        if len(order) - 1 not in sizes or (len(order) > 1 and order[1] not in firsts):
            raise MismatchError("no such order: " + tohex(order))
        if order[0] == 0 and order[2] == 5:
            return  # the integers of firmware 2.0
    own = driver.Driver
    start = own.START[0]
    if order[:width] == start[:width] and order != start and order[2:3] != b"\x05":
        raise MismatchError("the driver sends " + tohex(start))


def _same_data(vector, data):
    """Hold the data bytes against `expect` where it gives them; return the rest of it."""
    expect = dict(vector["expect"])
    given_data = expect.pop("data", None)
    if isinstance(given_data, str):
        same(vector, "data", unhex(given_data), data, 0)
    return expect


def _asks_for_answers(expect):
    """True when a stream is told by what every answer has, not by readings."""
    said = list(expect)
    for value in expect.values():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            said += list(value[0])
    return [key for key in said if key in ("cmd", "state", "data_len", "length", "ready")]


def _judge_shdlc(vector, raw, driver, floats):
    kind, expect = vector["kind"], vector["expect"]
    if "stuffed_bytes" in vector and kind != "negative":
        same(vector, "stuffed_bytes", vector["stuffed_bytes"], raw.count(b"\x7d"), 0)
    if kind in ("measurement", "stream"):
        answers = readings_of(driver.Reader, raw)
        rows = []
        for answer in answers:
            row = _answer_row(answer)
            if answer[0] == 3 and answer[2]:
                row.update(_floats(answer[2], floats))
            if kind == "stream" and not answer[2] and not _asks_for_answers(expect):
                continue  # nothing new to give: no reading
            rows.append(row)
        steps = dict.fromkeys(KEYS, STEP)
        for names in ALIASES.values():
            steps.update(dict.fromkeys(names, STEP))
        return compare_rows(vector, expect, rows, steps)
    if kind == "negative":
        return refused(vector, lambda: _Feeder(driver), GOOD, lambda answer: _refusal(answer, floats))
    if kind == "command":
        body = driver.unstuff(raw[1:-1])
        if raw[-1:] != b"\x7e" or body is None or len(body) < 4 or len(body) != body[2] + 4:
            raise MismatchError("not a whole frame")
        same(vector, "sum", 0xFF, sum(body) & 0xFF, 0)
        row = {"adr": body[0], "cmd": body[1], "data_len": body[2]}
        row["stuffed_bytes"] = raw.count(b"\x7d")
        compare(vector, without_labels(_same_data(vector, body[3:-1])), row)
        _as_sent(body[1:2] + body[3:-1], driver)
        return encoded(raw, driver.frame(body[1:2] + body[3:-1]))
    if kind in ("response", "register"):
        answers = readings_of(driver.Reader, raw)
        if len(answers) != 1:
            raise MismatchError("expected 1 answer, got " + str(len(answers)))
        command, state, data = answers[0]
        compare(vector, _same_data(vector, data), _answer_row(answers[0]))
        body = bytes((0, command, state, len(data))) + data
        return encoded(raw, b"\x7e" + driver.stuff(body + bytes((~sum(body) & 0xFF,))) + b"\x7e")
    raise UnjudgeableError("kind '" + kind + "': the driver has no such step")


def _judge_stuffing(vector, raw, driver):
    """Hold an encoding both ways: what is given plain is stuffed, what is given stuffed is taken apart."""
    expect = vector["expect"]
    for key in ("stuffed", "encoded"):
        if key in expect:
            same(vector, key, unhex(expect[key]), driver.stuff(raw), 0)
            return same(vector, "unstuffed", raw, driver.unstuff(unhex(expect[key])), 0)
    for key in ("unstuffed", "decoded", "plain"):
        if key in expect:
            return same(vector, key, unhex(expect[key]), driver.unstuff(raw), 0)
    for key in ("chk", "checksum", "sum"):
        if key in expect:
            wanted = expect[key]
            return same(vector, key, unhex(wanted)[0] if isinstance(wanted, str) else wanted, ~sum(raw) & 0xFF, 0)
    raise UnjudgeableError("no encoding that this driver knows: " + ", ".join(sorted(expect)))


def _judge_words(vector, raw, driver):
    kind, expect = vector["kind"], vector["expect"]
    if kind == "measurement":
        if len(raw) == 30:
            raise UnjudgeableError("the integer mode needs firmware 2.0: this driver asks for floats")
        if len(raw) == 40:
            return compare(vector, expect, _floats(raw, driver), dict.fromkeys(expect, STEP))
        values, cause = driver.parse(raw)
        if cause:
            raise MismatchError("refused: " + cause)
        return compare(vector, expect, _row(values), dict.fromkeys(expect, STEP))
    if kind == "negative":
        cause = driver.parse(raw)[1]
        if not cause:
            raise MismatchError("accepted")
        return named_words(vector, raw, cause)
    if kind == "command":
        args = command_of(raw)[1]
        row = {"arg": args[0] if args else None, "value": args[0] if args else None, "interval_s": serial_of(args)}
        _as_sent(raw, driver)
        return judge_command(vector, raw, row, (), COMMANDS)
    if kind in ("response", "register"):
        values = words_of(raw)
        data = b"".join([bytes((value >> 8, value & 0xFF)) for value in values])
        text = data.split(b"\x00")[0]
        row = {"ready": values[0] & 0xFF != 0, "word": values[0], "value": serial_of(values)}
        row.update({"major": data[0], "minor": data[1], "interval_s": serial_of(values)})
        row["firmware"] = row["version"] = "%d.%d" % (data[0], data[1])
        if len(data) >= 8:
            row.update({"text": text.decode(), "serial": text.decode(), "product": text.decode()})
        if len(data) == 4:
            row.update(_status_row(data))
        return compare(vector, expect, row)
    raise UnjudgeableError("kind '" + kind + "': the driver has no such step")


def judge(vector, driver, tables):
    kind = vector["kind"]
    raw = given(vector, "raw")
    uart = _uart()
    if kind == "encoding":
        return _judge_stuffing(vector, raw, uart)
    if kind == "crc":
        if "crc" in vector["expect"]:
            return judge_crc(vector, raw)
        return _judge_stuffing(vector, raw, uart)
    said = (str(vector.get("bus", "")) + str(vector.get("id", "")) + str(vector.get("source", ""))).lower()
    if b"\x7e" in raw[:1] + raw[-1:] or kind == "stream" or ("shdlc" in said and "i2c" not in said):
        return _judge_shdlc(vector, raw, uart, driver)
    return _judge_words(vector, raw, driver)


def decode(raw, model, driver, tables):
    from pantau_node.sensors.catalog import load

    floats = load("sps30").floats
    units = ("ug/m3",) * 4 + ("/cm3",) * 5 + ("um",)
    if model == "sps30":
        values, cause = driver.parse(raw)
        if cause:
            raise ValueError("refused: " + cause)
        yield [(KEYS[i], values[i] / 4294967296, units[i], "") for i in range(10)], None
        return
    feeder = _Feeder(driver)
    for _, state, data in feeder.feed(raw):
        values, cause = floats(data) if len(data) == 40 else (None, "no reading")
        note = "state %02X" % state if state else ""
        if cause:
            yield [("state", state, "", cause)], feeder
        else:
            yield [(KEYS[i], values[i] / 4294967296, units[i], note) for i in range(10)], feeder
    yield None, feeder
