"""Vectors of the Sensirion SHT3x and SHT4x."""

from common import MismatchError, UnjudgeableError, compare, encoded, given, named, same

FILES = ("sht3x", "sht4x", "sht30", "sht31", "sht35", "sht40", "sht41", "sht45", "sht")
MODELS = ("sht4x", "sht3x")
STEPS = {"t_c": 0.006, "rh": 0.006}  # the reading is in hundredths


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
                return compare(vector, expect, {"t_c": centi_c / 100, "rh": centi_rh / 100}, STEPS)
            except MismatchError as error:
                wrong = error
        raise wrong
    if kind == "negative":
        cause = driver.parse(raw)[2]
        if not cause:
            raise MismatchError("accepted")
        return named(vector, cause)
    if kind == "crc":
        return same(vector, "crc", str(expect["crc"]).upper(), "%02X" % sensirion.crc8(raw), 0)
    if kind in ("command", "response"):
        return _step(vector, raw, driver, sensirion)
    raise UnjudgeableError("kind '" + kind + "': the driver has no such step")


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
    if len(values) == 1 and isinstance(vector["expect"].get("status"), int):
        same(vector, "status", vector["expect"]["status"], values[0], 0)


def decode(raw, model, driver, tables):
    centi_c, centi_rh, cause = driver.parse(raw, model)
    if cause:
        raise ValueError("refused: " + cause)
    yield [("air_temperature", centi_c / 100, "Cel", "ok"), ("relative_humidity", centi_rh / 100, "%", "ok")], None
