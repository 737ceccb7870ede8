"""A running bridge with a broker and a serial port, and a file replayed beside it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from integration.bridge_env import BridgeProcess, Broker, Client
from pantau_wire import frame as wire
from pantau_wire import line
from unit.host import bridge_kit as kit
from unit.host.serial_rig import Cable


@pytest.fixture
def bridge(tmp_path: Path):
    broker = Broker(tmp_path).start()
    folder = tmp_path / "bridge"
    folder.mkdir()
    cable = Cable(tmp_path, "tty")
    cable.plug()
    bridge = BridgeProcess(folder, broker.port)
    bridge.config.write_text(bridge.config.read_text() + f'[[serial]]\npath = "{cable.path}"\n')
    bridge.start().ready()
    yield bridge, broker, cable
    bridge.stop()
    broker.stop()
    cable.unplug()


def test_each_node_is_answered_where_it_speaks(bridge):
    process, broker, cable = bridge

    async def talk() -> wire.Frame:
        await cable.get(line.HELLO)
        cable.send(line.packet("up", kit.OTHER, kit.records(1, node=kit.OTHER, key=kit.OTHER_KEY)))
        answers = await cable.get("ack")
        assert wire.verify(answers[0][2], kit.OTHER, kit.KEY)
        frame: wire.Frame = wire.decode(answers[0][2])
        return frame

    assert asyncio.run(talk()).fields["through"] == 1
    client = Client(broker.port)
    client.send(kit.records(1))
    client.until_through(1)
    client.close()
    said = process.call("replay", str(pulled(process.folder, 1, 2, 3)))
    assert (said.returncode, said.stdout) == (0, "3 frames: 2 new, 1 known before, 0 refused\n")
    assert process.stop() == 0


def pulled(folder: Path, *seqs: int) -> Path:
    path = folder / "pulled"
    rows = [json.dumps({"node": kit.NODE, "frame": kit.records(seq).hex()}) for seq in seqs]
    path.write_text("\n".join(rows))
    return path
