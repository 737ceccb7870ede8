"""A technician's talk with a running node over its cable: questions, orders, the outbox, and the log meanwhile. docs/console.md.

The node goes on measuring. UnreachedError: nobody answers (any more); RefusedError: the node answers, and will not.
"""

from __future__ import annotations

import base64
import contextlib
import json
import time
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from pantau.node.dialogue import Packet, Splitter
from pantau.node.stream import SerialStream
from pantau.node.trouble import RefusedError, UnreachedError
from pantau_wire import frame, line
from pantau_wire import names as T
from pantau_wire.errors import WireError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pantau.node.ports import Port
    from pantau.node.stream import Stream

_CTRL_C, _NUMBERS = b"\x03", 16
MOST = 200  # bytes of a packet to the node
GREET_S = 10.0  # for a node that sleeps it may have to be longer
_AGAIN_S = 0.5  # until the first answer
_ANSWER_S = 2.0  # then a question is asked again
_ORDER_S = 6.0  # flash is written for it
_TRIES = 3
_PIECE = 108  # bytes of an order in one `put`: 144 of base64, and the rest of a packet
_IDLE_S = 0.5
_LOOK_S = 0.1
_HEARD = 4096  # bytes kept from before the first answer, to tell what is there instead of a node
_LINES = 500


class Key(NamedTuple):
    """The key that orders to a node are signed with."""

    node: str
    key_id: int
    secret: bytes

    def __repr__(self) -> str:
        return f"<Key {self.key_id} of {self.node}>"


class Result(NamedTuple):
    """What a node says to an order. `have`: bytes of an update that it holds."""

    ok: bool
    detail: str
    id: int
    have: int | None = None


