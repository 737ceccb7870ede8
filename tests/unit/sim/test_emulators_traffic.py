"""Emulators of the road against datasheet examples and the shared vectors; never against a driver."""

import json
from pathlib import Path

import pytest

from pantau_sim.sensors import dual_pulse, ld2451, pulse, qmc5883l

S = 1000000
T0 = 1767225600 * S
VECTORS = Path(__file__).parents[4] / "shared" / "vectors"


class Road:
    def __init__(self, *passes):
        self._passes = list(passes)

    def passes(self, t0_s, t1_s):
        return [p for p in self._passes if t0_s < p[0] <= t1_s]


def vectors(name):
    path = VECTORS / f"{name}.json"
    if not path.is_file():
        pytest.skip(f"{path} is not here: the shared vectors lie beside the repository")
    return {v["id"]: v for v in json.loads(path.read_text())["vectors"]}


def raw(vector):
    return bytes.fromhex(vector["raw"])


# --- LD2451


def test_ld2451_reports_are_those_of_the_manual():
    for vector in vectors("ld2451").values():
        if vector["id"] in ("ld2451_empty", "ld2451_one", "ld2451_five"):
            targets = [
                (t["angle_deg"], t["dist_m"], t["dir_raw"], t["speed_kmh"], t["snr"])
                for t in vector["expect"]["targets"]
            ]
            assert ld2451.packet(targets) == raw(vector)


def test_ld2451_answers_commands_with_the_manuals_bytes():
    known = vectors("ld2451")
    emulator = ld2451.Emulator(Road(), 1)
    emulator.power_on(T0)
    t = T0 + S
    emulator.produce(t)
    emulator.receive(t, raw(known["ld2451_cmd_get_sens"]))
    assert b"\xfd" not in emulator.produce(t + 50000)  # not in configuration: no answer
    t += 60000
    emulator.receive(t, raw(known["ld2451_cmd_enable"]))
    emulator.produce(t + 100000)
    for command, answer in (
        ("ld2451_cmd_get_sens", "ld2451_ack_get_sens"),
        ("ld2451_cmd_firmware", "ld2451_ack_firmware"),
        ("ld2451_cmd_baud_256000", "ld2451_ack_baud_256000"),
        ("ld2451_cmd_restart", "ld2451_ack_restart"),
    ):
        t += 200000
        emulator.receive(t, b"\xfd\xfc" + raw(known[command]))
        assert emulator.produce(t + 100000) == raw(known[answer])
    assert emulator.BAUD == 256000


def test_ld2451_settings_are_read_back_and_filter():
    known = vectors("ld2451")
    car = (T0 / S + 10, False, 36.0, 3.0, 4.5)
    emulator = ld2451.Emulator(Road(car), 1)
    emulator.power_on(T0)
    emulator.receive(T0, raw(known["ld2451_cmd_enable"]))
    emulator.receive(T0, raw(known["ld2451_cmd_set_detect_100m_approach_5kmh_2s"]))
    emulator.receive(T0, raw(known["ld2451_cmd_get_detect"]))
    assert ld2451.answer(0x12, bytes.fromhex("64010502")) in emulator.produce(T0 + 100000)
    assert emulator.targets(T0 + 12 * S) == []  # receding, and only approach is wanted


def test_ld2451_sees_a_car_come_and_go():
    come, gone = (T0 / S + 10, True, 36.0, 5.0, 4.5), (T0 / S + 20, False, 36.0, 2.5, 4.5)
    emulator = ld2451.Emulator(Road(come, gone), 1)
    emulator.power_on(T0)
    seen = [target for tick in range(300) for target in emulator.targets(T0 + tick * 100000)]
    approaching = [t for t in seen if t[2] == 1]
    receding = [t for t in seen if t[2] == 0]
    assert approaching[0][1] > 80 and approaching[-1][1] < 17
    assert receding[0][1] < 10 and receding[-1][1] > 80
    assert all(abs(t[0]) <= 20 and 31 <= t[3] <= 38 for t in seen)
    reports = emulator.packets(T0 + 30 * S)
    assert len(reports) == 296
    assert ld2451.packet([]) == reports[-1][1]


def test_ld2451_gives_at_most_five_targets_and_may_be_silent():
    queue = [(T0 / S + 10 + k, True, 30.0, 4.0, 4.5) for k in range(9)]
    emulator = ld2451.Emulator(Road(*queue), 1, silent_when_empty=True)
    emulator.power_on(T0)
    assert max(len(emulator.targets(T0 + tick * 100000)) for tick in range(200)) == 5
    quiet = ld2451.Emulator(Road(), 1, silent_when_empty=True)
    quiet.power_on(T0)
    assert quiet.packets(T0 + 10 * S) == []


# --- pulse, replay, noise


