"""What was installed on a virtual board runs there as on a chip: emulated sensors, and the console on the same port."""

import json

import pytest

from board_rig import port_of, switched_on
from pantau.node import board as board_module
from pantau.node.board import Board
from pantau.node.install import SLOT, install
from pantau.node.mpy import application
from pantau.node.partitions import lay_out
from pantau.node.session import Session
from pantau.node.trouble import UnreachedError
from pantau_sim.board.node import STOCK, Kind
from pantau_sim.demo.city import SENSORS
from pantau_sim.run.wiring import wire
from pantau_sim.world import World

pytestmark = pytest.mark.usefixtures("vm")


def provisioned(root) -> None:
    """What a technician's provisioning leaves on a board."""
    config = {
        "node": "flood-01", "city": "tng", "station": "flood", "board": "esp32-generic",
        "link": {"kind": "wifi", "ssid": "x", "password": ""}, "broker": {"host": "127.0.0.1", "port": 9},
        "sampling": {"interval_s": 1, "batch": 5}, "sensors": SENSORS["flood"],
    }  # fmt: skip
    identity = {"node": "flood-01", "user": "flood-01", "password": "p" * 16, "keys": {"0": bytes(range(32)).hex()}, "key_id": 0}  # fmt: skip
    (root / "config.json").write_text(json.dumps(config))
    (root / "identity.json").write_text(json.dumps(identity))


def test_an_installed_node_measures_and_answers_and_keeps_its_repl_closed(tmp_path, monkeypatch):
    app = application("xtensawin")
    root = tmp_path / "board"
    wiring = wire(SENSORS["flood"], World(0).station("flood-board"), 0)[0]
    kind = Kind(table=tuple(lay_out(list(STOCK), 4 << 20)))
    with switched_on(root, kind, wiring) as board:
        with Board.connect(port_of(board)) as at:
            done = install(at, app)
            assert (done.written, at.facts().slots) == (
                len(app.slot) + 5,
                (("a", {"version": app.version, "release": 0}),),
            )
            provisioned(root)
            at.reset()
        session = Session.open(port_of(board), 25)
        try:
            assert (session.node, session.hello["slot"], session.hello["version"]) == ("flood-01", "a", app.version)
            told = session.ask("read", patience_s=15)
            assert all(sensor["made"] for sensor in told["sensors"]), told
            assert any(value[0] for value in told["readings"].values()), told
        finally:
            session.close()
        monkeypatch.setattr(board_module, "_TRIES", 1)
        monkeypatch.setattr(board_module, "_PROMPT_S", 1)
        with pytest.raises(UnreachedError) as closed:  # Ctrl-C does nothing there
            Board.connect(port_of(board))
        assert closed.value.key == "board.silent"
        assert not (root / "identity.json").exists()  # it is in its own partition now
    assert board.partitions.read("pantau_id").snapshot() != b"\xff" * 8192
    assert (root / SLOT.strip("/") / "ready").is_file()
