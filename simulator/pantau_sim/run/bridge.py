"""The bridge on virtual time: the real ingest, spool and downlink; only the sockets and the waiting are the simulation's.

It keeps a session per partition, confirms to the broker what is durable, and acknowledges to the nodes at its interval, as
pantau.pipeline does in real time.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pantau.downlink import Downlink
from pantau.ingest import Ingest
from pantau.intake import Intake
from pantau.sources import Chunk, confirm
from pantau.spool import Spool, SpoolUnavailable
from pantau_wire import mqtt, mqtt_more, topics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from pantau.batch import Batch
    from pantau.keys import Keys
    from pantau.registry import Registry
    from pantau_sim.virtual import Client, Simulation

_COMMIT_US = 10_000  # from the first arrival to the commit: what comes meanwhile is in it
_ACK_US = 200_000  # config.SpoolTable.ack_interval_ms
_RETRY_US = 1_000_000  # a spool that is full
_RECONNECT_US = 1_000_000
_ACKS = 250
_MAX_PACKET = 1 << 16


class _Spool(Spool):
    """The spool of a disk that can be full."""

    full = False

    def commit(self, batch: Batch) -> None:
        """Make `batch` durable, unless the disk is full: SpoolUnavailable with nothing changed."""
        if self.full:
            raise SpoolUnavailable(f"{self.path}: the disk is full, says the scenario")
        super().commit(batch)


class _Session:
    """One partition's session (pantau.sources.Channel)."""

    def __init__(self, bridge: VirtualBridge, partition: int) -> None:
        self._bridge = bridge
        self._partition = partition
        self._client: Client | None = None
        self._pid = 0
        self._reader = mqtt.Reader(_MAX_PACKET)

    @property
    def ended(self) -> bool:
        """Return whether the connection is over."""
        return self._client is None or self._client.connection.closed

    def connect(self) -> None:
        """Connect; what the broker kept for this session comes."""
        simulation, city, partition = self._bridge.simulation, self._bridge.city, self._partition
        self._reader = mqtt.Reader(_MAX_PACKET)
        client = simulation.client(lambda data: self._receive(client, data))
        self._client = client
        wanted = [(f"pantau/v1/{city}/{partition}/+/{what}", 1) for what in ("up", "will")]
        self._send(mqtt.connect(f"pantau-bridge-{partition}", keepalive=0, clean=False) + mqtt.subscribe(1, wanted))

    def leave(self) -> None:
        """Break the connection, as a process that is killed does."""
        client, self._client = self._client, None
        if client is not None and not client.connection.closed:
            client.connection.lost()

    def publish(self, topic: str, payload: bytes) -> bool:
        """Send to a node; False without a connection."""
        if self.ended:
            return False
        self._pid = self._pid % 65535 + 1
        self._send(mqtt.publish(topic, payload, 1, self._pid))
        return True

    def confirm(self, pids: Sequence[bytes]) -> None:
        """Tell the broker that these messages are durable."""
        if not self.ended:
            self._send(b"".join(mqtt.puback(int.from_bytes(pid, "big")) for pid in pids if pid))

    def _send(self, data: bytes) -> None:
        if data and self._client is not None:
            self._client.send(data)

    def _receive(self, client: Client, data: bytes) -> None:
        if client is not self._client:
            return  # bytes on a connection that is gone
        names: list[bytes] = []
        payloads: list[bytes] = []
        pids: list[bytes] = []
        self._reader.feed(data)
        while (packet := self._reader.next()) is not None:
            if packet[0] == mqtt.PUBLISH:
                topic, payload, qos, pid, _retain, _dup = mqtt_more.parse_publish(packet[1], packet[2])
                names.append(topic.encode())
                payloads.append(bytes(payload))
                pids.append(pid.to_bytes(2, "big") if qos else b"")
        if payloads:
            self._bridge.arrived(Chunk(self, self._bridge.now_ms(), names, payloads, pids, sum(map(len, payloads))))


