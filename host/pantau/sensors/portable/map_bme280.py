"""Vectors of the BME280: compensation from raw bytes or from calibration words and ADC values."""

from common import Mismatch, Unjudgeable, compare, encoded, given, named, same, unhex

FILES = ("bme280", "bmp280")
MODELS = ("bme280",)
# half a unit of the integer forms; the double form differs by what Bosch's own note allows
STEPS = {
    "t_c": 0.01,
    "p_pa": 0.05,
    "p_hpa": 0.0005,
    "rh": 0.01,
    "h_double": 0.01,
    "int_p_pa": 0.005,
    "int_rh": 0.001,
    "p_q24_8_datasheet": 12.8,  # the published integer is 3/256 Pa off the strict form: 0.05 Pa
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
        raw = given(vector, "raw")
        if len(raw) != 3:
            raise Unjudgeable("calibration of " + str(len(raw)) + " bytes: only E4..E6 stand alone")
        h4, h5 = driver.h4_h5(raw[0], raw[1], raw[2])
        return compare(vector, expect, {"dig_H4": h4, "dig_H5": h5})
    if kind == "negative":
        return _negative(vector, driver)
    raise Unjudgeable("kind '" + kind + "': the driver has no such step")


def _row(vector, driver):
    adcs = _adcs(vector, driver)
    t_fine, centi, p, h = driver.compensate(_trims(vector, driver), adcs)
    row = {"adc_T": adcs[0], "adc_P": adcs[1], "adc_H": adcs[2], "t_fine": t_fine, "t_centi": centi, "int_t_centi": centi}
    row.update({"t_c": centi / 100, "p_pa": p / 256, "int_p_pa": p / 256, "p_hpa": p / 25600})
    row.update({"p_q24_8_datasheet": p, "p_q24_8_int64": p, "p_q24_8": p, "h_q22_10": h})
    row.update({"rh": h / 1024, "int_rh": h / 1024, "h_double": h / 1024})
    return row


def _negative(vector, driver):
    if "id" in vector or "chip_id" in vector:
        given_id = vector.get("chip_id", vector.get("id"))
        if isinstance(given_id, int) and given_id != driver.BME280:
            return named(vector, "chip_id")
    if driver.skipped(_adcs(vector, driver)):
        return named(vector, "skipped")
    raise Mismatch("accepted")


def decode(raw, model, driver, tables):
    if len(raw) != 41:
        raise ValueError("give calibration 88..A1 (26 bytes), E1..E7 (7) and data F7..FE (8): 41 bytes, these are " + str(len(raw)))
    trims = driver.calibration(raw[:26], raw[26:33])
    _, centi, p, h = driver.compensate(trims, driver.raw(raw[33:]))
    note = "nothing was measured" if driver.skipped(driver.raw(raw[33:])) else "ok"
    rows = [("air_temperature", centi / 100, "Cel", note), ("air_pressure", p / 25600, "hPa", note)]
    yield rows + [("relative_humidity", h / 1024, "%", note)], None
