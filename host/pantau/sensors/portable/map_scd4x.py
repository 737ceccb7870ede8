"""Vectors of the Sensirion SCD4x; also what its sisters on I2C share: commands and answers of words with a CRC each."""

from common import MismatchError, UnjudgeableError, compare, encoded, given, named, same

FILES = ("scd4x", "scd40", "scd41", "scd43", "scd")
MODELS = ("scd4x",)
STEPS = {"t_c": 0.006, "rh": 0.006}  # in hundredths


def sensirion():
    """Return the module with the CRC."""
    from pantau_node.sensors import load

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


def serial_of(values):
    """Return the words as one number, the first one foremost."""
    number = 0
    for value in values:
        number = number << 16 | value
    return number


def without_labels(expect):
    """Return `expect` without what only names the step."""
    return {key: expect[key] for key in expect if key not in ("cmd", "command", "name", "label")}


def known(expect, row):
    """Return the part of `expect` that `row` has a word on."""
    return {key: expect[key] for key in expect if key in row and not isinstance(expect[key], str)}


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
        if not cause:
            raise MismatchError("accepted")
        return named(vector, cause)
    if kind == "crc":
        return judge_crc(vector, raw)
    if kind == "command":
        code, args = command_of(raw)
        arg = args[0] if args else None
        row = {"code": code, "arg": arg, "value": arg, "pressure_hpa": arg, "altitude_m": arg, "ppm": arg}
        if args:
            row.update({"pressure_pa": arg * 100, "asc": bool(arg), "t_c": arg * 175 / 65535})
        return compare(vector, known(expect, row), row, {"t_c": 0.006})
    if kind in ("response", "register"):
        values = words_of(raw)
        first = values[0]
        row = {"serial": serial_of(values), "ready": driver.ready(first), "asc": bool(first), "enabled": bool(first)}
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
