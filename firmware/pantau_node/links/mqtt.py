"""MQTT 3.1.1 over TLS: one persistent session, QoS 1, bounded in every direction.

The packets are pantau_wire.mqtt; this file has the socket, the deadlines and the reconnects. PUBACK only frees a slot
here: what may leave the outbox is decided by the bridge's signed acknowledgement, and by its age the link judges itself.
dial.py brings a session up.

One task reads; the other one is the session: it sends, watches the deadlines and falls with the first of the two.
"""

import asyncio

from micropython import const

from pantau_node import log
from pantau_node.rare import drop
from pantau_wire import mqtt
from pantau_wire.errors import WireError
from pantau_wire.frame import MAX_FRAME

from . import Backoff, LinkError

_NET = const(1)
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
_ENOMEM = const(12)
_STARVED = const(3)  # attempts in a row that ended for want of memory


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
        self.config = config
        self.who = who
        self.topics = topics
        self.clock = clock
        self.net = net
        self.events = events
        self.stream = stream or asyncio.open_connection
        self._backoff = Backoff(config.broker_backoff_min_ms, config.broker_backoff_max_s * 1000, rand)
        self.context = None  # one for all reconnects: each costs heap that TLS needs
        self._wake = asyncio.Event()
        self.writer = None
        self.address = None  # what the name was last resolved to
        self.via = ""
        self._pid = 0
        self.rung_ms = _SILENT_MS
        self.cause = _NET
        self.told = ""
        self.causes = {}
        self.attempts = 0
        self.beat_ms = 0
        self._starved = 0
        self.up = False
        self.up_ms = 0  # uptime since when

    def wake(self):
        """There may be something to send."""
        self._wake.set()

    async def run(self):
        """Keep the session up for ever."""
        while True:
            self.attempts += 1
            self.beat_ms = self.clock.uptime_ms() + _ATTEMPT_MS
            try:
                await self._session()
            except (OSError, LinkError, WireError, asyncio.TimeoutError, ValueError, MemoryError) as error:
                self._failed(error)
            finally:
                await self._close()
            wait_ms = self._backoff.next_ms()
            if self.cause == _NET:
                wait_ms = min(wait_ms, _NET_MS)
            self.beat_ms = self.clock.uptime_ms() + wait_ms
            await asyncio.sleep(wait_ms / 1000)

    # -- coming up

    async def _session(self):
        if self.cause == _CERTIFICATE:
            self.context = None  # read the CA file anew: that may be the remedy
        self.cause = _NET
        from . import dial

        dial.climb(self)
        await self.net.up()
        self.packets = mqtt.Reader(_MAX_PACKET)
        self.unacked = {}  # packet id -> uptime when it was published
        self.acks = b""
        self.reply = self.error = self.pinged = None
        reader, self.writer = await dial.connect(self)
        await dial.hello(self)
        reading = asyncio.create_task(self._read_all(reader))
        try:
            await dial.login(self)
            del dial
            drop("links.dial")
            await self._serve()
        finally:
            reading.cancel()

    # -- being up

    async def _serve(self):
        self.cause = _CLOSED
        while True:
            self.beat_ms = self.clock.uptime_ms() + _LOOK_MS
            wait_ms = await self._look()
            payload = self.events.next_send() if len(self.unacked) < _SLOTS else None
            if payload is not None:
                await self.publish("up", payload, False)
            else:
                await self.idle(min(wait_ms, self.events.due_ms()))

    async def _look(self):
        """Hold the session to its deadlines, ping when it is time; return when to look again, in ms."""
        now = self.clock.uptime_ms()
        age = self.events.ack_age_ms()
        if age is not None and age >= self.rung_ms and now - self.up_ms >= _PUBACK_MS:
            self._end(_SILENT, "no acknowledgement of the bridge for %d min: trying a new session" % (age // 60000))
        for since in self.unacked.values():
            if now - since >= _PUBACK_MS:
                self._end(_PUBACK, "no PUBACK within %d s" % (_PUBACK_MS // 1000))
        left = self._sent_ms + self.config.broker_keepalive_s * 750 - now
        if self.pinged is not None:
            left = self.pinged + _REPLY_MS - now
            if left <= 0:
                self._end(_PING, "no PINGRESP within %d s" % (_REPLY_MS // 1000))
        elif left <= 0:
            self.pinged = now
            await self.write(mqtt.pingreq())
            left = _REPLY_MS
        return min(left, _LOOK_MS)

    def _end(self, cause, text):
        self.cause = cause
        raise LinkError(text)

    async def _read_all(self, reader):
        """Take packets until the connection ends; why it did is left in self.error."""
        try:
            while True:
                packet = self.packets.next()
                if packet is not None:
                    self._take(packet)
                    continue
                while len(self.acks) > _ACKS:
                    await asyncio.sleep(50 / 1000)
                data = await reader.read(_READ)
                if not data:
                    raise LinkError("the broker closed the connection")
                self.packets.feed(data)
        except Exception as error:  # noqa: BLE001  the session raises it again
            self.error = error
        self._wake.set()

    def _take(self, packet):
        kind, flags, body = packet
        self.pinged = None  # a sign of life
        if kind == mqtt.PUBLISH:
            _, payload, qos, pid = mqtt.split_publish(flags, body)
            self.events.on_message(payload)
            if qos:
                self.acks += mqtt.puback(pid)
        elif kind == mqtt.PUBACK:
            self.unacked.pop(mqtt.parse_pid(body), None)
        else:
            self.reply = packet
        self._wake.set()

    async def idle(self, ms):
        """Acknowledge what came, or wait for wake(); raises what ended the reading."""
        if self.acks or self.error is not None:
            await self.write(b"")
        else:
            try:
                await asyncio.wait_for(self._wake.wait(), max(ms, 10) / 1000)
            except asyncio.TimeoutError:
                pass
        self._wake.clear()

    async def publish(self, what, payload, retain):
        pid = self.next_pid()
        self.unacked[pid] = self.clock.uptime_ms()
        await self.write(mqtt.publish(self.topics[what], payload, 1, pid, retain))

    def next_pid(self):
        self._pid = self._pid % 65535 + 1  # comes round long after the PUBACK of its last use was due
        return self._pid

    async def write(self, data, within_s=_WRITE_S):
        if self.error is not None:
            raise self.error
        acks, self.acks = self.acks, b""
        try:
            self.writer.write(acks + data)
            await asyncio.wait_for(self.writer.drain(), within_s)
        except (OSError, asyncio.TimeoutError):
            if self.up:
                self.cause = _WRITE
            raise
        self._sent_ms = self.clock.uptime_ms()

    # -- going down

    def _failed(self, error):
        """Count the cause and log it once, not at each attempt; the text names the broker, never the login."""
        cause = self.cause
        text = " ".join(str(error).split()) or "no answer in time"
        # mbedTLS has no memory of its own: a heap that has grown into it does not shrink, only a restart helps.
        starved = (
            isinstance(error, MemoryError) or "ALLOC" in text or (isinstance(error, OSError) and error.errno == _ENOMEM)
        )
        self._starved = self._starved + 1 if starved else 0
        if self._starved >= _STARVED:
            self.events.on_stuck()
        if cause == _TLS:
            from .why import explain

            cause, text = explain(error, self.config.broker_auth)
            del explain
            drop("links.why")
        elif isinstance(error, WireError):
            cause = _PROTOCOL
        if self.up and self.clock.uptime_ms() - self.up_ms >= _STABLE_MS:
            self._backoff.reset()
        elif cause in (_LOGIN, _SUBSCRIBE):
            self._backoff.slow()
        self.cause = cause
        self.causes[cause] = self.causes.get(cause, 0) + 1
        text = "%s:%d: %s%s" % (self.config.broker_host, self.config.broker_port, text, self.via)
        if text != self.told:
            self.told = text
            log("warn", "mqtt", text)

    async def _close(self):
        if self.up:
            self.up = False
            self.events.on_up(False)
        writer, self.writer = self.writer, None
        if writer is not None:
            try:
                writer.close()
                await asyncio.wait_for(writer.wait_closed(), 2)
            except (OSError, asyncio.TimeoutError):
                pass  # it was dead already
        if self.context is not None:
            self.context.close()
        drop("links.dial")  # and a socket whose opening timed out
