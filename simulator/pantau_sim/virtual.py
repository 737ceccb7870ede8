"""One virtual time for several nodes, the broker model and host-side actors: seeded, repeatable, far faster than real.

Conservative discrete events. Only one VM runs at a time; it runs until it waits. What it sends arrives after the link's
latency, so every node may run ahead, without asking, to just before the earliest instant that another could reach it.
"""

import heapq
import socket
import struct
from collections.abc import Callable

from pantau_sim.broker import BrokerModel
from pantau_sim.bus import HEADER
from pantau_sim.clock import VirtualClock
from pantau_sim.datagrams import Datagrams
from pantau_sim.loss import Lane, Loss
from pantau_sim.members import NEVER, Member, Stream
from pantau_sim.node import WATCHDOG, NodeError, SimNode

_WAIT, _SOCKET = 16, 17
_CONNECT, _SEND, _CLOSE, _DATAGRAM = 1, 2, 3, 4  # from the VM
_DATA, _CONNECTED, _CLOSED, _ERROR = 0, 1, 2, 3  # to the VM
_WAIT_BODY = struct.Struct("<QBQ")  # until when, whether sockets end it, when the watchdog bites (uptimes, in us)
_NO_DOG = (1 << 62) - 1
_ECONNREFUSED, _ECONNRESET = 111, 104
_REQUEST = 4096  # bytes: about the longest request
_VM_TIMEOUT_S = 60  # real time within which a VM must come to its next wait
_CHUNK = 2048  # of one reply, which takes heap in the VM: a chip's own TCP stack holds no more than 5.7 KB for it


class BusyNodeError(NodeError):
    """A node ran for a minute of real time without waiting: it would stop virtual time for ever."""


