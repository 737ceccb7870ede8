"""Virtual time: the same seed gives the same bytes, with a stand-in script and with the real firmware."""

import hashlib
import json
from itertools import pairwise

import pytest

from pantau_sim.broker import BrokerModel
from pantau_sim.clock import VirtualClock
from pantau_sim.node import NodeError, SimNode, firmware_folder
from pantau_sim.sensors import a02yyuw, sht4x, tipping_bucket
from pantau_sim.virtual import Simulation
from pantau_sim.world import World
from pantau_wire import frame, mqtt, mqtt_more, topics
from pantau_wire import names as T

pytestmark = pytest.mark.usefixtures("vm")

KEY = bytes(range(32))
STAND_IN = """
import asyncio, machine, network, os, random, socket, time
import pantau_wire.mqtt as mqtt
uart = machine.UART(1, 9600, rxbuf=512)
tips = []
machine.Pin(25, machine.Pin.IN).irq(handler=lambda _p: tips.append(time.ticks_ms()), trigger=machine.Pin.IRQ_FALLING)
async def beat(stream):
    while True:
        await asyncio.sleep(20)
        stream.write(mqtt.pingreq())
        await stream.drain()
async def main():
    wlan = network.WLAN(network.STA_IF)
    wlan.active(True)
    wlan.connect("city", "secret")
    while not wlan.isconnected():
        await asyncio.sleep_ms(200)
    reader, writer = await asyncio.open_connection("broker", 1883)
    writer.write(mqtt.connect("n", keepalive=60))
    await writer.drain()
    await reader.readexactly(4)
    asyncio.create_task(beat(writer))
    pid = 0
    while True:
        await asyncio.sleep_ms(10000 + random.getrandbits(10))
        pid = pid % 65535 + 1
        data = uart.read()
        text = "%d %s %s %s" % (time.ticks_ms(), data[-4:], tips[-3:], os.urandom(2))
        writer.write(mqtt.publish("t", text.encode(), 1, pid))
        await writer.drain()
asyncio.run(main())
"""


def simulated(tmp_path, name, *, firmware=None, seed=1, config=None):
    """A simulation with one flood node in its own folder."""
    simulation = Simulation(VirtualClock())
    world = World(seed)
    world.storm(simulation.clock.now_us() / 1e6 + 600, 80, 300)
    station = world.station("flood-01")
    wiring = {
        "uart": {1: a02yyuw.Emulator(station, seed)},
        "i2c": {(0, 0x44): sht4x.Emulator(station, seed)},
        "pulse": {(25 if firmware else 0): tipping_bucket.Emulator(station, seed)},
    }
    root = tmp_path / name / "node"
    root.mkdir(parents=True)
    for file, body in (config or {}).items():
        (root / file).write_text(json.dumps(body))
    node = SimNode(root, firmware, wiring, clock=simulation.clock, seed=seed)
    simulation.add(node)
    return simulation, node, station


def stand_in(tmp_path):
    folder = tmp_path / "firmware"
    folder.mkdir()
    (folder / "main.py").write_text(STAND_IN)
    return folder


