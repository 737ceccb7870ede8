"""Emulators against datasheet examples and the shared vectors; never against a driver."""

import json
from itertools import pairwise
from pathlib import Path

import pytest

from pantau_sim.sensors import (
    a02yyuw,
    ads1115,
    bme280,
    maxbotix,
    pms5003,
    replay,
    sht4x,
    tipping_bucket,
)
from pantau_sim.sensors.base import Prng

S = 1000000
T0 = 1767225600 * S
VECTORS = Path(__file__).parents[4] / "shared" / "vectors"


def steady(**values):
    return lambda name, _t_s: values[name]


def vectors(name):
    path = VECTORS / f"{name}.json"
    if not path.is_file():
        pytest.skip(f"{path} is not here: the shared vectors lie beside the repository")
    return {v["id"]: v for v in json.loads(path.read_text())["vectors"]}


def raw(vector):
    return bytes.fromhex(vector["raw"])


# --- A02YYUW


def test_a02_packets_are_those_of_the_datasheet_and_vectors():
    assert a02yyuw.packet(1953) == bytes.fromhex("FF07A1A7")
    for vector in vectors("a02yyuw").values():
        if vector["kind"] == "measurement":
            assert a02yyuw.packet(vector["expect"]["mm"]) == raw(vector)


@pytest.mark.parametrize("fast, period_us", [(True, 100000), (False, 300000)])
def test_a02_runs_free_from_a_packet_fragment_on(fast, period_us):
    emulator = a02yyuw.Emulator(steady(water_distance=2.0), 5, fast=fast)
    emulator.power_on(T0)
    assert len(emulator.produce(T0 + 50000)) == 2  # the tail of a packet that began before the node listened
    got = emulator.packets(T0 + 30 * S)
    starts = [at for at, _ in got]
    assert {b - a for a, b in pairwise(starts)} == {period_us}
    distances = [data[1] << 8 | data[2] for _, data in got]
    assert all(data[0] == 255 and data[3] == sum(data[:3]) & 255 for _, data in got)
    settled = sorted(distances[3:])
    assert abs(settled[len(settled) // 2] - 2000) <= 1
    assert 4 <= settled[-1] - settled[0] <= 12
    assert any(abs(distance - 2000) > 20 for distance in distances[:3])


def test_a02_bytes_arrive_one_by_one():
    emulator = a02yyuw.Emulator(steady(water_distance=1.0), 1)
    emulator.power_on(T0)
    emulator.produce(T0 + 59000)
    assert len(emulator.produce(T0 + 60000 + 2 * 1041 + 10)) == 2  # 9600 baud: 1.04 ms a byte
    assert len(emulator.produce(T0 + 70000)) == 2


@pytest.mark.parametrize("metres, mm", [(5.2, 0), (0.01, 30)])
def test_a02_beyond_range_is_no_echo_and_nearer_is_the_blind_zone(metres, mm):
    emulator = a02yyuw.Emulator(steady(water_distance=metres), 1)
    emulator.power_on(T0)
    last = emulator.packets(T0 + 3 * S)[-1][1]
    assert last == a02yyuw.packet(mm)


def test_a02_without_a_thermometer_reads_short_in_warm_air():
    emulator = a02yyuw.Emulator(steady(water_distance=3.0, air_temperature=20.0), 1, noise_mm=0, sound_m_s=340)
    emulator.power_on(T0)
    assert emulator.packets(T0 + 3 * S)[-1][1] == a02yyuw.packet(2972)  # 340 / 343.2 m/s


# --- MaxBotix


def test_maxbotix_says_its_name_and_then_a_line_each_period():
    for model, period_us in (("mb7389", 150000), ("mb7368", 181000)):
        emulator = maxbotix.Emulator(steady(water_distance=2.0), 1, model=model, noise_mm=0)
        emulator.power_on(T0)
        text = emulator.produce(T0 + 10 * S)
        assert text.startswith(b"HRXL-MaxSonar-WRL\rPN:" + model.upper().encode() + b"\r")
        assert text.count(b"R2000\r") == (10 * S - 10000) // period_us - 1
        assert emulator.INVERTED is (model == "mb7368")


def test_maxbotix_lines_of_the_vectors():
    for vector in vectors("maxbotix").values():
        if vector["kind"] == "measurement" and len(raw(vector)) == 6:
            assert maxbotix.packet(vector["expect"]["mm"]) == raw(vector)


# --- ADS1115


def test_ads1115_starts_reset_is_busy_for_a_conversion_and_keeps_it():
    emulator = ads1115.Emulator(steady(water_depth=2.5), 1, noise_v=0)
    assert not emulator.write(T0, b"\x01")  # no power
    emulator.power_on(T0)
    t = T0 + S
    assert emulator.write(t, b"\x01") and emulator.read(t, 2) == bytes.fromhex("8583")
    assert emulator.write(t, bytes.fromhex("01C383"))
    assert emulator.read(t + 7000, 2) == bytes.fromhex("4383")
    assert emulator.read(t + 7813, 2) == bytes.fromhex("C383")
    assert emulator.write(t + 8000, b"\x00") and emulator.read(t + 8000, 2) == bytes.fromhex("3840")  # 12 mA
    assert emulator.read(t + 9 * S, 2) == bytes.fromhex("3840")
    assert emulator.write(t + 9 * S, bytes.fromhex("01F383"))  # AIN3: nothing there
    assert emulator.write(t + 10 * S, b"\x00") and emulator.read(t + 10 * S, 2) == b"\x00\x00"


def test_a_full_buffer_skips_what_no_one_can_read():
    emulator = a02yyuw.Emulator(steady(water_distance=2.0), 1)
    emulator.power_on(T0)
    data = emulator.produce(T0 + 60 * S, 100)
    assert 100 <= len(data) <= 112
    assert emulator.skipped > 550
    assert len(emulator.produce(T0 + 61 * S, 100)) in range(38, 43)


# --- tipping bucket


def test_tips_are_the_same_for_any_windows():
    def rain(_name, t_s):
        return (t_s - T0 / S) * 0.01

    emulator = tipping_bucket.Emulator(rain, 1)
    whole = emulator.tips(T0, T0 + 600 * S)
    split = [tip for k in range(600) for tip in emulator.tips(T0 + k * S, T0 + (k + 1) * S)]
    assert whole == split
    assert len(whole) == 30
    assert {b - a for a, b in pairwise(whole)} <= {19999000, 20000000, 20001000}


def test_a_tip_closes_for_50_to_200_ms_and_bounces_within_20_of_both_edges():
    def rain(_name, t_s):
        return (t_s - T0 / S) * 0.01

    emulator = tipping_bucket.Emulator(rain, 3, bounce=3)
    edges = [edge for k in range(102) for edge in emulator.edges(T0 + k * S, T0 + (k + 1) * S)]
    tips = emulator.tips(T0, T0 + 102 * S)
    assert [level for _, level in edges] == [0, 1] * (len(edges) // 2)
    opened = []
    for tip in tips:
        after = [at - tip for at, _ in edges if 0 <= at - tip < S]
        late = [us for us in after if us > 20000]
        assert after[0] == 0 and late[-1] - late[0] <= 20000
        opened.append(late)
    assert 50000 <= min(late[0] for late in opened) < 80000 and 170000 < max(late[0] for late in opened) <= 200000
    assert len(edges) - sum(map(len, opened)) > len(tips) < sum(map(len, opened))


# --- SHT4x


def test_sht4x_crc_and_words_are_those_of_the_datasheet():
    assert sht4x.crc8(b"\xbe\xef") == 0x92
    for name in ("sht4x_6666_8000", "sht4x_8a3d_b333"):
        vector = vectors("sht3x")[name]
        t_word, h_word = sht4x.ticks(vector["expect"]["t_c"], vector["expect"]["rh"])
        assert sht4x.word(t_word) + sht4x.word(h_word) == raw(vector)


def test_sht4x_does_not_acknowledge_while_it_measures():
    emulator = sht4x.Emulator(steady(air_temperature=25.0, relative_humidity=56.501), 1, noise_c=0, noise_pct=0)
    emulator.power_on(T0)
    assert not emulator.write(T0 + 500, b"\xfd")  # not up yet
    t = T0 + 2000
    assert emulator.write(t, b"\xfd")
    assert emulator.read(t + 8000, 6) is None
    assert not emulator.write(t + 8000, b"\xfd")
    assert emulator.read(t + 8300, 6) == bytes.fromhex("666693" + "8000A2")
    assert emulator.read(t + 9000, 6) is None  # an answer is given once
    assert emulator.write(t + 9000, b"\x89")
    assert len(emulator.read(t + 9001, 6)) == 6
    assert not emulator.write(t + 9002, b"\x00")


# --- BME280


def test_bme280_forms_agree_with_the_vectors():
    for vector in vectors("bme280").values():
        if "calib" not in vector or "adc" not in vector:
            continue
        c = vector["calib"]
        trim = {
            "T": tuple(c[f"T{k}"] for k in range(1, 4)),
            "P": tuple(c[f"P{k}"] for k in range(1, 10)),
            "H": tuple(c[f"H{k}"] for k in range(1, 7)),
        }
        fine = bme280.t_fine(vector["adc"]["T"], trim)
        expect = vector["expect"]
        celsius = expect["t_c"] if "t_c" in expect else expect["t_centi"] / 100
        pascal = expect["p_pa"] if "p_pa" in expect else expect["p_hpa"] * 100
        assert abs(fine / 5120 - celsius) < 0.011
        assert abs(bme280.pressure_pa(vector["adc"]["P"], fine, trim) - pascal) < 0.3
        assert abs(bme280.humidity_pct(vector["adc"]["H"], fine, trim) - expect["rh"]) < 0.02


def test_bme280_worked_example_and_calibration_bytes():
    fine = bme280.t_fine(519888, bme280.CALIBRATION)
    assert int(fine) == 128422
    assert abs(bme280.pressure_pa(415148, fine, bme280.CALIBRATION) - 100653.27) < 0.05
    low, high = bme280.calibration_bytes(bme280.CALIBRATION)
    assert len(low) == 26 and len(high) == 7
    assert low[:24] == bytes.fromhex("706B436718FC7D8E43D6D00B270B8C00F9FF8C3CF8C67017")
    packed = bme280.calibration_bytes({**bme280.CALIBRATION, "H": (75, 362, 0, 313, 50, 30)})[1]
    assert packed[3:6] == bytes.fromhex("132903")


def test_bme280_forced_mode_gives_the_truth_back():
    emulator = bme280.Emulator(
        steady(air_temperature=28.5, relative_humidity=81.0, air_pressure=1008.2), 1, noise=(0, 0, 0)
    )
    emulator.power_on(T0)
    t = T0 + 5000
    assert emulator.write(t, b"\xd0") and emulator.read(t, 1) == b"\x60"
    assert emulator.write(t, b"\xf7") and emulator.read(t, 8) == bytes.fromhex("8000008000008000")
    assert emulator.write(t, b"\xf2\x01\xf4\x25")
    assert emulator.write(t + 100, b"\xf3") and emulator.read(t + 100, 1) == b"\x08"
    t += 12000
    assert emulator.write(t, b"\xf3") and emulator.read(t, 1) == b"\x00"
    emulator.write(t, b"\xf7")
    data = emulator.read(t, 8)
    fine = bme280.t_fine(int.from_bytes(data[3:6], "big") >> 4, bme280.CALIBRATION)
    assert abs(fine / 5120 - 28.5) < 0.01
    assert abs(bme280.pressure_pa(int.from_bytes(data[:3], "big") >> 4, fine, bme280.CALIBRATION) - 100820) < 0.5
    assert abs(bme280.humidity_pct(int.from_bytes(data[6:], "big"), fine, bme280.CALIBRATION) - 81) < 0.02
    emulator.write(t, b"\xf4")
    assert emulator.read(t, 1)[0] & 3 == 0  # back to sleep
    assert not bme280.Emulator(steady()).write(0, b"\xd0")  # not started up


# --- PMS5003


def test_pms_packets_are_those_that_were_captured():
    keys = ("pm1_cf1", "pm25_cf1", "pm10_cf1", "pm1_atm", "pm25_atm", "pm10_atm")
    keys += ("n0_3", "n0_5", "n1_0", "n2_5", "n5_0", "n10")
    checked = 0
    for vector in vectors("pms5003").values():
        if vector["kind"] == "measurement" and all(key in vector["expect"] for key in keys):
            data = raw(vector)
            words = [vector["expect"][key] for key in keys] + [data[28] << 8 | data[29]]
            assert pms5003.packet(words) == data
            checked += 1
    assert checked >= 8


def test_pms_streams_each_second_and_obeys_the_manual():
    emulator = pms5003.Emulator(steady(pm1=20.0, pm2_5=30.0, pm10=40.0, particles_0_3=5000.0), 1)
    emulator.power_on(T0)
    assert len(emulator.produce(T0 + 900000)) == 21  # the end of a packet
    data = emulator.produce(T0 + 40 * S)
    assert data.count(b"\x42\x4d\x00\x1c") == 40 or data.count(b"\x42\x4d\x00\x1c") == 39
    early, late = (data[k + 12] << 8 | data[k + 13] for k in (0, 32 * 35))
    assert early < 5 and abs(late - 30) <= 2
    t = T0 + 40 * S + 100000
    emulator.produce(t)
    emulator.receive(t, bytes.fromhex("424DE100000170"))
    assert emulator.produce(t + 50000)[-8:] == bytes.fromhex("424D0004E1000174")
    assert emulator.produce(t + 5 * S) == b""
    emulator.receive(t + 5 * S, b"noise" + bytes.fromhex("424DE200000171"))
    assert len(emulator.produce(t + 6 * S)) == 32
    emulator.receive(t + 6 * S, bytes.fromhex("424DE400000173"))
    assert emulator.produce(t + 7 * S) == bytes.fromhex("424D0004E4000177")
    emulator.receive(t + 8 * S, bytes.fromhex("424DE40001") + b"\x01\x75")  # wrong sum
    emulator.receive(t + 8 * S, bytes.fromhex("424DE400010174"))
    emulator.receive(t + 8 * S, bytes.fromhex("424DE100010171"))
    assert emulator.produce(t + 11 * S)[:4] == b"\x42\x4d\x00\x1c"


# --- replay, noise


def test_replay_plays_what_was_recorded():
    emulator = replay.Emulator([b"\x42\x4dab", b"\x42\x4dcd"], "pms5003", loop=False)
    emulator.power_on(T0)
    assert emulator.produce(T0 + 10 * S) == b"\x42\x4dab\x42\x4dcd"
    assert emulator.MODEL == "pms5003" and emulator.played == 2


def test_noise_is_the_same_for_the_same_seed_only():
    a, b, c = Prng(1, 2), Prng(1, 2), Prng(2, 1)
    assert [a.bits() for _ in range(5)] == [b.bits() for _ in range(5)] != [c.bits() for _ in range(5)]
    draws = [a.gauss() for _ in range(4000)]
    assert abs(sum(draws) / 4000) < 0.05
    assert abs(sum(x * x for x in draws) / 4000 - 1) < 0.05


@pytest.mark.parametrize(
    "model, far_mm, near_mm", [("a02yyuw", 0, 100), ("a01nyub", 6000, 280), ("jsn_sr04t", 6000, 200)]
)
def test_each_of_the_a02_family_has_its_own_range(model, far_mm, near_mm):
    for true_m, expected in ((6.0 if far_mm else 5.0, far_mm), (0.1, near_mm)):
        sensor = a02yyuw.Emulator(lambda _name, _t, true_m=true_m: true_m, 1, model=model, noise_mm=0.0)
        sensor.power_on(0)
        packets = [packet for _, packet in sensor.packets(3_000_000)][a02yyuw.WARM_UP_PACKETS :]
        assert packets and all(packet == a02yyuw.packet(expected) for packet in packets), model
