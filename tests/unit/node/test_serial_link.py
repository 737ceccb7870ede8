"""The node's end of a serial line, in virtual time: who listens is known by what comes down."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from pantau_node import config
from pantau_node.links import serial
from pantau_wire import line
from unit.node.mqtt_rig import Clock, Loop, now_s

HELLO = line.packet(line.HELLO)


class Uart:
    """Takes `room` bytes a write; what the computer sends is in `down`."""

    def __init__(self):
        self.down = b""
        self.reader = line.Reader()
        self.room = 128
        self.sent = []

    def read(self, size):
        data, self.down = self.down[:size], self.down[size:]
        return data or None

    def write(self, data):
        took = min(self.room, len(data))
        self.reader.feed(data[:took])
        self.sent += list(iter(self.reader.next, None))
        return took or None


class Events:
    """The core: frames that wait, and what it was told."""

    def __init__(self):
        self.frames = []
        self.told = []
        self.age_ms = None

    def next_send(self):
        return self.frames.pop(0) if self.frames else None

    def due_ms(self):
        return 60_000

    def ack_age_ms(self):
        return self.age_ms

    def on_up(self, up):
        self.told.append(up)

    def on_message(self, payload):
        self.told.append(payload)

    def on_stuck(self):
        self.told.append("stuck")


def run(use, address=""):
    """Run `use(link, uart, events)` beside the link, in virtual time."""
    uart, events = Uart(), Events()
    wired = []

    def make(*given):
        wired.append(given)
        if isinstance(uart.room, OSError):
            raise uart.room
        return uart

    conf, problems = config.build({"link": {"kind": "serial", "address": address}})
    assert problems == []

    async def main():
        net = serial.make(SimpleNamespace(uart=make), conf, Clock())
        link = net.session(SimpleNamespace(node="n1"), events)
        task = asyncio.create_task(link.run())
        await use(link, uart, events)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return wired

    loop = Loop()
    try:
        return loop.run_until_complete(main())
    finally:
        loop.close()


def test_the_address_names_uart_and_speed():
    assert (
        serial.place("") == (1, 115_200) and serial.place("2") == (2, 115_200) and serial.place("2:9600") == (2, 9600)
    )
    for wrong in ("x", "1:300", "1:x", "-1"):
        with pytest.raises(ValueError):
            serial.place(wrong)


def test_nothing_is_sent_before_somebody_listens():
    async def use(link, uart, events):
        events.frames = [b"one", bytes(1024)]
        await asyncio.sleep(12)
        assert [packet[2] for packet in uart.sent] == [b"?"] * 3 and link.attempts == 3 and not link.up
        uart.sent.clear()
        uart.down = line.packet(line.HELLO, "", b"?")  # our own question, from a line that is shorted
        await asyncio.sleep(1)
        assert not link.up
        uart.down = b"noise" + HELLO
        await asyncio.sleep(1)
        assert link.up and events.told == [True]
        assert uart.sent == [("up", "n1", b"one"), ("up", "n1", bytes(1024))]

    assert run(use, "2:57600") == [(2, 57_600, 2048)]


def test_what_comes_down_is_for_this_node_or_for_nobody():
    async def use(link, uart, events):
        uart.down = HELLO + line.packet("ack", "n2", b"other") + line.packet("ack", "n1", b"ack") + b"\0text\0"
        await asyncio.sleep(1)
        uart.down = line.packet("up", "n1", b"echo") + line.packet("cmd", "n1", b"cmd")
        await asyncio.sleep(1)
        assert events.told == [True, b"ack", b"cmd"]

    run(use)


def test_a_wake_or_an_acknowledgement_brings_the_next_frame_at_once():
    async def use(link, uart, events):
        uart.down = HELLO
        await asyncio.sleep(1)
        for nudge in (link.wake, lambda: setattr(uart, "down", line.packet("ack", "n1", b"a"))):
            uart.sent.clear()
            events.frames = [b"next"]
            await asyncio.sleep(1)
            assert uart.sent == []
            nudge()
            await asyncio.sleep(1)
            assert uart.sent == [("up", "n1", b"next")]

    run(use)


def test_silence_is_noticed_and_the_way_back():
    async def use(link, uart, events):
        uart.down = HELLO
        await asyncio.sleep(34)
        assert link.up
        await asyncio.sleep(3)
        assert not link.up and link.causes == {8: 1} and events.told == [True, False]
        assert link.beat_ms > now_s() * 1000
        uart.down = HELLO
        await asyncio.sleep(1)
        assert events.told == [True, False, True]

    run(use)


def test_a_day_without_acknowledgement_asks_for_a_restart_once_a_day():
    async def use(link, uart, events):
        for _ in range(3):
            uart.down = HELLO
            events.age_ms = (events.age_ms or 0) + 86_400_000
            await asyncio.sleep(31)
        assert events.told.count("stuck") == 3
        uart.down = HELLO
        await asyncio.sleep(31)
        assert events.told.count("stuck") == 3

    run(use)


def test_a_uart_that_takes_nothing_is_made_anew():
    async def use(link, uart, events):
        uart.room = 0
        await asyncio.sleep(20)
        assert link.causes == {13: 2}
        uart.room = 128
        uart.down = HELLO
        await asyncio.sleep(12)
        assert link.up

    assert len(run(use)) >= 3


def test_a_board_without_that_uart_says_so_and_goes_on():
    async def use(link, uart, events):
        uart.room = OSError("this board has no uart 1")
        await asyncio.sleep(20)
        assert link.causes[1] >= 3 and not link.up
        uart.room = 128
        await asyncio.sleep(10)
        assert uart.sent

    run(use)