class Session:
    """One cable. `hello` is what the node said of itself at first; `lines` the last lines of its log since then."""

    def __init__(
        self,
        stream: Stream,
        device: str = "",
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """Use `open`; then `greet`. `clock` and `wall` give seconds: any, and Unix."""
        self.device = device
        self.hello: dict[str, Any] = {}
        self.lines: deque[str] = deque(maxlen=_LINES)
        self.on_line: Callable[[str], object] = self.lines.append
        self._stream, self._clock, self._wall = stream, clock, wall
        self._splitter = Splitter()
        self._packets: deque[Packet] = deque()
        self._heard = b""
        self._heard_at = clock()
        self._number = 0
        self._counter = 0

    @classmethod
    def open(cls, port: Port, greet_s: float = GREET_S) -> Self:
        """Open a port without resetting the chip, and greet the node there. Raises UnreachedError."""
        session = cls(SerialStream(port), port.device)
        try:
            session.greet(greet_s)
        except BaseException:
            session.close()
            raise
        return session

    def greet(self, patience_s: float = GREET_S) -> dict[str, Any]:
        """Ask who is there, twice a second until somebody answers; what else was heard says why nobody does."""
        end = self._clock() + patience_s
        while not self.hello:
            self._ask("hello", {})
            parts = self._parts(_AGAIN_S)
            if parts:
                with contextlib.suppress(ValueError):  # damaged on the way: asked again
                    self.hello = _json(b"".join(parts))
            elif self._clock() >= end:
                raise UnreachedError(self._instead(), port=self.device, s=round(patience_s))
        if "error" in self.hello:
            raise _refusal(self.hello)
        return self.hello

    @property
    def node(self) -> str:
        """The node's id, "" before it has one."""
        return str(self.hello.get("node", ""))

    def ask(self, verb: str, *, patience_s: float = _ANSWER_S, **args: Any) -> dict[str, Any]:
        """Return the answer to a question."""
        return self._answer(verb, args, patience_s)[1]

    def pull(self, after: list[int] | None, most: int) -> tuple[list[bytes], dict[str, Any]]:
        """Return at most `most` frames of the outbox behind `after` ([boot, seq]), and how many lie behind them."""
        args = {"n": most} if after is None else {"n": most, "after": after}
        for _ in range(_TRIES + 2):
            frames, answer = self._answer("pull", args, _ANSWER_S * 2)
            if len(frames) == answer.get("frames"):
                return frames, answer  # else one was damaged on the way
        raise UnreachedError("look.noise", port=self.device)

    def order(self, kind: int, fields: dict[str, Any], key: Key) -> Result:
        """Sign an order with the node's key, deliver it and return what the node says. WireError: it is too long."""
        fields.setdefault("id", int(self._wall() * 1000) & 0x7FFFFFFF)
        for _ in range(_TRIES):
            answer = self._put(self._sealed(kind, fields, key))
            if answer is not None:
                if answer.get("error") == "refused":
                    raise RefusedError("look.wrong_key", node=key.node, key_id=key.key_id)
                if "error" in answer:
                    raise _refusal(answer)
                return Result(
                    bool(answer.get("ok", 1)), str(answer.get("detail", "")), fields["id"], answer.get("have")
                )
        raise UnreachedError("look.stopped", port=self.device)

    def command(self, name: str, args: dict[str, Any], key: Key) -> Result:
        """Order a COMMAND."""
        body = json.dumps(args, separators=(",", ":"), ensure_ascii=False)
        return self.order(T.K_COMMAND, {"name": name, "args": body}, key)

    def listen(self, seconds: float) -> None:
        """Take what the node says by itself for so long; its lines go to `on_line`."""
        end = self._clock() + seconds
        while self._clock() < end:
            self._receive(min(_LOOK_S, max(0.0, end - self._clock())))
            self._packets.clear()

    def close(self) -> None:
        """Let go of the port."""
        self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _sealed(self, kind: int, fields: dict[str, Any], key: Key) -> bytes:
        f = frame.Frame(kind, key.key_id)
        self._counter = f.counter = max(int(self._wall() * 1000), self._counter + 1)
        f.fields = fields
        try:
            return bytes(frame.encode(f, key.node, key.secret))
        except WireError:
            raise RefusedError("look.too_long") from None

    def _put(self, order: bytes) -> dict[str, Any] | None:
        """Deliver an order in parts; None where one of them got no answer, and all begins anew."""
        answer: dict[str, Any] = {}
        for at in range(0, len(order), _PIECE):
            part = base64.b64encode(order[at : at + _PIECE]).decode()
            self._ask("put", {"at": at, "of": len(order), "b64": part})
            parts = self._parts(_ORDER_S)
            if parts is None:
                return None
            try:
                answer = _json(b"".join(parts))
            except ValueError:
                return None
            if answer.get("error") == "gap":
                return None
            if "error" in answer:
                return answer
        return answer

    def _answer(self, verb: str, args: dict[str, Any], patience_s: float) -> tuple[list[bytes], dict[str, Any]]:
        """Return what was sent before the last part (for `pull`), and the JSON object of the answer."""
        for _ in range(_TRIES):
            self._ask(verb, args)
            parts = self._parts(patience_s)
            if parts is None:
                continue
            whole = parts[-1] if verb == "pull" else b"".join(parts)
            try:
                answer = _json(whole)
            except ValueError:  # a part of it was damaged on the way
                continue
            if "error" in answer:
                raise _refusal(answer)
            return parts[:-1], answer
        raise UnreachedError("look.stopped", port=self.device)

    def _ask(self, verb: str, args: dict[str, Any]) -> None:
        question = json.dumps({"do": verb, **args}, separators=(",", ":"), ensure_ascii=False)
        for _ in range(_NUMBERS):
            self._number = self._number % 255 + 1
            packet = bytes(line.packet(line.ASK, "", bytes([self._number]) + question.encode()))
            if _CTRL_C not in packet:  # it would stop any program but a provisioned node's
                break
        if len(packet) > MOST:
            raise RefusedError("look.question")
        try:
            self._stream.write(packet)
        except OSError as error:
            raise self._lost(error) from None

    def _parts(self, patience_s: float) -> list[bytes] | None:
        """Return all parts of the answer to the last question; None where none came for so long, or one was damaged."""
        parts: list[bytes] = []
        passed = self._splitter.passed
        end = self._clock() + patience_s
        while self._clock() < end:
            for payload in self._said(max(0.0, end - self._clock())):
                if payload[0] != self._number:
                    continue  # the late answer to a question that was asked again
                parts.append(payload[2:])
                end = self._clock() + patience_s
                if not payload[1]:
                    return parts if not self.hello or self._splitter.passed == passed else None
        return None

    def _said(self, wait_s: float) -> Iterator[bytes]:
        if not self._packets:
            self._receive(min(_LOOK_S, wait_s))
        while self._packets:
            packet = self._packets.popleft()
            if packet.what == line.SAY and len(packet.payload) > 1:
                yield packet.payload

    def _receive(self, wait_s: float) -> None:
        try:
            data = self._stream.read(wait_s)
        except OSError as error:
            raise self._lost(error) from None
        now = self._clock()
        if data:
            self._heard_at = now
            if not self.hello:
                self._heard = (self._heard + data)[-_HEARD:]
            found = self._splitter.feed(data)
        elif now - self._heard_at < _IDLE_S:
            return
        else:
            found = self._splitter.idle()
        for one in found:
            if isinstance(one, Packet):
                self._packets.append(one)
            else:
                self.on_line(one)

    def _lost(self, error: OSError) -> UnreachedError:
        return UnreachedError("board.lost", port=self.device, what=type(error).__name__)

    def _instead(self) -> str:
        """Return the key of the sentence that says what is there instead of a node that answers."""
        try:
            self._stream.write(b"\r\n")  # a REPL says its prompt; a node passes it over
        except OSError as error:
            raise self._lost(error) from None
        end = self._clock() + _AGAIN_S
        while self._clock() < end:
            self._receive(_LOOK_S)
        heard = self._heard
        if b">>>" in heard or b"raw REPL" in heard:
            return "look.repl"
        if b"waiting for download" in heard:
            return "look.download"
        if not heard:
            return "look.silent"
        odd = sum(byte >= 0x7F or (byte < 0x20 and byte not in b"\r\n\t\0") for byte in heard)
        return "look.baud" if odd * 5 > len(heard) else "look.stranger"


def _json(data: bytes) -> dict[str, Any]:
    found = json.loads(data)
    return found if isinstance(found, dict) else {}


def _refusal(answer: dict[str, Any]) -> RefusedError:
    code = str(answer.get("error"))
    key = "look.unknown_verb" if code == "unknown_verb" else "look.answer"
    return RefusedError(key, code=code, text=answer.get("text", ""))
