"""A city of nodes that are no more than their words on the wire, a desk, and a clock that tests move."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pantau.downlink import Downlink
from pantau.fleet.book import Book
from pantau.fleet.chunks import WINDOW, Limits
from pantau.fleet.desk import Desk
from pantau.fleet.rollouts import Rollouts
from pantau.fleet.rows import Release
from pantau.keys import Keys
from pantau_wire import bundle as B
from pantau_wire import frame as wire
from pantau_wire import names as T

START_MS = 1_844_000_000_000
KEY = bytes(range(32))
SIZE = 3 * WINDOW + 500


@dataclass
class Node:
    """What a node makes of what reaches it. `bad`: releases that it rolls back; `sick`: those that it accepts and then fails with."""

    name: str
    release: int = 1
    bad: tuple[int, ...] = ()
    sick: tuple[int, ...] = ()
    away: bool = False
    deaf: int = 0  # so many frames are lost on their way to it
    boot: int = 1
    seq: int = 0
    counter: int = 0
    ident: int = 0
    have: int = 0
    state: int = 0
    done: list[str] = field(default_factory=list)
    forged: int = 0
    got: int = 0
    said: list[bytes] = field(default_factory=list)

    def say(self, kind: int, fields: dict[str, object]) -> None:
        f = wire.Frame(kind)
        self.seq += 1
        f.boot, f.seq, f.fields = self.boot, self.seq, fields
        self.said.append(wire.encode(f, self.name, KEY))

    def health(self, **more: object) -> None:
        known = {"firmware": f"0.{self.release}.0", "release": self.release, "slot": "a", "config_generation": 4}
        update = {"update_id": self.ident, "update_have": self.have, "update_state": self.state} if self.ident else {}
        self.say(T.K_HEALTH, known | update | more)

    def answer(self, *, ok: int = 1) -> None:
        fields = {"id": self.ident, "ok": ok, "detail": B.WORDS[self.state], "have": self.have}
        self.say(T.K_RESULT, fields)

    def hear(self, data: bytes, releases: dict[int, tuple[int, int]]) -> None:
        if self.away:
            return
        if self.deaf:
            self.deaf -= 1
            return
        assert wire.verify(data, self.name, KEY)
        f = wire.decode(data)
        if f.kind == T.K_UPDATE:
            self.got += 1
            self._chunk(f.fields, releases)
        elif f.counter <= self.counter:
            self.forged += 1
        else:
            self.counter = f.counter
            self.done.append(f.fields.get("name", "config"))
            if f.fields.get("name") == "update":
                self.ident = self.have = self.state = 0
            self.say(T.K_RESULT, {"id": f.fields["id"], "ok": 1, "detail": "so be it"})

    def _chunk(self, fields: dict[str, int], releases: dict[int, tuple[int, int]]) -> None:
        if fields["id"] == self.ident and self.state > B.RECEIVING:
            self.answer(ok=int(self.state < B.ROLLED_BACK))
            return
        if fields["id"] != self.ident:
            self.ident, self.have, self.state = fields["id"], 0, B.RECEIVING
        if fields["offset"] != self.have:
            self.answer()
            return
        self.have += len(fields["chunk"])  # type: ignore[arg-type]
        if self.have == fields["total"]:
            release, _ = releases[self.ident]
            self.boot, self.seq = self.boot + 1, 0
            self.state = B.ROLLED_BACK if release in self.bad else B.ACCEPTED
            self.release = self.release if release in self.bad else release
            self.health()
            self.answer(ok=int(self.state == B.ACCEPTED))
        elif self.have % WINDOW == 0:
            self.answer()


class City:
    """Nodes by name, and what a bridge does for them."""

    def __init__(self, path: Path, *nodes: Node, limits: Limits | None = None) -> None:
        self.path, self.limits = path / "fleet.sqlite3", limits
        self.nodes = {node.name: node for node in nodes}
        self.now_ms = START_MS
        self.keys = Keys({name: ({0: KEY}, 0) for name in self.nodes})
        self.sent: list[tuple[str, bytes]] = []
        self.releases: dict[int, tuple[int, int]] = {}
        self.start()
        for number in (1, 2):
            pair = [(number * 16 + back, bytes([number, back]) * (SIZE // 2)) for back in (0, 1)]
            self.releases |= {ident: (number, back) for back, (ident, _) in enumerate(pair)}
            self.book.add_release(Release(number, f"0.{number}.0", "test", START_MS, ""), *pair)

    def start(self) -> None:
        """Begin, or begin again after a kill: from what the book has."""
        self.book = Book(self.path)
        self.desk = Desk(self.book, Downlink(self.keys, lambda: self.now_ms), limits=self.limits or Limits(burst_s=60))
        self.rollouts = Rollouts(self.book)

    def kill(self) -> None:
        self.book.close()
        self.start()

    def step(self, seconds: float = 10, *, deliver: bool = True) -> None:
        """Let time pass; take what nodes said, send what is due."""
        self.now_ms += round(seconds * 1000)
        with self.book.transaction():
            for node in self.nodes.values():
                said, node.said = node.said, []
                for payload in said if not node.away else ():
                    self.desk.take(node.name, payload, self.now_ms)
        self.rollouts.tick(self.desk, self.now_ms)
        self.sent = self.desk.due(self.now_ms)
        for name, data in self.sent if deliver else ():
            self.nodes[name].hear(data, self.releases)

    def pass_(self, seconds: int, each_s: int = 60) -> None:
        """Let time pass while nodes report each minute."""
        for _ in range(seconds // each_s):
            for node in self.nodes.values():
                sick = node.release in node.sick
                node.boot += int(sick)
                node.seq = 0 if sick else node.seq
                node.health(**({"last_exception": "SystemExit: ill"} if sick else {}))
            self.step(each_s)

    def order(self, node: str, name: str, within_s: int = 3600) -> int:
        what = {"name": name, "args": "{}"}
        return self.book.add_order(node, "command", what, "test", self.now_ms, self.now_ms + within_s * 1000)
