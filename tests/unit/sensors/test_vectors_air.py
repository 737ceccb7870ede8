"""`pantau sensor vectors` on vectors of the air sensors made here: orders by what the driver sends, numbers beside labels."""

import json
import struct

from click.testing import CliRunner

from pantau.cli.sensor import command
from pantau_sim.sensors.mhz19 import packet as winsen
from pantau_sim.sensors.pms5003 import packet as plantower
from pantau_sim.sensors.sht4x import word
from pantau_sim.sensors.sps30_uart import answer

AIR = (1.5, 2.5, 3.5, 4.5, 10.0, 20.0, 30.0, 40.0, 50.0, 0.5)


def vector(ident, kind, expect, raw="", **given):
    raw = raw if isinstance(raw, str) else raw.hex(" ")
    return {
        "id": ident,
        "kind": kind,
        "origin": "computed",
        "source": "made here",
        "expect": expect,
        "raw": raw,
        **given,
    }


def verdicts(folder, name, *vectors):
    """Return {id: verdict} of those that did not pass."""
    (folder / f"{name}.json").write_text(json.dumps({"sensor": "made here", "bus": "-", "vectors": vectors}))
    report = folder / "out" / "report.json"
    report.parent.mkdir(exist_ok=True)
    CliRunner().invoke(command, ["vectors", str(folder), "--report", str(report)])
    told = json.loads(report.read_text())
    assert sum(told["files"][f"{name}.json"].values()) == len(vectors)
    return {row["id"]: row["verdict"] for row in told["reasons"][f"{name}.json"]}


def test_plantower(tmp_path):
    smoke = plantower([5, 8, 9, 5, 1800, 2000, 900, 300, 50, 6, 2, 1, 0x9700])
    assert verdicts(
        tmp_path,
        "pms5003_more",
        vector("sleep", "command", {"cmd": "sleep", "reply_len": 8}, "42 4D E4 00 00 01 73"),
        vector("wake", "command", {"cmd": "wake", "reply_len": 8}, "42 4D E4 00 01 01 74"),
        vector("order", "command", {"cmd": "active"}, "42 4D E1 00 02 01 72"),
        vector("smoke", "negative", {"error": "out of range"}, smoke),
        vector("cause", "negative", {"error": "checksum"}, smoke),
        vector("dead", "negative", {"error": "fan stopped"}, plantower([0] * 12 + [0x9700])),
        vector("kept", "measurement", {"pm25_atm": 1800, "pm10_atm": 2000}, smoke),
        vector("skip", "measurement", {"pm25_atm": 1800, "skip": 2}, b"\x00\x17" + smoke),
        vector("skips", "measurement", {"pm25_atm": 1800, "skip": 3}, b"\x00\x17" + smoke),
    ) == {"wake": "failed", "order": "failed", "cause": "failed", "skips": "failed", "dead": "skipped"}


def test_sps30(tmp_path):
    reading = answer(3, struct.pack(">10f", *AIR))
    smoke = answer(3, struct.pack(">10f", 1300, 1900, 2000, 2100, 20000, 30000, 30000, 30000, 30000, 0.5))
    bad = reading[:-1] + b"\x7d\x7e"
    assert verdicts(
        tmp_path,
        "sps30_more",
        vector("empty first", "stream", {"pm25": [2.5]}, answer(3, b"") + reading),
        vector("empty told", "stream", {"ready": [False, True]}, answer(3, b"") + reading),
        vector("value", "stream", {"pm25": [2.6]}, answer(3, b"") + reading),
        vector("smoke", "measurement", {"pm25": 1900.0, "n0_5": 20000.0}, smoke),
        vector("cut", "negative", {"error": "stuffing"}, bad),
        vector("escape", "negative", {"error": "escape"}, reading[:-1] + b"\x7d\x41\x7e"),
        vector("start", "command", {"cmd": 0}, "7E 00 00 02 01 03 F9 7E"),
        vector("start other", "command", {"cmd": 0}, "7E 00 00 02 02 03 F8 7E"),
        vector("i2c start", "command", {"cmd": "start_float"}, b"\x00\x10" + word(0x0300)),
        vector("i2c other", "command", {"cmd": "start_float"}, b"\x00\x10" + word(0x0400)),
        vector("i2c stop", "command", {"cmd": "stop"}, "01 05"),
    ) == {"value": "failed", "start other": "failed", "i2c other": "failed", "i2c stop": "failed"}


def test_scd4x(tmp_path):
    assert verdicts(
        tmp_path,
        "scd4x_more",
        vector("not ready", "negative", {"error": "not ready"}, "80 00 A2"),
        vector("is ready", "negative", {"error": "not ready"}, word(0x8006)),
        vector("short", "negative", {"error": "short"}, word(500)),
        vector("stop", "command", {"cmd": "stop", "max_ms": 500}, "3F 86"),
        vector("long", "command", {"cmd": "stop", "max_ms": 800}, "3F 86"),
        vector("code", "command", {"cmd": "stop"}, "3F 87"),
        vector("words", "command", {"cmd": "stop"}, b"\x3f\x86" + word(1)),
        vector("offset", "command", {"offset_c": 5.4}, b"\x24\x1d" + word(2022)),
        vector("not that", "command", {"offset_c": 5.5}, b"\x24\x1d" + word(2022)),
        vector("key", "command", {"colour": 1}, b"\x24\x1d" + word(2022)),
        vector("serial", "response", {"serial": "F896 9F07 3BBE"}, word(0xF896) + word(0x9F07) + word(0x3BBE)),
    ) == {
        "is ready": "failed",
        "long": "failed",
        "code": "failed",
        "words": "failed",
        "not that": "failed",
        "key": "skipped",
    }


