"""Vectors of the A0x ultrasonic family."""

from common import MismatchError, UnjudgeableError, compare, compare_stream, encoded, given, readings_of, refused, same

FILES = ("a02yyuw", "a01nyub", "jsn_sr04t", "jsn-sr04t", "aj_sr04m", "aj-sr04m", "dyp-a0")
MODELS = ("a02yyuw", "a01nyub", "jsn_sr04t", "aj_sr04m")


def _model(vector, a02):
    name = str(vector.get("model", a02.MODEL)).lower().replace("-", "_")
    return name if name in a02.LIMITS else a02.MODEL


def _range(vector, a02, tables, mm):
    """Hold the remark on the range ('above max', 'no echo ...') against the driver's reason."""
    said = vector["expect"].get("range")
    if said is None:
        return
    got = tables.REASONS[a02.classify(mm, _model(vector, a02))][0]
    wanted = "no_echo" if "echo" in said else "ok" if said.lower() in ("ok", "in range", "valid") else "out_of_range"
    if got != wanted:
        raise MismatchError("range: expected '" + said + "', got '" + got + "'")


def _echo_mm(echo_us, speed_mm_s=340000):
    """Return the distance of an echo that came back after `echo_us` microseconds (JSN-SR04T mode 1)."""
    return (echo_us * speed_mm_s + 1000000) // 2000000


def judge(vector, driver, tables):
    kind, expect = vector["kind"], vector["expect"]
    if kind in ("measurement", "stream"):
        rows = [{"mm": mm, "range": expect.get("range")} for mm in readings_of(driver.Parser, given(vector, "raw"))]
        if kind == "stream":
            return compare_stream(vector, expect, rows)
        if len(rows) != 1:
            raise MismatchError("expected 1 packet, got " + str(len(rows)))
        _range(vector, driver, tables, rows[0]["mm"])
        return compare(vector, expect, rows[0])
    if kind == "negative":

        def cause(mm):
            name = tables.REASONS[driver.classify(mm, _model(vector, driver))][0]
            return "" if name == "ok" else name

        return refused(vector, driver.Parser, b"\xff\x07\xa1\xa7", cause)
    if kind == "series":
        return _series(vector, driver)
    if kind == "pulse" and "echo_us" in vector:
        return compare(vector, expect, {"mm": _echo_mm(vector["echo_us"])})
    if kind == "command":
        raw = given(vector, "raw")
        if raw != driver.READ:
            raise MismatchError("not the one command of this family")
        return encoded(raw, driver.READ)
    raise UnjudgeableError("kind '" + kind + "': the driver has no such step")


def _series(vector, driver):
    expect = vector["expect"]
    values = vector.get("frames_mm", vector.get("reads", vector.get("mm")))
    if not isinstance(values, list):
        raise UnjudgeableError("a series without frames_mm or reads")
    values = values[expect.get("discard", vector.get("discard", 0)) :]
    packets = b"".join([bytes((255, v >> 8, v & 255, (255 + (v >> 8) + v) & 255)) for v in values])
    seen = readings_of(driver.Parser, packets)
    same(vector, "packets", values, seen, 0)
    middle, mad, n, reason = driver.summarise(seen, len(seen), _model(vector, driver))
    row = {"discard": expect.get("discard"), "median_mm": middle, "mad_mm": mad, "n": n, "n_valid": n, "valid": n}
    row["suspect"] = reason != 0
    compare(vector, expect, row)


def decode(raw, model, driver, tables):
    parser = driver.Parser()
    for mm in parser.feed(raw):
        yield [("distance", mm, "mm", tables.REASONS[driver.classify(mm, model)][0])], parser
    yield None, parser
