"""Vectors of the Sensirion SCD4x; also what its sisters on I2C share: commands and answers of words with a CRC each."""

from common import (
    CAUSES,
    MismatchError,
    UnjudgeableError,
    compare,
    encoded,
    given,
    named,
    same,
    tohex,
    unhex,
    without_labels,
)

FILES = ("scd4x", "scd40", "scd41", "scd43", "scd")
MODELS = ("scd4x",)
STEPS = {"t_c": 0.006, "rh": 0.006}  # in hundredths


def sensirion():
    """Return the module with the CRC."""
    from pantau_node.sensors.catalog import load

    load("scd4x")
    from pantau_node.sensors import sensirion_device as module

    return module


def words_of(raw):
    """Return the words of an answer; raises MismatchError for a wrong CRC, a wrong length, or when encoding differs."""
    module = sensirion()
    values, wrong = module.words(raw)
    if wrong is not None or len(raw) % 3 or not raw:
        raise MismatchError("not words with a CRC each")
    encoded(raw, b"".join([module.word(value) for value in values]))
    return values


def command_of(raw):
    """Return (code, argument words) of a command; raises MismatchError as words_of does."""
    if len(raw) < 2:
        raise MismatchError("not a command of two bytes")
    return raw[0] << 8 | raw[1], words_of(raw[2:]) if len(raw) > 2 else []


def judge_crc(vector, raw):
    """Hold a CRC-8 against `expect`, as a number or as hexadecimal text."""
    expected = vector["expect"].get("crc", vector["expect"].get("checksum"))
    got = sensirion().crc8(raw)
    if isinstance(expected, str):
        expected = int(expected.lower().replace("0x", ""), 16)
    same(vector, "crc", expected, got, 0)


def named_words(vector, raw, cause):
    """Hold a negative vector, also `want`: the CRC that belongs where the first wrong one stands."""
    want = vector["expect"].get("want")
    if want is not None:
        module = sensirion()
        right = [
            module.crc8(raw[at - 2 : at]) for at in range(2, len(raw), 3) if module.crc8(raw[at - 2 : at]) != raw[at]
        ]
        same(vector, "want", unhex(want)[0] if isinstance(want, str) else want, right[0] if right else None, 0)
    named(vector, cause, ("error", "want"))


def serial_of(values):
    """Return the words as one number, the first one foremost."""
    number = 0
    for value in values:
        number = number << 16 | value
    return number


def serial_as(expect, values):
    """Return the serial number as the vector writes it: a number, or hexadecimal digits in its own shape."""
    number = serial_of(values)
    said = expect.get("serial")
    if not isinstance(said, str):
        return number
    try:
        return (
            said
            if int(said.lower().replace("0x", "").replace(" ", "").replace("-", ""), 16) == number
            else "%X" % number
        )
    except ValueError:
        return "%X" % number


def sent(driver, **options):
    """Return [(order, milliseconds that it is waited for)] which the driver sends from its start to a reading."""
    from pantau_node.sensors import base

    told = []

    class Recorder(driver.Driver):
        async def ask(self, order, n=0, wait_ms=2, **_given):
            told.append((order, wait_ms))
            self.gone = False
            return [0x40] * n  # ready, features of an SGP41, a self-test without fault

    async def at_once(_ms):
        return None

    clock = base.now, base.sleep_ms
    base.now, base.sleep_ms = lambda: 0, at_once
    try:
        recorder = Recorder(None, **options)
        recorder.alone(1000000, recorder._turn).send(None)
    except StopIteration:
        pass
    finally:
        base.now, base.sleep_ms = clock
    return told


def as_sent(raw, orders):
    """Hold an order against the driver's own of the same code, of which only the words may differ; return its wait, or None."""
    for order, wait_ms in orders:
        if order[:2] == raw[:2]:
            if len(raw) > 2 and len(order) != len(raw):  # without its words an order may ask for what they set
                raise MismatchError("the driver sends " + tohex(order))
            return wait_ms
    return None


def judge_command(vector, raw, row, orders, documented, steps=None):
    """Hold a command: its words, its numbers, and its duration, which the driver must wait for.

    documented: code -> (numbers of words that it takes, milliseconds that it lasts as its data sheets have said).
    """
    code, args = command_of(raw)
    if code not in documented:
        raise MismatchError("no such command: %04X" % code)
    words, lasts = documented[code]
    if len(args) not in words:
        raise MismatchError("%04X does not take %d words" % (code, len(args)))
    waits = as_sent(raw, orders)
    row.update({"code": code, "cmd": code, "n_args": len(args)})
    said = vector["expect"].get("max_ms")
    row["max_ms"] = said if said in lasts else lasts[0]
    if said is not None and waits is not None and waits < said:
        raise MismatchError("max_ms: the driver waits " + str(waits))
    return compare(vector, without_labels(vector["expect"]), row, steps)