def test_pulse_closes_while_a_vehicle_is_on_the_loop():
    emulator = pulse.Emulator(Road((T0 / S + 5, True, 36.0, 2.0, 4.5)))
    edges = [e for k in range(10) for e in emulator.edges(T0 + k * S, T0 + (k + 1) * S)]
    assert edges == [(T0 + 5 * S, 0), (T0 + 5 * S + 650000, 1)]  # (4.5 + 2) m at 10 m/s


def test_a_contact_that_is_asked_for_its_state_agrees_with_its_edges():
    road = Road(
        (T0 / S + 5, True, 36.0, 2.0, 4.5), (T0 / S + 5.5, False, 36.0, 2.0, 4.5), (T0 / S + 8, True, 50.0, 2.0, 9.0)
    )
    contacts = [pulse.Emulator(road)]
    contacts += [
        dual_pulse.Emulator(road, 1, side=side, kind=kind) for side in (0, 1) for kind in ("loop", "beam", "tube")
    ]
    for contact in contacts:
        edges = contact.edges(T0, T0 + 10 * S)
        assert [level for _, level in edges] == [0, 1] * (len(edges) // 2) and len(edges) >= 4
        assert contact.level(T0 + 1) == 1
        for at, level in edges:
            assert (contact.level(at - 1), contact.level(at), contact.level(at + 1)) == (1 - level, level, level)


def test_two_inputs_show_the_same_vehicle_a_distance_apart():
    road = Road((T0 / S + 2, True, 87.84, 2.0, 4.5), (T0 / S + 6, False, 87.84, 2.0, 4.5))
    a, b = (dual_pulse.Emulator(road, 1, side=side).edges(T0, T0 + 10 * S) for side in (0, 1))
    assert [b[0][0] - a[0][0], a[2][0] - b[2][0]] == [150000, 150000]  # 3.66 m at 24.4 m/s: the textbook's example
    assert a[1][0] - a[0][0] == 266000  # (4.5 + 2) m


def test_a_tube_closes_at_each_axle():
    for length_m, axles in ((2.0, 2), (4.5, 2), (9.0, 3)):
        tube = dual_pulse.Emulator(Road((T0 / S + 2, True, 36.0, 2.0, length_m)), 1, kind="tube")
        assert len(tube.edges(T0, T0 + 10 * S)) == 2 * axles


# --- QMC5883L


def test_qmc5883l_stands_by_until_it_is_told_to_measure_and_says_what_it_is():
    emulator = qmc5883l.Emulator(Road(), 1, noise_mg=0, drift_mg=0)
    emulator.power_on(T0)
    assert emulator.write(T0, b"\x0d") and emulator.read(T0, 1) == b"\xff"
    emulator.write(T0, b"\x06")
    assert emulator.read(T0 + S, 1) == b"\x00"
    emulator.write(T0 + S, b"\x0b\x01")
    emulator.write(T0 + S, b"\x09\x15")
    emulator.write(T0 + S, b"\x06")
    assert emulator.read(T0 + S + 19000, 1) == b"\x00"
    emulator.write(T0 + S, b"\x00")
    data = emulator.read(T0 + S + 21000, 9)
    assert data[:7] == qmc5883l.packet(1170, 0, -690)[:7]  # 390 and -230 mG at 3000 LSB/G
    emulator.write(T0 + S, b"\x06")
    assert emulator.read(T0 + S + 22000, 1) == b"\x00"  # reading the data cleared it
    emulator.write(T0 + S, b"\x06")
    assert emulator.read(T0 + S + 81000, 1) == b"\x05"  # two samples were overwritten
    emulator.write(T0 + S, b"\x0a\x80")
    emulator.write(T0 + S, b"\x09")
    assert emulator.read(T0 + 2 * S, 1) == b"\x00"  # reset


def test_qmc5883l_registers_are_those_of_the_vectors():
    checked = 0
    for vector in vectors("qmc5883l").values():
        data, expect = raw(vector), vector["expect"]
        if vector["kind"] == "measurement" and "t_c" in expect:
            lsb = 12000 if vector["range_g"] == 2 else 3000
            axes = [round(expect[key] * lsb) for key in ("x_g", "y_g", "z_g")]
            status = expect["drdy"] | expect["ovl"] << 1
            assert qmc5883l.packet(*axes, status, round(expect["t_c"] * 100)) == data
            checked += 1
    assert checked == 2


def test_two_vehicles_on_the_loop_are_one_pulse():
    emulator = pulse.Emulator(Road((T0 / S + 5, True, 36.0, 2.0, 4.5), (T0 / S + 5.5, False, 36.0, 2.0, 4.5)))
    assert [level for _, level in emulator.edges(T0, T0 + 10 * S)] == [0, 1]
