"""The virtual board: mpremote takes it for an ESP32, and nothing on it reaches the host's files."""

import hashlib
import os
import subprocess
import sys
import time

import pytest
import serial

from board_rig import mpremote, port_of, switched_on
from pantau.node.board import Board
from pantau.node.trouble import RefusedError, UnreachedError
from pantau_sim.board.node import Kind

pytestmark = pytest.mark.usefixtures("vm")

# Every way that the VM has to the host's files, and the roundabout ones: "/", "..", the port's own modules by either name.
ESCAPES = """
import os, sys, io, vfs
def tried(what):
    try:
        print("LEAK", what())
    except (OSError, AttributeError, ImportError, TypeError, ValueError, NameError) as error:
        print("no", type(error).__name__)
for path in ("/etc/passwd", "../etc/passwd", "/../../../../etc/passwd", "../../../../../../../etc/passwd", "a/../../../etc/passwd"):
    tried(lambda: open(path).read())
    tried(lambda: os.stat(path))
    tried(lambda: io.open(path, "rb").read())
tried(lambda: os.system("id"))
tried(lambda: os.getenv("HOME"))
tried(lambda: os.VfsPosix("/").open("/etc/passwd", "r").read())
tried(lambda: vfs.VfsPosix("/etc").open("/passwd", "r").read())
def other(name):
    return __import__(name).VfsPosix
for name in ("uos", "uvfs", "os", "vfs"):
    tried(lambda: other(name))
tried(lambda: os.chdir("/../../etc") or open("passwd").read())
tried(lambda: os.listdir("/../etc"))
print(sorted(os.listdir("/")))
"""


def test_mpremote_takes_it_for_an_esp32(tmp_path):
    local = tmp_path / "some.bin"
    local.write_bytes(os.urandom(5000))
    with switched_on(tmp_path / "board") as board:
        said = mpremote(board, "exec", "import os, sys; print(os.uname().machine, sys.platform)")
        assert said == "Pantau virtual board with ESP32 esp32\n"
        assert "ZeroDivisionError" in mpremote(board, "exec", "1/0", good=False)
        mpremote(board, "fs", "mkdir", ":lib", "+", "fs", "cp", str(local), ":lib/some.bin")
        assert "5000 some.bin" in mpremote(board, "fs", "ls", ":lib")
        assert "some.bin" in mpremote(board, "fs", "tree")
        assert hashlib.sha256(local.read_bytes()).hexdigest() in mpremote(board, "fs", "sha256sum", ":lib/some.bin")
        assert "2097152" in mpremote(board, "df")
        mpremote(board, "fs", "cp", ":lib/some.bin", str(tmp_path / "back.bin"))
        assert (tmp_path / "back.bin").read_bytes() == local.read_bytes()
        mpremote(board, "soft-reset")
        mpremote(board, "reset")
        assert mpremote(board, "resume", "exec", "print(6 * 7)") == "42\n"
    assert (tmp_path / "board" / "lib" / "some.bin").read_bytes() == local.read_bytes()


def test_no_path_leads_to_the_hosts_files(tmp_path):
    script = tmp_path / "escapes.py"
    script.write_text(ESCAPES)
    with switched_on(tmp_path / "board") as board:
        said = mpremote(board, "run", str(script))
    assert "LEAK" not in said, said
    assert said.count("no ") == 15 + 10, said
    assert "['boot.py']" in said
    assert "root:" not in said


class Terminal:
    """Somebody who types."""

    def __init__(self, board):
        self.port = serial.Serial(board.port, timeout=0.02)

    def until(self, text, wait_s=30):
        """Return what is said up to a text."""
        said, end = b"", time.monotonic() + wait_s
        while text not in said:
            assert time.monotonic() < end, said
            said += self.port.read(4096)
        return said

    def type(self, data):
        """Send keys."""
        self.port.write(data)


@pytest.fixture
def typed(tmp_path):
    """A board with a program that counts, and somebody at its terminal."""
    root = tmp_path / "board"
    root.mkdir()
    (root / "boot.py").write_text("print('this is boot')\n")
    (root / "main.py").write_text("import time\nwhile True:\n    print('at work')\n    time.sleep_ms(20)\n")
    with switched_on(root) as board:
        terminal = Terminal(board)
        yield terminal
        terminal.port.close()


def test_boot_and_main_run_until_ctrl_c_and_again_after_each_reset(typed):
    typed.until(b"at work\r\n")
    typed.type(b"\x03")
    said = typed.until(b">>> ")
    assert b"KeyboardInterrupt" in said and b"MicroPython v1.29.0; Pantau virtual board with ESP32" in said
    typed.type(b"6 * 7\r")
    typed.until(b"\r\n42\r\n>>> ")
    typed.type(b"for i in range(2):\r  print('n', i)\r\r")
    typed.until(b"n 0\r\nn 1\r\n>>> ")
    typed.type(b"\x04")
    said = typed.until(b"at work\r\n")
    assert said.index(b"MPY: soft reboot\r\n") < said.index(b"this is boot")
    typed.type(b"\x03")
    typed.until(b">>> ")
    typed.type(b"import machine; print(machine.reset_cause())\r")
    typed.until(b"\r\n5\r\n>>> ")
    typed.type(b"machine.reset()\r")
    said = typed.until(b"at work\r\n")
    assert said.index(b"SW_CPU_RESET") < said.index(b"this is boot")