def an_hour(tmp_path, name, folder, seed):
    simulation, node, _ = simulated(tmp_path, name, firmware=folder, seed=seed)
    out = []
    simulation.broker.on_publish = lambda _user, message: out.append((simulation.clock.now_us(), message.payload))
    simulation.power_on(node)
    try:
        simulation.run(3600)
    finally:
        simulation.close()
    return out, node.log_path.read_text()


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    folder = stand_in(tmp_path)
    (first, log), (second, _), (other, _) = (
        an_hour(tmp_path, name, folder, seed) for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert log == ""
    assert 320 < len(first) < 360
    assert first == second
    assert [text for _, text in first] != [text for _, text in other]


def test_a_cut_link_holds_traffic_and_the_keepalive_ends_the_session(tmp_path):
    simulation, node, _ = simulated(tmp_path, "a", firmware=stand_in(tmp_path))
    times = []
    simulation.broker.on_publish = lambda *_: times.append(simulation.clock.now_us() // 1000000)
    start = simulation.clock.now_us()
    simulation.power_on(node)
    simulation.at(start + 100 * 1000000, lambda: simulation.set_link(node, up=False))
    simulation.at(start + 150 * 1000000, lambda: simulation.set_link(node, up=True))
    simulation.at(start + 300 * 1000000, lambda: simulation.power_off(node))
    simulation.run(290)
    gap = [b - a for a, b in pairwise(times)]
    assert max(gap) > 45 and sum(1 for t in gap if t == 0) >= 3  # held, then all at once
    assert simulation.broker.sessions["n"].connection
    simulation.run(110)
    assert simulation.broker.sessions["n"].connection is None  # no goodbye: the broker waited 90 s
    simulation.close()


def test_a_busy_loop_is_named(tmp_path):
    folder = tmp_path / "firmware"
    folder.mkdir()
    (folder / "main.py").write_text(
        "import time\nt = time.ticks_ms()\nwhile time.ticks_diff(time.ticks_ms(), t) < 5:\n    pass\n"
    )
    simulation, node, _ = simulated(tmp_path, "a", firmware=folder)
    simulation.power_on(node)
    simulation.run(1)
    simulation.close()
    assert node.returncode == 1 and "busy wait" in node.log_path.read_text()


def test_ticks_wrap_and_asyncio_goes_on(tmp_path):
    folder = tmp_path / "firmware"
    folder.mkdir()
    (folder / "main.py").write_text(
        "import asyncio, time\n"
        "async def main():\n"
        "    for _ in range(4):\n"
        "        await asyncio.sleep(4 * 86400)\n"
        "        print(time.ticks_ms())\n"
        "asyncio.run(main())\n"
    )
    simulation, node, _ = simulated(tmp_path, "a", firmware=folder)
    simulation.power_on(node)
    simulation.run(17 * 86400)
    simulation.close()
    ticks = [int(word) for word in node.log_path.read_text().split()]
    day_ms = 86400000
    assert ticks == [4 * day_ms, 8 * day_ms, 12 * day_ms, 16 * day_ms - (1 << 30)]


def test_a_node_with_another_clock_is_refused(tmp_path):
    simulation = Simulation(VirtualClock(), BrokerModel())
    with pytest.raises(NodeError, match="another clock"):
        simulation.add(SimNode(tmp_path / "n", tmp_path, clock=VirtualClock()))


def flood_files():
    config = {
        "node": "flood-01", "city": "tng", "profile": 1, "board": "esp32-generic", "station": "flood",
        "link": {"kind": "wifi", "ssid": "city", "password": "secret"},
        "broker": {
            "host": "broker", "port": 1883, "tls": False, "ca": "", "server_name": "broker", "lab_plain": True,
            "keepalive_s": 60,
        },
        "sampling": {"interval_s": 60, "batch": 5, "run_s": 0, "health_s": 900},
        "sensors": [
            {"model": "a02yyuw", "uart": 1}, {"model": "tipping_bucket", "pulse": 0},
            {"model": "sht4x", "i2c": 0, "address": 68},
        ],
    }  # fmt: skip
    identity = {
        "node": "flood-01", "generation": 1, "keys": {"0": KEY.hex()}, "key_id": 0,
        "mqtt_user": "flood-01", "mqtt_password": "p",
    }  # fmt: skip
    return {"config.json": config, "identity.json": identity}


class Bridge:
    """As much of a bridge as a node needs: it subscribes, and acknowledges every frame."""

    def __init__(self, simulation):
        self.frames = {}
        self._counter = simulation.clock.now_us() // 1000
        self._reader = mqtt.Reader(65536)
        self._client = simulation.client(self._on_data)
        self._client.send(mqtt.connect("bridge", keepalive=0) + mqtt.subscribe(1, [("pantau/v1/tng/+/+/up", 1)]))

    def _on_data(self, data):
        self._reader.feed(data)
        while True:
            packet = self._reader.next()
            if packet is None:
                return
            if packet[0] == mqtt.PUBLISH:
                topic, payload, _qos, pid, _retain, _dup = mqtt_more.parse_publish(packet[1], packet[2])
                self._client.send(mqtt.puback(pid) + self._acknowledge(topics.parse(topic)[2], bytes(payload)))

    def _acknowledge(self, node, payload):
        assert frame.verify(payload, node, KEY)
        decoded = frame.decode(payload)
        self.frames.setdefault((decoded.boot, decoded.seq), payload)
        ack = frame.Frame(T.K_ACK)
        self._counter += 1
        ack.counter = self._counter
        through = 0
        while (decoded.boot, through + 1) in self.frames:
            through += 1
        later = sum(1 << k for k in range(64) if (decoded.boot, through + 1 + k) in self.frames)
        ack.fields = {"boot": decoded.boot, "through": through, "map": later}
        return mqtt.publish(
            topics.topic("tng", node, "ack"), frame.encode(ack, node, KEY), 1, 1 + self._counter % 60000
        )


def test_the_real_firmware_in_virtual_time_is_repeatable_and_true(tmp_path):
    if not (firmware_folder() / "pantau_node" / "app.py").is_file():
        pytest.skip("the firmware has no app.py yet")
    digests = []
    for name in ("a", "b"):
        simulation, node, station = simulated(tmp_path, name, config=flood_files())
        bridge = Bridge(simulation)
        simulation.power_on(node)
        try:
            simulation.run(3600)
        finally:
            simulation.close()
        log = node.log_path.read_text()
        assert node.boots == 1, log
        everything = b"".join(bridge.frames[key] for key in sorted(bridge.frames))
        digests.append(hashlib.sha256(everything).hexdigest())
        records = [f for f in map(frame.decode, bridge.frames.values()) if f.kind == T.K_RECORDS]
        assert 55 <= sum(f.count for f in records) <= 60, log
        check_truth(records, node, station)
    assert digests[0] == digests[1]


def check_truth(records, node, station):
    """Every good distance is the world's, at the instant that the record names."""
    compared = 0
    for f in records:
        values, quality = f.columns[T.WATER_DISTANCE]
        for k, at in enumerate(frame.times(f)):
            if values[k] is not None and (quality is None or quality[k] == frame.quality(T.R_OK)):
                t_s = at if f.clock else node.boot_utc_ms / 1000 + at
                assert abs(values[k] - 1000 * station("water_distance", t_s)) <= 6
                compared += 1
    assert compared > 40
