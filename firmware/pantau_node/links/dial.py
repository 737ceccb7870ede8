"""How a session with the broker comes up: ladder, name, TCP, TLS, login, subscriptions. Loaded for that, then let go; see mqtt.py."""

import asyncio

from micropython import const

from pantau_node import log
from pantau_node.rare import drop
from pantau_wire import mqtt

from . import LinkError
from .mqtt import Context

# Causes, see links/__init__.py.
_DNS = const(2)
_TCP = const(3)
_CERTIFICATE = const(4)
_TLS = const(5)
_LOGIN = const(6)
_SUBSCRIBE = const(7)

_REPLY_MS = const(10000)  # CONNACK, SUBACK
_SILENT_MS = const(300000)  # the first rung of the ladder, see mqtt.py
_DAY_MS = const(86400000)


def climb(link):
    """Take the next step of the ladder if the last acknowledgement is too old for less."""
    age = link.events.ack_age_ms() or 0
    if age < _SILENT_MS:
        link.rung_ms = _SILENT_MS
    elif age >= link.rung_ms:
        if link.rung_ms >= _DAY_MS:
            link.events.on_stuck()
        elif link.rung_ms > _SILENT_MS:
            link.net.cycle()
        while age >= link.rung_ms:
            rung = link.rung_ms
            link.rung_ms = rung * 2 if rung < _DAY_MS // 2 else (rung // _DAY_MS + 1) * _DAY_MS


def _resolve(link):
    """Return the broker's address, asked for once an attempt; the last known one while no name server answers.

    Blocks: lwIP gives up after some seconds a server, well below the watchdog. An address in broker.host and the
    name in broker.server_name avoid it.
    """
    import socket

    link.cause = _DNS
    link.via = ""
    host = link.config.broker_host
    try:
        where = socket.getaddrinfo(host, link.config.broker_port, 0, socket.SOCK_STREAM)[0][-1]
    except OSError as error:
        if link.address is None:
            raise LinkError("the name cannot be resolved: check broker.host and the name server (%s)" % error)
        link.via = " (name not resolved: at its last address %s)" % link.address
        link.causes[_DNS] = link.causes.get(_DNS, 0) + 1
        return link.address
    if isinstance(where, tuple):  # the unix port's is opaque
        link.address = where[0]
    return link.address or host


async def connect(link):
    """Return the streams of a connection, (reader, writer)."""
    config = link.config
    if link.context is None and (config.broker_tls or not config.broker_lab_plain):
        link.cause = _CERTIFICATE
        from . import tls

        link.context = Context(tls.context(config, link.who))
        del tls
    drop("links.tls")  # the handshake wants the largest block there is
    context = link.context
    address = _resolve(link)
    link.cause = _TCP
    if context is None:
        stream = link.stream(address, config.broker_port)
    else:
        name = config.broker_server_name or config.broker_host
        stream = link.stream(address, config.broker_port, ssl=context, server_hostname=name)
    streams = await asyncio.wait_for(stream, link.OPEN_S)
    if context is not None:
        link.cause = _TLS  # stream.py defers it to the first write, step by step, so the others go on
    return streams


async def hello(link):
    """Shake hands and send CONNECT."""
    who = link.who
    will = (link.topics["will"], b"offline", 1, True)
    first = mqtt.connect(who.node, who.user, who.password or None, link.config.broker_keepalive_s, False, will)
    await link.write(first, link.OPEN_S)


async def login(link):
    """Take the broker's answer and subscribe; from then on the link is up."""
    link.cause = _LOGIN
    code = mqtt.parse_connack(await _answer(link, mqtt.CONNACK))[1]
    if code:
        from pantau_wire.refused import REFUSED  # rare

        why = REFUSED.get(code, "code %d" % code)
        raise LinkError("refused: %s: check this node's account at the broker" % why)
    link.cause = _SUBSCRIBE
    await link.write(mqtt.subscribe(link.next_pid(), [(link.topics["ack"], 1), (link.topics["cmd"], 1)]))
    if 128 in mqtt.parse_suback(await _answer(link, mqtt.SUBACK))[1]:
        raise LinkError("the broker refused the subscription: check its access list")
    link.up = True
    link.up_ms = link.clock.uptime_ms()
    link.told = ""
    log("info", "mqtt", "connected to %s:%d%s" % (link.config.broker_host, link.config.broker_port, link.via))
    link.events.on_up(True)
    await link.publish("will", b"online", True)


async def _answer(link, kind):
    """Return the body of the reply of this type; messages of the kept session may come before it."""
    end_ms = link.clock.uptime_ms() + _REPLY_MS
    while link.reply is None or link.reply[0] != kind:
        left = end_ms - link.clock.uptime_ms()
        if left <= 0:
            raise asyncio.TimeoutError
        await link.idle(left)
    return link.reply[2]
