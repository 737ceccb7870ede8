"""`pantau sensor vectors` on vectors of the kinds that other sources have: each right one passes, each wrong one fails."""

import json
import struct

import pytest
from click.testing import CliRunner

from pantau.cli.sensor import command

RADAR = "F4 F3 F2 F1 07 00 01 01 80 19 01 2A 28 F8 F7 F6 F5"
SIX = "F4 F3 F2 F1 20 00 06 01" + "80 14 01 28 0A" * 6 + "F8 F7 F6 F5"
ENABLED = "FD FC FB FA 08 00 FF 01 00 00 01 00 40 00 04 03 02 01"
DETECT = "FD FC FB FA 08 00 12 01 00 00 64 02 05 02 04 03 02 01"
CO2 = "FF 86 02 60 47 00 00 00 D1"
EMPTY = "7E 00 03 00 00 FC 7E"


def dust(words, size=28):
    body = struct.pack(">2sH%dH" % len(words), b"BM", size, *words)
    return (body + struct.pack(">H", sum(body) & 0xFFFF)).hex()


def particles(values):
    body = b"\x00\x03\x00\x28" + struct.pack(">10f", *values)
    body += bytes((~sum(body) & 0xFF,))
    return (
        "7E" + "".join(f"7D{byte ^ 0x20:02X}" if byte in b"\x7e\x7d\x11\x13" else f"{byte:02X}" for byte in body) + "7E"
    )


