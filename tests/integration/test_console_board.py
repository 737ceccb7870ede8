"""Ctrl-C, unlock and the REPL on a virtual board with the firmware installed: the cable is a serial port."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import serial

from board_rig import switched_on
from integration.cable import Cable
from pantau_sim.mpy import compiled
from pantau_sim.node import firmware_folder, wire_folder
from pantau_wire import names as T

pytestmark = pytest.mark.usefixtures("vm")

KEY = bytes(range(32))
NODE = "flood-01"
PROMPT = b">>> "


def install(root: Path) -> None:
    """What `pantau node install` puts onto a board, without slots."""
    shutil.copytree(compiled(wire_folder(), ("pantau_wire",)), root)
    shutil.copytree(compiled(firmware_folder()), root, dirs_exist_ok=True)
    body = {"city": "tng", "link": {"kind": "none"}, "broker": {"host": "broker"}, "sampling": {"interval_s": 60}}
    (root / "config.json").write_text(json.dumps(body))


def provision(root: Path) -> None:
    identity = {"node": NODE, "keys": {"0": KEY.hex()}, "key_id": 0, "mqtt_password": "broker-secret"}
    (root / "identity.json").write_text(json.dumps(identity))


@pytest.fixture
def cable(tmp_path: Path) -> Iterator[Any]:
    root = tmp_path / "board"
    install(root)
    with switched_on(root) as board, serial.Serial(board.port, timeout=0) as port:
        made = Cable(port.write, lambda: port.read(4096), NODE, KEY)
        made.root, made.board = root, board  # type: ignore[attr-defined]
        yield made


def typed(cable: Cable, text: bytes, answer: bytes) -> None:
    """Type, and wait for what must come."""
    begin = len(cable.heard)
    cable.type(text)
    cable.until(lambda: answer in cable.heard[begin:])


def test_ctrl_c_stops_a_node_only_before_it_knows_who_it_is_and_unlock_opens_it_for_a_while(cable: Any) -> None:
    cable.until(lambda: b"provision it anew" in cable.heard)
    typed(cable, b"\x03", PROMPT)
    typed(cable, b"print(6 * 7)\r\n", b"\n42\r\n")
    provision(cable.root)
    cable.type(b"import machine; machine.reset()\r\n")
    cable.until(lambda: cable.heard.rfind(b"rst:") > cable.heard.rfind(PROMPT))
    mark = len(cable.heard)
    cable.until(lambda: (cable.root / "identity.a").exists() and not (cable.root / "identity.json").exists())

    boot = cable.ask("hello")["boot"]
    cable.type(b"\x03\x03\x04")
    assert cable.ask("hello")["boot"] == boot and PROMPT not in cable.heard[mark:], "a stray Ctrl-C stopped it"

    def unlock(**args: Any) -> dict[str, Any]:
        said: dict[str, Any] = cable.order(
            cable.frame(T.K_COMMAND, {"id": 1, "name": "unlock", "args": json.dumps(args)})
        )
        return said

    assert unlock(s=5)["detail"] == "s: must be seconds in 60..3600"
    said = unlock(s=60)
    assert said.get("ok") == 1, said
    cable.until(lambda: PROMPT in cable.heard[mark:])
    typed(cable, b"print(7 * 8)\r\n", b"\n56\r\n")
    bus = cable.board.bus
    assert bus.watchdog_us is not None and bus.watchdog_us - cable.board.clock.now_us() < 61_000_000, "it comes back"
    cable.type(b"import machine; machine.reset()\r\n")
    cable.until(lambda: b"rst:" in cable.heard[mark:])
    assert cable.ask("hello")["boot"] == boot + 1
