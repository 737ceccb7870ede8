"""`pantau sensor vectors` on vectors of the road made here, in the words that other sources use."""

import json

from click.testing import CliRunner

from pantau.cli.sensor import command


def vector(ident, kind, expect, **given):
    return {"id": ident, "kind": kind, "origin": "computed", "source": "made here", "expect": expect, **given}


def judge(folder, name, *vectors):
    """Return {id: (verdict, reason)}; those that passed are missing."""
    (folder / f"{name}.json").write_text(json.dumps({"sensor": "made here", "bus": "-", "vectors": vectors}))
    report = folder / "out" / "report.json"
    report.parent.mkdir(exist_ok=True)
    CliRunner().invoke(command, ["vectors", str(folder), "--report", str(report)])
    told = json.loads(report.read_text())
    assert sum(told["files"][f"{name}.json"].values()) == len(vectors)
    return {row["id"]: (row["verdict"], row["reason"]) for row in told["reasons"][f"{name}.json"]}


def test_dual_loops_by_the_drivers_arithmetic(tmp_path):
    example = {"D_m": 3.66, "dt_s": 0.15, "on_s": [0.25, 0.29]}
    reasons = judge(
        tmp_path,
        "processing_more",
        vector("textbook", "dual_loop", {"speed_mps": 24.4, "eff_length_m": 6.588}, **example),
        vector("kmh", "dual_loop", {"speed_kmh": 87.84, "length_m": 4.588}, **example, loop_m=2.0),
        vector(
            "ms",
            "dual_loop",
            {"length_mm": 4500, "on_times_agree": True},
            D_mm=5000,
            dt_ms=500,
            on_ms=[650, 650],
            loop_mm=2000,
        ),
        vector("apart", "dual_loop", {"fault": True}, distance_m=4, dt_ms=400, on_a_ms=600, on_b_ms=300),
        vector("speed", "dual_loop", {"speed_mps": 24.5}, **example),
        vector("length", "dual_loop", {"eff_length_m": 6.6}, **example),
        vector("agree", "dual_loop", {"mismatch": True}, **example),
        vector("key", "dual_loop", {"speed_mps": 24.4, "colour": 1}, **example),
        vector("input", "dual_loop", {"speed_mps": 24.4}, dt_s=0.15),
        vector("host", "nowcast", {}, hours=[1]),
    )
    assert {name: verdict for name, (verdict, _) in reasons.items()} == {
        "speed": "failed", "length": "failed", "agree": "failed", "key": "skipped", "input": "skipped", "host": "skipped",
    }  # fmt: skip
    assert "host" in reasons["host"][1] and "colour" in reasons["key"][1]


def test_the_magnetometer_and_its_look_alikes(tmp_path):
    earth = "92 04 00 00 4E FD 01"
    reasons = judge(
        tmp_path,
        "qmc5883l_more",
        vector("mg", "measurement", {"x_mg": 390, "z_mg": -230, "drdy": True}, raw=earth, range_g=8),
        vector("raw", "measurement", {"x": 1170, "y": 0, "z": -690}, raw=earth[:17]),
        vector("set", "command", {"odr_hz": 50, "range_g": 8, "osr": 512, "mode": 1}, raw="09 15"),
        vector("reset", "command", {"write": "soft reset"}, raw="0A 80"),
        vector("id", "response", {"chip_id": 255}, raw="FF"),
        vector("wrong", "negative", {"error": "wrong chip id"}, raw="3C"),
        vector("wait", "negative", {"error": "not ready"}, raw=earth[:-1] + "0"),
        vector("much", "negative", {"error": "overflow"}, raw=earth[:-1] + "3"),
        vector("short", "negative", {"error": "truncated"}, raw=earth[:8]),
        vector("value", "measurement", {"x_mg": 391}, raw=earth, range_g=8),
        vector("good", "negative", {"error": "not ready"}, raw=earth),
        vector("odr", "command", {"odr_hz": 100}, raw="09 15"),
        vector("bits", "command", {"write": "reserved"}, raw="0B 01 02"),
        vector("hmc", "measurement", {"x_g": 0.4}, raw=earth, chip="HMC5883L"),
        vector("kind", "series", {"count": 1}, raw=earth),
    )
    assert {name: verdict for name, (verdict, _) in reasons.items()} == {
        "value": "failed", "good": "failed", "odr": "failed", "bits": "failed", "hmc": "skipped", "kind": "skipped",
    }  # fmt: skip
