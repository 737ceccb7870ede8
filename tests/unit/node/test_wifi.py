"""The Wi-Fi state machine against an interface that follows a script."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from pantau_node.clock import Clock
from pantau_node.links import Backoff, LinkError, wifi


class Wlan:
    """Connects `after_ms` after connect(); records what was asked of it in order."""

    def __init__(self, after_ms: int | None) -> None:
        self.after_ms = after_ms
        self.calls: list[str] = []
        self.now = 0
        self.since: int | None = None

    def active(self, on: bool) -> None:
        self.calls.append(f"active {on}")

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


def station(monkeypatch: pytest.MonkeyPatch, wlan: Wlan) -> wifi.Wifi:
    async def sleep(seconds: float) -> None:
        wlan.now += int(seconds * 1000)

    monkeypatch.setattr(wifi, "asyncio", SimpleNamespace(sleep=sleep))
    return wifi.Wifi(wlan, "net", "secret", Clock(lambda: wlan.now, 0))


def test_it_disconnects_before_it_connects_and_keeps_the_drivers_own_reconnects_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wlan = Wlan(1200)
    link = station(monkeypatch, wlan)
    assert link.rssi() is None
    asyncio.run(link.up())
    assert wlan.calls == ["active True", "disconnect", "reconnects 0", "connect"]
    assert link.state == wifi.UP and link.rssi() == -61
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


def test_backoff_stays_within_its_limits_spreads_and_starts_over() -> None:
    values = iter(range(0, 65536, 997))
    backoff = Backoff(1000, 300000, lambda _bits: next(values))
    waits = [backoff.next_ms() for _ in range(60)]
    assert min(waits) >= 1000 and max(waits) <= 300000
    assert len(set(waits)) > 40 and waits[-1] > 100000
    backoff.reset()
    assert backoff.next_ms() < 10000
