"""MQTT 3.1.1 over TLS: one persistent session, QoS 1, bounded in every direction.

The packets are pantau_wire.mqtt; this file has the socket, the deadlines and the reconnects. PUBACK only frees a slot
here: what may leave the outbox is decided by the bridge's signed acknowledgement, and by its age the link judges itself.

One task reads; the other one is the session: it sends, watches the deadlines and falls with the first of the two.
"""

import asyncio
import gc

from micropython import const

from pantau_node.log import log
from pantau_node.rare import drop
from pantau_wire import mqtt
from pantau_wire.errors import WireError
from pantau_wire.frame import MAX_FRAME

from . import Backoff, LinkError

_NET = const(1)
_DNS = const(2)
_TCP = const(3)
_CERTIFICATE = const(4)
_TLS = const(5)
_LOGIN = const(6)
_SUBSCRIBE = const(7)
_PING = const(8)
_CLOSED = const(9)
_PUBACK = const(10)
_SILENT = const(11)
_PROTOCOL = const(12)
_WRITE = const(13)

_REPLY_MS = const(10000)  # CONNACK, SUBACK, PINGRESP
_WRITE_S = const(20)
_SLOTS = const(16)  # QoS 1 messages without PUBACK; the core keeps at most 8 frames on their way
_PUBACK_MS = const(60000)  # a broker that holds one back this long is not worth waiting for
_MAX_PACKET = MAX_FRAME + 256  # a frame and its topic; the broker sends us nothing longer
_READ = const(512)
_ACKS = const(256)  # bytes of PUBACK that wait to be written; beyond it reading pauses
_ATTEMPT_MS = const(300000)  # network, name, TCP, TLS and login together, each with a deadline of its own
_LOOK_MS = const(30000)  # how often the slow deadlines are looked at
_STABLE_MS = const(10000)  # a session this long resets the backoff
_NET_MS = const(30000)  # the longest wait while only our own network is down: it hammers no broker
# Steps of the ladder, by the age of the last acknowledgement: at 5 min, when a frame was sent some five times, a new
# session; at 10, 20, 40 ... min the interface off and on before it; at 24 h, and each 24 h, the application is asked to
# restart. They double so that a bridge that is away for long is not answered by a storm of reconnects.
_SILENT_MS = const(300000)
_DAY_MS = const(86400000)


class Context:
    """What asyncio.open_connection takes for a context; remembers the socket, which a failed handshake loses sight of."""

    def __init__(self, made):
        self._made = made
        self._raw = None

    def wrap_socket(self, raw, **options):
        """Return the TLS socket around a raw one."""
        self._raw = raw
        return self._made.wrap_socket(raw, **options)

    def close(self):
        """Close the last socket, whatever became of it: there are few, and the collector may come late."""
        if self._raw is not None:
            self._raw.close()
            self._raw = None


