"""Vectors of the MaxBotix HRXL-MaxSonar-WR and XL lines."""

from common import MismatchError, UnjudgeableError, compare, compare_stream, given, named, readings_of, refused, same

FILES = ("maxbotix", "mb7389", "mb7388", "mb7369", "mb7368", "mb73", "hrxl", "maxsonar")
MODELS = ("mb7389", "mb7388", "mb7369", "mb7368")
GOOD = b"R1234\r"


def _model(vector, driver):
    """Return the model that a vector names, or any with the range that it speaks of."""
    said = str(vector.get("model", vector.get("part", ""))).lower().replace("-", "")
    if said in driver.LIMITS:
        return said
    words = said + " " + str(vector.get("range_m", "")) + " m " + str(vector["expect"]).lower()
    return "mb7388" if "10 m" in words or "9998" in words else driver.MODEL


def width_mm(us):
    """Return the distance of a pulse of `us` microseconds on the pulse width output: 1 us is 1 mm."""
    return us


def _row(mm):
    return {"mm": mm, "distance_mm": mm, "cm": mm / 10, "distance_cm": mm / 10, "m": mm / 1000, "distance_m": mm / 1000}


def judge(vector, driver, tables):
    kind, expect = vector["kind"], vector["expect"]
    model = _model(vector, driver)

    def cause(mm):
        name = tables.REASONS[driver.classify(mm, model)][0]
        return "" if name == "ok" else name

    if kind in ("measurement", "stream"):
        rows = [_row(mm) for mm in readings_of(driver.Parser, given(vector, "raw"))]
        if kind == "stream":
            return compare_stream(vector, expect, rows)
        if len(rows) != 1:
            raise MismatchError("expected 1 line, got " + str(len(rows)))
        if "range" in expect:
            said = str(expect["range"]).lower()
            wanted = (
                "no_echo" if "echo" in said or "target" in said else "" if said in ("ok", "valid") else "out_of_range"
            )
            rows[0]["range"] = expect["range"] if cause(rows[0]["mm"]) == wanted else cause(rows[0]["mm"]) or "ok"
        return compare(vector, expect, rows[0])
    if kind == "negative":
        return refused(vector, driver.Parser, GOOD, cause)
    if kind == "series":
        return _series(vector, driver, model)
    if kind == "pulse":
        for key in ("pw_us", "width_us", "pulse_us", "us"):
            if key in vector:
                mm, rest = width_mm(vector[key]), dict(expect)
                if rest.pop("error", None) is not None:
                    if not cause(mm):
                        raise MismatchError("accepted as " + str(mm) + " mm")
                    named(vector, cause(mm))
                return compare(vector, rest, _row(mm))
    if kind == "encoding" and isinstance(vector.get("mm"), int):
        line = ("R%04d\r" % vector["mm"]).encode()
        return same(vector, "raw", given(expect, "raw", "line"), line, 0)
    raise UnjudgeableError("kind '" + kind + "': the driver has no such step")


def _series(vector, driver, model):
    """Send the values as lines; the first one after power-up is discarded, as the driver does."""
    from pantau_node.sensors import a02yyuw

    expect = vector["expect"]
    values = [vector[key] for key in ("reads", "frames_mm", "lines_mm", "mm") if isinstance(vector.get(key), list)]
    if not values:
        raise UnjudgeableError("a series without reads or frames_mm")
    discard = expect.get("discard", vector.get("discard", 1))
    if not 0 <= discard < len(values[0]):
        raise MismatchError("discard: " + str(discard) + " of " + str(len(values[0])))
    values = values[0][discard:]
    seen = readings_of(driver.Parser, "".join(["R%04d\r" % mm for mm in values]).encode())
    same(vector, "lines", values, seen, 0)
    middle, mad, n, reason = a02yyuw.summarise(seen, len(seen), model, driver.classify)
    row = {"discard": discard, "median_mm": middle, "mm": middle, "mad_mm": mad, "n": n, "n_valid": n, "valid": n}
    row["suspect"] = reason != 0
    compare(vector, expect, row)


def decode(raw, model, driver, tables):
    parser = driver.Parser()
    for mm in parser.feed(raw):
        yield [("distance", mm, "mm", tables.REASONS[driver.classify(mm, model)][0])], parser
    yield None, parser
