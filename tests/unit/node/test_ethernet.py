"""The cable: what the driver is told, against an interface that refuses what the chip's refuses. And the boards' pins."""

from __future__ import annotations

import asyncio
import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pantau_node import config, links
from pantau_node.boards import BOARDS
from pantau_node.clock import Clock
from pantau_node.links import LinkError

ROOT = Path(__file__).parents[3]


class Lan:
    """network.LAN of one board: connected `after_ms` after it was switched on."""

    def __init__(self, world: World, **options: Any) -> None:
        self.world = world
        self.options = options
        self.calls: list[str] = []
        self.since: int | None = None
        world.lans.append(self)

    def active(self, on: bool | None = None) -> bool:
        if on and self.since is not None:
            raise OSError("ethernet enable failed")
        if on is not None:
            self.calls.append(f"active {on}")
            self.since = self.world.now if on else None
        return self.since is not None

    def ifconfig(self, fields: tuple[str, ...]) -> None:
        self.calls.append(" ".join(fields))

    def isconnected(self) -> bool:
        after_ms = self.world.after_ms
        return self.since is not None and after_ms is not None and self.world.now - self.since >= after_ms

    def status(self) -> int:
        return 4


class World:
    """The WT32-ETH01 on a clock that only sleeping moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, address: str = "", board: str = "wt32-eth01") -> None:
        self.now = 0
        self.after_ms: int | None = 2500
        self.lans: list[Lan] = []
        self.entry = BOARDS[board]
        self.module: Any = SimpleNamespace(LAN=lambda **options: Lan(self, **options), PHY_LAN8720=0)

        async def sleep(seconds: float) -> None:
            self.now += int(seconds * 1000)

        monkeypatch.setattr(links, "asyncio", SimpleNamespace(sleep=sleep))
        conf, problems = config.build({"broker": {"host": "h"}, "link": {"kind": "ethernet", "address": address}})
        assert problems == []
        self.link = links.load("ethernet").make(self, conf, Clock(lambda: self.now, 0))

    def data(self, name: str) -> Any:
        if name not in self.entry:
            raise OSError(f"this board has no {name}: see pantau_node/boards.py")
        return self.entry[name]

    def network(self) -> Any:
        return self.module

    def pin(self, number: int) -> Any:
        return SimpleNamespace(number=number, IN=1, OUT=3)

    def up(self) -> None:
        asyncio.run(self.link.up())


def test_the_driver_gets_the_pins_of_the_board(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch)
    assert world.lans == [] and world.link.state == 0, "nothing is switched on before it is needed"
    world.up()
    assert len(world.lans) == 1 and world.lans[0].calls == ["active True"]
    options = world.lans[0].options
    pins = {name: options[name].number for name in ("mdc", "mdio", "power", "ref_clk")}
    assert pins == {"mdc": 23, "mdio": 18, "power": 16, "ref_clk": 0}
    assert (options["phy_type"], options["phy_addr"], options["ref_clk_mode"]) == (0, 1, 1)
    assert world.link.state == 2 and world.link.rssi() is None
    world.up()
    assert world.lans[0].calls == ["active True"], "nothing to do"


def test_no_address_within_20_s_is_an_error_and_the_third_switches_it_off_and_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(monkeypatch)
    world.after_ms = None
    for attempt in range(4):
        with pytest.raises(LinkError, match="ethernet: no connection within 20 s, status 4"):
            world.up()
        assert 20000 <= world.now - attempt * 20000 < 22000
    assert world.lans[0].calls == ["active True", "active False", "active True"], "a second active(True) is refused"
    assert len(world.lans) == 1 and world.link.state == 0 and world.link.failures == 4


def test_a_cable_that_comes_back_needs_no_restart_and_cycle_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch)
    world.up()
    world.after_ms = None
    with pytest.raises(LinkError):
        world.up()
    world.after_ms = 0
    world.up()
    assert world.lans[0].calls == ["active True"] and world.link.failures == 0
    world.link.cycle()
    world.up()
    assert world.lans[0].calls == ["active True", "active False", "active True"]


def test_a_fixed_address_is_honoured_and_a_malformed_one_named(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, "192.168.1.20/255.255.255.0/192.168.1.1/192.168.1.1")
    world.up()
    assert world.lans[0].calls == ["active True", "192.168.1.20 255.255.255.0 192.168.1.1 192.168.1.1"]
    with pytest.raises(ValueError, match=r"link.address: 192.168.1.20 is not ip/mask/gateway/dns"):
        World(monkeypatch, "192.168.1.20")


def test_a_board_or_an_image_without_ethernet_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OSError, match=r"this board has no lan: see pantau_node/boards.py"):
        World(monkeypatch, board="esp32-c3")
    world = World(monkeypatch)
    world.module = SimpleNamespace()
    with pytest.raises(LinkError, match=r"this MicroPython has no network.LAN: install the image"):
        world.up()


WIRING = runpy.run_path(str(ROOT / "tools" / "wiring.py"))


def test_the_wiring_page_names_every_pin_of_every_board() -> None:
    pages = WIRING["pages"](BOARDS)
    assert all(path.read_text(encoding="utf-8") == text for path, text in pages.items()), "make gen"
    page = pages[ROOT / "docs" / "wiring.md"]
    for name in BOARDS:
        assert f"## {name}" in page
    assert "| uart 1 | tx 26 | RX of the sensor |" in page and "| uart 1 | rx 27 | TX of the sensor |" in page
    assert "| uart 2 | rx 16 | TX of the modem, or of a sensor where there is no modem |" in page


def test_a_pin_that_is_given_twice_is_refused() -> None:
    twice = {"b": {"uart": {1: (4, 5)}, "i2c": {0: (5, 6)}, "pulse": ()}}
    with pytest.raises(ValueError, match="b: GPIO 5 is both uart 1 rx and i2c 0 scl"):
        WIRING["pages"](twice)
    with pytest.raises(ValueError, match="b: its modem is on uart 2, which it has not"):
        WIRING["pages"]({"b": {"uart": {1: (4, 5)}, "i2c": {}, "pulse": (), "modem": {"uart": 2, "baud": 9600}}})