# File, kind, what is given, what is right, what is wrong of it.
CASES = [
    ("a02yyuw", "command", {"raw": "55"}, {"reply_len": 4}, {"reply_len": 5}),
    ("a02yyuw", "measurement", {"raw": "FF11 95 A5"}, {"mm": 4501, "range": "above max"}, {"range": "below min"}),
    ("a02yyuw", "measurement", {"raw": "FF00 1D 1C"}, {"mm": 29, "range": "below min"}, {"range": "above max"}),
    ("a02yyuw", "measurement", {"raw": "A1 FF 07 A1 A7"}, {"mm": 1953, "skip": 1}, {"skip": 0}),
    ("a02yyuw", "measurement", {"raw": "FF1B5872", "source": "A01NYUB"}, {"range": "ok"}, {"range": "above max"}),
    ("a02yyuw", "measurement", {"raw": "FF009695", "source": "JSN-SR04T"}, {"range": "below min"}, {"range": "ok"}),
    ("a02yyuw", "series", {"frames_mm": [1000] * 8}, {"discard": 3, "median_mm": 1000}, {"discard": -1}),
    ("a02yyuw", "pulse", {"echo_us": 2000, "t_c": 34}, {"mm": 351}, {"mm": 340}),
    ("a02yyuw", "pulse", {"echo_us": 60000}, {"error": "no echo"}, {"error": "checksum"}),
    ("a02yyuw", "negative", {"raw": "FF07A1A8"}, {"error": "checksum", "want": "A7"}, {"error": "checksum", "want": "A9"}),
    ("maxbotix", "negative", {"raw": "52 31 32 33 34"}, {"error": "missing carriage return"}, {"error": "crc"}),
    ("maxbotix", "negative", {"raw": "52 31 32 33 34"}, {"error": "no CR"}, {"error": "checksum"}),
    ("maxbotix", "negative", {"raw": "52 31 32 33 34 35 0D"}, {"error": "5 digits"}, {"error": "checksum"}),
    ("maxbotix", "negative", {"raw": "52 39 39 39 38 0D"}, {"error": "no target (10 m parts)"}, {"error": "inverted"}),
    ("maxbotix", "pulse", {"pw_us": 5000}, {"mm": 5000, "error": "no target"}, {"mm": 5000, "error": "parity"}),
    ("ld2451", "negative", {"raw": SIX}, {"error": "more than 5 targets"}, {"error": "tail"}),
    ("ld2451", "response", {"raw": ENABLED}, {"protocol": 1, "buffer": 64}, {"buffer": 65}),
    ("ld2451", "response", {"raw": DETECT}, {"min_speed": 5, "no_target_delay_s": 2}, {"no_target_delay_s": 3}),
    ("ld2451", "command", {"raw": "FDFCFBFA0400A100070004030201"}, {"cmd": "x", "baud": 256000}, {"baud": 115200}),
    ("ld2451", "command", {"raw": "FDFCFBFA060003000208000004030201"}, {"trigger": 2, "snr": 8}, {"snr": 4}),
    ("ld2451", "measurement", {"raw": RADAR}, {"targets": [{"dir": "approach"}]}, {"targets": [{"dir": "receding"}]}),
    ("ld2451", "stream", {"raw": RADAR}, {"reports": [{"targets": [{"snr": 40}]}]}, {"reports": [{"targets": [{"snr": 41}]}]}),
    ("mhz19", "measurement", {"raw": "12 00" + CO2}, {"co2_ppm": 608, "skip": 2}, {"co2_ppm": 608, "skip": 3}),
    ("mhz19", "negative", {"raw": CO2[:-2] + "10"}, {"error": "sum", "want": "D1"}, {"error": "sum", "want": "D2"}),
    ("mhz19", "command", {"raw": "FF 01 88 07 D0 00 00 00 A0"}, {"cmd": "span", "ppm": 2000}, {"ppm": 2001}),
    ("pms5003", "command", {"raw": "424DE200000171"}, {"cmd": "read", "reply_len": 32}, {"reply_len": 8}),
    ("pms5003", "negative", {"raw": dust([5, 8, 9, 5, 1800, 1900, 900, 300, 50, 6, 2, 1, 0x9700])}, {"error": "out of range"}, {"error": "sum"}),
    ("pms5003", "measurement", {"raw": dust([5, 8, 9, 5, 8, 9, 900, 300, 50, 6, 2, 1, 5, 253, 601, 0, 0x9700], 36)}, {"hcho": 0.005}, {"hcho": 0.006}),
    ("sps30", "stream", {"raw": EMPTY + particles([2.5] * 10)}, {"pm25": [2.5]}, {"pm25": [2.6]}),
    ("sps30", "measurement", {"raw": particles([2.5] * 10), "stuffed_bytes": 0}, {"pm25": 2.5}, {"pm25": 2.4}),
    ("sps30", "response", {"raw": "7E00D10007020200070002001A7E"}, {"firmware": "2.2"}, {"firmware": "2.3"}),
    ("ads1115", "measurement", {"raw": "40 00"}, {"code": 16384, "v": 2.048}, {"v": 1.024}),
    ("ads1115", "measurement", {"raw": "40 00", "fsr_v": 2.048}, {"v": 1.024, "mV": 1024.0}, {"v": 2.048}),
    ("ads1115", "register", {"raw": "01 85 83"}, {"comp_que": "disabled"}, {"comp_que": "one"}),
    ("ads1115", "register", {"raw": "02 80 00"}, {"write": "lo_thresh", "value": -32768}, {"value": -32767}),
    ("ads1115", "response", {"raw": "05 83"}, {"ready": False}, {"ready": True}),
    ("bme280", "response", {"raw": "60"}, {"chip_id": 0x60, "chip": "BME280"}, {"chip": "BMP280"}),
    ("bme280", "response", {"raw": "08"}, {"measuring": True}, {"measuring": False}),
    ("bme280", "register", {"raw": "F4 25"}, {"write": "ctrl_meas", "osrs_t": 1, "mode": 1}, {"mode": 3}),
    ("qmc5883l", "negative", {"raw": "48 34 33"}, {"error": "wrong chip id"}, {"error": "short"}),
    ("qmc5883l", "measurement", {"raw": "9A F7"}, {"t_c": 28.5}, {"t_c": 29.5}),
    ("scd4x", "negative", {"raw": "01 F4 34 66 67 A2 5E B9 3C"}, {"error": "crc", "want": "33"}, {"error": "crc", "want": "34"}),
    ("scd4x", "negative", {"raw": "80 00 A2"}, {"error": "not ready"}, {"error": "crc"}),
    ("scd4x", "command", {"raw": "3F 86"}, {"cmd": "stop", "max_ms": 500}, {"max_ms": 501}),
    ("scd4x", "command", {"raw": "24 1D 07 E6 48"}, {"offset_c": 5.4}, {"offset_c": 5.5}),
    ("scd4x", "command", {"raw": "EC 05"}, {"max_ms": 1}, {"max_ms": 3}),
    ("sgp41", "response", {"raw": "00 00 81 F8 96 31 00 07 16"}, {"serial": "0000F8960007"}, {"serial": "0000F8960008"}),
    ("sht3x", "crc", {"raw": "BE EF"}, {"crc": 0x92}, {"crc": 0x93}),
    ("sht3x", "measurement", {"raw": "66 66 93 80 00 A2"}, {"raw_t": 26214, "t_f": 77.0}, {"raw_t": 26215}),
    ("sht3x", "response", {"raw": "80 10 E1"}, {"status": "8010", "heater": False}, {"heater": True}),
    ("sds011", "response", {"raw": "AAC507 0F070A A160 28AB"}, {"year": 15, "month": 7, "day": 10}, {"day": 11}),
    ("sds011", "response", {"raw": "AAC508 010200 A160 0CAB"}, {"minutes": 2}, {"minutes": 3}),
    ("processing", "sound_speed", {"t_c": 20}, 343.2, 343.1),
]  # fmt: skip


