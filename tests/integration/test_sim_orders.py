"""Orders, configurations and damaged stores on the whole node: real VM, virtual time, a bridge that signs."""

import json
from pathlib import Path
from typing import Any

import pytest

from pantau_sim.clock import VirtualClock
from pantau_sim.node import SimNode
from pantau_sim.sensors import sht4x
from pantau_sim.virtual import Simulation
from pantau_sim.world import World
from pantau_wire import frame, mqtt, topics
from pantau_wire import names as T
from scenarios.week_bridge import Bridge

pytestmark = pytest.mark.usefixtures("vm")

KEY = bytes(range(32))
NODE, CITY = "flood-01", "tng"
RESCUE = {"city": CITY, "broker": {"host": "rescue", "tls": False, "lab_plain": True}}


class Street:
    """A node and its bridge."""

    def __init__(self, folder: Path, **config: Any) -> None:
        self.simulation = Simulation(VirtualClock())
        wiring = {"i2c": {(0, 0x44): sht4x.Emulator(World(1).station(NODE), 1)}}
        self.node = SimNode(folder / NODE, wiring=wiring, clock=self.simulation.clock)
        self.root = self.node.root
        self.root.mkdir()
        self.give(**config)
        identity = {"node": NODE, "keys": {"0": KEY.hex()}, "key_id": 0, "mqtt_password": "p", "rescue": RESCUE}
        (self.root / "identity.json").write_text(json.dumps(identity))
        self.simulation.add(self.node)
        self.bridge = Bridge(self.simulation, CITY, NODE, KEY)

    def give(self, **config: Any) -> None:
        """Put a configuration there, as a technician does."""
        broker = {"host": "broker", "port": 1883, "tls": False, "lab_plain": True}
        whole = {"city": CITY, "broker": broker, "trial_s": 60, "sensors": [{"model": "sht4x", "i2c": 0}], **config}
        (self.root / "config.json").write_text(json.dumps(whole))

    def on(self) -> None:
        self.simulation.power_on(self.node)
        self.simulation.run(100)

    def again(self) -> None:
        self.simulation.power_off(self.node)
        self.on()

    def health(self) -> dict[str, Any]:
        """The newest health frame, asked for."""
        self.bridge.command("health")
        self.simulation.run(10)
        found: dict[str, Any] = self.bridge.kinds(T.K_HEALTH)[-1].fields
        return found

    def answer(self, order: int) -> tuple[int, str]:
        """What the node said to an order."""
        self.simulation.run(10)
        said = self.bridge.results[order]
        assert len(said) == 1
        return said[0].get("ok", 0), said[0]["detail"]

    def config(self) -> tuple[int, int]:
        """Generation and state."""
        health = self.health()
        return health["config_generation"], health["config_state"]


@pytest.fixture
def street(tmp_path: Path) -> Any:
    made: list[Street] = []

    def make(**config: Any) -> Street:
        made.append(Street(tmp_path, **config))
        made[0].on()
        return made[0]

    yield make
    made[0].simulation.close()


def test_a_configuration_from_afar_is_echoed_tried_and_committed_by_an_acknowledged_frame(street: Any) -> None:
    s = street()
    assert s.config() == (1, 0)
    order = s.bridge.configure(2, {"sampling": {"interval_s": 30}, "link": {"password": "new-secret"}})
    ok, detail = s.answer(order)
    assert ok and "sampling.interval_s=30" in detail and "new-secret" not in detail
    s.simulation.run(100)
    assert s.node.boots == 2 and s.config() == (2, 0)
    assert s.answer(s.bridge.command("get", key="sampling.interval_s")) == (1, "sampling.interval_s=30")
    assert s.answer(s.bridge.command("get", key="link.password")) == (1, "link.password=***")
    for key in ("link_password", "__class__", "sensors", ""):
        assert s.answer(s.bridge.command("get", key=key)) == (0, key + ": unknown key")


def test_a_configuration_that_silences_the_node_is_taken_back(street: Any) -> None:
    s = street()
    assert s.answer(s.bridge.configure(2, {"city": "elsewhere"}))[0] == 1
    s.simulation.run(300)  # restart, trial_s without an acknowledgement, restart
    assert s.node.boots == 3 and s.config() == (3, 2)
    log = s.node.log_path.read_text()
    assert "no acknowledgement with the configuration on trial" in log, log
    refused = s.bridge.configure(3, {"sampling": {"batch": 5}})
    assert s.answer(refused) == (0, "generation 3 is not greater than 3")
    assert s.answer(s.bridge.configure(4, {"sampling": {"batch": 5}}))[0] == 1
    s.simulation.run(100)
    assert s.config() == (4, 0)


def test_a_bad_configuration_is_refused_with_every_reason_and_changes_nothing(street: Any) -> None:
    s = street()
    bad = {"sampling": {"interval_s": 0, "batch": "many"}, "broker": {"lab_plain": False}, "colour": "red"}
    ok, detail = s.answer(s.bridge.configure(2, bad))
    assert not ok
    for said in (
        "sampling.interval_s: 0 is not in 1..86400",
        "sampling.batch: must be an integer",
        "colour: unknown key",
    ):
        assert said in detail
    assert s.node.boots == 1 and s.config() == (1, 0)


