"""Vectors of the Sensirion SGP41; the SGP40 shares commands and words but has no NOx pixel."""

from common import MismatchError, UnjudgeableError, compare, given, without_labels
from map_scd4x import command_of, judge_command, judge_crc, named_words, sent, serial_as, words_of

FILES = ("sgp41", "sgp40", "sgp4x", "sgp")
MODELS = ("sgp41",)
# Those of both: words that they take, milliseconds that they last.
COMMANDS = {
    0x260F: ((2,), (30,)),
    0x2612: ((2,), (50,)),
    0x2619: ((2,), (50,)),
    0x280E: ((0,), (320, 250)),
    0x3615: ((0,), (1,)),
    0x3682: ((0,), (1,)),
    0x202F: ((0,), (1, 10)),
}


def judge(vector, driver, tables):
    kind, expect = vector["kind"], vector["expect"]
    raw = given(vector, "raw")
    if kind == "measurement":
        if len(raw) == 3:  # conditioning, or an SGP40: one pixel
            voc, nox = words_of(raw)[0], None
        else:
            voc, nox, cause = driver.parse(raw)
            if cause:
                raise MismatchError("refused: " + cause)
        row = {"sraw_voc": voc, "voc_raw": voc, "voc": voc}
        if nox is not None:
            row.update({"sraw_nox": nox, "nox_raw": nox, "nox": nox})
        return compare(vector, expect, row)
    if kind == "negative":
        cause = driver.parse(raw)[2]
        if not cause:
            raise MismatchError("accepted")
        return named_words(vector, raw, cause)
    if kind == "crc":
        return judge_crc(vector, raw)
    if kind == "command":
        args = command_of(raw)[1]
        row = {}
        if len(args) == 2:
            row.update({"rh": args[0] * 100 / 65535, "t_c": args[1] * 175 / 65535 - 45})
            row.update({"rh_ticks": args[0], "t_ticks": args[1]})
        return judge_command(vector, raw, row, sent(driver), COMMANDS, {"rh": 0.006, "t_c": 0.006})
    if kind in ("response", "register"):
        values = words_of(raw)
        row = {
            "serial": serial_as(expect, values),
            "ok": driver.passed(values[0]),
            "word": values[0],
            "value": values[0],
        }
        row.update({"self_test": values[0], "voc_ok": not values[0] & 1, "nox_ok": not values[0] & 2})
        row.update({"features": values[0] & 0x1FF, "sraw_voc": values[0]})
        return compare(vector, without_labels(expect), row)
    raise UnjudgeableError("kind '" + kind + "': the driver has no such step")


def decode(raw, model, driver, tables):
    voc, nox, cause = driver.parse(raw)
    if cause:
        raise ValueError("refused: " + cause)
    yield [("voc_raw", voc, "ticks", ""), ("nox_raw", nox, "ticks", "")], None
