"""The AT dialogue against an emulated modem, up to the hand-over; network.PPP is a stand-in, so nothing is said about PPP."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from pantau_node import config, links
from pantau_node.clock import Clock
from pantau_node.links import LinkError, ppp
from pantau_sim.modem import Modem

MODEM = {"uart": 2, "baud": 115200, "key": 4}


class Uart:
    """machine.UART on the emulator; nobody reads it while PPP has its interrupt."""

    IRQ_RXIDLE = 4096

    def __init__(self, world: World) -> None:
        self.world = world
        self.handler: Any = None
        self.held = b""

    def read(self, size: int) -> bytes | None:
        assert self.handler is None, "PPP has this UART"
        self.held += self.world.modem.produce(self.world.now * 1000, 4096)
        data, self.held = self.held[:size], self.held[size:]
        return data or None

    def write(self, data: bytes) -> int:
        self.world.modem.receive(self.world.now * 1000, data)
        return len(data)

    def irq(self, handler: Any, _trigger: int) -> None:
        self.world.modem.produce(self.world.now * 1000, 4096)  # taken by the interrupt until now
        self.held = b""
        self.handler = handler


class Ppp:
    """What the driver asks of network.PPP: connected `after_ms` after connect(), if the modem carries data then."""

    made = 0

    def __init__(self, world: World, uart: Uart) -> None:
        self.world = world
        self.calls: list[str] = []
        self.since: int | None = None
        world.nic = self
        Ppp.made += 1

    def active(self, on: bool) -> None:
        self.calls.append(f"active {on}")

    def connect(self) -> None:
        self.calls.append("connect")
        self.since = self.world.now

    def disconnect(self) -> None:
        self.calls.append("disconnect")
        self.since = None

    def isconnected(self) -> bool:
        up = self.since is not None and self.world.now - self.since >= self.world.ppp_ms
        return up and self.world.modem.in_data

    def status(self) -> int:
        return 0

    def poll(self, _irq: object = None) -> None:
        """Only its name is used."""


class World:
    """A board with one modem, on a clock that only sleeping moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, modem: Modem, *, key: bool = True, **link: str) -> None:
        self.modem = modem
        self.now = 100
        self.ppp_ms = 2000
        self.pressed: int | None = None
        self.nic: Ppp
        self.entry = dict(MODEM)
        if not key:
            del self.entry["key"]
        self.module: Any = SimpleNamespace(PPP=lambda uart: Ppp(self, uart))

        async def sleep(seconds: float) -> None:
            self.now += max(1, int(seconds * 1000))
            assert self.now < 3600000, "no end to it"

        stand_in = SimpleNamespace(sleep=sleep)
        monkeypatch.setattr(links, "asyncio", stand_in)
        monkeypatch.setattr(ppp, "asyncio", stand_in)
        options = {"kind": "ppp", "apn": "internet", **link}
        self.conf, problems = config.build({"broker": {"host": "h"}, "link": options})
        assert problems == []
        self.link = links.load("ppp").make(self, self.conf, Clock(lambda: self.now, 0))

    # the board

    def data(self, name: str) -> Any:
        assert name == "modem"
        return self.entry

    def network(self) -> Any:
        return self.module

    def uart(self, number: int, baud: int, rxbuf: int) -> Uart:
        assert (number, baud) == (2, 115200) and rxbuf >= 2048
        return Uart(self)

    def pin(self, number: int) -> Any:
        assert number == 4

        def init(_mode: object, value: int) -> None:
            if value:
                self.pressed = self.now
            elif self.pressed is not None:
                self.modem.press(self.now * 1000, (self.now - self.pressed) * 1000)

        return SimpleNamespace(OUT=3, init=init)

    # what a test does

    def up(self) -> int:
        """Come up; the time that it took, ms."""
        start = self.now
        asyncio.run(self.link.up())
        return self.now - start

    def fails(self, match: str) -> None:
        with pytest.raises(LinkError, match=match):
            asyncio.run(self.link.up())
        assert self.link.state == 0 and self.link.rssi() is None


def test_it_dials_with_the_apn_and_hands_the_uart_over(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, Modem())
    assert world.link.rssi() is None and world.link.state == 0
    assert world.up() < 15000
    assert world.modem.commands[:2] == ["AT", "ATE0"]
    assert world.modem.commands[-3:] == ["AT+CSQ", 'AT+CGDCONT=1,"IP","internet"', "ATD*99#"]
    assert world.nic.calls == ["active True", "connect"]
    assert world.link._uart.handler == world.nic.poll
    assert (world.link.state, world.link.rssi()) == (2, -79)
    assert world.up() == 0, "nothing to do"


def test_roaming_is_a_network_too_and_an_unknown_signal_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, Modem(stat=5, csq=99))
    world.up()
    assert world.link.state == 2 and world.link.rssi() is None


@pytest.mark.parametrize("counter", ["+CPINR", "+SPIC", ""])
def test_a_pin_is_given_once_and_not_again_after_a_refusal(monkeypatch: pytest.MonkeyPatch, counter: str) -> None:
    world = World(monkeypatch, Modem(pin="1234", counter=counter), pin="9999")
    world.fails("AT.CPIN: .CME ERROR: incorrect password")
    for _ in range(7):  # also after the modem was reset
        world.fails("the SIM refused link.pin, which is not tried again: correct it")
    assert world.modem.tries == ["9999"] and world.modem.attempts == 2 and world.modem.starts == 2


@pytest.mark.parametrize("counter", ["+CPINR", "+SPIC"])
def test_a_restarted_node_asks_the_sim_before_it_tries(monkeypatch: pytest.MonkeyPatch, counter: str) -> None:
    modem = Modem(pin="1234", counter=counter)
    modem.attempts = 2
    world = World(monkeypatch, modem, pin="9999")
    world.fails("link.pin is not tried with 2 attempts left")
    assert modem.tries == []


