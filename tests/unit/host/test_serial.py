"""The serial source over pseudo-terminals, by the real pyserial: a node's half is the other end of the line."""

from __future__ import annotations

import asyncio
import os

import pytest

from pantau.sources import Inbox
from pantau.sources import serial as serial_source
from pantau.sources.serial import Port, SerialSource, SerialTable, stable_name
from pantau.sources.several import Several
from pantau_wire import line
from unit.host import bridge_kit as kit
from unit.host.serial_rig import Cable


@pytest.fixture
def cables(tmp_path):
    made = [Cable(tmp_path, name) for name in ("one", "two")]
    made[0].plug()
    yield made
    for cable in made:
        if cable.end >= 0:
            cable.unplug()


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(serial_source, "_RETRY_S", 0.01)
    monkeypatch.setattr(serial_source, "_TICK_S", 0.01)


def test_a_node_that_asks_is_greeted_at_once(cables, monkeypatch):
    async def use(source, inbox):
        await cables[0].get(line.HELLO)
        monkeypatch.setattr(serial_source, "HELLO_S", 1e9)
        cables[0].send(line.packet(line.HELLO, "", b"?"))
        assert await cables[0].get(line.HELLO) == [(line.HELLO, "", b"")]

    run(cables[:1], use)


def run(cables, use):
    """Run `use(source, inbox)` beside a source on all cables."""

    async def main():
        inbox = Inbox()
        source = SerialSource(kit.CITY, [SerialTable(path=str(cable.path)) for cable in cables])
        task = asyncio.create_task(source.run(inbox))
        async with asyncio.timeout(30):
            plugged = sum(cable.end >= 0 for cable in cables)
            await kit.until(lambda: source.figures()["serial_ports_open"] == plugged)  # what came before is flushed
            await use(source, inbox)
            await source.close()
            await task

    asyncio.run(main())


async def messages(inbox, count, *, wills=False):
    """Return (topic, payload) of the next `count` messages."""
    found = []

    def there():
        for chunk in inbox.take(1000):
            assert set(chunk.pids) == {b""} and chunk.size == sum(map(len, chunk.payloads))
            chunk.channel.confirm(chunk.pids)
            pairs = zip(chunk.topics, chunk.payloads, strict=True)
            found.extend(pair for pair in pairs if wills or not pair[0].endswith(b"/will"))
        return len(found) >= count

    await kit.until(there)
    assert len(found) == count
    return found


def test_frames_come_up_and_answers_go_down_the_same_line(cables):
    async def use(source, inbox):
        assert await cables[0].get(line.HELLO)
        assert not source.publish(kit.NODE, "ack", b"nobody was heard yet")
        frames = [kit.records(1), kit.records(2)]
        cables[0].send(b"rst:0x1 (POWERON_RESET)\r\n" + line.packet("will", kit.NODE, b"not for a node to say"))
        cables[0].send(b"".join(line.packet("up", kit.NODE, frame) + b"[info] text\r\n" for frame in frames))
        up, will = kit.up().encode(), kit.up().replace("/up", "/will").encode()
        assert await messages(inbox, 3, wills=True) == [(will, b"online"), (up, frames[0]), (up, frames[1])]
        assert source.publish(kit.NODE, "ack", b"\x00ack") and source.publish(kit.NODE, "cmd", b"")
        assert await cables[0].get("cmd") == [("cmd", kit.NODE, b"")]
        assert source.figures()[f'serial_passed_over_total{{port="{cables[0].path}"}}'] == 2

    run(cables[:1], use)


def test_a_port_that_vanishes_comes_back_as_another_one(cables):
    async def use(source, inbox):
        cables[0].send(line.packet("up", kit.NODE, b"1"))
        await messages(inbox, 1)
        cables[0].unplug()
        assert await messages(inbox, 1, wills=True) == [(kit.up().replace("/up", "/will").encode(), b"offline")]
        await kit.until(lambda: any("not there; plug" in problem for problem in source.problems()))
        assert not source.publish(kit.NODE, "ack", b"x")
        cables[0].plug()
        assert await cables[0].get(line.HELLO)
        assert source.problems() == []
        cables[0].send(line.packet("up", kit.NODE, b"2"))
        assert (await messages(inbox, 1))[0][1] == b"2"
        assert source.figures()["serial_opened_total"] == 2

    run(cables[:1], use)


def test_answers_take_the_port_where_the_node_spoke_last(cables):
    cables[1].plug()

    async def use(source, inbox):
        for cable in (*cables, cables[0]):
            cable.send(line.packet("up", kit.NODE, b"1"))
            await messages(inbox, 1)
            assert source.publish(kit.NODE, "ack", b"here")
            assert await cable.get("ack")
        cables[1].send(line.packet("up", kit.OTHER, b"1"))
        await messages(inbox, 1)
        assert source.publish(kit.OTHER, "ack", b"there")
        assert await cables[1].get("ack") == [("ack", kit.OTHER, b"there")]

    run(cables, use)