class MqttLink:
    """The node's connection to its broker.

    config: Config; who: Identity; topics: {"up", "ack", "cmd", "will"}; clock: Clock; net: up(), cycle(); events:
    on_up(bool), on_message(payload), next_send() -> payload or None, due_ms(), ack_age_ms() -> for how long frames have
    waited without any acknowledgement of the bridge or None, on_stuck(): that has lasted for a day; rand: rand(bits).
    beat_ms: uptime up to which silence of its task is normal; causes: {cause id: how often}, see links/__init__.py; stream: asyncio.open_connection or a stand-in.
    """

    OPEN_S = 20  # each for TCP and for TLS; an ESP32 shakes hands in 1 to 3 s

    def __init__(self, config, who, topics, clock, net, events, rand, stream=None):
        self._config = config
        self._who = who
        self._topics = topics
        self._clock = clock
        self._net = net
        self._events = events
        self._stream = stream or asyncio.open_connection
        self._backoff = Backoff(config.broker_backoff_min_ms, config.broker_backoff_max_s * 1000, rand)
        self._context = None  # one for all reconnects: each costs heap that TLS needs
        self._wake = asyncio.Event()
        self._writer = None
        self._address = None  # what the name was last resolved to
        self._via = ""
        self._pid = 0
        self._rung_ms = _SILENT_MS
        self._cause = _NET
        self._told = ""
        self.causes = {}
        self.attempts = 0
        self.beat_ms = 0
        self.up = False

    def wake(self):
        """There may be something to send."""
        self._wake.set()

    async def run(self):
        """Keep the session up for ever."""
        while True:
            self.attempts += 1
            self.beat_ms = self._clock.uptime_ms() + _ATTEMPT_MS
            try:
                await self._session()
            except (OSError, LinkError, WireError, asyncio.TimeoutError, ValueError, MemoryError) as error:
                self._failed(error)
            finally:
                await self._close()
            wait_ms = self._backoff.next_ms()
            if self._cause == _NET:
                wait_ms = min(wait_ms, _NET_MS)
            self.beat_ms = self._clock.uptime_ms() + wait_ms
            await asyncio.sleep(wait_ms / 1000)

    # -- coming up

    async def _session(self):
        config = self._config
        if self._cause == _CERTIFICATE:
            self._context = None  # read the CA file anew: that may be the remedy
        self._cause = _NET
        self._climb()
        await self._net.up()
        if self._context is None and (config.broker_tls or not config.broker_lab_plain):
            self._cause = _CERTIFICATE
            from .tls import context

            self._context = Context(context(config, self._who))
            del context
            drop("links.tls")
        gc.collect()  # the handshake wants the largest block there is
        reading = asyncio.create_task(self._read_all(await self._open()))
        try:
            await self._login()
            await self._serve()
        finally:
            reading.cancel()

    def _climb(self):
        """Take the next step of the ladder if the last acknowledgement is too old for less."""
        age = self._events.ack_age_ms() or 0
        if age < _SILENT_MS:
            self._rung_ms = _SILENT_MS
        elif age >= self._rung_ms:
            if self._rung_ms >= _DAY_MS:
                self._events.on_stuck()
            elif self._rung_ms > _SILENT_MS:
                self._net.cycle()
            while age >= self._rung_ms:
                rung = self._rung_ms
                self._rung_ms = rung * 2 if rung < _DAY_MS // 2 else (rung // _DAY_MS + 1) * _DAY_MS

    def _resolve(self):
        """Return the broker's address, asked for once an attempt; the last known one while no name server answers.

        Blocks: lwIP gives up after some seconds a server, well below the watchdog. An address in broker.host and the
        name in broker.server_name avoid it.
        """
        import socket

        self._cause = _DNS
        self._via = ""
        host = self._config.broker_host
        try:
            where = socket.getaddrinfo(host, self._config.broker_port, 0, socket.SOCK_STREAM)[0][-1]
        except OSError as error:
            if self._address is None:
                raise LinkError("the name cannot be resolved: check broker.host and the name server (%s)" % error)
            self._via = " (name not resolved: at its last address %s)" % self._address
            self.causes[_DNS] = self.causes.get(_DNS, 0) + 1
            return self._address
        if isinstance(where, tuple):  # the unix port's is opaque
            self._address = where[0]
        return self._address or host

    async def _open(self):
        """Connect, shake hands and send CONNECT; return the reader."""
        config, who, context = self._config, self._who, self._context
        address = self._resolve()
        self._cause = _TCP
        if context is None:
            stream = self._stream(address, config.broker_port)
        else:
            name = config.broker_server_name or config.broker_host
            stream = self._stream(address, config.broker_port, ssl=context, server_hostname=name)
        reader, self._writer = await asyncio.wait_for(stream, self.OPEN_S)
        if context is not None:
            self._cause = _TLS  # stream.py defers it to the first write, step by step, so the others go on
        self._packets = mqtt.Reader(_MAX_PACKET)
        self._unacked = {}  # packet id -> uptime when it was published
        self._acks = b""
        self._reply = self._error = self._pinged = None
        will = (self._topics["will"], b"offline", 1, True)
        hello = mqtt.connect(who.node, who.user, who.password or None, config.broker_keepalive_s, False, will)
        await self._write(hello, self.OPEN_S)
        return reader

    async def _login(self):
        self._cause = _LOGIN
        code = mqtt.parse_connack(await self._answer(mqtt.CONNACK))[1]
        if code:
            from pantau_wire.refused import REFUSED  # rare

            why = REFUSED.get(code, "code %d" % code)
            raise LinkError("refused: %s: check this node's account at the broker" % why)
        self._cause = _SUBSCRIBE
        await self._write(mqtt.subscribe(self._next_pid(), [(self._topics["ack"], 1), (self._topics["cmd"], 1)]))
        if 128 in mqtt.parse_suback(await self._answer(mqtt.SUBACK))[1]:
            raise LinkError("the broker refused the subscription: check its access list")
        self.up = True
        self._up_ms = self._clock.uptime_ms()
        self._told = ""
        log("info", "mqtt", "connected to %s:%d%s" % (self._config.broker_host, self._config.broker_port, self._via))
        self._events.on_up(True)
        await self._publish("will", b"online", True)

    async def _answer(self, kind):
        """Return the body of the reply of this type; messages of the kept session may come before it."""
        end_ms = self._clock.uptime_ms() + _REPLY_MS
        while self._reply is None or self._reply[0] != kind:
            left = end_ms - self._clock.uptime_ms()
            if left <= 0:
                raise asyncio.TimeoutError
            await self._idle(left)
        return self._reply[2]

    # -- being up

    async def _serve(self):
        self._cause = _CLOSED
        while True:
            self.beat_ms = self._clock.uptime_ms() + _LOOK_MS
            wait_ms = await self._look()
            payload = self._events.next_send() if len(self._unacked) < _SLOTS else None
            if payload is not None:
                await self._publish("up", payload, False)
            else:
                await self._idle(min(wait_ms, self._events.due_ms()))

    async def _look(self):
        """Hold the session to its deadlines, ping when it is time; return when to look again, in ms."""
        now = self._clock.uptime_ms()
        age = self._events.ack_age_ms()
        if age is not None and age >= self._rung_ms and now - self._up_ms >= _PUBACK_MS:
            self._end(_SILENT, "no acknowledgement of the bridge for %d min: trying a new session" % (age // 60000))
        for since in self._unacked.values():
            if now - since >= _PUBACK_MS:
                self._end(_PUBACK, "no PUBACK within %d s" % (_PUBACK_MS // 1000))
        left = self._sent_ms + self._config.broker_keepalive_s * 750 - now
        if self._pinged is not None:
            left = self._pinged + _REPLY_MS - now
            if left <= 0:
                self._end(_PING, "no PINGRESP within %d s" % (_REPLY_MS // 1000))
        elif left <= 0:
            self._pinged = now
            await self._write(mqtt.pingreq())
            left = _REPLY_MS
        return min(left, _LOOK_MS)

    def _end(self, cause, text):
        self._cause = cause
        raise LinkError(text)

    async def _read_all(self, reader):
        """Take packets until the connection ends; why it did is left in self._error."""
        try:
            while True:
                packet = self._packets.next()
                if packet is not None:
                    self._take(packet)
                    continue
                while len(self._acks) > _ACKS:
                    await asyncio.sleep(50 / 1000)
                data = await reader.read(_READ)
                if not data:
                    raise LinkError("the broker closed the connection")
                self._packets.feed(data)
        except Exception as error:  # noqa: BLE001  the session raises it again
            self._error = error
        self._wake.set()

    def _take(self, packet):
        kind, flags, body = packet
        self._pinged = None  # a sign of life
        if kind == mqtt.PUBLISH:
            _, payload, qos, pid = mqtt.split_publish(flags, body)
            self._events.on_message(payload)
            if qos:
                self._acks += mqtt.puback(pid)
        elif kind == mqtt.PUBACK:
            self._unacked.pop(mqtt.parse_pid(body), None)
        else:
            self._reply = packet
        self._wake.set()

    async def _idle(self, ms):
        """Acknowledge what came, or wait for wake(); raises what ended the reading."""
        if self._acks or self._error is not None:
            await self._write(b"")
        else:
            try:
                await asyncio.wait_for(self._wake.wait(), max(ms, 10) / 1000)
            except asyncio.TimeoutError:
                pass
        self._wake.clear()

    async def _publish(self, what, payload, retain):
        pid = self._next_pid()
        self._unacked[pid] = self._clock.uptime_ms()
        await self._write(mqtt.publish(self._topics[what], payload, 1, pid, retain))

    def _next_pid(self):
        self._pid = self._pid % 65535 + 1  # comes round long after the PUBACK of its last use was due
        return self._pid

    async def _write(self, data, within_s=_WRITE_S):
        if self._error is not None:
            raise self._error
        acks, self._acks = self._acks, b""
        try:
            self._writer.write(acks + data)
            await asyncio.wait_for(self._writer.drain(), within_s)
        except (OSError, asyncio.TimeoutError):
            if self.up:
                self._cause = _WRITE
            raise
        self._sent_ms = self._clock.uptime_ms()

    # -- going down

    def _failed(self, error):
        """Count the cause and log it once, not at each attempt; the text names the broker, never the login."""
        cause = self._cause
        text = " ".join(str(error).split()) or "no answer in time"
        if cause == _TLS:
            from .why import explain

            cause, text = explain(error, self._config.broker_auth)
            del explain
            drop("links.why")
        elif isinstance(error, WireError):
            cause = _PROTOCOL
        if self.up and self._clock.uptime_ms() - self._up_ms >= _STABLE_MS:
            self._backoff.reset()
        elif cause in (_LOGIN, _SUBSCRIBE):
            self._backoff.slow()
        self._cause = cause
        self.causes[cause] = self.causes.get(cause, 0) + 1
        text = "%s:%d: %s%s" % (self._config.broker_host, self._config.broker_port, text, self._via)
        if text != self._told:
            self._told = text
            log("warn", "mqtt", text)

    async def _close(self):
        if self.up:
            self.up = False
            self._events.on_up(False)
        writer, self._writer = self._writer, None
        if writer is not None:
            try:
                writer.close()
                await asyncio.wait_for(writer.wait_closed(), 2)
            except (OSError, asyncio.TimeoutError):
                pass  # it was dead already
        if self._context is not None:
            self._context.close()
        gc.collect()  # also frees a socket whose opening timed out
