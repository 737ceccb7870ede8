"""`pantau node list`: what is at each port, found without stopping anything."""

import json
import subprocess
import sys
import threading

import pytest
import serial
from click.testing import CliRunner

from board_rig import port_of, switched_on
from pantau.cli import pantau
from pantau.node import found
from pantau.node.board import Board
from pantau.node.ports import Port, choose, find_ports
from pantau.node.trouble import UnreachedError
from pantau_wire import line

pytestmark = pytest.mark.usefixtures("vm")

PROGRAM = "import time\nwhile True:\n    print('at work')\n    time.sleep_ms(50)\n"


def listed(monkeypatch, *boards: str, lang: str = "en") -> tuple[list[dict], str]:
    """What the command says of the boards named in PANTAU_BOARDS, for programs and for people."""
    monkeypatch.setenv("PANTAU_BOARDS", ",".join(boards))
    monkeypatch.setattr("serial.tools.list_ports.comports", list)
    monkeypatch.setattr(found, "_HELLO_S", 0.3)
    done = CliRunner().invoke(pantau, ["node", "list", "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)["boards"], CliRunner().invoke(pantau, ["node", "list", "--lang", lang]).stdout


class Speaker:
    """A node at the other end of a socket, as far as its hello goes."""

    def __init__(self, hello: dict) -> None:
        self._server = __import__("socket").create_server(("127.0.0.1", 0))
        self._hello = json.dumps(hello).encode()
        self.url = f"socket://127.0.0.1:{self._server.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            reader = line.Reader()
            with connection:
                connection.sendall(b"info node: at work\r\n")
                while data := connection.recv(4096):
                    reader.feed(data)
                    while (packet := reader.next()) is not None:
                        for k, part in enumerate((self._hello[:20], self._hello[20:])):
                            connection.sendall(line.packet(line.SAY, "", packet[2][:1] + bytes((1 - k,)) + part))

    def close(self) -> None:
        """Gone."""
        self._server.shutdown(2)
        self._server.close()


def test_a_node_a_repl_a_program_and_a_blank_chip_are_told_apart(tmp_path, monkeypatch):
    pytest.importorskip("esp32_mock_bootloader")
    (tmp_path / "busy").mkdir()
    (tmp_path / "busy" / "main.py").write_text(PROGRAM)
    node = Speaker({"node": "flood-01", "version": "0.1.0", "station": "flood", "setup": 1})
    with (
        switched_on(tmp_path / "free") as free,
        switched_on(tmp_path / "busy") as works,
        switched_on(tmp_path / "blank", blank=True) as blank,
    ):
        boards = [f"{one.serial}={one.port}" for one in (free, works, blank)]
        rows, said = listed(monkeypatch, *boards, f"N1={node.url}")
        kinds = {row["serial"]: row for row in rows}
        assert kinds[free.serial]["kind"] == found.REPL
        assert (kinds[free.serial]["version"], kinds[free.serial]["machine"]) == (
            "1.29.0",
            "Pantau virtual board with ESP32",
        )
        assert kinds[works.serial]["kind"] == found.OTHER
        assert kinds[blank.serial]["kind"] == found.LOADER
        assert (kinds["N1"]["kind"], kinds["N1"]["node"]) == (found.NODE, "flood-01")
        assert "Pantau node flood-01, version 0.1.0, station kind flood, not commissioned yet" in said
        assert "blank chip" in said and "MicroPython 1.29.0 on Pantau virtual board" in said
        with serial.Serial(works.port, timeout=2) as port:  # nothing was stopped
            assert b"at work" in port.read_until(b"at work")
    node.close()


def test_a_busy_port_names_who_has_it(tmp_path, monkeypatch):
    holder = "import serial, sys; s = serial.Serial(sys.argv[1], exclusive=True); print('open', flush=True); input()"
    with switched_on(tmp_path / "board") as board:
        with subprocess.Popen(
            [sys.executable, "-c", holder, board.port], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout.readline() == "open\n"
            rows, said = listed(monkeypatch, board.port, lang="id")
            process.communicate("\n")
        assert rows[0]["kind"] == found.BUSY and str(process.pid) in rows[0]["who"]
        assert "sedang dipakai oleh" in said
        Board.connect(port_of(board)).close()


def test_nothing_plugged_in_and_a_port_that_is_none(monkeypatch):
    rows, said = listed(monkeypatch, "")
    assert rows == [] and "No board found" in said
    rows, _ = listed(monkeypatch, "X=/dev/none")
    assert rows[0]["kind"] == found.CLOSED


def test_ports_are_known_by_their_usb_serial_number(monkeypatch):
    class Usb:
        def __init__(self, device, serial_number, vid=0x10C4):
            self.device, self.serial_number, self.vid, self.pid = device, serial_number, vid, 0xEA60
            self.description = "CP2102"

    there = [Usb("/dev/ttyUSB1", "0001"), Usb("/dev/ttyUSB0", "0002"), Usb("/dev/ttyS0", None, None)]
    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: there)
    monkeypatch.setenv("PANTAU_BOARDS", "A1=/dev/pts/9, socket://10.0.0.1:5000")
    ports = find_ports()
    assert [(port.serial, port.device) for port in ports] == [
        ("0001", "/dev/ttyUSB1"), ("0002", "/dev/ttyUSB0"), ("A1", "/dev/pts/9"),
        ("socket://10.0.0.1:5000", "socket://10.0.0.1:5000"),
    ]  # fmt: skip
    assert choose("0002", ports).device == "/dev/ttyUSB0"
    assert choose("A1", ports).device == "/dev/pts/9"
    with pytest.raises(UnreachedError, match="There are several boards"):
        choose(None, ports)
    with pytest.raises(UnreachedError, match="no port ttyUSB7"):
        choose("ttyUSB7", ports)
    assert choose(None, ports[:1]) == ports[0]
    assert choose("socket://h:1", []) == Port("socket://h:1", "socket://h:1")