def judge(folder, cases):
    """Return {file name: {number: verdict}}; those that passed are missing."""
    files = {}
    for number, (name, kind, given, expect) in cases:
        vector = {
            "id": str(number),
            "kind": kind,
            "origin": "computed",
            "source": "made here",
            "expect": expect,
            **given,
        }
        files.setdefault(name, []).append(vector)
    for name, vectors in files.items():
        (folder / f"{name}.json").write_text(json.dumps({"sensor": name, "bus": "-", "vectors": vectors}))
    report = folder / "out" / "report.json"
    report.parent.mkdir()
    CliRunner().invoke(command, ["vectors", str(folder), "--report", str(report)])
    told = json.loads(report.read_text())
    return {int(row["id"]): (row["verdict"], row["reason"]) for rows in told["reasons"].values() for row in rows}


def test_the_right_ones_pass(tmp_path):
    told = judge(tmp_path, [(i, case[:4]) for i, case in enumerate(CASES)])
    assert [(CASES[i], why) for i, why in told.items()] == []


def test_the_wrong_ones_fail(tmp_path):
    told = judge(tmp_path, [(i, (*case[:3], case[4])) for i, case in enumerate(CASES)])
    passed = [case for i, case in enumerate(CASES) if told.get(i, ("passed",))[0] != "failed"]
    assert passed == []


ORDERS = [
    ("scd4x", "EC 04"),  # no such command
    ("scd4x", "3F 86 00 01 B0"),  # takes no word
    ("sgp41", "26 19"),  # takes two
    ("sht3x", "24 0C"),
    ("sps30", "7E 00 04 00 FB 7E"),
    ("sps30", "7E 00 00 02 02 03 F8 7E"),
    ("mhz19", "FF 01 86 01 00 00 00 00 78"),
    ("sds011", "AA B4 09 00 00 00 00 00 00 00 00 00 00 00 00 FF FF 07 AB"),
    ("ld2451", "FD FC FB FA 04 00 FF 00 02 00 04 03 02 01"),  # the driver sends 1
    ("ld2451", "FD FC FB FA 02 00 55 00 04 03 02 01"),
    ("winsen_ze", "FF 01 78 05 00 00 00 00 82"),
    ("pms5003", "42 4D E5 00 00 01 74"),
    ("bme280", "F2 F9"),  # its upper bits are reserved
]


def test_orders_that_no_sensor_knows_fail_though_their_sums_are_right(tmp_path):
    told = judge(tmp_path, [(i, (name, "command", {"raw": raw}, {"cmd": "x"})) for i, (name, raw) in enumerate(ORDERS)])
    assert [order for i, order in enumerate(ORDERS) if told.get(i, ("passed",))[0] != "failed"] == []
    assert [why for _, why in told.values() if "sum" in why or "CRC" in why or "raised" in why] == []


@pytest.mark.parametrize("wrong, verdict", [(1, "failed"), (608, "skipped")])
def test_a_key_that_nobody_knows_hides_nothing(tmp_path, wrong, verdict):
    told = judge(tmp_path, [(0, ("mhz19", "measurement", {"raw": CO2}, {"colour": 1, "co2_ppm": wrong, "shade": 2}))])
    assert told[0][0] == verdict
    assert ("colour" in told[0][1]) == (verdict == "skipped")
