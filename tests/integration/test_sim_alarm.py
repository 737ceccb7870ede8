"""The node's own alarm on the whole node: real VM, virtual time, water that rises while the network is down."""

import json
from pathlib import Path
from typing import Any

import pytest

from pantau_sim.clock import VirtualClock
from pantau_sim.node import SimNode
from pantau_sim.sensors import a02yyuw, float_switch
from pantau_sim.virtual import Simulation
from pantau_wire import frame
from pantau_wire import names as T
from pantau_wire.frame import quality
from scenarios.week_bridge import Bridge

pytestmark = pytest.mark.usefixtures("vm")

KEY = bytes(range(32))
NODE, CITY = "flood-01", "tng"
SIREN = 13  # GPIO of esp32-generic
FLAGGED = quality(T.R_MAINTENANCE)


class River:
    """A flood node whose siren, water and network are in the hand; metres from the sensor down to the water."""

    def __init__(self, folder: Path, **config: Any) -> None:
        self.distance_m = 2.0
        self.wet = 0.0
        self.simulation = Simulation(VirtualClock())
        truth = self.truth
        wiring: Any = {"uart": {1: a02yyuw.Emulator(truth, 1)}, "pulse": {0: float_switch.Emulator(truth, 1)}}
        self.node = SimNode(folder / NODE, wiring=wiring, clock=self.simulation.clock)
        self.node.root.mkdir()
        whole = {
            "city": CITY,
            "broker": {"host": "broker", "port": 1883, "tls": False, "lab_plain": True},
            "sampling": {"batch": 5},
            "alarm": {"distance_mm": 1000, "siren": True, "hold_s": 120},
            "sensors": [{"model": "a02yyuw", "uart": 1}, {"model": "float_switch", "contact": 0}],
            **config,
        }
        (self.node.root / "config.json").write_text(json.dumps(whole))
        identity = {"node": NODE, "keys": {"0": KEY.hex()}, "key_id": 0, "mqtt_password": "p"}
        (self.node.root / "identity.json").write_text(json.dumps(identity))
        self.simulation.add(self.node)
        self.bridge = Bridge(self.simulation, CITY, NODE, KEY)

    def truth(self, name: str, _t_s: float) -> float:
        return {"water_distance": self.distance_m, "water_contact": self.wet}[name]

    def on(self, seconds: int = 200) -> None:
        self.simulation.power_on(self.node)
        self.simulation.run(seconds)

    def network(self, *, up: bool) -> None:
        self.simulation.set_link(self.node, up=up)

    @property
    def sounding(self) -> bool:
        return self.node.bus.pins[SIREN] == 1

    def order(self, name: str, **args: Any) -> str:
        """Give an order; what the node said."""
        number = self.bridge.command(name, **args)
        self.simulation.run(10)
        detail: str = self.bridge.results[number][0]["detail"]
        return detail

    def records(self) -> list[frame.Frame]:
        return self.bridge.kinds(T.K_RECORDS)


@pytest.fixture
def river(tmp_path: Path) -> Any:
    made: list[River] = []

    def make(**config: Any) -> River:
        made.append(River(tmp_path, **config))
        return made[0]

    yield make
    made[0].simulation.close()


def test_the_siren_sounds_within_two_minutes_with_the_network_down_and_holds(river: Any) -> None:
    r = river()
    r.on()
    assert not r.sounding
    r.network(up=False)
    r.simulation.run(300)
    r.distance_m = 0.9
    r.simulation.run(100)
    assert r.sounding, r.node.log_path.read_text()
    r.distance_m = 2.0
    r.simulation.run(100)
    assert r.sounding  # hold_s
    r.simulation.run(60)
    assert not r.sounding
    r.network(up=True)
    r.simulation.run(600)
    held = [(f.base_s, f.interval_s, f.count) for f in r.records()]
    assert {interval for _, interval, _ in held} == {60, 10}  # sampled faster while it lasted
    assert [f.alarm for f in r.records()].count(True) >= 3
    produced = r.bridge.kinds(T.K_HEALTH)[-1].fields["records_produced"]
    assert sum(count for _, _, count in held) >= produced - 5


