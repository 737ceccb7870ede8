"""Decisions in short, channels that remember what they were told, and a notifier over a real store of alerts."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pantau.alerts.reads import Entry
from pantau.alerts.store import AlertStore
from pantau.alerts.track import Alert
from pantau.config import Config
from pantau.notify import REMIND, Context, Notice, Outcome, Place, compose
from pantau.notify import notifier as notifying
from pantau.notify.notifier import Notifier
from pantau.notify.outbox import Waiting, key_of
from pantau.notify.plan import Belief, News, Order, judge, pass_time
from pantau.notify.settings import ChannelTable
from pantau.reload import Setup
from unit.alerts import alert_kit

T0 = 1_800_000_000_000  # 15:00 WIB
MINUTE = 60_000
ANGKE = Place("angke", "Kali Angke", "flood", -6.2375, 106.7108, "36.71.01.1001")
SEVERITIES = ("none", "minor", "moderate", "severe", "extreme")
CONTEXT = Context("tng", "Kota Tangerang", "https://pantau.example", "WIB", Path("data"), Path("fleet.sqlite3"))


def news(number: int = 1, action: str = "open", severity: int = 2, *, at: float = 0, alert: int = 1, place=ANGKE, **more: Any) -> News:  # fmt: skip
    """`at` in minutes after T0; `more` are fields of the alert, `muted` and `past` also of the decision."""
    at_ms = T0 + int(at * MINUTE)
    flags = {name: more.get(name, False) for name in ("muted", "past")}
    by = more.get("acknowledged_by", "")
    english = (
        f"{action.title()}: Water level, {place.name}: {SEVERITIES[severity]}. Water_level 2.1 m, at or above 2 m."
    )
    indonesian = (
        f"{action.title()}: Tinggi muka air, {place.name}: {SEVERITIES[severity]}. Water_level 2.1 m, mencapai 2 m."
    )
    figures = [
        {"at_ms": at_ms, "value": 2.1, "quality": 1, "reason": "ok", "node": "n1", "boot": 1, "seq": 2, "index": 0}
    ]
    told = {"station": place.id, "figures": figures, "limits": {"hold_s": 0}}
    entry = Entry(number, alert, action, severity, True, flags["muted"], flags["past"], at_ms, at_ms, by, english, indonesian, told)  # fmt: skip
    one = Alert(
        alert, "level", "threshold", place.id, "", severity, severity, "Awas", "Awas", True, False, False, T0, T0
    )
    return News(entry, one._replace(**more), place)


def waiting(number: int = 1, action: str = "open", severity: int = 3, *, held=False, reminder=0, done=(), superseded=False, **more: Any) -> Waiting:  # fmt: skip
    said = news(number, action, severity, **more)
    key = key_of("tng", Order(said, action, 0, reminder))
    return Waiting(number, key, REMIND if reminder else action, severity, said.entry.decided_ms, held, reminder, 0, done, "", said, superseded)  # fmt: skip


def notice(number: int = 1, action: str = "open", severity: int = 3, *, after_min: float = 0, **more: Any) -> Notice:
    """What a channel is given `after_min` minutes after the decision."""
    row = waiting(number, action, severity, **more)
    return compose.notice([row], row.key, CONTEXT, row.due_ms + int(after_min * MINUTE))


def policy(**more: Any) -> ChannelTable:
    return ChannelTable.model_validate({"name": "desk"} | more)


def told(rules: ChannelTable, *events: tuple | int | float) -> list[str]:
    """What a channel is told of one alert: events are (minute, action, severity, alert's fields), or a minute that passes."""
    belief: Belief | None = None
    out = []
    for number, event in enumerate(events, 1):
        if isinstance(event, tuple):
            at, action, severity, *more = event
            fields = more[0] if more else {}
            step = judge(rules, belief, news(number, action, severity, at=at, **fields), T0 + int(at * MINUTE))
        elif belief is not None:
            at = event
            step = pass_time(rules, belief, T0 + int(at * MINUTE))
        else:
            continue
        belief = step.belief
        if (order := step.order) is not None:
            due = (order.due_ms - T0) / MINUTE
            out.append(f"{order.action} {order.news.entry.severity} at {at:g}" + (f" for {due:g}" if due != at else ""))
    return out


class Fake:
    """A channel that answers as it is told; `gate` holds it up."""

    def __init__(self, name: str) -> None:
        self.name, self.got, self.closed = name, [], False
        self.answer: Callable[[Any], Outcome] = lambda _notice: Outcome("sent")
        self.gate: threading.Event | None = None

    def send(self, notice):
        if self.gate is not None:
            self.gate.wait(20)
        self.got.append(notice)
        return self.answer(notice)

    def close(self):
        self.closed = True

    @property
    def said(self) -> list[str]:
        return [f"{n.action} {n.alert.id}" for n in self.got]


class Room:
    """A store of alerts, its notifier and what its channels were told."""

    def __init__(self, folder: Path, monkeypatch, tables: dict[str, dict], stations: int = 3) -> None:
        self.folder, self.ms = folder, T0
        self.names = [f"s{number}" for number in range(stations)]
        self.registry = alert_kit.city(*self.names)
        self.rules = alert_kit.rules(alert_kit.LEVEL)
        self.alerts = AlertStore(folder / "alerts.sqlite3", self.rules, self.registry)
        self.feed = alert_kit.Feed()
        self.channels = {name: Fake(name) for name in tables}
        self.tables = tables
        monkeypatch.setattr(notifying, "open_channel", lambda _kind, table, _context: self.channels[table.name])
        self.notifier: Notifier | None = None

    def setup(self) -> Setup:
        hooks = [{"url": "https://hook.example/x", "name": name} | more for name, more in self.tables.items()]
        config = Config.model_validate(
            {
                "bridge": {"city": "tng", "data_dir": str(self.folder)},
                "mqtt": {"host": "x"},
                "notify": {"webhook": hooks},
            }
        )
        return Setup(config, self.registry, None, self.rules)

    def level(self, station: str, value: float, after_min: float = 0) -> None:
        self.ms += int(after_min * MINUTE)
        frame = self.feed.frame(station, at=self.ms, values=[value])
        assert self.alerts.deliver([frame])[0].kind == "stored"

    @contextlib.asynccontextmanager
    async def telling(self):
        """The notifier runs."""
        self.notifier = Notifier(self.setup(), self.alerts, lambda: self.ms)
        task = asyncio.create_task(self.notifier.run())
        try:
            yield self.notifier
        finally:
            await self.notifier.stop(5, task)


async def until(true: Callable[[], Any], within_s: float = 10.0) -> None:
    """Wait for something that other threads do."""
    async with asyncio.timeout(within_s):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


def until_now(true: Callable[[], Any], within_s: float = 20.0) -> None:
    """Wait for something that other processes do."""
    end = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)
