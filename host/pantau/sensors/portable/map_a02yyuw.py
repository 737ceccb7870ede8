"""Vectors of the A0x ultrasonic family."""

import map_processing
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
    same,
)

FILES = ("a02yyuw", "a01nyub", "jsn_sr04t", "jsn-sr04t", "aj_sr04m", "aj-sr04m", "dyp-a0")
MODELS = ("a02yyuw", "a01nyub", "jsn_sr04t", "aj_sr04m")
_GOOD = b"\xff\x07\xa1\xa7"


def _model(vector, a02):
    """Return the model that a vector names, in `model` or only in its source."""
    said = (str(vector.get("model", "")) + " " + str(vector.get("source", ""))).lower()
    for word, model in (("a01", "a01nyub"), ("jsn", "jsn_sr04t"), ("aj", "aj_sr04m"), ("sen0313", "a01nyub")):
        if word in said and model in a02.LIMITS:
            return model
    return a02.MODEL


def _range(vector, a02, tables, mm):
    """Return the vector's words for the range ('above max', 'no echo ...') when the driver's reason is the same, else the reason."""
    said = vector["expect"].get("range")
    model = _model(vector, a02)
    got = tables.REASONS[a02.classify(mm, model)][0]
    if not isinstance(said, str):
        return got
    words = said.lower()
    if "echo" in words:
        return said if got == "no_echo" else got
    if words in ("ok", "in range", "valid"):
        return said if got == "ok" else got
    least, most = a02.LIMITS[model]
    way = "above" if mm > most else "below" if mm < least else ""
    words_for = [("above", "over", "max", "far"), ("below", "under", "min", "near", "blind")][way == "below"]
    if got == "out_of_range" and way and ("out of" in words or [word for word in words_for if word in words]):
        return said
    return (got + " " + way).strip()


NO_ECHO_US = 60000  # what a module in mode 1 gives without an echo


def _pulse(vector, driver, tables):
    """Hold a distance against the time of its echo (JSN-SR04T mode 1): at 340 m/s, or of the air that the vector speaks of."""
    us, expect = vector["echo_us"], dict(vector["expect"])
    speed = vector.get("c_mps", vector.get("speed_mps", vector.get("c_m_s", 340)))
    if "t_c" in vector:
        speed = map_processing.sound_speed(round(vector["t_c"] * 100)) / 1000
    mm = us * speed / 2000
    name = tables.REASONS[driver.classify(round(mm), _model(vector, driver))][0]
    if us <= 0 or us >= NO_ECHO_US:
        name = "no_echo"
    if expect.pop("error", None) is not None:
        if name == "ok":
            raise MismatchError("accepted as " + str(mm) + " mm")
        named(vector, name)
    compare(vector, expect, _row(mm), {"mm": 0.5, "distance_mm": 0.5, "cm": 0.05, "m": 0.0005})


def _row(mm):
    return {"mm": mm, "distance_mm": mm, "cm": mm / 10, "m": mm / 1000}


def judge(vector, driver, tables):
    kind, expect = vector["kind"], vector["expect"]
    if kind in ("measurement", "stream"):
        raw = given(vector, "raw")
        rows = [_row(mm) for mm in readings_of(driver.Parser, raw)]
        for row in rows:
            row["range"] = _range(vector, driver, tables, row["mm"])
            row["skip"] = lead(driver.Parser, raw)
        return compare_rows(vector, expect, rows)
    if kind == "negative":

        def cause(mm):
            name = tables.REASONS[driver.classify(mm, _model(vector, driver))][0]
            return "" if name == "ok" else name

        return refused(vector, driver.Parser, _GOOD, cause)
    if kind == "series":
        return _series(vector, driver)
    if kind == "pulse" and "echo_us" in vector:
        return _pulse(vector, driver, tables)
    if kind == "command":
        raw = given(vector, "raw")
        if raw != driver.READ:
            raise MismatchError("not the one command of this family")
        compare(vector, {"reply_len": expect.get("reply_len", 4)}, {"reply_len": len(_GOOD)})
        return encoded(raw, driver.READ)
    raise UnjudgeableError("kind '" + kind + "': the driver has no such step")


def _series(vector, driver):
    expect = vector["expect"]
    values = vector.get("frames_mm", vector.get("reads", vector.get("mm")))
    if not isinstance(values, list):
        raise UnjudgeableError("a series without frames_mm or reads")
    discard = expect.get("discard", vector.get("discard", 0))
    if not 0 <= discard < len(values):
        raise MismatchError("discard: " + str(discard) + " of " + str(len(values)))
    values = values[discard:]
    packets = b"".join([bytes((255, v >> 8, v & 255, (255 + (v >> 8) + v) & 255)) for v in values])
    seen = readings_of(driver.Parser, packets)
    same(vector, "packets", values, seen, 0)
    middle, mad, n, reason = driver.summarise(seen, len(seen), _model(vector, driver))
    row = {"discard": discard, "median_mm": middle, "mad_mm": mad, "n": n, "n_valid": n, "valid": n}
    row["suspect"] = reason != 0
    compare(vector, expect, row)


def decode(raw, model, driver, tables):
    parser = driver.Parser()
    for mm in parser.feed(raw):
        yield [("distance", mm, "mm", tables.REASONS[driver.classify(mm, model)][0])], parser
    yield None, parser
