"""An alarm overtakes the backlog before it, once."""

from __future__ import annotations

import asyncio

from pantau.decode import Decoder
from pantau.express import Express
from pantau.spool import Spool
from unit.alerts import alert_kit as kit
from unit.alerts.alert_kit import MINUTE, T0, told
from unit.host import bridge_kit


def test_an_alarm_is_judged_before_its_turn_and_not_again_in_it():
    engine, feed = kit.engine(kit.ALARM), kit.Feed()
    backlog = [feed.frame(at=T0 + m * MINUTE, received=T0 + 9 * MINUTE, values=[0.1]) for m in range(5)]
    alarm = feed.frame(at=T0 + 9 * MINUTE, values=[0.2], alarm=True)
    assert told(engine.express(alarm)) == ["open a:severe!"]
    assert engine.express(alarm) == []
    again = kit.engine(kit.ALARM, state=engine.changed())  # a restart remembers that too
    assert [d for frame in [*backlog, alarm] for d in again.observe(frame)] == []
    assert again.position == alarm.id
    made = [d for m in range(10, 14) for d in again.observe(feed.frame(at=T0 + m * MINUTE, values=[0.1]))]
    assert told(made) == ["clear a:severe!"]
    assert again.express(alarm) == []


def test_what_is_no_alarm_does_not_overtake():
    engine, feed = kit.engine(kit.ALARM), kit.Feed()
    assert engine.express(feed.frame(at=T0, values=[3.0])) == []
    assert engine.changed() == {}


class Store:
    def __init__(self):
        self.got = []

    def express(self, frames):
        self.got += [frame.seq for frame in frames]


def test_only_what_waits_far_behind_takes_the_express(tmp_path):
    spool = Spool(tmp_path / "spool.sqlite3", max_mib=8, quarantine_rows=9, quarantine_mib=1)
    gate = bridge_kit.ingest(tmp_path, spool)
    for seq in range(1, 201):
        gate.offer(bridge_kit.up(), bridge_kit.records(seq), bridge_kit.NOW_MS)
    batch = gate.take()
    spool.commit(batch)
    store, position = Store(), 0

    async def run():
        express = Express(spool.path, Decoder(bridge_kit.registry(tmp_path)), store)
        task = asyncio.create_task(express.run(lambda: position))
        express.put([3, 120, 200])
        await bridge_kit.until(lambda: len(store.got) == 2)
        task.cancel()

    asyncio.run(run())
    assert store.got == [120, 200]
    spool.close()
