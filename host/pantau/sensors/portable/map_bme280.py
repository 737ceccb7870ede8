"""Vectors of the BME280: compensation from raw bytes or from calibration words and ADC values."""

from common import MismatchError, UnjudgeableError, compare, encoded, given, named, unhex, without_labels

FILES = ("bme280", "bmp280")
MODELS = ("bme280",)
# half a unit of the integer forms; the double form is met within what the public test allows
STEPS = {
    "t_c": 0.01,
    "p_pa": 0.05,
    "p_hpa": 0.0005,
    "rh": 0.01,
    "h_double": 0.01,
    "int_p_pa": 0.005,
    "int_rh": 0.001,
    "p_q24_8_datasheet": 3,  # the published integer is 3/256 Pa off the strict form
}


def _trims(vector, driver):
    words = vector.get("calib")
    if isinstance(words, dict):
        letters = (("T", 3), ("P", 9), ("H", 6))
        return [tuple([words.get(name + str(i), 0) for i in range(1, n + 1)]) for name, n in letters]
    low = given(vector, "calib_88_A1")
    return driver.calibration(low, unhex(vector["calib_E1_E7"]) if "calib_E1_E7" in vector else bytes(7))


def _adcs(vector, driver):
    adc = vector.get("adc")
    if isinstance(adc, dict):
        return adc["T"], adc["P"], adc.get("H", 0x8000)
    data = given(vector, "data_F7_FE", "raw")
    return driver.raw(data if len(data) >= 8 else data + b"\x80\x00")


def judge(vector, driver, tables):
    kind, expect = vector["kind"], vector["expect"]
    if kind == "measurement":
        return compare(vector, expect, _row(vector, driver), STEPS)
    if kind == "calib":
        if "calib_88_A1" in vector:
            return compare(vector, expect, _named_trims(_trims(vector, driver)))
        raw = given(vector, "raw")
        if len(raw) != 3:
            raise UnjudgeableError("calibration of " + str(len(raw)) + " bytes: only E4..E6 stand alone")
        h4, h5 = driver.h4_h5(raw[0], raw[1], raw[2])
        return compare(vector, expect, {"dig_H4": h4, "dig_H5": h5})
    if kind == "negative":
        return _negative(vector, driver)
    if kind == "response":
        return _response(vector, driver)
    if kind in ("register", "command"):
        raw = given(vector, "raw")
        row, again = _write(raw)
        encoded(raw, again)
        return compare(vector, without_labels(expect), row)
    raise UnjudgeableError("kind '" + kind + "': the driver has no such step")


def _response(vector, driver):
    """Hold what one register says (identity, status, a setting), or the eight bytes of data."""
    raw = given(vector, "raw", "data_F7_FE")
    if len(raw) in (6, 8):
        adcs = _adcs(vector, driver)
        row = {"adc_T": adcs[0], "adc_P": adcs[1], "skipped": bool(driver.skipped(adcs))}
        if len(raw) == 8:
            row["adc_H"] = adcs[2]
        return compare(vector, without_labels(vector["expect"]), row)
    if len(raw) != 1:
        raise MismatchError("neither one register nor the data")
    byte = raw[0]
    row = {"id": byte, "chip_id": byte, "value": byte, "status": byte, "measuring": bool(byte & 8)}
    row.update({"im_update": bool(byte & 1), "mode": byte & 3, "osrs_p": byte >> 2 & 7, "osrs_t": byte >> 5})
    row["osrs_h"] = byte & 7
    expect = dict(vector["expect"])
    for key in ("chip", "model", "part"):
        if isinstance(expect.get(key), str):
            row[key] = {driver.BME280: "BME280", 0x58: "BMP280", 0x61: "BME680"}.get(byte, "%02X" % byte)
            expect[key] = expect[key].upper()
    for key in ("id", "chip_id", "value", "status"):
        if isinstance(expect.get(key), str):
            expect[key] = unhex(expect[key])[0]
    return compare(vector, without_labels(expect), row)