def test_the_right_pin_unlocks_whenever_the_modem_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, Modem(pin="1234"), pin="1234")
    world.up()
    world.link.cycle()
    world.up()
    assert world.modem.tries == ["1234", "1234"] and world.modem.attempts == 3


def test_no_refusal_carries_the_pin(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, Modem(pin="1234"), pin="8642")
    with pytest.raises(LinkError) as said:
        asyncio.run(world.link.up())
    assert "8642" not in str(said.value)


def test_what_a_sim_lacks_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    World(monkeypatch, Modem(pin="1234")).fails("the SIM asks for its PIN: set link.pin")
    World(monkeypatch, Modem(sim=False)).fails("no SIM is ready within 20 s: .*SIM not inserted")
    locked = Modem(pin="1234")
    locked.attempts = 0
    World(monkeypatch, locked, pin="1234").fails("the SIM is locked: unlock it in a telephone with its PUK")


def test_a_network_that_does_not_take_us_ends_after_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, Modem(stat=3))
    world.fails("no network within 60 s, denied")
    assert 60000 <= world.now < 75000
    World(monkeypatch, Modem(stat=2)).fails("check antenna and coverage")


def test_a_wrong_apn_is_told_from_an_empty_one(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, Modem(), apn="intranet")
    world.fails(r"no data call, check link.apn: ATD\*99#: NO CARRIER")
    modem = Modem(apn="")
    World(monkeypatch, modem, apn="").up()
    assert not any("CGDCONT" in command for command in modem.commands), "the modem's own profile"


def test_unasked_lines_and_garbage_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    modem = Modem()
    noise = (
        b"\r\nRING\r\n",
        b"\r\n+CREG: 2\r\n",
        b"\xff\x00\x80\xfe",
        b"x" * 700,
        b'\r\n\r\n+CREG: 1,"00A1"\r\n',
        b"\n\n\n",
    )
    for step in range(200):
        modem.urc(step * 61000, noise[step % len(noise)])
    world = World(monkeypatch, modem)
    world.up()
    assert world.link.state == 2


def test_a_late_answer_is_not_taken_for_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, Modem())
    world.up()
    uart = world.link._uart
    world.modem.in_data = False
    uart.handler = None
    uart.held = b"\r\nERROR\r\n+CS"
    assert asyncio.run(world.link._ask("AT+CSQ", "+CSQ:")) == "17,99"


def test_a_line_that_never_ends_takes_no_memory_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    modem = Modem()
    modem.silent = True
    world = World(monkeypatch, modem)

    def flood(_size: int) -> bytes:
        assert len(world.link._rest) <= 128
        return b"z" * 256

    world.link._uart = None
    monkeypatch.setattr(Uart, "read", lambda _self, size: flood(size))
    world.fails("no modem answers on uart 2: check its supply and its wires")
    assert world.now < 60000


def test_a_modem_that_is_off_is_switched_on_by_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    modem = Modem(needs_key=True, on=False)
    world = World(monkeypatch, modem)
    assert world.up() < 60000
    assert modem.starts == 1


def test_without_a_key_a_silent_modem_is_an_error_and_one_that_hangs_is_restarted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hung = Modem(needs_key=True)
    hung.silent = True
    World(monkeypatch, hung, key=False).fails("no modem answers on uart 2")
    world = World(monkeypatch, hung)
    for _ in range(4):
        world.fails("no modem answers")  # the fourth attempt switches it off for good
    world.up()
    assert hung.starts == 1


def test_a_call_left_by_the_boot_before_is_hung_up(monkeypatch: pytest.MonkeyPatch) -> None:
    modem = Modem(registers_us=0)
    modem.in_data = True
    world = World(monkeypatch, modem)
    world.up()
    assert modem.data == b"AT\r" * modem.data.count(b"AT") + b"+++" and "ATH" in modem.commands
    assert modem.starts == 0 and world.link.state == 2


def test_a_lost_carrier_is_dialled_again_on_the_same_uart_and_ppp(monkeypatch: pytest.MonkeyPatch) -> None:
    modem = Modem()
    Ppp.made = 0
    world = World(monkeypatch, modem)
    world.up()
    uart = world.link._uart
    modem.drop(world.now * 1000)
    world.up()
    assert world.nic.calls == ["active True", "connect", "disconnect", "active True", "connect"]
    assert Ppp.made == 1 and world.link._uart is uart and uart.handler == world.nic.poll
    assert modem.starts == 0


def test_cycle_hangs_up_and_resets_a_modem_that_looks_well(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, Modem())
    world.up()
    world.link.cycle()
    world.up()
    assert world.modem.starts == 1 and "AT+CFUN=1,1" in world.modem.commands and "ATH" in world.modem.commands
    assert world.link.state == 2 and world.up() == 0


def test_ppp_without_an_address_is_an_error_after_30_s(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, Modem())
    world.ppp_ms = 1 << 30
    world.fails("ppp: no connection within 30 s, status 0")


def test_an_image_without_ppp_says_so_before_it_touches_the_modem(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, Modem())
    world.module = SimpleNamespace()
    world.fails("this MicroPython has no network.PPP: install an image that has it")
    assert world.modem.commands == []


def test_signal_and_registration_are_read_as_the_standard_writes_them() -> None:
    assert [ppp.dbm(said) for said in ("0,99", "31,0", "17", "99,99", "", "x")] == [-113, -51, -79, None, None, None]
    said = ("0,1", '2,5,"00A1","01234567",7', "1", '5,"00A1"', "", " 0, 3")
    assert [ppp.status(text) for text in said] == ["1", "5", "1", "5", "", "3"]
