"""MQTT 3.1.1 over TLS: one persistent session, QoS 1, bounded in every direction.

The packets are pantau_wire.mqtt; this file has the sockets, the deadlines and the reconnects. PUBACK only frees a slot
here: what may leave the outbox is decided by the bridge's signed acknowledgement.
"""

import asyncio
import gc
import ssl

from micropython import const

from pantau_node.log import log
from pantau_wire import mqtt
from pantau_wire.errors import WireError
from pantau_wire.frame import MAX_FRAME

from . import Backoff, LinkError

_OPEN_S = const(20)  # DNS, TCP and TLS: an ESP32 shakes hands in 1 to 3 s
_REPLY_S = const(10)  # CONNACK, SUBACK, PINGRESP
_SLOTS = const(16)  # QoS 1 messages without PUBACK; the core keeps at most 8 frames on their way
_PUBACK_MS = const(60000)  # a broker that holds one back this long is not worth waiting for
_MAX_PACKET = MAX_FRAME + 256  # a frame and its topic; the broker sends us nothing longer
_READ = const(512)
_STABLE_MS = const(10000)  # a session this long resets the backoff


async def open_stream(host, port, context, name):
    """Return (reader, writer); the name is resolved anew, the TLS handshake does not block the others.

    context is None for a plain connection. Raises OSError.
    """
    if context is None:
        return await asyncio.open_connection(host, port)
    return await asyncio.open_connection(host, port, ssl=context, server_hostname=name)


def tls_context(ca_path):
    """Return a client context that believes this CA file (DER or PEM) only; raises LinkError if it cannot be read."""
    try:
        with open(ca_path, "rb") as file:
            ca = file.read()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=ca)
    except (OSError, ValueError) as error:
        raise LinkError("CA file %s: %s" % (ca_path, error))
    return context