def test_sgp41(tmp_path):
    compensated = b"\x26\x19" + word(39321) + word(28086)
    serial = word(0) + word(0xF896) + word(7)
    assert verdicts(
        tmp_path,
        "sgp41_more",
        vector("text", "response", {"serial": "0000F8960007"}, serial),
        vector("number", "response", {"serial": 0xF8960007}, serial),
        vector("other", "response", {"serial": "0000F8960008"}, serial),
        vector("measure", "command", {"rh": 60.0, "t_c": 30.0}, compensated),
        vector("dry", "command", {"rh": 61.0}, compensated),
        vector("order", "command", {"cmd": "heater_off"}, "36 16"),
    ) == {"other": "failed", "dry": "failed", "order": "failed"}


def test_sht(tmp_path):
    reading = "66 66 93 80 00 A2"
    assert verdicts(
        tmp_path,
        "sht3x_more",
        vector("crc", "crc", {"crc": 0x92}, "BE EF"),
        vector("crc no", "crc", {"crc": 0x93}, "BE EF"),
        vector("raw", "measurement", {"raw_t": 0x6666, "raw_rh": 0x8000, "t_f": 77.0}, reading),
        vector("raw no", "measurement", {"raw_t": 0x6667}, reading),
        vector("status", "response", {"status": "8010", "alert": True, "heater": False}, word(0x8010)),
        vector("status no", "response", {"heater": True}, word(0x8010)),
        vector("stop", "command", {"cmd": "stop"}, "30 93"),
        vector("high", "command", {"cmd": "single_high"}, "24 00"),
        vector("fast", "command", {"cmd": "measure_high"}, "FD"),
        vector("medium", "command", {"cmd": "single_high"}, "24 0B"),
        vector("low", "command", {"cmd": "measure_high"}, "E0"),
        vector("stop no", "command", {"cmd": "stop"}, b"\x30\x93" + word(0)),
    ) == {
        "crc no": "failed",
        "raw no": "failed",
        "status no": "failed",
        "stop no": "failed",
        "medium": "failed",
        "low": "failed",
    }


def test_bme280(tmp_path):
    assert verdicts(
        tmp_path,
        "bme280_more",
        vector("id", "response", {"id": 0x60, "chip": "BME280"}, "60"),
        vector("bmp", "response", {"chip_id": 0x58, "chip": "BMP280"}, "58"),
        vector("other", "response", {"chip": "BME280"}, "58"),
        vector("busy", "response", {"measuring": True}, "08"),
        vector("idle", "response", {"measuring": True}, "00"),
        vector("write", "command", {"osrs_t": 1, "osrs_p": 1, "mode": 1}, "F4 25"),
        vector("hum", "register", {"osrs_h": 1}, "F2 01"),
        vector("hum no", "register", {"osrs_h": 2}, "F2 01"),
        vector("nowhere", "command", {"write": "x"}, "D0 60"),
        vector("data", "response", {"adc_T": 519888, "adc_P": 415148, "adc_H": 30000}, "65 5A C0 7E ED 00 75 30"),
    ) == {"other": "failed", "idle": "failed", "hum no": "failed", "nowhere": "failed"}


def test_mhz19_and_sds011(tmp_path):
    reading = winsen(608, 31)
    assert verdicts(
        tmp_path,
        "mhz19_more",
        vector("span", "command", {"cmd": "span", "ppm": 2000}, "FF 01 88 07 D0 00 00 00 A0"),
        vector("span no", "command", {"cmd": "span", "ppm": 2001}, "FF 01 88 07 D0 00 00 00 A0"),
        vector("skip", "measurement", {"co2_ppm": 608, "skip": 1}, b"\x00" + reading),
        vector("skip no", "measurement", {"co2_ppm": 608, "skip": 2}, b"\x00" + reading),
        vector("want", "negative", {"error": "checksum", "want": reading[8]}, reading[:8] + b"\x10"),
        vector("want no", "negative", {"error": "checksum", "want": 0x11}, reading[:8] + b"\x10"),
    ) == {"span no": "failed", "skip no": "failed", "want no": "failed"}
    firmware, period = "AA C5 07 0F 07 0A A1 60 28 AB", "AA C5 08 01 02 00 A1 60 0C AB"
    assert verdicts(
        tmp_path,
        "sds011_more",
        vector("firmware", "response", {"rsp": "x", "year": 15, "month": 7, "day": 10}, firmware),
        vector("day", "response", {"day": 11}, firmware),
        vector("period", "response", {"minutes": 2}, period),
        vector("minutes", "response", {"minutes": 3}, period),
        vector("both", "response", {"minutes": 3, "colour": 1}, period),
        vector("colour", "response", {"minutes": 2, "colour": 1}, period),
    ) == {"day": "failed", "minutes": "failed", "both": "failed", "colour": "skipped"}
