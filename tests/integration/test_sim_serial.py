"""A whole node in the real VM on a serial line: UART, cable, pyserial, gate, log, and the acknowledgement back."""

from __future__ import annotations

import asyncio
import json
import os
import time
from pathlib import Path

import pytest

from needs import need_vm
from pantau.downlink import Downlink
from pantau.ingest import Ingest
from pantau.pipeline import Pipeline
from pantau.sources.serial import SerialSource, SerialTable
from pantau.spool import Spool, SpoolReader
from pantau.worker import Worker
from pantau_sim.node import SimNode
from pantau_sim.sensors.base import UartEmulator
from pantau_wire import frame as wire
from pantau_wire import names as T
from unit.host import bridge_kit as kit
from unit.host.serial_rig import Cable

RUN_S = 16


class Wire(UartEmulator):
    """The node's UART at the end of a cable, which may hang loose."""

    MODEL = "wire"
    BAUD = 115_200

    def __init__(self, cable: Cable) -> None:
        super().__init__(1 << 62)
        self.cable = cable

    def receive(self, t_us: int, data: bytes) -> None:
        try:
            os.write(self.cable.end, data)
        except OSError:
            return  # nobody reads, or nothing is plugged in: a UART does not notice

    def produce(self, t_us: int, room: int = -1) -> bytes:
        try:
            return os.read(self.cable.end, max(room, 0))
        except OSError:
            return b""


def provision(folder: Path) -> None:
    folder.mkdir()
    config = {
        "node": kit.NODE,
        "city": kit.CITY,
        "link": {"kind": "serial", "address": "2:115200"},
        "sampling": {"interval_s": 1, "batch": 4, "run_s": RUN_S, "health_s": 5},
        "sensors": [{"model": "sht4x", "i2c": 0}, {"model": "a02yyuw", "uart": 2}],
    }
    identity = {"node": kit.NODE, "generation": 1, "keys": {"0": kit.KEY.hex()}, "key_id": 0}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "identity.json").write_text(json.dumps({**identity, "mqtt_user": "", "mqtt_password": ""}))


def records(reader: SpoolReader) -> tuple[int, list[dict[str, int]]]:
    """Return how many records the log holds, and the health frames' fields."""
    frames = [wire.decode(frame.payload) for frame in reader.read(0, 1000)]
    return sum(f.count for f in frames if f.kind == T.K_RECORDS), [f.fields for f in frames if f.kind == T.K_HEALTH]


@pytest.mark.timeout(120)
def test_a_node_on_a_serial_line_loses_nothing_when_its_cable_is_pulled(tmp_path: Path) -> None:
    need_vm()
    cable = Cable(tmp_path, "tty")
    cable.plug()
    provision(tmp_path / "node")
    node = SimNode(tmp_path / "node", wiring={"uart": {2: Wire(cable)}})
    spool = Spool(tmp_path / "s.sqlite3", max_mib=64, quarantine_rows=100, quarantine_mib=1)
    gate = Ingest(kit.CITY, kit.registry(tmp_path), kit.KEYS, spool)
    downlink, worker = Downlink(kit.KEYS, lambda: time.time_ns() // 1_000_000), Worker("spool")
    pipeline = Pipeline(gate, spool, downlink, worker, max_batch=100, ack_interval_s=0, on_stored=lambda: None)
    source = SerialSource(kit.CITY, [SerialTable(path=str(cable.path))])
    pipeline.source = source
    reader = SpoolReader(spool.path)

    async def play() -> None:
        tasks = [asyncio.create_task(source.run(pipeline.inbox)), asyncio.create_task(pipeline.run())]
        await node.start()
        try:
            await kit.until(lambda: spool.last_id, 60)
            cable.unplug()
            await kit.until(source.problems, 10)
            cable.plug()
            await kit.until(lambda: records(reader)[0] >= RUN_S and pipeline.links.get(kit.NODE), 60)
        finally:
            await node.stop()
            await source.close()
            pipeline.stop()
            await asyncio.gather(*tasks)

    asyncio.run(play())
    found, health = records(reader)
    assert found == RUN_S
    assert health[-1]["outbox_oldest_seq"] > 1, "no acknowledgement reached the node"
    assert spool.quarantine.rows == 0
    log = node.log_path.read_text()
    assert "somebody listens" in log and "uart 2 is taken by the link" in log
    reader.close()
    spool.close()
