"""The console while a technician looks: packets in, answers out, between the lines of the log. Loaded at the first zero byte.

The protocol is in docs/console.md, the questions are in asks.py. What needs a key is an order, and goes to the core as if
the broker had delivered it.
"""

import asyncio
import json
import select

from micropython import const

from pantau_wire import line
from pantau_wire.frame import MAX_FRAME

from .rare import drop

_SILENCE_MS = const(60000)  # then all of this is let go, and a battery's node may sleep again
_POLL_MS = const(20)  # the chip's ring of 260 bytes is full after 22 ms, a question has 200
_PART = const(512)  # bytes of an answer in one packet: what a node can spare several times over


class Refused(Exception):
    """The question cannot be answered: (code of docs/console.md, text)."""


class Console:
    """app: App; out: stream that answers are written to, each packet at once, for a line of the log would damage it."""

    def __init__(self, app, out):
        self._app = app
        self._out = out
        self._order = b""  # parts of an order, so far

    async def take(self, what, node, payload):
        """Answer one packet; return whether it was for this node."""
        mine = self._app.node.identity.node
        if what == "cmd" and node == mine:
            await self._say(0, self._try(self._deliver, payload))
            return True
        if what != line.ASK or node not in ("", mine) or not payload:
            return False
        number = payload[0]
        try:
            ask = _question(payload[1:])
            if ask["do"] == "put":
                answer = self._put(ask)
            else:
                from . import asks

                answer = await asks.answer(self._app, ask, lambda part: self._write(number, 1, part))
        except Refused as error:
            answer = _error(*error.args)
        except MemoryError:
            answer = _error("no_memory", "no memory for it: ask again")
        except Exception as error:  # noqa: BLE001  a defect in an answer is the technician's news, not the node's end
            answer = _error("failed", "%s: %s" % (type(error).__name__, error))
        await self._say(number, answer)
        drop("asks", "selftest", "report", "facts", "orders", "config")
        return True

    def _try(self, deliver, payload):
        try:
            return deliver(payload)
        except Refused as error:
            return _error(*error.args)

    def _put(self, ask):
        """Take one part of an order; the last one delivers it."""
        import binascii

        at, size, text = ask.get("at"), ask.get("of"), ask.get("b64")
        if type(at) is not int or type(size) is not int or not isinstance(text, str):
            raise Refused("bad_request", "put needs at, of and b64")
        if size > MAX_FRAME:
            raise Refused("too_long", "an order has at most %d bytes" % MAX_FRAME)
        if at == 0:
            self._order = b""
        elif at != len(self._order):
            self._order = b""
            raise Refused("gap", "begin again at 0")
        try:
            self._order += binascii.a2b_base64(text)
        except ValueError:
            raise Refused("bad_request", "b64: not base64")
        if len(self._order) < size:
            return {"have": len(self._order)}
        order, self._order = self._order, b""
        if len(order) > size:
            raise Refused("bad_request", "more bytes than `of` says")
        return self._deliver(order)

    def _deliver(self, order):
        """Give a frame to the core as the broker does; return what it says to it."""
        from pantau_wire import frame

        app, node = self._app, self._app.node
        seq, forged = node.result_seq, node.forged
        node.cable = True
        try:
            app.on_message(order)
        finally:
            node.cable = False
        if node.forged != forged:
            raise Refused("refused", "not signed with this node's key, or not newer than the last order")
        if node.result_seq == seq:
            return {"taken": 1}
        data = node.outbox.read(node.boot, node.result_seq)
        if data is None:
            raise Refused("failed", "the flash did not keep the result: ask for status")
        return frame.decode(data).fields

    async def _say(self, number, answer):
        data = json.dumps(answer).encode()
        for at in range(0, len(data), _PART):
            await self._write(number, int(at + _PART < len(data)), data[at : at + _PART])

    async def _write(self, number, more, part):
        self._out.write(line.packet(line.SAY, "", bytes((number, more)) + part))
        await asyncio.sleep(0)


def _question(data):
    """Return the JSON object of a question; raises Refused."""
    try:
        ask = json.loads(data)
    except ValueError:
        ask = None
    if not isinstance(ask, dict) or not isinstance(ask.get("do"), str):
        raise Refused("bad_request", 'not a JSON object with "do"')
    return ask


def _error(code, text):
    return {"error": code, "text": text}


async def serve(app, stream, out):
    """Answer until it has been silent for a minute; stream: the console's input, of which the first zero byte was read."""
    console = Console(app, out)
    packets = line.Reader()
    poller = select.poll()
    poller.register(stream, select.POLLIN)
    node, clock = app.node, app.clock
    end = clock.uptime_ms() + _SILENCE_MS
    while clock.uptime_ms() < end:
        data = b""
        while len(data) < _PART and poller.poll(0):
            byte = stream.read(1)  # more than one would wait on a chip until there are as many
            if not byte:
                return
            data += byte
        if not data:
            await asyncio.sleep(_POLL_MS / 1000)
            continue
        packets.feed(data)
        packet = packets.next()
        while packet is not None:
            if await console.take(*packet):
                end = clock.uptime_ms() + _SILENCE_MS
                node.awake_ms = max(node.awake_ms, end)
            packet = packets.next()
