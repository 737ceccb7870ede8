"""A process that has one alert to tell: FOLDER URL. It ends when nothing waits; the first time it makes the alert."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pantau.alerts.store import AlertStore
from pantau.config import Config
from pantau.notify.notifier import Notifier
from pantau.reload import Setup
from unit.alerts import alert_kit


async def main(folder: Path, url: str) -> None:
    registry, rules = alert_kit.city("a"), alert_kit.rules(alert_kit.LEVEL)
    first = not (folder / "alerts.sqlite3").exists()
    alerts = AlertStore(folder / "alerts.sqlite3", rules, registry)
    hook = {"name": "hook", "url": url, "lab_plain": True, "timeout_s": 30.0}
    bridge = {"city": "tng", "data_dir": str(folder)}
    config = Config.model_validate({"bridge": bridge, "mqtt": {"host": "x"}, "notify": {"webhook": [hook]}})
    notifier = Notifier(Setup(config, registry, None, rules), alerts, lambda: time.time_ns() // 1_000_000)
    task = asyncio.create_task(notifier.run())
    while not notifier.figures():  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    if first:
        frame = alert_kit.Feed().frame("a", at=time.time_ns() // 1_000_000, values=[1.2])
        await asyncio.to_thread(alerts.deliver, [frame])
    while notifier.figures()['notices_sent_total{channel="hook"}'] < 1:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    await notifier.stop(5, task)
    alerts.close()


asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
