"""Vectors of the QMC5883L. The HMC5883L and the QMC5883P on look-alike boards are other chips: the driver tells them apart."""

from common import MismatchError, UnjudgeableError, compare, encoded, given, named, unhex, without_labels

FILES = ("qmc5883", "hmc5883")
MODELS = ("qmc5883l",)
LSB_G = {2: 12000, 8: 3000}
RATES = (10, 50, 100, 200)
OVERSAMPLING = (512, 256, 128, 64)
STEPS = {
    "b_g": 0.00001,
    "total_g": 0.00001,
    "magnitude_g": 0.00001,
    "x_g": 0.00001,
    "y_g": 0.00001,
    "z_g": 0.00001,
    "t_c": 0.005,
}


def _other_chip(vector):
    """Return the name of the other chip that the vector is of, or an empty text."""
    said = " ".join([str(vector.get(key, "")) for key in ("chip", "model", "sensor", "source")]).upper()
    for name in ("HMC5883", "QMC5883P"):
        if name in said and "QMC5883L" not in said and "ROBERT-HH" not in said:
            return name
    return ""


def _flags(status, driver):
    row = {"drdy": bool(status & driver.DRDY), "ovl": bool(status & driver.OVL), "dor": bool(status & driver.DOR)}
    row["status"] = status
    return row


def _row(vector, raw, driver):
    if len(raw) == 2:
        centi_c = driver.parse(bytes(7) + raw)[4]
        return {"t_c": centi_c / 100, "temp_c": centi_c / 100, "t_raw": centi_c - 5000}
    if len(raw) < 6:
        raise MismatchError("shorter than the six bytes of a sample")
    x, y, z, status, centi_c = driver.parse(raw)
    scale = vector.get("range_g", vector.get("range", 8))
    lsb = vector.get("lsb_g", LSB_G.get(scale))
    row = {"x": x, "y": y, "z": z}
    if lsb:
        row["x_g"], row["y_g"], row["z_g"] = x / lsb, y / lsb, z / lsb
        total = (x * x + y * y + z * z) ** 0.5 / lsb
        row["b_g"] = row["total_g"] = row["magnitude_g"] = total
        row["b_mg"] = row["total_mg"] = row["magnitude_mg"] = total * 1000
        row["x_mg"], row["y_mg"], row["z_mg"] = x * 1000 / lsb, y * 1000 / lsb, z * 1000 / lsb
    if status is not None:
        row.update(_flags(status, driver))
    if centi_c is not None:
        row["t_c"] = row["temp_c"] = centi_c / 100
    return row


def _register(raw, driver):
    """Return what a write of one register sets, and the same bytes made again from it."""
    if len(raw) != 2:
        raise MismatchError("not a register and its value")
    at, value = raw
    if at == 0x09:
        row = {
            "mode": value & 3,
            "odr_hz": RATES[value >> 2 & 3],
            "range_g": 8 if value >> 4 & 3 == 1 else 2,
            "osr": OVERSAMPLING[value >> 6],
        }
        again = (
            OVERSAMPLING.index(row["osr"]) << 6
            | (row["range_g"] == 8) << 4
            | RATES.index(row["odr_hz"]) << 2
            | row["mode"]
        )
        return row, bytes((at, again))
    if at == 0x0A:
        row = {"reset": value >> 7, "roll": value >> 6 & 1, "int_off": value & 1}
        return row, bytes((at, row["reset"] << 7 | row["roll"] << 6 | row["int_off"]))
    if at == 0x0B:
        return {"period": value}, bytes((at, value))
    raise UnjudgeableError("no register that can be written: 0x%02X" % at)


def _labelled(label, row):
    """Hold what the label of a write says: cont_50hz_2g_512, set_reset, soft_reset."""
    for word in label.split("_"):
        unit = word.lstrip("0123456789")
        key = {"hz": "odr_hz", "g": "range_g", "": "osr"}.get(unit)
        if unit != word and row.get(key) != int(word[: len(word) - len(unit)]):
            raise MismatchError("the label says " + word + ", the bytes " + str(row))
        if word in ("cont", "continuous", "standby") and row.get("mode") != int(word != "standby"):
            raise MismatchError("the label says " + word + ", the bytes " + str(row))
    key = {"set_reset": "period", "soft_reset": "reset"}.get(label)
    if key and row.get(key) != 1:
        raise MismatchError("the label says " + label + ", the bytes " + str(row))


def judge(vector, driver, tables):
    kind, expect = vector["kind"], vector["expect"]
    other = _other_chip(vector)
    if other:
        raise UnjudgeableError(
            "an " + other + ", another chip: found in this one's place, it is told as a device fault"
        )
    raw = given(vector, "raw")
    if kind == "measurement":
        steps = dict(STEPS)
        for key in expect:
            if key.endswith("_mg"):
                steps[key] = 0.01
        return compare(vector, expect, _row(vector, raw, driver), steps)
    if kind == "response":
        if len(raw) == 3 and raw == b"H43":
            return compare(vector, expect, {"id": "H43", "chip_id": "H43", "chip": "HMC5883L"})
        if len(raw) != 1:
            raise MismatchError("neither one register nor the identity of an HMC5883L")
        row = _flags(raw[0], driver)
        row["id"] = row["chip_id"] = row["value"] = raw[0]
        said = dict(expect)
        for key in ("id", "chip_id", "value", "status"):
            if isinstance(said.get(key), str):
                said[key] = unhex(said[key])[0]
        return compare(vector, said, row)
    if kind in ("command", "register"):
        row, again = _register(raw, driver)
        encoded(raw, again)
        _labelled(str(expect.get("write", expect.get("cmd", ""))).lower(), row)
        return compare(vector, without_labels(expect), row)
    if kind == "negative":
        return named(vector, _cause(raw, driver))
    raise UnjudgeableError("kind '" + kind + "': the driver has no such step")


def _cause(raw, driver):
    """Return why the driver would not take these bytes as a sample."""
    if raw == b"H43":
        return "chip_id"
    if len(raw) == 1 and raw[0] > 7:
        if raw[0] == driver.ID:
            raise MismatchError("accepted as the identity")
        return "chip_id"
    if 1 < len(raw) < 6:
        return "short"
    status = raw[0] if len(raw) == 1 else driver.parse(raw)[3]
    if status is not None and not status & driver.DRDY:
        return "not_ready"
    if status is not None and status & driver.OVL:
        return "overflow"
    raise MismatchError("accepted")


def decode(raw, model, driver, tables):
    if len(raw) < 6:
        raise ValueError("refused: a sample is 6 bytes, with status 7, with temperature 9")
    x, y, z, status, centi_c = driver.parse(raw)
    said = "ok" if status is None or status & driver.DRDY else "not ready"
    if status is not None and status & driver.OVL:
        said = "overflow"
    rows = [(axis, value * 1000 / driver.LSB_G, "mG", said) for axis, value in (("x", x), ("y", y), ("z", z))]
    if centi_c is not None:
        rows.append(("temperature", centi_c / 100, "Cel", "not absolute"))
    yield rows, None
