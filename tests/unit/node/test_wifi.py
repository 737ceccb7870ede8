"""The Wi-Fi state machine against an interface that follows a script."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from pantau_node import config, links
from pantau_node.clock import Clock
from pantau_node.links import Backoff, LinkError
from pantau_node.links.none import NoNet

KINDS = next(limits for path, _, _, limits in config.SCHEMA if path == "link.kind")


class Wlan:
    """Connects `after_ms` after connect(); records what was asked of it in order."""

    def __init__(self, after_ms: int | None) -> None:
        self.after_ms = after_ms
        self.calls: list[str] = []
        self.now = 0
        self.since: int | None = None
        self.on = False

    def active(self, on: bool | None = None) -> bool:
        if on is not None:
            self.calls.append(f"active {on}")
            self.on = on
            self.since = self.since if on else None
        return self.on

    def ifconfig(self, fields: tuple[str, ...]) -> None:
        self.calls.append("/".join(fields))

    def isconnected(self) -> bool:
        return self.since is not None and self.after_ms is not None and self.now - self.since >= self.after_ms

    def disconnect(self) -> None:
        self.calls.append("disconnect")
        self.since = None

    def config(self, reconnects: int) -> None:
        self.calls.append(f"reconnects {reconnects}")

    def connect(self, _ssid: str, _password: str) -> None:
        self.calls.append("connect")
        self.since = self.now

    def status(self, what: str | None = None) -> int:
        return -61 if what else 202


def station(monkeypatch: pytest.MonkeyPatch, wlan: Wlan, address: str = "") -> Any:
    async def sleep(seconds: float) -> None:
        wlan.now += int(seconds * 1000)

    monkeypatch.setattr(links, "asyncio", SimpleNamespace(sleep=sleep))
    given = {"kind": "wifi", "ssid": "net", "password": "secret", "address": address}
    conf, problems = config.build({"broker": {"host": "h"}, "link": given})
    assert problems == []
    return links.load("wifi").make(SimpleNamespace(wlan=lambda: wlan), conf, Clock(lambda: wlan.now, 0))


def test_it_disconnects_before_it_connects_and_keeps_the_drivers_own_reconnects_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wlan = Wlan(1200)
    link = station(monkeypatch, wlan)
    assert link.rssi() is None
    asyncio.run(link.up())
    assert wlan.calls == ["active True", "disconnect", "reconnects 0", "connect"]
    assert link.state == 2 and link.rssi() == -61
    asyncio.run(link.up())  # nothing to do
    assert wlan.calls[-1] == "connect" and len(wlan.calls) == 4


def test_it_gives_up_after_20_s_without_the_password_and_cycles_the_radio_in_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wlan = Wlan(None)
    link = station(monkeypatch, wlan)
    for _ in range(4):
        with pytest.raises(LinkError, match="wifi net: no connection within 20 s, status 202") as said:
            asyncio.run(link.up())
        assert "secret" not in str(said.value)
    assert wlan.calls.count("active False") == 1 and link.failures == 4


def test_cycle_switches_the_radio_off_and_on_though_it_looks_well(monkeypatch: pytest.MonkeyPatch) -> None:
    wlan = Wlan(1200)
    link = station(monkeypatch, wlan)
    asyncio.run(link.up())
    link.cycle()
    asyncio.run(link.up())
    again = ["active True", "disconnect", "reconnects 0", "connect"]
    assert wlan.calls == [*again, "active False", *again] and link.state == 2
    asyncio.run(link.up())
    assert wlan.calls.count("active False") == 1, "once for each cycle()"


def test_a_fixed_address_is_set_before_it_connects(monkeypatch: pytest.MonkeyPatch) -> None:
    wlan = Wlan(300)
    asyncio.run(station(monkeypatch, wlan, "10.0.0.7/255.255.255.0/10.0.0.1/9.9.9.9").up())
    assert wlan.calls[:2] == ["active True", "10.0.0.7/255.255.255.0/10.0.0.1/9.9.9.9"]


@pytest.mark.parametrize(
    "address",
    [
        "10.0.0.7",
        "10.0.0.7/24/10.0.0.1/10.0.0.1",
        "10.0.0.256/255.255.255.0/10.0.0.1/10.0.0.1",
        "a.b.c.d/1.1.1.1//",
        "/",
    ],
)
def test_a_malformed_address_names_its_key_and_the_form(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    with pytest.raises(ValueError, match=r"link.address: .* is not ip/mask/gateway/dns, as 10"):
        station(monkeypatch, Wlan(300), address)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_one_factory_and_one_interface(kind: str) -> None:
    conf, _ = config.build({"link": {"kind": kind}})
    board = SimpleNamespace(data=lambda _name: {})  # nothing is switched on yet
    net = links.load(kind).make(board, conf, Clock(lambda: 0, 0))
    assert net.state == (2 if kind == "none" else 0) and net.rssi() is None
    net.cycle()
    assert asyncio.iscoroutinefunction(net.up)


def test_a_link_that_could_not_be_made_says_why() -> None:
    net = NoNet(OSError("this board has no lan"))
    net.cycle()
    assert net.state == 0 and net.rssi() is None
    with pytest.raises(LinkError, match="this board has no lan"):
        asyncio.run(net.up())
    none = links.load("none").make(None, None, None)
    asyncio.run(none.up())


def test_backoff_stays_within_its_limits_spreads_and_starts_over() -> None:
    values = iter(range(0, 65536, 997))
    backoff = Backoff(1000, 300000, lambda _bits: next(values))
    waits = [backoff.next_ms() for _ in range(60)]
    assert min(waits) >= 1000 and max(waits) <= 300000
    assert len(set(waits)) > 40 and waits[-1] > 100000
    backoff.reset()
    assert backoff.next_ms() < 10000


def test_a_driver_without_memory_is_a_failed_attempt_like_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    wlan = Wlan(0)

    def connect(_ssid: str, _password: str) -> None:
        raise RuntimeError("Wifi Unknown Error 0x0101")

    monkeypatch.setattr(wlan, "connect", connect)
    link = station(monkeypatch, wlan)
    for failures in (1, 2, 3):
        with pytest.raises(LinkError, match="0x0101"):
            asyncio.run(link.up())
        assert (link.state, link.failures) == (0, failures)