class Client:
    """A host-side MQTT client in virtual time (a bridge under test, an attacker): bytes without latency."""

    def __init__(self, simulation: "Simulation", on_data: Callable[[bytes], None]) -> None:
        self.on_data = on_data
        self.connection = simulation.broker.connect()
        self._simulation = simulation

    def send(self, data: bytes) -> None:
        """Bytes to the broker, now."""
        self.connection.receive(data, self._simulation.clock.now_us() // 1000)
        self._simulation.flush()


class Simulation:
    """Nodes (made with this clock), broker and actors on one clock. Not thread-safe; close it."""

    def __init__(
        self, clock: VirtualClock, broker: BrokerModel | None = None, *, latency_ms: int = 20, loss: Loss | None = None
    ) -> None:
        self.clock = clock
        self.broker = broker or BrokerModel()
        self.broker_up = True
        self.waits = 0
        self.datagrams = Datagrams(self._later, clock.now_us)
        self._latency_us = latency_ms * 1000
        self._loss = loss or Loss(0.0)
        self._members: list[Member] = []
        self._clients: list[Client] = []
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._told: list[int] = []  # instants of at()
        self._count = 0
        self._end_us = NEVER
        self._tick_us: int | None = None

    def add(self, node: SimNode) -> None:
        """Take a node in; `power_on` starts it."""
        if node.clock is not self.clock:
            raise NodeError(f"node {node.root.name} has another clock: make it with SimNode(clock=simulation.clock)")
        node.bus.horizon_us = self._horizon_us
        self._members.append(Member(node, len(self._members)))

    def client(self, on_data: Callable[[bytes], None]) -> Client:
        """A host-side connection to the broker."""
        client = Client(self, on_data)
        self._clients.append(client)
        return client

    def at(self, t_us: int, action: Callable[[], None]) -> None:
        """Do something at a Unix instant in us; ValueError for the past."""
        if t_us < self.clock.now_us():
            raise ValueError(f"{t_us} us is in the past of virtual time {self.clock.now_us()} us")
        heapq.heappush(self._told, t_us)
        self._count += 1
        heapq.heappush(self._events, (t_us, self._count, action))

    def power_on(self, node: SimNode) -> None:
        """Cold start, now."""
        member = self._member(node)
        node.power_on()
        self._serve(member)

    def power_off(self, node: SimNode) -> None:
        """Cut a node's power, now."""
        member = self._member(node)
        node.kill()
        node.close()
        self._gone(member)

    def brown_out(self, node: SimNode, seconds: float = 0) -> None:
        """The supply dips for so long: reported as a power-on, RTC and its memory are lost, sensors are cold, flash is kept."""
        self.power_off(node)
        self.at(self.clock.now_us() + int(seconds * 1000000), lambda: self.power_on(node))

    def set_link(self, node: SimNode, *, up: bool) -> None:
        """Cut or restore a node's link; what is under way waits, as TCP sends again."""
        member = self._member(node)
        node.bus.link_up = up
        if up:
            held, member.held = member.held, []
            for action in held:
                self._later(action)

    def restart_broker(self, *, keep_sessions: bool = True) -> None:
        """All connections break."""
        self.broker.restart(keep_sessions=keep_sessions)
        self.flush()

    def run(self, seconds: float) -> None:
        """Let virtual time pass. A node whose firmware ends leaves the simulation; its returncode says how."""
        self._end_us = self.clock.now_us() + int(seconds * 1000000)
        while True:
            event_us = self._events[0][0] if self._events else NEVER
            member = min(self._members, key=lambda m: (m.wake_us, m.index), default=None)
            wake_us = member.wake_us if member else NEVER
            at_us = min(event_us, wake_us)
            if at_us > self._end_us:
                break
            self.clock.advance_to(max(at_us, self.clock.now_us()))
            if event_us <= wake_us:
                heapq.heappop(self._events)[2]()
            elif member:
                self._resume(member)
        self.clock.advance_to(max(self._end_us, self.clock.now_us()))

    def close(self) -> None:
        """Cut all power."""
        for member in self._members:
            member.node.kill()
            member.node.close()
            member.wake_us = NEVER

    def flush(self) -> None:
        """Send what the broker has to say; tell of closed connections; plan its next deadline."""
        now_us = self.clock.now_us()
        for member in self._members:
            for stream in list(member.streams.values()):
                connection = stream.connection
                if connection is None:
                    continue
                data = connection.take()
                if data:
                    self._to_node(stream, _DATA, data)
                if connection.closed and not stream.told_closed:
                    stream.told_closed = True
                    self._to_node(stream, _CLOSED, b"")
        for client in self._clients:
            data = client.connection.take()
            if data:
                self._plan(now_us, lambda client=client, data=data: client.on_data(data))  # type: ignore[misc]
        deadline_ms = self.broker.next_deadline_ms()
        if deadline_ms is not None and (self._tick_us is None or deadline_ms * 1000 < self._tick_us):
            self._tick_us = max(now_us, deadline_ms * 1000)
            self._plan(self._tick_us, self._broker_tick)

    def _broker_tick(self) -> None:
        self._tick_us = None
        self.broker.tick(self.clock.now_us() // 1000)
        self.flush()

    def _plan(self, t_us: int, action: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._events, (t_us, self._count, action))

    def _later(self, action: Callable[[], None], from_us: int | None = None) -> None:
        self._plan((self.clock.now_us() if from_us is None else from_us) + self._latency_us, action)

    def _carry(self, lane: Lane, from_us: int, action: Callable[[], None]) -> None:
        self._plan(lane.arrival_us(from_us, self._latency_us), action)

    def _member(self, node: SimNode) -> Member:
        for member in self._members:
            if member.node is node:
                return member
        raise NodeError(f"node {node.root.name} is not in this simulation: add it first")

    def _gone(self, member: Member) -> None:
        """The VM has ended: its connections break when the broker notices."""
        member.wake_us = member.until_us = NEVER
        member.waiting = False
        member.inbox.clear()
        member.held.clear()
        streams, member.streams = member.streams, {}
        for stream in streams.values():
            # The stack died with the chip: no FIN is sent, only the keepalive ends the session.
            stream.member = member
            stream.told_closed = True

    def _horizon_us(self) -> int:
        """Up to which instant no one was asked to change anything: further a sensor is not asked for its future."""
        while self._told and self._told[0] < self.clock.now_us():
            heapq.heappop(self._told)
        return min(self._end_us, self._told[0] if self._told else NEVER)

    def _grant_us(self, member: Member) -> int:
        """Up to which instant nothing can reach this node that is not in its inbox."""
        grant = min(self._end_us, self._events[0][0] if self._events else NEVER)
        for other in self._members:
            if other is not member and other.wake_us < NEVER:
                grant = min(grant, other.wake_us + self._latency_us)
        return grant - 1

    def _resume(self, member: Member) -> None:
        """Let a waiting node go on at the present instant."""
        bus = member.node.bus
        now_us = self.clock.now_us()
        if not member.waiting:
            self._boot(member)
            return
        if bus.watchdog_us is not None and now_us >= bus.watchdog_us:
            bus.reset = (WATCHDOG, 0)
            self._reboot(member, now_us)
            return
        grant_us = max(0, self._grant_us(member) - bus.boot_us)
        reply = struct.pack("<QQ", now_us - bus.boot_us, grant_us)
        budget = _CHUNK
        while member.inbox and budget > 0:
            sid, kind, data = member.inbox.pop(0)
            reply += struct.pack("<HBH", sid, kind, len(data)) + data
            budget -= len(data)
        self._answer(member, reply)
        self._serve(member)

    def _answer(self, member: Member, reply: bytes) -> None:
        if member.node.link:
            try:
                member.node.link.sendall(len(reply).to_bytes(2, "little") + reply)
            except (BrokenPipeError, ConnectionResetError):
                return  # the VM has just ended; the next receive sees it

    def _serve(self, member: Member) -> None:
        """Answer a running node's requests until it waits, resets or ends."""
        node = member.node
        bus = node.bus
        member.waiting = False
        while True:
            request = self._receive(node)
            if request is None:
                node.close()
                self._gone(member)
                return
            op, uptime_us, body = request
            if op == _WAIT:
                self._begin_wait(member, body)
                return
            if op == _SOCKET:
                self._socket(member, bus.boot_us + uptime_us, body)
                reply = b""
            else:
                reply = bus.handle(op, uptime_us, body)
            if bus.reset:
                self._reboot(member, bus.boot_us + uptime_us)
                return
            self._answer(member, reply)

    def _begin_wait(self, member: Member, body: bytes) -> None:
        target_us, listens, dog_us = _WAIT_BODY.unpack(body)
        bus = member.node.bus
        if dog_us < _NO_DOG:
            bus.watchdog_us = dog_us + bus.boot_us
        self.waits += 1
        member.waiting = True
        member.listens = bool(listens)
        member.until_us = min(NEVER, target_us + bus.boot_us)
        if bus.watchdog_us is not None:
            member.until_us = min(member.until_us, bus.watchdog_us)
        member.wake_us = self.clock.now_us() if member.listens and member.inbox else member.until_us

    def _reboot(self, member: Member, at_us: int) -> None:
        """The chip went down at at_us, its own instant: it starts again at once, or after its deep sleep."""
        node = member.node
        cause, wake_ms = node.bus.reset or (WATCHDOG, 0)
        node.kill()
        node.close()
        self._gone(member)
        member.wake_us = at_us + node.bus.asleep_us(wake_ms)
        node.bus.reset = (cause, wake_ms)

    def _boot(self, member: Member) -> None:
        cause = (member.node.bus.reset or (WATCHDOG, 0))[0]
        member.node.boot(cause)
        self._serve(member)

    def _receive(self, node: SimNode) -> tuple[int, int, bytes] | None:
        """The next request, or None when the VM has ended. There is never more than one."""
        link = node.link
        if link is None:
            return None
        if link.gettimeout() is not None:  # a limit of the socket's own spares two system calls each time
            link.settimeout(None)
            link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", _VM_TIMEOUT_S, 0))
        data = b""
        while len(data) < HEADER.size or len(data) < HEADER.size + HEADER.unpack_from(data)[0]:
            try:
                got = link.recv(_REQUEST)
            except BlockingIOError as error:
                raise BusyNodeError(
                    f"node {node.root.name} ran {_VM_TIMEOUT_S} s without waiting: look for a loop without a sleep, {node.log_path}"
                ) from error
            except ConnectionError:
                return None
            if not got:
                return None
            data = data + got if data else got
        _size, op, uptime_us = HEADER.unpack_from(data)
        return op, uptime_us, data[HEADER.size :]

    def _socket(self, member: Member, t_us: int, body: bytes) -> None:
        """A socket call of a node at its own instant t_us, which may be ahead of the clock."""
        what, sid = struct.unpack_from("<BH", body)
        data = body[3:]
        if what == _CONNECT:
            stream = member.streams[sid] = Stream(member, sid, self._loss)
            self._carry(stream.up, t_us, lambda: self._over_link(member, lambda: self._open(stream)))
            return
        if what == _DATAGRAM:
            node, boot = member.node, member.node.boots

            def deliver(reply: bytes) -> None:
                if node.link and node.boots == boot:
                    self._into(member, sid, _DATA, reply)

            self.datagrams.send(data, t_us, lambda: node.bus.link_up, deliver)
            return
        found = member.streams.get(sid)
        if found is None:
            return
        if what == _SEND:
            self._carry(found.up, t_us, lambda: self._over_link(member, lambda: self._arrive(found, data)))
        else:
            del member.streams[sid]
            self._carry(found.up, t_us, lambda: self._over_link(member, lambda: self._hang_up(found)))

    def _over_link(self, member: Member, action: Callable[[], None]) -> None:
        """Do it if the link is up, else when it is up again."""
        if member.node.bus.link_up:
            action()
        else:
            member.held.append(action)

    def _open(self, stream: Stream) -> None:
        if not self.broker_up:
            self._to_node(stream, _ERROR, bytes([_ECONNREFUSED]))
            return
        stream.connection = self.broker.connect()
        self._to_node(stream, _CONNECTED, b"")

    def _arrive(self, stream: Stream, data: bytes) -> None:
        if stream.connection is None or stream.connection.closed:
            self._to_node(stream, _ERROR, bytes([_ECONNRESET]))
            return
        stream.connection.receive(data, self.clock.now_us() // 1000)
        self.flush()

    def _hang_up(self, stream: Stream) -> None:
        if stream.connection:
            stream.connection.lost()
            self.flush()

    def _to_node(self, stream: Stream, kind: int, data: bytes) -> None:
        member = stream.member

        def deliver() -> None:
            if member.streams.get(stream.sid) is stream:
                self._into(member, stream.sid, kind, data)

        self._carry(stream.down, self.clock.now_us(), lambda: self._over_link(member, deliver))

    def _into(self, member: Member, sid: int, kind: int, data: bytes) -> None:
        for k in range(0, max(1, len(data)), _CHUNK):
            member.inbox.append((sid, kind, data[k : k + _CHUNK]))
        if member.waiting and member.listens:
            member.wake_us = min(member.wake_us, self.clock.now_us())