def test_a_configuration_by_file_is_tried_like_one_from_afar(street: Any) -> None:
    s = street()
    s.give(city="elsewhere")
    s.again()
    s.simulation.run(200)
    assert s.config() == (3, 2), "taken back"
    s.give(sampling={"interval_s": 20})
    s.again()
    assert s.config() == (4, 0) and not (s.root / "config.json").exists()
    s.give(sampling={"interval_s": -1})
    s.again()
    assert s.config() == (4, 0) and (s.root / "config.json").exists()
    assert "sampling.interval_s: -1 is not in" in s.health()["config_errors"]


def test_damaged_copies_of_the_configuration_lead_to_the_other_and_then_to_the_rescue(street: Any) -> None:
    s = street()
    s.bridge.configure(2, {"sampling": {"interval_s": 30}})
    s.simulation.run(100)
    assert s.config() == (2, 0)
    newest = max((s.root / name for name in ("config.a", "config.b")), key=lambda path: path.read_bytes()[4:8])
    newest.write_bytes(newest.read_bytes()[:-3] + b"???")
    s.again()
    health = s.health()
    assert health["config_state"] == 2 and "generation 2 is damaged" in health["config_errors"]
    for name in ("config.a", "config.b"):
        (s.root / name).write_bytes(b"\xff" * 100)
    s.again()
    health = s.health()
    assert health["config_state"] == 3 and "the rescue configuration" in health["config_errors"]
    assert s.answer(s.bridge.command("get", key="broker.host")) == (1, 'broker.host="rescue"')


def test_a_damaged_identity_is_made_whole_again_and_without_any_the_node_waits_and_says_what_to_do(street: Any) -> None:
    s = street()
    s.simulation.power_off(s.node)
    good = (s.root / "identity.b").read_bytes()
    (s.root / "identity.a").write_bytes(b"")
    s.simulation.power_on(s.node)
    s.simulation.run(100)
    assert (s.root / "identity.a").read_bytes() == good
    s.simulation.power_off(s.node)
    for name in ("identity.a", "identity.b"):
        (s.root / name).write_bytes(good[:40])
    s.on()
    assert "provision it anew" in s.node.log_path.read_text()
    stored = len(s.bridge.frames)
    (s.root / "identity.json").write_bytes(good[16:])
    s.simulation.run(100)
    assert len(s.bridge.frames) > stored, "provisioned while it waited"


def test_counters_that_cannot_be_read_cost_what_they_counted_and_nothing_else(street: Any) -> None:
    s = street()
    s.simulation.power_off(s.node)
    for name in ("boot.cnt", "orders.cnt", "floor.cnt"):
        (s.root / name).unlink(missing_ok=True)
        (s.root / name).mkdir()
    s.on()
    health = s.bridge.kinds(T.K_HEALTH)[-1]
    assert health.boot > 1 << 20 and "boot.cnt: cannot be read" in health.fields["config_errors"], (
        s.node.log_path.read_text()
    )
    order = s.bridge.command("restart")
    s.simulation.run(100)
    assert order not in s.bridge.results and s.node.boots == 2, "no order is safe from a replay"
    assert s.bridge.kinds(T.K_HEALTH)[-1].boot == health.boot


def test_a_wrong_board_measures_nothing_and_still_delivers_records_that_say_so(street: Any) -> None:
    s = street(board="toaster")
    s.simulation.run(1000)
    errors = s.health()["config_errors"]
    assert "board: toaster is not one of" in errors and "this board has no i2c 0" in errors
    assert sum(f.count for f in s.bridge.kinds(T.K_RECORDS)) >= 15


def test_replayed_and_forged_orders_and_acknowledgements_do_nothing(street: Any) -> None:
    s = street()
    before = s.health()["forged"]
    order = frame.Frame(T.K_COMMAND)
    order.counter, order.fields = s.simulation.clock.now_us() // 1000 + 10**6, {"id": 77, "name": "restart"}
    ack = frame.Frame(T.K_ACK)
    ack.counter, ack.fields = 1, {"boot": 9, "through": 4, "map": 0}
    signed, forged = frame.encode(order, NODE, KEY), frame.encode(order, NODE, bytes(32))
    strange = frame.encode(ack, NODE, KEY)
    client = s.simulation.client(lambda _data: None)
    client.send(mqtt.connect("stranger", keepalive=0))
    for what, payload in (("cmd", forged), ("cmd", b"garbage"), ("cmd", signed), ("ack", strange), ("cmd", signed)):
        client.send(mqtt.publish(topics.topic(CITY, NODE, what), payload, 1, 9))
    s.simulation.run(200)
    assert s.node.boots == 2, "the signed order was carried out once"
    assert len(s.bridge.results[77]) == 1
    client.send(mqtt.publish(topics.topic(CITY, NODE, "cmd"), signed, 1, 9))
    s.simulation.run(100)
    assert s.node.boots == 2 and s.health()["forged"] == before + 1, "replayed after a restart"
    assert "acknowledged what was never sent: boot 9" in s.node.log_path.read_text()