class VirtualBridge:
    """One bridge and the partitions it holds. `on_stored` gets each batch that has become durable."""

    def __init__(
        self,
        simulation: Simulation,
        city: str,
        registry: Registry,
        keys: Keys,
        folder: Path,
        partitions: Iterable[int],
        on_stored: Callable[[Batch], None],
    ) -> None:
        self.simulation = simulation
        self.city = city
        self.counts: Counter[str] = Counter()
        self._registry, self._keys, self._folder = registry, keys, folder
        self._on_stored = on_stored
        self._sessions = {partition: _Session(self, partition) for partition in sorted(set(partitions))}
        self._downlink = Downlink(keys, self.now_ms)
        self._life = 0  # events of a bridge that was stopped or killed meanwhile are void
        self._running = False
        self._full = False
        self._dies: str | None = None  # "before" or "after" the next commit
        self._waiting: list[Chunk] = []
        self._commits = self._acks = False  # whether one is planned
        self._spool: _Spool | None = None
        self._intake: Intake | None = None
        self.start()

    def now_ms(self) -> int:
        """Return Unix milliseconds UTC of virtual time."""
        return self.simulation.clock.now_us() // 1000

    @property
    def spool(self) -> Spool:
        """Return the log; it is open while the bridge runs."""
        assert self._spool is not None
        return self._spool

    # -- what may happen to it

    def start(self) -> None:
        """Begin, or begin again: from what is in the files."""
        self._life += 1
        self._running = True
        self._dies = None
        self._spool = _Spool(self._folder / "spool.sqlite3", max_mib=1024, quarantine_rows=100_000, quarantine_mib=64)
        self._spool.full = self._full
        self._downlink = Downlink(self._keys, self.now_ms)
        self._intake = Intake(Ingest(self.city, self._registry, self._keys, self._spool), self._spool, self._downlink)
        self.connect()

    def stop(self) -> None:
        """End at once; the broker keeps the sessions. What was not committed is forgotten, as by a kill."""
        if not self._running:
            return
        self._running = False
        self._life += 1
        self._waiting.clear()
        self._commits = self._acks = False
        for session in self._sessions.values():
            session.leave()
        self.simulation.flush()
        self.spool.close()

    def crash(self, when: str) -> None:
        """Die in the course of the next commit, "before" it or "after" it."""
        self._dies = when

    def revive(self) -> None:
        """Begin again after a crash; one that never came, for nothing was to be committed, is off."""
        self._dies = None
        if not self._running:
            self.start()

    def fill(self, *, full: bool) -> None:
        """Fill the disk, or free it."""
        self._full = full
        if self._spool is not None:
            self._spool.full = full

    def connect(self) -> None:
        """Connect the sessions that have no connection, when broker and bridge are there."""
        if self._running and self.simulation.broker_up:
            for session in self._sessions.values():
                if session.ended:
                    session.connect()

    def broker_back(self) -> None:
        """The broker listens again: reconnect after the pause that a client makes."""
        self._later(_RECONNECT_US, self.connect)

    def close(self) -> None:
        """Close the files."""
        if self._running:
            self._running = False
            self.spool.close()

    # -- what it does

    def publish(self, node: str, what: str, data: bytes) -> bool:
        """Send to a node; False without a connection."""
        return self._running and self._publish(node, what, data)

    def arrived(self, chunk: Chunk) -> None:
        """Take what one read of a session brought; the broker's window bounds what waits."""
        self._waiting.append(chunk)
        if not self._commits:
            self._commits = True
            self._later(_COMMIT_US, self._commit)

    def _later(self, us: int, action: Callable[[], None]) -> None:
        life = self._life

        def act() -> None:
            if life == self._life:
                action()

        self.simulation.at(self.simulation.clock.now_us() + us, act)

    def _commit(self) -> None:
        assert self._intake is not None
        if self._dies == "before":
            self._die()
            return
        try:
            stored = self._intake.store(self._waiting)
        except SpoolUnavailable:
            self.counts["commit_failures"] += 1
            self._later(_RETRY_US, self._commit)
            return
        self._commits = False
        chunks, self._waiting = self._waiting, []
        self.counts.update(stored.batch.counts)
        self.counts["gone"] += stored.batch.gone
        self._on_stored(stored.batch)
        if self._dies == "after":
            self._die()
            return
        confirm(chunks)
        for node, data in stored.answers:
            self._publish(node, "cmd", data)
        if not self._acks:
            self._acks = True
            self._later(_ACK_US, self._acknowledge)

    def _die(self) -> None:
        self._dies = None
        self.counts["crashes"] += 1
        self.stop()

    def _acknowledge(self) -> None:
        assert self._intake is not None
        self._acks = False
        made = self._intake.acks(_ACKS)
        unsent = [ack for ack, data in made if data is not None and not self._publish(ack.node, "ack", data)]
        if unsent:
            self._intake.ingest.ack_again(unsent)
        if self._intake.ingest.due:
            self._acks = True
            self._later(_ACK_US, self._acknowledge)

    def _publish(self, node: str, what: str, data: bytes) -> bool:
        return self._sessions[topics.partition(node)].publish(topics.topic(self.city, node, what), data)
