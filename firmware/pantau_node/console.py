"""The console while a technician looks: packets in, answers out, between the lines of the log. Loaded at the first zero byte.

The protocol is in docs/console.md; the questions are in asks.py and selftest.py, loaded for each.
"""

import asyncio
import json
import select

from micropython import const

from pantau_wire import line

from .rare import drop

_SILENCE_MS = const(60000)  # then all of this is let go, and a battery's node may sleep again
_POLL_MS = const(20)  # the chip's ring of 260 bytes is full after 22 ms, a question has 200
_LEAVE_S = const(3)  # for the answer, and for the link to send its result
_PART = const(512)  # bytes of an answer in one packet: what a node can spare several times over
_MINE = ("console", "pantau_wire.line", "pantau_wire.cobs", "pantau_wire.topics")


class AnswerError(Exception):
    """The question cannot be answered: (code of docs/console.md, text)."""


class Console:
    """app: App; out: stream that answers are written to, each packet at once, for a line of the log would damage it."""

    def __init__(self, app, out):
        self.app = app
        self.order = b""  # parts of one, so far
        self._out = out

    async def take(self, what, node, payload):
        """Answer one packet; return whether it was for this node."""
        mine = self.app.node.identity.node
        if what == "cmd" and node == mine:
            number = 0
        elif what == line.ASK and node in ("", mine) and payload:
            number = payload[0]
        else:
            return False
        try:
            said = await self._answer(number, payload)
        except AnswerError as error:
            said = error.args
        except MemoryError:
            said = "no_memory", "no memory for it: ask again"
        except Exception as error:  # noqa: BLE001  a defect in an answer is the technician's news, not the node's end
            said = "failed", "%s: %s" % (type(error).__name__, error)
        if isinstance(said, tuple):
            said = {"error": said[0], "text": said[1]}
        drop("asks", "selftest", "report", "facts", "orders", "config")
        data = json.dumps(said).encode()
        for at in range(0, len(data), _PART):
            await self.send(number, int(at + _PART < len(data)), data[at : at + _PART])
        return True

    async def _answer(self, number, payload):
        """Return the answer as a dict; raises AnswerError."""
        if number or payload[:1] == b"\0":
            try:
                ask = json.loads(payload[1:])
                verb = ask["do"]
            except (ValueError, TypeError, KeyError, IndexError):
                raise AnswerError("bad_request", 'not a JSON object with "do"')
            if verb in ("read", "selftest"):
                from .selftest import sample

                return await sample(self.app, verb)
            from .asks import answer

            return await answer(self, number, verb, ask)
        from .asks import deliver

        return deliver(self.app, payload)

    async def send(self, number, more, part):
        """Write one part of the answer to a question."""
        self._out.write(line.packet(line.SAY, "", bytes((number, more)) + part))
        await asyncio.sleep(0)


async def leave():
    """Lead to the REPL, as Ctrl-C does where it is heard."""
    await asyncio.sleep(_LEAVE_S)
    raise KeyboardInterrupt


async def serve(app, stream, out):
    """Answer until it has been silent for a minute, then return the names of what can be let go.

    stream: the console's input, of which the first zero byte was read.
    """
    console = Console(app, out)
    packets = line.Reader()
    poller = select.poll()
    poller.register(stream, select.POLLIN)
    end = app.clock.uptime_ms() + _SILENCE_MS
    while app.clock.uptime_ms() < end:
        data = b""
        while len(data) < _PART and poller.poll(0):
            byte = stream.read(1)  # more than one would wait on a chip until there are as many
            if not byte:
                return _MINE
            data += byte
        if not data:
            await asyncio.sleep(_POLL_MS / 1000)
            continue
        packets.feed(data)
        packet = packets.next()
        while packet is not None:
            if await console.take(*packet):
                end = app.clock.uptime_ms() + _SILENCE_MS
                app.node.awake_ms = max(app.node.awake_ms, end)
            packet = packets.next()
    return _MINE