def test_the_float_alone_sounds_it_within_half_a_minute_between_two_records(river: Any) -> None:
    r = river()
    r.on(130)
    r.wet = 1.0
    r.simulation.run(30)
    assert r.sounding
    last = r.records()[-1]
    assert last.alarm and last.columns[T.WATER_CONTACT][0][-1] == 1


def test_orders_mute_test_and_hold_it(river: Any) -> None:
    r = river()
    r.on()
    assert r.order("siren", do="test", s=30).endswith("sounding") and r.sounding
    r.simulation.run(30)
    assert not r.sounding
    r.wet = 1.0
    r.simulation.run(40)
    assert r.sounding and r.order("siren", do="mute").endswith("muted") and not r.sounding
    assert r.order("siren", do="hold", s=60).endswith("sounding") and r.sounding
    r.order("health")
    assert r.bridge.kinds(T.K_HEALTH)[-1].fields["siren"] == 1


def test_under_maintenance_records_go_on_flagged_and_a_restart_forgets_nothing(river: Any) -> None:
    r = river()
    r.on()
    assert r.order("maintenance", s=1800).startswith("for 1800 s")
    r.wet, r.distance_m = 1.0, 0.8
    r.simulation.run(120)
    r.simulation.power_off(r.node)
    r.simulation.power_on(r.node)
    r.simulation.run(300)
    assert not r.sounding
    r.order("health")
    left = r.bridge.kinds(T.K_HEALTH)[-1].fields["maintenance_s"]
    assert 1300 <= left < 1400  # the bridge told the time after the restart
    assert {c for f in r.records() if f.boot == 2 for c in f.columns[T.WATER_DISTANCE][1]} == {FLAGGED}
    assert not [f for f in r.records() if f.boot == 2 and f.alarm]
    assert r.order("maintenance", s=0) == "over"
    r.simulation.run(70)
    assert r.sounding
    assert not (r.node.root / "maintenance").exists()


def test_a_technician_leaves_a_file(river: Any) -> None:
    r = river()
    (r.node.root / "maintenance").write_text("3600")
    r.wet = 1.0
    r.on()
    assert not r.sounding
    r.order("health")
    assert 3200 < r.bridge.kinds(T.K_HEALTH)[-1].fields["maintenance_s"] <= 3600


@pytest.mark.parametrize(
    "config, said",
    [
        ({"station": "traffic"}, "alarm.siren: only a flood station has an alarm"),
        ({"board": "nonsense", "sensors": []}, "alarm.siren: this board has no siren"),
        ({"power": {"profile": "battery"}}, "alarm.siren: needs power.profile mains"),
    ],
)
def test_a_siren_that_cannot_be_is_reported_and_the_node_measures(river: Any, config: Any, said: str) -> None:
    r = river(**config)
    r.on(1000)
    assert said in r.bridge.kinds(T.K_HEALTH)[0].fields["config_errors"]
    assert r.records()


def test_a_node_that_sleeps_samples_faster_in_an_event_and_reports_it_at_once(river: Any) -> None:
    r = river(power={"profile": "battery"}, alarm={"distance_mm": 1000, "hold_s": 120})
    r.on(1000)
    reports = len(r.records())
    boots = r.node.boots
    r.distance_m = 0.9
    r.simulation.run(130)
    assert [f.alarm for f in r.records()[reports:]].count(True) >= 2, r.node.log_path.read_text()
    assert 10 in {f.interval_s for f in r.records()[reports:]}
    r.distance_m = 2.0
    r.simulation.run(1800)
    assert r.node.boots > boots + 20  # it slept all the while
    assert [f.interval_s for f in r.records()][-1] == 60 and {f.boot for f in r.records()} == {1}
    instants = [t for f in r.records() for t in frame.times(f)]
    assert len(instants) == len(set(instants))
