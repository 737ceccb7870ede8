"""A battery node, whole firmware, in the VM in virtual time: deep sleep between the samples."""

import json

import pytest

from pantau_sim.broker import BrokerModel
from pantau_sim.clock import VirtualClock
from pantau_sim.node import SimNode
from pantau_sim.sensors import a02yyuw
from pantau_sim.virtual import Simulation
from pantau_sim.world import World
from pantau_wire import frame
from pantau_wire import names as T
from scenarios import week_bridge

pytestmark = pytest.mark.usefixtures("vm")

KEY = bytes(range(32))
HOUR = 3600
DAY = 24 * HOUR


class Bridge(week_bridge.Bridge):
    """Acknowledgements and the time."""

    def instants(self):
        """Instants of all records of the first boot, as the frames date them, in order of (boot, seq)."""
        return [(f.boot, at) for f in self.kinds(T.K_RECORDS) for at in frame.times(f)]


class Broker(BrokerModel):
    """Counts the connections."""

    connects = 0

    def connect(self):
        self.connects += 1
        return super().connect()


def battery(tmp_path, interval_s, *, sleep_ppm=0, supply_mv=0):
    simulation = Simulation(VirtualClock(), Broker())
    station = World(1).station("flood-01")
    config = {
        "city": "tng", "link": {"kind": "wifi"}, "power": {"profile": "battery", "report_s": 900},
        "broker": {"host": "broker", "port": 1883, "tls": False, "lab_plain": True},
        "sampling": {"interval_s": interval_s, "batch": 15, "health_s": 3600},
        "sensors": [{"model": "a02yyuw", "uart": 1}],
    }  # fmt: skip
    root = tmp_path / "node"
    root.mkdir()
    (root / "config.json").write_text(json.dumps(config))
    identity = {"node": "flood-01", "keys": {"0": KEY.hex()}, "key_id": 0, "mqtt_password": "p"}
    (root / "identity.json").write_text(json.dumps(identity))
    wiring = {"uart": {1: a02yyuw.Emulator(station, 1)}, "adc_uv": {35: lambda _t: supply_mv * 500}}  # half, in uV
    node = SimNode(root, wiring=wiring, clock=simulation.clock)
    node.bus.sleep_ppm = sleep_ppm
    simulation.add(node)
    bridge = Bridge(simulation, "tng", "flood-01", KEY)
    simulation.power_on(node)
    return simulation, node, bridge


def check(node, bridge, hours, interval_s):
    """Every instant of the one boot is there once, dated within 30 s, the last report's records apart."""
    log = node.log_path.read_text()
    instants = bridge.instants()
    expected = hours * HOUR // interval_s
    assert {boot for boot, _ in instants} == {1}, log
    assert expected - 900 // interval_s - 2 <= len(instants) <= expected + 1, log
    return instants


def test_a_day_with_deep_sleep_is_one_boot_with_every_record_and_a_connection_a_report(tmp_path):
    simulation, node, bridge = battery(tmp_path, 300)
    began = simulation.clock.now_us() // 1000000
    try:
        simulation.run(DAY)
    finally:
        simulation.close()
    instants = check(node, bridge, 24, 300)
    assert node.boots >= 285  # wakes
    assert 96 <= simulation.broker.connects <= 100
    assert all(abs(at - began - 300 * (k + 1)) <= 1 for k, (_, at) in enumerate(instants[3:], 3))
    wakes = [f.fields["wakes"] for f in bridge.kinds(T.K_HEALTH) if "wakes" in f.fields]
    assert max(wakes) >= 280


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_day_of_minutes_is_96_frames_of_15_records(tmp_path):
    simulation, node, bridge = battery(tmp_path, 60, sleep_ppm=-10000)
    try:
        simulation.run(DAY)
    finally:
        simulation.close()
    check(node, bridge, 24, 60)
    assert 96 <= simulation.broker.connects <= 100
    assert sum(f.count == 15 for f in bridge.kinds(T.K_RECORDS)) >= 90


def test_a_low_battery_is_told_and_reports_every_hour(tmp_path):
    simulation, node, bridge = battery(tmp_path, 300, supply_mv=3300)
    try:
        simulation.run(6 * HOUR)
    finally:
        simulation.close()
    assert simulation.broker.connects <= 8, node.log_path.read_text()
    assert {f.fields["battery_mv"] for f in bridge.kinds(T.K_HEALTH)} == {3300}


def test_a_slow_rtc_an_outage_and_a_power_cut_lose_nothing(tmp_path):
    simulation, node, bridge = battery(tmp_path, 300, sleep_ppm=20000)
    start = simulation.clock.now_us()
    simulation.at(start + 2 * HOUR * 1000000, lambda: setattr(simulation, "broker_up", False))
    simulation.at(start + 5 * HOUR * 1000000, lambda: setattr(simulation, "broker_up", True))
    simulation.at(start + 8 * HOUR * 1000000, lambda: simulation.power_off(node))
    simulation.at(start + (8 * HOUR + 20) * 1000000, lambda: simulation.power_on(node))
    try:
        simulation.run(10 * HOUR)
    finally:
        simulation.close()
    log = node.log_path.read_text()
    instants = bridge.instants()
    boots = sorted({boot for boot, _ in instants})
    assert boots == [1, 2], log
    first = [at for boot, at in instants if boot == 1]
    assert 94 <= len(first) <= 97 and len(set(first)) == len(first)
    seqs = sorted(seq for boot, seq in bridge.frames if boot == 1)
    assert seqs == list(range(1, len(seqs) + 1))
    # Three hours without an answer: a few attempts, not one every five minutes.
    assert simulation.broker.connects < 10 * 4 + 8


def test_a_chip_that_cannot_sleep_measures_awake(tmp_path):
    simulation, node, bridge = battery(tmp_path, 60)
    node.bus.sleeps = False
    try:
        simulation.run(HOUR)
    finally:
        simulation.close()
    assert node.boots == 4  # three tries, then it stays awake
    assert len(check(node, bridge, 1, 60)) >= 45
