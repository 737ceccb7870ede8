"""The clerk in a bridge: it follows the log, and nothing that a node said is missed, whatever ends it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace

import pytest

from pantau.batch import Batch
from pantau.downlink import Downlink
from pantau.fleet.book import Book
from pantau.fleet.clerk import Clerk
from pantau.fleet.rows import DONE
from pantau.keys import Keys
from pantau.spool import LOG, Spool
from pantau_wire import frame as wire
from pantau_wire import names as T
from unit.fleet.fleet_rig import KEY, START_MS, Node


class Bridge:
    """A spool, a source that writes down what it sends, and a clerk beside them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.spool = Spool(folder / "spool.sqlite3", max_mib=10, quarantine_rows=10, quarantine_mib=1)
        if self.spool.noted(LOG) is None:
            self.spool.note(LOG, "log")
        self.sent: list[tuple[str, str, bytes]] = []
        self.up = True
        self.now_ms = START_MS
        pipeline = SimpleNamespace(source=self, pace=SimpleNamespace(busy=False))
        config = SimpleNamespace(
            book_path=folder / "fleet.sqlite3", fleet=SimpleNamespace(nodes_at_once=5, bytes_per_s=100_000)
        )
        downlink = Downlink(Keys({"a": ({0: KEY}, 0)}), lambda: self.now_ms)
        self.clerk = Clerk(config, self.spool, downlink, pipeline, lambda: self.now_ms)  # type: ignore[arg-type]

    def publish(self, node: str, what: str, data: bytes) -> bool:
        if self.up:
            self.sent.append((node, what, data))
        return self.up

    def store(self, *payloads: bytes) -> None:
        first = self.spool.last_id + 1
        runs = [(self.now_ms, len(payloads))]
        self.spool.commit(Batch(first, ["a"] * len(payloads), list(payloads), runs, checkpoint=first + len(payloads)))

    async def turn(self, seconds: float = 1) -> None:
        """One turn of the clerk, without its waiting."""
        self.now_ms += round(seconds * 1000)
        due = await self.clerk._worker.call(self.clerk._step)
        unsent = await self.clerk._send(due)
        if unsent:
            await self.clerk._worker.call(self.clerk._take_back, unsent)

    def order(self) -> int:
        book = Book(self.folder / "fleet.sqlite3")
        number = book.add_order(
            "a", "command", {"name": "restart", "args": "{}"}, "test", self.now_ms, self.now_ms + 10**7
        )
        book.close()
        return number

    def state(self, number: int) -> str:
        book = Book(self.folder / "fleet.sqlite3")
        order = book.order(number)
        book.close()
        assert order is not None
        return order.state

    def end(self) -> None:
        self.clerk._worker.stop()
        self.spool.close()


def result(number: int, seq: int) -> bytes:
    node = Node("a", seq=seq - 1)
    node.say(T.K_RESULT, {"id": number, "ok": 1, "detail": "so be it"})
    return node.said[0]


def test_an_answer_stored_while_no_clerk_ran_is_found(tmp_path: Path) -> None:
    async def first() -> int:
        bridge = Bridge(tmp_path)
        await bridge.turn()
        number = bridge.order()
        await bridge.turn()
        assert [(node, what) for node, what, _ in bridge.sent] == [("a", "cmd")]
        bridge.store(result(number, 1))  # durable, and then the bridge is killed
        bridge.end()
        return number

    async def second(number: int) -> None:
        bridge = Bridge(tmp_path)
        await bridge.turn()
        assert bridge.state(number) == DONE and not bridge.sent
        bridge.end()

    number = asyncio.run(first())
    asyncio.run(second(number))


def test_what_a_broker_that_is_away_did_not_take_goes_out_when_it_is_back(tmp_path: Path) -> None:
    async def run() -> None:
        bridge = Bridge(tmp_path)
        bridge.up = False
        await bridge.turn()
        number = bridge.order()
        await bridge.turn()
        assert not bridge.sent
        bridge.up = True
        await bridge.turn(2)
        assert wire.decode(bridge.sent[0][2]).fields["id"] == number
        bridge.end()

    asyncio.run(run())


def test_a_book_that_cannot_be_opened_is_told_and_taken_up_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pantau.fleet.clerk._AGAIN_S", 0.01)

    async def run() -> None:
        bridge = Bridge(tmp_path)
        (tmp_path / "fleet.sqlite3").write_bytes(b"no database at all, and long enough to be looked at" * 20)
        task = asyncio.create_task(bridge.clerk.run())
        while not bridge.clerk.problems():  # noqa: ASYNC110  it has no event for that
            await asyncio.sleep(0)
        assert "no orders go out" in bridge.clerk.problems()[0]
        (tmp_path / "fleet.sqlite3").unlink()
        while bridge.clerk.problems():  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert bridge.clerk.figures()["fleet_orders_open"] == 0
        bridge.spool.close()

    asyncio.run(run())
