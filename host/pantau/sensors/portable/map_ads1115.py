"""Vectors of the ADS1115: codes, its registers, and what a level transducer at its input means."""

from common import MismatchError, UnjudgeableError, compare, encoded, given, named, same, unhex

FILES = ("ads1115", "ads1015", "ads111")
MODELS = ("ads1115",)
FULL_UV = (6144000, 4096000, 2048000, 1024000, 512000, 256000)
RATES = (8, 16, 32, 64, 128, 250, 475, 860)
INPUTS = ("diff01", "diff03", "diff13", "diff23", "a0", "a1", "a2", "a3")
REGISTERS = ("conversion", "config", "lo_thresh", "hi_thresh")
FIELDS = (
    ("os", 15, 1),
    ("mux", 12, 7),
    ("pga", 9, 7),
    ("mode", 8, 1),
    ("dr", 5, 7),
    ("comp_mode", 4, 1),
    ("comp_pol", 3, 1),
    ("comp_lat", 2, 1),
    ("comp_que", 0, 3),
)
TEXTS = {
    "comp_que": (
        ("1", "one", "assert1"),
        ("2", "two", "assert2"),
        ("4", "four", "assert4"),
        ("disabled", "disable", "off"),
    ),
    "comp_mode": (("traditional", "hysteresis"), ("window",)),
    "comp_pol": (("low", "active low", "active_low"), ("high", "active high", "active_high")),
    "comp_lat": (("nonlatching", "non-latching", "off"), ("latching", "on")),
}
STEPS = {
    "mV": 0.06,
    "mv": 0.06,
    "mA": 0.0006,
    "level_m": 0.0006,
    "v": 0.00006,
    "v_adc": 0.00006,
    "depth_mm": 0.6,
    "level_mm": 0.6,
    "volts": 0.00006,
}


def _fields(word):
    return {name: word >> at & mask for name, at, mask in FIELDS}


def _word(fields):
    word = 0
    for name, at, _ in FIELDS:
        word |= fields[name] << at
    return word


def _input(name):
    """Return the number of an input under any of its names: diff01, ain0_ain1, a1, ain1, single1."""
    digits = [ch for ch in str(name).replace("gnd", "") if ch.isdigit()]
    wanted = ("diff" if len(digits) == 2 else "a") + "".join(digits)
    return INPUTS.index(wanted) if wanted in INPUTS else None


def _described(word, expect):
    """Return the fields of a configuration by every name that a vector may use for them."""
    row = _fields(word)
    full_uv = FULL_UV[min(row["pga"], 5)]
    row.update({"fsr_v": full_uv / 1000000, "lsb_uV": full_uv / 32768, "lsb_uv": full_uv / 32768})
    row.update({"sps": RATES[row["dr"]], "single_shot": bool(row["mode"]), "config": word, "value": word})
    row.update({"polarity": row["comp_pol"], "latch": row["comp_lat"], "pol": row["comp_pol"], "lat": row["comp_lat"]})
    row["que"] = row["comp_que"]
    row["ready"] = bool(row["os"])  # as it reads: no conversion runs
    row["busy"] = row["converting"] = not row["os"]
    for name, words in TEXTS.items():
        if isinstance(expect.get(name), str):
            row[name] = expect[name] if expect[name].lower() in words[row[name]] else words[row[name]][0]
    if isinstance(expect.get("mode"), str):
        row["mode"] = "single" if row["mode"] else "continuous"
        if expect["mode"].startswith(row["mode"]):
            row["mode"] = expect["mode"]
    if isinstance(expect.get("mux"), str) and _input(expect["mux"]) == row["mux"]:
        row["mux"] = expect["mux"]
    return row


def _register(vector, driver):
    """Hold a register, with its pointer in front of it (a write) or not, and build it again."""
    expect = vector["expect"]
    if "writes" in vector:
        return _thresholds(vector)
    raw = given(vector, "raw")
    if len(raw) not in (2, 3):
        raise MismatchError("a register has 2 bytes, a write 3")
    pointer = (
        raw[0] if len(raw) == 3 else REGISTERS.index(str(expect.get("register", "config")).lower().replace("-", "_"))
    )
    word = raw[-2] << 8 | raw[-1]
    if pointer > 3:
        raise MismatchError("there is no register " + str(pointer))
    code = driver.code(raw[-2:])
    row = _described(word, expect) if pointer == 1 else {"value": word, "code": code}
    for key in ("value", "threshold", REGISTERS[pointer]):
        if pointer > 1 and isinstance(expect.get(key), int):
            row[key] = code if expect[key] < 0 else word  # thresholds are signed; some print them as they are stored
    row.update({"write": REGISTERS[pointer], "register": expect.get("register"), "pointer": pointer})
    fields = _fields(word)
    again = _word(fields)
    if fields["mux"] >= 4 and word & 0x0FFF == driver.config(0) & 0x0FFF:
        again = driver.config(fields["mux"] - 4) & 0x7FFF | word & 0x8000  # a conversion that this driver asks for
    encoded(raw, raw[:-2] + bytes((again >> 8, again & 0xFF)))
    return compare(vector, expect, row)


