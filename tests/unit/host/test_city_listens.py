"""What the city process hears, whatever its sinks are doing."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace

from pantau import log, peer
from pantau.city import City
from pantau.spool import Spool
from unit.host import bridge_kit as kit
from unit.host.follower_kit import Plain, Target, fill, follow


class Judge(Plain):
    def use(self, registry):
        pass


def test_a_sink_that_hangs_keeps_nobody_from_hearing_that_the_log_has_grown(tmp_path, monkeypatch):
    """Another registry comes while it hangs: the others have it, and are told what comes after it."""
    monkeypatch.setattr(log, "set_up", lambda *_, **__: None)
    spool = Spool(tmp_path / "spool.sqlite3", max_mib=64, quarantine_rows=100, quarantine_mib=1)
    fill(tmp_path, spool, kit.records(1))
    release, hangs, works, used = threading.Event(), Target(), Target(), []
    hangs.name = "hangs"
    hangs.deliver = lambda _: release.wait() and []
    works.use = used.append
    registry = kit.registry(tmp_path)
    options = SimpleNamespace(bridge=SimpleNamespace(log_level="info", log_json=False))

    async def run():
        city = City.__new__(City)
        city.followers = [follow(tmp_path, spool, sink, quality=Judge()) for sink in (hangs, works)]
        city.alerts = city._express = city._shared = None
        city._changing = set()
        tasks = [asyncio.create_task(follower.run()) for follower in city.followers]
        heard = asyncio.Queue()
        monkeypatch.setattr(peer, "receive", lambda _reader: heard.get())
        listens = asyncio.create_task(city._listen(None))
        try:
            await kit.until(lambda: works.got == [1])
            heard.put_nowait(("setup", SimpleNamespace(config=options, registry=registry)))
            await kit.until(lambda: used == [registry] or listens.done(), within_s=5)
            fill(tmp_path, spool, kit.records(2))
            heard.put_nowait(("grown",))
            await kit.until(lambda: works.got == [1, 2] or listens.done(), within_s=5)
        finally:
            release.set()
            heard.put_nowait(None)
            await asyncio.gather(listens, *(f.stop(5, t) for f, t in zip(city.followers, tasks, strict=True)))

    asyncio.run(run())
    spool.close()