class MqttLink:
    """The node's connection to its broker.

    config: Config; login: (user, password); client: the node id; topics: {"up", "ack", "cmd", "will"}; clock: Clock;
    net: up(), rssi(); events: on_up(bool), on_message(payload), next_send() -> payload or None,
    due_ms(); rand: rand(bits);
    open_stream: for tests.
    """

    def __init__(self, config, login, client, topics, clock, net, events, rand, stream=open_stream):
        self._config = config
        self._login = login
        self._client = client
        self._topics = topics
        self._clock = clock
        self._net = net
        self._events = events
        self._stream = stream
        self._backoff = Backoff(config.broker_backoff_min_ms, config.broker_backoff_max_s * 1000, rand)
        self._context = None  # one for all reconnects: each costs heap that TLS needs
        self._wake = asyncio.Event()
        self._lock = asyncio.Lock()  # a stream has one out buffer: write and drain belong together
        self._writer = None
        self._reader = None
        self._packets = None
        self._pid = 0
        self._unacked = {}  # packet id -> uptime when it was published
        self._sent_ms = 0
        self._told = None
        self.attempts = 0
        self.up = False

    def wake(self):
        """There may be something to send."""
        self._wake.set()

    async def run(self):
        """Keep the session up for ever."""
        while True:
            self.attempts += 1
            began = self._clock.uptime_ms()
            try:
                await self._session()
            except (OSError, LinkError, WireError, asyncio.TimeoutError, EOFError, ValueError) as error:
                # ValueError is how MicroPython's ssl says that it does not trust the certificate.
                self._tell(error)
            finally:
                await self._close()
            if self._clock.uptime_ms() - began >= _STABLE_MS:
                self._backoff.reset()
            await asyncio.sleep(self._backoff.next_ms() / 1000)

    def _tell(self, error):
        """Log a reason once, not at each attempt; it names the broker, never the login."""
        text = "%s:%d: %s" % (self._config.broker_host, self._config.broker_port, _reason(error))
        if text != self._told or self.up:
            self._told = text
            log("warn", "mqtt", text)

    async def _session(self):
        await self._net.up()
        if self._config.broker_tls and self._context is None:
            self._context = tls_context(self._config.broker_ca)
        gc.collect()  # the handshake wants the largest block there is
        await self._open()
        await self._login_and_subscribe()
        self.up = True
        self._told = None
        log("info", "mqtt", "connected to %s:%d" % (self._config.broker_host, self._config.broker_port))
        self._events.on_up(True)
        sender = asyncio.create_task(self._send_all())
        try:
            await self._read_all(sender)
        finally:
            sender.cancel()

    async def _open(self):
        host, port = self._config.broker_host, self._config.broker_port
        name = self._config.broker_server_name or host
        try:
            pair = await asyncio.wait_for(self._stream(host, port, self._context, name), _OPEN_S)
        except asyncio.TimeoutError:
            raise LinkError("no connection within %d s" % _OPEN_S)
        self._reader, self._writer = pair
        self._packets = mqtt.Reader(_MAX_PACKET)
        self._unacked = {}

    async def _login_and_subscribe(self):
        user, password = self._login
        will = (self._topics["will"], b"offline", 1, True)
        await self._write(mqtt.connect(self._client, user, password, self._config.broker_keepalive_s, False, will))
        body = await self._expect(mqtt.CONNACK)
        code = mqtt.parse_connack(body)[1]
        if code:
            raise LinkError("refused: %s" % mqtt.REFUSED.get(code, "code %d" % code))
        filters = [(self._topics["ack"], 1), (self._topics["cmd"], 1)]
        await self._write(mqtt.subscribe(self._next_pid(), filters))
        codes = mqtt.parse_suback(await self._expect(mqtt.SUBACK))[1]
        if 128 in codes:
            raise LinkError("the broker refused the subscription: check its access list")
        await self._publish(self._topics["will"], b"online", True)

    async def _expect(self, kind):
        """Return the body of the next packet of this type; messages of the kept session may come before it."""
        end_ms = self._clock.uptime_ms() + _REPLY_S * 1000
        while True:
            packet = self._packets.next()
            while packet is None:
                await self._fill(end_ms - self._clock.uptime_ms())
                packet = self._packets.next()
            if packet[0] == kind:
                return packet[2]
            await self._handle(packet)

    async def _fill(self, within_ms):
        """Feed what arrives within the time to the packet reader; raises TimeoutError, EOFError, OSError."""
        data = await asyncio.wait_for(self._receive(), max(within_ms, 1) / 1000)
        if not data:
            raise EOFError("the broker closed the connection")
        self._packets.feed(data)

    async def _receive(self):
        return await self._reader.read(_READ)

    async def _read_all(self, sender):
        keepalive_ms = self._config.broker_keepalive_s * 1000
        pinged = False
        while True:
            packet = self._packets.next()
            if packet is not None:
                pinged = False
                await self._handle(packet)
                continue
            now = self._clock.uptime_ms()
            if sender.done():
                raise LinkError("the sender stopped")
            for since in self._unacked.values():
                if now - since > _PUBACK_MS:
                    raise LinkError("no PUBACK within %d s" % (_PUBACK_MS // 1000))
            try:
                await self._fill(_REPLY_S * 1000 if pinged else self._sent_ms + keepalive_ms * 3 // 4 - now)
            except asyncio.TimeoutError:
                if pinged:
                    raise LinkError("no PINGRESP within %d s" % _REPLY_S)
                if self._clock.uptime_ms() - self._sent_ms >= keepalive_ms // 2:
                    await self._write(mqtt.pingreq())
                    pinged = True

    async def _handle(self, packet):
        kind, flags, body = packet
        if kind == mqtt.PUBLISH:
            _, payload, qos, pid, _, _ = mqtt.parse_publish(flags, body)
            self._events.on_message(payload)
            if qos:
                await self._write(mqtt.puback(pid))
            self._wake.set()
        elif kind == mqtt.PUBACK:
            self._unacked.pop(mqtt.parse_pid(body), None)
            self._wake.set()

    async def _send_all(self):
        """Publish whatever the core has, as long as slots are free; ends when writing fails."""
        try:
            while True:
                self._wake.clear()
                payload = self._events.next_send() if len(self._unacked) < _SLOTS else None
                if payload is None:
                    await self._idle(self._events.due_ms())
                else:
                    await self._publish(self._topics["up"], payload, False)
        except (OSError, asyncio.TimeoutError, ValueError) as error:
            self._tell(error)

    async def _idle(self, due_ms):
        """Wait for wake() or until the core has something due."""
        try:
            await asyncio.wait_for(self._wake.wait(), max(due_ms, 10) / 1000)
        except asyncio.TimeoutError:
            pass

    async def _publish(self, topic, payload, retain):
        pid = self._next_pid()
        self._unacked[pid] = self._clock.uptime_ms()
        await self._write(mqtt.publish(topic, payload, 1, pid, retain))

    def _next_pid(self):
        self._pid = self._pid % 65535 + 1
        while self._pid in self._unacked:
            self._pid = self._pid % 65535 + 1
        return self._pid

    async def _write(self, data):
        await asyncio.wait_for(self._write_all(data), _REPLY_S * 2)

    async def _write_all(self, data):
        async with self._lock:
            self._writer.write(data)
            await self._writer.drain()
        self._sent_ms = self._clock.uptime_ms()

    async def _close(self):
        if self.up:
            self.up = False
            self._events.on_up(False)
        writer, self._writer, self._reader, self._packets = self._writer, None, None, None
        if writer is not None:
            try:
                writer.close()
                await asyncio.wait_for(writer.wait_closed(), 2)
            except (OSError, asyncio.TimeoutError):
                pass  # it was dead already
        gc.collect()  # also frees a socket whose opening timed out


def _reason(error):
    """Return what happened and, where it helps, what to do."""
    text = " ".join(str(error).split()) or error.__class__.__name__
    if isinstance(error, asyncio.TimeoutError):
        return "no answer in time"
    if "CERT" in text or "ertificate" in text or "X509" in text:
        return "the broker's certificate is not trusted: check the CA file and the clock (%s)" % text
    return text