# Every command of the data sheet.
COMMANDS = {
    0x21B1: ((0,), (0, 1)),
    0xEC05: ((0,), (1,)),
    0x3F86: ((0,), (500,)),
    0x241D: ((1,), (1,)),
    0x2318: ((0,), (1,)),
    0x2427: ((1,), (1,)),
    0x2322: ((0,), (1,)),
    0xE000: ((0, 1), (1,)),
    0x362F: ((1,), (400,)),
    0x2416: ((1,), (1,)),
    0x2313: ((0,), (1,)),
    0x243A: ((1,), (1,)),
    0x233F: ((0,), (1,)),
    0x21AC: ((0,), (0, 1)),
    0xE4B8: ((0,), (1,)),
    0x3615: ((0,), (800,)),
    0x3682: ((0,), (1,)),
    0x202F: ((0,), (1,)),
    0x3639: ((0,), (10000,)),
    0x3632: ((0,), (1200, 800)),
    0x3646: ((0,), (30, 20)),
    0x219D: ((0,), (5000, 1350)),
    0x2196: ((0,), (50,)),
    0x36E0: ((0,), (1,)),
    0x36F6: ((0,), (30, 20)),
    0x2445: ((1,), (1,)),
    0x2340: ((0,), (1,)),
    0x244E: ((1,), (1,)),
    0x234B: ((0,), (1,)),
}


def _row(reading):
    ppm, centi_c, centi_rh, _ = reading
    return {"co2_ppm": ppm, "co2": ppm, "ppm": ppm, "t_c": centi_c / 100, "rh": centi_rh / 100}


def _refusal(raw, driver):
    reading = driver.parse(raw)
    if reading[3]:
        return reading[3]
    return "" if driver.LEAST <= reading[0] <= driver.MOST else "out_of_range"


def judge(vector, driver, tables):
    kind, expect = vector["kind"], vector["expect"]
    raw = given(vector, "raw")
    if kind == "measurement":
        reading = driver.parse(raw)
        if reading[3]:
            raise MismatchError("refused: " + reading[3])
        return compare(vector, expect, _row(reading), STEPS)
    if kind == "negative":
        cause = _refusal(raw, driver)
        if len(raw) == 3 and [word for word in CAUSES["not_ready"] if word in str(expect.get("error", "")).lower()]:
            cause = "" if driver.ready(words_of(raw)[0]) else "not_ready"
        if not cause:
            raise MismatchError("accepted")
        return named_words(vector, raw, cause)
    if kind == "crc":
        return judge_crc(vector, raw)
    if kind == "command":
        args = command_of(raw)[1]
        arg = args[0] if args else None
        row = {"arg": arg, "value": arg, "pressure_hpa": arg, "altitude_m": arg, "ppm": arg, "target_ppm": arg}
        if args:
            offset = arg * 175 / 65535
            row.update({"pressure_pa": arg * 100, "asc": bool(arg), "enabled": bool(arg), "alt_m": arg})
            row.update({"t_c": offset, "offset_c": offset, "t_offset_c": offset})
            if raw[:2] == b"\x24\x16" and arg > 1:
                raise MismatchError("the self-calibration is on or off")
        orders = sent(driver, pressure_hpa=1013)
        return judge_command(
            vector, raw, row, orders, COMMANDS, dict.fromkeys(("t_c", "offset_c", "t_offset_c"), 0.006)
        )
    if kind in ("response", "register"):
        values = words_of(raw)
        first = values[0]
        row = {
            "serial": serial_as(expect, values),
            "self_test": first,
            "ready": driver.ready(first),
            "asc": bool(first),
            "enabled": bool(first),
        }
        row.update({"word": first, "value": first, "status": first, "altitude_m": first, "pressure_hpa": first})
        row.update({"ok": first == 0, "pressure_pa": first * 100, "variant": first >> 12, "ppm": first})
        row.update({"offset_c": first * 175 / 65535, "frc_ppm": first - 0x8000})
        return compare(vector, without_labels(expect), row, {"offset_c": 0.006})
    raise UnjudgeableError("kind '" + kind + "': the driver has no such step")


def decode(raw, model, driver, tables):
    ppm, centi_c, centi_rh, cause = driver.parse(raw)
    if cause:
        raise ValueError("refused: " + cause)
    note = "" if driver.LEAST <= ppm <= driver.MOST else "out of range"
    inside = "inside the sensor, not reported"
    yield (
        [("co2", ppm, "ppm", note), ("temperature", centi_c / 100, "Cel", inside), ("rh", centi_rh / 100, "%", inside)],
        None,
    )