def test_raw_repl_keeps_main_from_running_and_a_soft_reset_stays_in_it(typed):
    typed.until(b"at work\r\n")
    typed.type(b"\r\x03")
    typed.until(b">>> ")
    typed.type(b"\r\x01")
    typed.until(b"raw REPL; CTRL-B to exit\r\n>")
    typed.type(b"\x04")
    said = typed.until(b"raw REPL; CTRL-B to exit\r\n>")
    assert b"soft reboot" in said and b"this is boot" in said and b"at work" not in said
    typed.type(b"while True: pass\x04")
    typed.until(b"OK")
    typed.type(b"\x03")
    assert b"KeyboardInterrupt" in typed.until(b"\x04>")
    typed.type(b"\x05A\x01")
    typed.until(b"R\x01\x80\x00")
    typed.type(b"print('x' * 3)\n" + b"#" * 150 + b"\n\x04")
    assert b"\x04xxx\r\n\x04\x04>" in typed.until(b"\x04\x04>")
    typed.type(b"\x02")
    typed.until(b">>> ")


def test_a_program_that_closes_the_repl_is_not_interrupted(tmp_path):
    root = tmp_path / "board"
    root.mkdir()
    (root / "boot.py").write_text("")
    (root / "main.py").write_text(
        "import micropython, sys\nmicropython.kbd_intr(-1)\nprint('closed')\n"
        "while True:\n    c = sys.stdin.buffer.read(1)\n    print(c)\n    if c == b'o':\n        micropython.kbd_intr(3)\n"
    )
    with switched_on(root) as board:
        terminal = Terminal(board)
        terminal.until(b"closed")
        terminal.type(b"\x03a")
        terminal.until(b"b'\\x03'\r\nb'a'\r\n")
        terminal.type(b"o")
        terminal.until(b"b'o'\r\n")
        terminal.type(b"\x03")
        terminal.until(b">>> ")
        terminal.port.close()


def test_interrupts_leave_the_bus_in_step(tmp_path):
    """Ctrl-C in the middle of a request to a sensor's bus: the next request must get its own reply."""
    with switched_on(tmp_path / "board") as board:
        terminal = Terminal(board)
        terminal.until(b">>> ")
        terminal.type(b"import machine; p = machine.Pin(4, machine.Pin.OUT)\r")
        terminal.until(b"\r\n>>> ")
        for turn in range(8):
            terminal.type(b"while True: p.value()\r\r")
            terminal.until(b"... \r\n")
            until = time.monotonic() + 0.11 + turn * 0.0007
            while time.monotonic() < until:
                terminal.port.read(1)
            terminal.type(b"\x03")
            terminal.until(b">>> ")
            terminal.type(b"p.value(%d); print('is', p.value(), machine.unique_id()[:0])\r" % (turn & 1))
            terminal.until(b"is %d b''\r\n>>> " % (turn & 1))
        terminal.port.close()


def test_facts_files_and_code_by_our_own_tool(tmp_path):
    with switched_on(tmp_path / "board") as board, Board.connect(port_of(board)) as at:
        facts = at.facts()
        assert (facts.version, facts.machine) == ((1, 29, 0), "Pantau virtual board with ESP32")
        assert (facts.mpy & 0xFF, facts.mpy >> 10) == (6, 10)
        assert facts.flash_bytes == 4 << 20 and len(facts.unique_id) == 12
        assert {row[4]: row[3] for row in facts.partitions} == {
            "nvs": 0x6000, "phy_init": 0x1000, "factory": 0x1F0000, "vfs": 0x200000,
        }  # fmt: skip
        data = os.urandom(7000)
        moved = []
        at.write("/a/b/c.bin", data, moved.append)
        assert sum(moved) == 7000
        assert at.read("/a/b/c.bin") == data
        assert at.names() == ["/a/b/c.bin", "/boot.py"]
        assert at.hashes(["/a/b/c.bin", "/none"]) == {"/a/b/c.bin": hashlib.sha256(data).hexdigest(), "/none": None}
        at.remove("/a")
        at.remove("/a")
        assert at.names() == ["/boot.py"]
        assert at.run("print('a\\nb')") == "a\nb\n"
        with pytest.raises(RefusedError, match="ValueError: no"):
            at.run("raise ValueError('no')")


def test_a_full_disk_says_so_and_leaves_what_was_there(tmp_path):
    kind = Kind(table=tuple(row._replace(size=40960) if row.label == "vfs" else row for row in Kind().table))
    with switched_on(tmp_path / "board", kind) as board, Board.connect(port_of(board)) as at:
        at.write("/keep", b"k" * 5000)
        with pytest.raises(RefusedError) as full:
            at.write("/more", b"m" * 30000)
        assert full.value.key == "board.full"
        assert at.names() == ["/boot.py", "/keep"]
        at.write("/more", b"m" * 3000)


_HOLDER = "import serial, sys; s = serial.Serial(sys.argv[1], exclusive=True); print('open', flush=True); input()"


def test_busy_pulled_and_gone_are_told_apart(tmp_path):
    with switched_on(tmp_path / "board") as board:
        holder = subprocess.Popen(
            [sys.executable, "-c", _HOLDER, board.port], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        with holder:
            assert holder.stdout.readline() == "open\n"
            with pytest.raises(UnreachedError) as busy:
                Board.connect(port_of(board))
            assert busy.value.key == "board.busy" and f"({holder.pid})" in str(busy.value)
            holder.communicate("\n")
        asked = Board.connect(port_of(board))
    with pytest.raises(UnreachedError) as lost:
        asked.run("print(1)")
    assert lost.value.key == "board.lost"
    asked.close()
    with pytest.raises(UnreachedError) as closed:
        Board.connect(port_of(board))
    assert closed.value.key == "board.closed"
