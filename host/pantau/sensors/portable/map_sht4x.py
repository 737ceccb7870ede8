"""Vectors of the Sensirion SHT3x and SHT4x."""

from common import MismatchError, UnjudgeableError, compare, encoded, given, tohex, without_labels
from map_scd4x import judge_crc, named_words, serial_of

FILES = ("sht3x", "sht4x", "sht30", "sht31", "sht35", "sht40", "sht41", "sht45", "sht")
MODELS = ("sht4x", "sht3x")
# Bits of the status word of the SHT3x.
STATUS = (
    (15, "alert"),
    (13, "heater"),
    (11, "rh_alert"),
    (10, "t_alert"),
    (4, "reset"),
    (1, "command_error"),
    (0, "crc_error"),
)
STEPS = {"t_f": 0.0106, "t_c": 0.006, "rh": 0.006}  # the reading is in hundredths


def _models(vector):
    """Return the models that the vector may be of: its own word for it, else both (the two share every byte but the formula)."""
    said = (str(vector.get("model", "")) + " " + str(vector.get("source", ""))).lower()
    found = [model for model in MODELS if model[:4] in said]
    return found if len(found) == 1 else MODELS


def judge(vector, driver, tables):
    kind, expect = vector["kind"], vector["expect"]
    from pantau_node.sensors import sensirion

    raw = given(vector, "raw")
    if kind == "measurement":
        for model in _models(vector):
            centi_c, centi_rh, cause = driver.parse(raw, model)
            wrong = None
            if cause:
                raise MismatchError("refused: " + cause)
            try:
                return compare(vector, expect, _row(raw, centi_c, centi_rh), STEPS)
            except MismatchError as error:
                wrong = error
        raise wrong
    if kind == "negative":
        cause = driver.parse(raw)[2]
        if not cause:
            raise MismatchError("accepted")
        said = str(expect.get("error", "")).lower()
        if (cause == "crc_t" and "crc_rh" in said) or (cause == "crc_rh" and "crc_t" in said):
            raise MismatchError("refused for '" + cause + "', expected '" + said + "'")
        return named_words(vector, raw, cause)
    if kind == "crc":
        return judge_crc(vector, raw)
    if kind in ("command", "response"):
        return _step(vector, raw, driver, sensirion)
    raise UnjudgeableError("kind '" + kind + "': the driver has no such step")


def _row(raw, centi_c, centi_rh):
    """Return a reading by every name; raw words as the sensor gave them."""
    t, rh = raw[0] << 8 | raw[1], raw[3] << 8 | raw[4]
    row = {"t_c": centi_c / 100, "temp_c": centi_c / 100, "rh": centi_rh / 100, "t_f": 32 + centi_c * 9 / 500}
    for names, word in ((("raw_t", "t_raw", "t_ticks", "s_t"), t), (("raw_rh", "rh_raw", "rh_ticks", "s_rh"), rh)):
        for name in names:
            row[name] = word
    return row


# Those of the SHT3x that take a word: the limits of its alert.
WITH_WORD = (0x611D, 0x6116, 0x610B, 0x6100)
# Every command of the SHT4x, of one byte, and of the SHT3x: once, by itself, the rest.
COMMANDS = b"\xfd\xf6\xe0\x89\x94\x39\x32\x2f\x24\x1e\x15"
SINGLE = "2C06 2C0D 2C10 2400 240B 2416"
PERIODIC = "2032 2024 202F 2130 2126 212D 2236 2220 222B 2334 2322 2329 2737 2721 272A"
OTHERS = "E000 2B32 3093 30A2 306D 3066 F32D 3041 611D 6116 610B 6100 E11F E114 E109 E102 3780 3682"


def _exists(code):
    if code < 0x100:
        return code in COMMANDS
    return "%04X" % code in (SINGLE + " " + PERIODIC + " " + OTHERS).split()


class _Mute:
    """A bus at which nothing answers; it keeps what it was asked."""

    def __init__(self):
        self.orders = []

    def writeto(self, _address, order):
        self.orders.append(order)
        raise OSError(19)


def _sent(driver):
    """Return the orders of the driver by their names, as it gives them to its bus."""
    found = {}
    clock, driver.base.now = driver.base.now, lambda: 0
    for model, names in (("sht3x", ("single_high", "single_shot_high")), ("sht4x", ("measure_high", "high"))):
        bus = _Mute()
        try:
            driver.Driver(bus, model=model).read(1000).send(None)
        except StopIteration:
            pass
        for name in names:
            found[name] = bus.orders[0]
        if model == "sht3x":
            found["stop"] = found["break"] = bus.orders[1]
    driver.base.now = clock
    return found


def _command(code, args, sensirion):
    """Return the bytes of a command: one byte (SHT4x) or a word (SHT3x), then words with their CRC."""
    out = bytes((code,)) if code < 0x100 else bytes((code >> 8, code & 0xFF))
    for word in args:
        pair = bytes((word >> 8, word & 0xFF))
        out += pair + bytes((sensirion.crc8(pair),))
    return out


def _step(vector, raw, driver, sensirion):
    head = 0 if vector["kind"] == "response" else 1 if len(raw) % 3 == 1 else 2
    values, wrong = sensirion.words(raw[head:])
    if wrong is not None or (len(raw) - head) % 3:
        raise MismatchError("not words with a CRC each")
    code = 0
    for byte in raw[:head]:
        code = code << 8 | byte
    again = _command(code, values, sensirion) if head else _command(0, values, sensirion)[1:]
    encoded(raw, again)
    if head and not _exists(code):
        raise MismatchError("no such command: %02X" % code)
    if head and len(values) != (code in WITH_WORD):
        raise MismatchError("the command %04X takes %d words" % (code, code in WITH_WORD))
    for key in ("cmd", "command", "name"):
        order = _sent(driver).get(vector["expect"].get(key)) if head else None
        if order not in (None, raw):
            raise MismatchError("the driver sends " + tohex(order))
    expect = without_labels(vector["expect"])
    row = {"code": code} if head else {"serial": serial_of(values)}
    if values:
        first = values[0]
        row.update({"word": first, "value": first, "status": first, "arg": first})
        for at, name in STATUS:
            row[name] = bool(first >> at & 1)
    for key in ("status", "serial", "word", "value"):
        if isinstance(expect.get(key), str):
            expect[key] = int(expect[key].lower().replace("0x", "").replace(" ", ""), 16)
    compare(vector, expect, row)


def decode(raw, model, driver, tables):
    centi_c, centi_rh, cause = driver.parse(raw, model)
    if cause:
        raise ValueError("refused: " + cause)
    yield [("air_temperature", centi_c / 100, "Cel", "ok"), ("relative_humidity", centi_rh / 100, "%", "ok")], None
