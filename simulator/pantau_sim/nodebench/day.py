"""A day of the whole firmware in virtual time, with emulated sensors: when its first frame leaves, and what goes over the air."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pantau.bench.figures import PUBLISHED, Figure
from pantau_sim.broker import Connection
from pantau_sim.clock import VirtualClock
from pantau_sim.node import SimNode
from pantau_sim.nodebench.domains import CITY, DOMAINS, KEY, NODE, configuration, wiring, write_node
from pantau_sim.virtual import Simulation
from pantau_sim.world import World
from pantau_wire import frame, mqtt, mqtt_more, topics
from pantau_wire import names as T

FIGURES = {  # what a segment of MQTT costs beside its bytes
    "tls_record_bytes": Figure(29, "bytes", PUBLISHED, "TLS 1.2 with AES-GCM: header 5, nonce 8, tag 16 (RFC 5246, RFC 5288)"),
    "tcp_ip_bytes": Figure(40, "bytes", PUBLISHED, "IPv4 and TCP headers of 20 each without options (RFC 791, RFC 9293)"),
}  # fmt: skip
TLS_RECORD_BYTES, TCP_IP_BYTES = (int(figure.value) for figure in FIGURES.values())
_UP = topics.topic(CITY, NODE, "up")


@dataclass(frozen=True)
class Lived:
    """figures for the report; frames: all that the bridge got, in order of (boot, seq)."""

    figures: dict[str, Any]
    frames: list[bytes]


class Bridge:
    """Stores each frame and when it came, acknowledges it, answers questions for the time."""

    def __init__(self, simulation: Simulation) -> None:
        self.frames: dict[tuple[int, int], bytes] = {}
        self.came_us: dict[tuple[int, int], int] = {}
        self.first_us: int | None = None
        self._simulation = simulation
        self._reader = mqtt.Reader(4096)
        self._client = simulation.client(self._on_data)
        self._client.send(mqtt.connect("bridge", keepalive=0) + mqtt.subscribe(1, [(_UP, 1)]))

    def _on_data(self, data: bytes) -> None:
        self._reader.feed(data)
        while packet := self._reader.next():
            if packet[0] == mqtt.PUBLISH:
                _topic, payload, _qos, pid, _retain, _dup = mqtt_more.parse_publish(packet[1], packet[2])
                self._client.send(mqtt.puback(pid))
                self._store(bytes(payload))

    def _store(self, payload: bytes) -> None:
        now_us = self._simulation.clock.now_us()
        self.first_us = self.first_us or now_us
        f = frame.decode(payload)
        self.frames[f.boot, f.seq] = payload
        self.came_us.setdefault((f.boot, f.seq), now_us)
        through = 0
        while (f.boot, through + 1) in self.frames:
            through += 1
        later = sum(1 << k for k in range(64) if (f.boot, through + 1 + k) in self.frames)
        self._down("ack", T.K_ACK, {"boot": f.boot, "through": through, "map": later})
        if "time_nonce" in f.fields:
            self._down("cmd", T.K_TIME, {"utc_ms": now_us // 1000, "nonce": f.fields["time_nonce"]})

    def _down(self, what: str, kind: int, fields: dict[str, Any]) -> None:
        f = frame.Frame(kind)
        f.counter = self._simulation.clock.now_us() // 1000
        f.fields = fields
        self._client.send(mqtt.publish(topics.topic(CITY, NODE, what), frame.encode(f, NODE, KEY), 1, 7))


@dataclass
class _Meter:
    """Counts the segments and bytes of the node's connections, both ways."""

    segments: int = 0
    octets: int = 0

    def watch(self, connection: Connection) -> Connection:
        """Count what goes through it from now on."""
        receive, take = connection.receive, connection.take

        def counted_receive(data: bytes, now_ms: int) -> None:
            self._count(data)
            receive(data, now_ms)

        def counted_take() -> bytes:
            data = take()
            self._count(data)
            return data

        connection.receive = counted_receive  # type: ignore[method-assign]
        connection.take = counted_take  # type: ignore[method-assign]
        return connection

    def _count(self, data: bytes) -> None:
        self.segments += bool(data)
        self.octets += len(data)


def measure(domain: str, folder: Path, hours: int) -> Lived:
    """Let a node live for so many hours with the link up; raises MissingVmError without the unix VM."""
    simulation = Simulation(VirtualClock())
    root = folder / "alive"
    config = configuration(domain, tls=False, lab_plain=True)
    write_node(root, config)
    node = SimNode(root, None, wiring(DOMAINS[domain], World(1).station(NODE)), clock=simulation.clock, seed=1)
    simulation.add(node)
    bridge = Bridge(simulation)
    meter = _Meter()
    connect = simulation.broker.connect
    simulation.broker.connect = lambda: meter.watch(connect())  # type: ignore[method-assign]
    start_us = simulation.clock.now_us()
    simulation.power_on(node)
    try:
        simulation.run(hours * 3600)
    finally:
        simulation.close()
    if bridge.first_us is None:
        raise RuntimeError(f"the node sent no frame in {hours} h: {node.log_path.read_text()[-800:]}")
    # Each segment with data is acknowledged by one without, a bound from above: many are acknowledged by the answer.
    overhead = TLS_RECORD_BYTES + 2 * TCP_IP_BYTES
    figures = {
        "boot_to_first_frame_s": round((bridge.first_us - start_us) / 1e6, 3),
        "air_bytes_per_day": round((meter.octets + meter.segments * overhead) * 24 / hours),
        "mqtt_bytes_per_day": round(meter.octets * 24 / hours),
        "segments_per_day": round(meter.segments * 24 / hours),
        "overhead_bytes_per_segment": overhead,
        "frames_per_day": round(len(bridge.frames) * 24 / hours),
    }
    return Lived(figures, [bridge.frames[name] for name in sorted(bridge.frames)])