def _thresholds(vector):
    """ALERT/RDY is the ready pin when bit 15 of the high threshold is set and that of the low one is not."""
    found = {}
    for text in vector["writes"]:
        raw = unhex(text)
        found[raw[0]] = raw[1] << 8 | raw[2]
    ready = 2 in found and 3 in found and found[3] & 0x8000 and not found[2] & 0x8000
    queue = found.get(1, 0) & 3
    same(
        vector,
        "alert_rdy",
        vector["expect"]["alert_rdy"],
        "conversion ready" if ready and queue != 3 else "comparator",
        0,
    )


def _option(vector, *keys):
    for key in keys:
        for place in (vector, vector.get("options", {}), vector.get("config", {})):
            if isinstance(place, dict) and key in place:
                return place[key]
    return None


def _scale(vector, driver):
    """Return (signal, ends of the driver, span in mm) that the vector speaks of, else the usual ones."""
    expect = vector["expect"]
    said = str(_option(vector, "signal") or "").lower()
    volts = "v" in said if said else "mA" not in expect and ("v" in expect or "0.5-4.5" in vector.get("source", ""))
    signal = "0.5-4.5v" if volts else "4-20ma"
    divider = _option(vector, "divider") or (10, 15)
    ends = driver.ends(signal, _option(vector, "shunt_ohm", "shunt") or 150, divider)
    span_m = _option(vector, "span_m", "range_m")
    return signal, ends, int(span_m * 1000) if span_m else _option(vector, "span_mm") or 5000


def _step_uv(vector):
    """Return the step in uV of a vector that names the range of its code and asks for no level, else None."""
    if "level_m" in vector["expect"] or "mA" in vector["expect"] or vector["kind"] != "measurement":
        return None
    pga, full_v, step_uv = _option(vector, "pga", "gain"), _option(vector, "fsr_v", "fsr"), _option(vector, "lsb_uV")
    config = vector.get("config")
    if isinstance(config, str):
        pga = unhex(config)[-2] >> 1 & 7
    if isinstance(pga, int):
        return FULL_UV[min(pga, 5)] / 32768
    for text in (pga, full_v):
        if isinstance(text, str):
            full_v = float("".join([ch for ch in text if ch.isdigit() or ch == "."]))
    if full_v or step_uv:
        return full_v * 1000000 / 32768 if full_v else step_uv
    level = "0.5-4.5" in vector.get("source", "") or _option(vector, "divider", "signal", "span_m", "shunt_ohm")
    return None if level or "depth_mm" in vector["expect"] or "level_mm" in vector["expect"] else 125


def _reading(number, scale, driver):
    signal, ends, span_mm = scale
    low, full, times = ends
    mm, reason = driver.level(number, low, full, times, span_mm)
    row = {"code": number, "raw": number, "level_m": mm / 1000, "depth_m": mm / 1000, "level_mm": mm, "depth_mm": mm}
    row.update(
        {"v_adc": number / 8000, "volts": number / 8000, "mV": number / 8, "fault": reason != 0, "reason": reason}
    )
    share = (number * 125 * times - low) / full
    if signal == "4-20ma":
        row["mA"] = row["ma"] = 4 + 16 * share
    else:
        row["v"] = 0.5 + 4 * share
    return row


def judge(vector, driver, tables):
    kind, expect = vector["kind"], vector["expect"]
    if kind in ("register", "command", "response"):
        return _register(vector, driver)
    if kind not in ("measurement", "negative"):
        raise UnjudgeableError("kind '" + kind + "': the driver has no such step")
    if kind == "negative" and "raw" not in vector and "address" in vector:
        at = vector["address"]
        if 0x48 <= (int(at.lower().replace("0x", ""), 16) if isinstance(at, str) else at) <= 0x4B:
            raise MismatchError("accepted: it can be set to that address")
        return named(vector, "address")
    raw = given(vector, "raw")
    if kind == "negative" and len(raw) < 2:
        return named(vector, "short")
    row = _reading(driver.code(raw), _scale(vector, driver), driver)
    step_uv = _step_uv(vector)
    if step_uv:  # of another range than the driver's: only its voltage is judged
        volts = row["code"] * step_uv / 1000000
        row = {"code": row["code"], "raw": row["code"], "v": volts, "v_adc": volts, "volts": volts}
        row["mv"] = row["mV"] = volts * 1000
    if kind == "measurement":
        return compare(vector, expect, row, STEPS)
    reason = tables.REASONS[row["reason"]][0]
    if reason == "ok":
        raise MismatchError("accepted as " + str(row["level_mm"]) + " mm")
    if reason == "out_of_range":
        return named(vector, "overflow" if "satur" in str(expect.get("error", "")).lower() else "out_of_range")
    return named(vector, "loop")


def decode(raw, model, driver, tables):
    if len(raw) != 2:
        raise ValueError("a conversion has 2 bytes")
    row = _reading(driver.code(raw), ("4-20ma", driver.ends(), 5000), driver)
    note = tables.REASONS[row["reason"]][0]
    yield (
        [
            ("transducer_voltage", row["v_adc"], "V", note),
            ("water_depth", row["level_m"], "m", note + ": 4-20 mA, 5 m"),
        ],
        None,
    )