def test_a_port_of_another_program_is_told_and_taken_when_it_is_free(cables):
    async def use(source, inbox):
        second = SerialSource(kit.CITY, [SerialTable(path=str(cables[0].path))])
        task = asyncio.create_task(second.run(inbox))
        await kit.until(lambda: any("in use" in problem for problem in second.problems()))
        await source.close()
        await kit.until(lambda: not second.problems())
        await second.close()
        await task

    run(cables[:1], use)


def test_a_full_inbox_stops_reading_and_greeting(cables, monkeypatch):
    monkeypatch.setattr("pantau.sources.MAX_MESSAGES", 10)
    monkeypatch.setattr(serial_source, "HELLO_S", 0.0)
    ticks = []
    resume = Port._resume
    monkeypatch.setattr(Port, "_resume", lambda port, full: ticks.append(1) or resume(port, full=full))

    async def use(source, inbox):
        cables[0].send(b"".join(line.packet("up", kit.NODE, bytes([n])) for n in range(20)))
        await kit.until(lambda: inbox.full)
        cables[0].got()
        ticks.clear()
        await kit.until(lambda: len(ticks) > 5)  # none of them may greet
        assert not cables[0].got()
        cables[0].send(line.packet("up", kit.NODE, b"late"))
        await kit.until(lambda: b"late" in [p for chunk in inbox.take(5) for p in chunk.payloads])
        assert await cables[0].get(line.HELLO)

    run(cables[:1], use)


def test_a_line_that_takes_nothing_bounds_what_waits(cables):
    async def use(source, inbox):
        cables[0].send(line.packet("up", kit.NODE, b"1"))
        await messages(inbox, 1)
        sent = 0
        while source.publish(kit.NODE, "cmd", bytes(1000)):
            sent += 1
            assert sent < 1000
        taken = 0

        def all_there():
            nonlocal taken
            taken += sum(packet[0] == "cmd" for packet in cables[0].got())
            return taken >= sent

        await kit.until(all_there)
        assert source.publish(kit.NODE, "cmd", b"again")

    run(cables[:1], use)


def test_noise_of_any_kind_costs_what_it_hits(cables):
    async def use(source, inbox):
        packet = line.packet("up", kit.NODE, kit.records(1))
        for at in range(0, len(packet), 7):
            cables[0].send(packet[at:] + os.urandom(30).replace(b"\0", b"\1") + packet)
            found = await messages(inbox, 2 if at == 0 else 1)
            assert {payload for _, payload in found} == {kit.records(1)}
        cables[0].send(line.packet("ack", kit.NODE, b"not ours") + line.packet("up", kit.NODE, b"x"))
        assert (await messages(inbox, 1))[0][1] == b"x"

    run(cables[:1], use)


def test_claims_of_many_nodes_are_bounded():
    port = Port(SerialTable(path="/dev/ttyUSB0"), kit.CITY)
    for number in range(1000):
        port._heard(f"n{number}")
        port._heard(kit.NODE)
    assert len(port.nodes) <= 64 and kit.NODE in port.nodes


def test_a_stable_name_is_suggested(tmp_path):
    real, by_id = tmp_path / "ttyUSB0", tmp_path / "by-id"
    real.touch()
    by_id.mkdir()
    assert stable_name(str(real), by_id) is None
    (by_id / "usb-maker-if00").symlink_to(real)
    assert stable_name(str(real), by_id) == str(by_id / "usb-maker-if00")
    assert stable_name(str(by_id / "usb-maker-if00"), by_id) is None
    assert stable_name(str(real), tmp_path / "none") is None


def test_several_sources_are_one(cables):
    class Broker:
        def __init__(self):
            self.sent = []

        async def run(self, inbox):
            await asyncio.Event().wait()

        def publish(self, node, what, payload):
            self.sent.append(node)
            return True

        async def close(self):
            return None

        def problems(self):
            return ["broker away"]

        def figures(self):
            return {"broker_connected": 0.0}

    async def main():
        inbox, broker = Inbox(), Broker()
        both = Several([SerialSource(kit.CITY, [SerialTable(path=str(cables[0].path))]), broker])
        task = asyncio.create_task(both.run(inbox))
        await cables[0].get(line.HELLO)
        cables[0].send(line.packet("up", kit.NODE, b"1"))
        await messages(inbox, 1)
        assert both.publish(kit.NODE, "ack", b"x") and both.publish(kit.OTHER, "ack", b"x")
        assert broker.sent == [kit.OTHER] and await cables[0].get("ack")
        assert both.problems() == ["broker away"] and {"serial_ports_open", "broker_connected"} <= set(both.figures())
        await both.close()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())