def _write(raw):
    """Return what a write of one register sets, and the same bytes made again from it."""
    if len(raw) != 2:
        raise MismatchError("not a register and its value")
    at, byte = raw
    row = {"register": at, "address": at, "value": byte}
    if at == 0xF2:
        row["osrs_h"] = byte & 7
        again = row["osrs_h"]
    elif at == 0xF4:
        row.update({"osrs_t": byte >> 5, "osrs_p": byte >> 2 & 7, "mode": byte & 3})
        again = row["osrs_t"] << 5 | row["osrs_p"] << 2 | row["mode"]
    elif at == 0xF5:
        row.update({"t_sb": byte >> 5, "filter": byte >> 2 & 7, "spi3w_en": byte & 1})
        again = row["t_sb"] << 5 | row["filter"] << 2 | row["spi3w_en"]
    elif at == 0xE0:
        row["reset"] = byte == 0xB6
        again = 0xB6
    else:
        raise MismatchError("no register that can be written: %02X" % at)
    return row, bytes((at, again))


def _named_trims(trims):
    row = {}
    for letter, words in zip("TPH", trims):
        for i, word in enumerate(words):
            row[letter + str(i + 1)] = row["dig_" + letter + str(i + 1)] = word
    return row


def _datasheet_fine(trim, adc):
    """Return t_fine as the datasheet's 32-bit form cuts it; vectors of that form lean on its lost bits."""
    t1, t2, t3 = trim
    step = (adc >> 4) - t1
    return (((adc >> 3) - (t1 << 1)) * t2 >> 11) + ((step * step >> 12) * t3 >> 14)


def _row(vector, driver):
    """Return what the driver gives, by key.

    The driver rounds t_fine once; the datasheet's integer form cuts it in between, which moves pressure by up to 0.5 Pa.
    Keys and vectors of that form (int_*, t_fine, p_q24_8_*, origin "computed": the documented formula) are held against
    the driver's pressure and humidity at the datasheet's t_fine, all others against its own.
    """
    adcs, trims = _adcs(vector, driver), _trims(vector, driver)
    _, centi, p, h = driver.compensate(trims, adcs)
    cut = _datasheet_fine(trims[0], adcs[0])
    int_p, int_h = driver.pressure(trims[1], cut, adcs[1]), driver.humidity(trims[2], cut, adcs[2])
    row = {"adc_T": adcs[0], "adc_P": adcs[1], "adc_H": adcs[2], "t_centi": centi, "t_c": centi / 100}
    row.update({"t_fine": cut, "int_t_centi": driver.centi_c(cut), "int_p_pa": int_p / 256, "int_rh": int_h / 1024})
    row.update({"p_q24_8_datasheet": int_p, "p_q24_8_int64": int_p, "p_q24_8": int_p, "h_q22_10": int_h})
    if vector.get("origin") == "computed":
        p, h = int_p, int_h
    row.update({"p_pa": p / 256, "p_hpa": p / 25600, "rh": h / 1024, "h_double": h / 1024})
    return row


def _negative(vector, driver):
    if "id" in vector or "chip_id" in vector:
        given_id = vector.get("chip_id", vector.get("id"))
        if isinstance(given_id, int) and given_id != driver.BME280:
            return named(vector, "chip_id")
    raw = unhex(vector["raw"]) if isinstance(vector.get("raw"), str) else b""
    if len(raw) == 1 and raw[0] != driver.BME280:  # register D0
        return named(vector, "chip_id")
    if driver.skipped(_adcs(vector, driver)):
        return named(vector, "skipped")
    raise MismatchError("accepted")


def decode(raw, model, driver, tables):
    if len(raw) != 41:
        raise ValueError(
            "give calibration 88..A1 (26 bytes), E1..E7 (7) and data F7..FE (8): 41 bytes, these are " + str(len(raw))
        )
    trims = driver.calibration(raw[:26], raw[26:33])
    _, centi, p, h = driver.compensate(trims, driver.raw(raw[33:]))
    note = "nothing was measured" if driver.skipped(driver.raw(raw[33:])) else "ok"
    rows = [("air_temperature", centi / 100, "Cel", note), ("air_pressure", p / 25600, "hPa", note)]
    yield rows + [("relative_humidity", h / 1024, "%", note)], None
