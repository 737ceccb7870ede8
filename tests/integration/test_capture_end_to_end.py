"""Recorded PMS5003 bytes through everything: emulator, driver, frame, Mosquitto, bridge, SQLite."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from integration.bridge_env import BridgeProcess, Broker
from needs import need_vm
from pantau_sim.node import SimNode
from pantau_sim.sensors import replay
from unit.host import bridge_kit as kit

CAPTURE = json.loads((Path(__file__).resolve().parents[1] / "captures" / "pms5003_pypms.json").read_text())
NAMES = ("pm1", "pm2_5", "pm10", "pm2_5_cf1", "particles_0_3")
NODE = kit.OTHER
COPIES = 3  # each packet for three seconds: the middle one has a record of a second to itself
RUN_S = COPIES * len(CAPTURE["packets"]) + 3


def provision(folder: Path, port: int) -> None:
    """Write the node's files."""
    folder.mkdir()
    broker = {"host": "127.0.0.1", "port": port, "tls": False, "lab_plain": True, "backoff_max_s": 1}
    config = {
        "node": NODE,
        "city": kit.CITY,
        "link": {"kind": "wifi", "ssid": "lab"},
        "broker": broker,
        "sampling": {"interval_s": 1, "batch": 5, "run_s": RUN_S, "health_s": 5},
        "station": "air",
        "sensors": [{"model": "pms5003", "uart": 1}, {"model": "bme280", "i2c": 0}],
    }
    identity = {"node": NODE, "generation": 1, "keys": {"0": kit.OTHER_KEY.hex(), "1": kit.KEY.hex()}, "key_id": 0}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "identity.json").write_text(json.dumps({**identity, "mqtt_user": NODE, "mqtt_password": "lab"}))


def stored(data: Path) -> list[dict[str, tuple[float | None, int, str]]]:
    """Return the records in order: {property: (value, QARTOD flag, reason)}."""
    records: dict[tuple[int, int, int], dict[str, tuple[float | None, int, str]]] = {}
    with closing(sqlite3.connect(data / "city.sqlite3")) as db:
        query = "SELECT boot, seq, idx, property, value, quality, reason FROM readings ORDER BY boot, seq, idx"
        for boot, seq, index, name, value, quality, reason in db.execute(query):
            records.setdefault((boot, seq, index), {})[name] = (value, quality, reason)
    return list(records.values())


def arrived(data: Path) -> bool:
    """Wait until all records are stored; False when they are not in good time."""
    end = time.monotonic() + RUN_S + 20
    pause = threading.Event()
    while not (data / "city.sqlite3").exists() or len(stored(data)) < RUN_S:
        if time.monotonic() > end:
            return False
        pause.wait(0.1)
    return True


async def play(root: Path, data: Path) -> None:
    """Power the node until all its records are stored."""
    packets = [bytes.fromhex(row["raw"]) for row in CAPTURE["packets"] for _ in range(COPIES)]
    node = SimNode(root, wiring={"uart": {1: replay.Emulator(packets, "pms5003")}})
    await node.start()
    try:
        assert await asyncio.to_thread(arrived, data), f"not all records came; the node's log: {node.log_path}"
    finally:
        await node.stop()


@pytest.mark.timeout(120)
def test_recorded_packets_are_stored_as_the_values_their_source_states(tmp_path: Path) -> None:
    """Every captured packet comes out with the source's values; the sensor that is not there is flagged, not invented."""
    need_vm()
    folder = tmp_path / "bridge"
    folder.mkdir()
    broker = Broker(tmp_path).start()
    bridge = BridgeProcess(folder, broker.port)
    provision(tmp_path / "node", broker.port)
    try:
        bridge.start()
        asyncio.run(play(tmp_path / "node", folder / "data"))
    finally:
        bridge.stop()
        broker.stop()
    records = stored(folder / "data")
    assert len(records) == RUN_S
    seen = {tuple(record[name][0] for name in NAMES) for record in records}
    for row in CAPTURE["packets"]:
        assert tuple(float(row[name]) for name in NAMES) in seen, row
    assert {record["air_pressure"] for record in records} == {(None, 9, "absent")}
