"""`pantau node install`: only what differs is written, and wherever the cable is pulled, the same command finishes the job."""

import asyncio
import json
import random
import shutil
from functools import cache
from pathlib import Path

import pytest
import serial
from click.testing import CliRunner

from board_rig import port_of, switched_on
from pantau.cli import pantau
from pantau.node import mpy
from pantau.node.board import Board, Facts
from pantau.node.install import architecture, hashed, install, plan
from pantau.node.mpy import Application, application
from pantau.node.trouble import RefusedError, UnreachedError
from pantau_sim.board.node import Kind

pytestmark = pytest.mark.usefixtures("vm")

APP = """
VERSION = %r
def run(starts, root="/"):
    import time
    print("application", VERSION)
    while True:
        time.sleep(1)
"""


@cache
def small(version: str) -> Application:
    """An application of a few files, with the real launcher."""
    launcher = real().launcher
    files = {f"pantau_node/part{k}.py": f"# {version} {k}\n".encode() * 40 for k in range(3)}
    files |= {"pantau_wire/__init__.py": b"", "pantau_node/__init__.py": b""}
    return Application(version, launcher, {**files, "pantau_node/app.py": (APP % version).encode()})


@cache
def real() -> Application:
    """What a board gets."""
    return application("xtensawin")


def said_at_start(board, *texts: str, wait_s: float = 40) -> str:
    """Power the board off and on; return the first of the texts that it says."""
    asyncio.run(board.stop())
    with serial.Serial(board.port, timeout=0.05) as port:
        asyncio.run(board.start())
        said = ""
        for _ in range(int(wait_s / 0.05)):
            said += port.read(4096).decode(errors="replace")
            for text in texts:
                if text in said:
                    return text
    raise AssertionError(said[-2000:])


def files(root: Path) -> dict[str, bytes]:
    """All files of a board."""
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


class Cut:
    """A serial port whose cable is pulled when so many bytes went to the board."""

    def __init__(self, port, after: int) -> None:
        self._port, self.left = port, after

    def __getattr__(self, name):
        return getattr(self._port, name)

    def write(self, data):
        if len(data) > self.left:
            self._port.write(data[: self.left])
            self.left = 0
            self._port.close()
            raise serial.SerialException("the cable is out")
        self.left -= len(data)
        return self._port.write(data)


def install_cut(board, app: Application, after: int) -> int:
    """Install over a cable that is pulled after so many bytes; the bytes that were left."""
    with Board.connect(port_of(board)) as at:
        at._transport.serial = cut = Cut(at._transport.serial, after)
        install(at, app)
        return cut.left


@pytest.mark.parametrize("case", ["fresh", "over a", "beside b"])
def test_the_cable_is_pulled_anywhere_and_the_board_boots(tmp_path, case):
    sweep(tmp_path, case, 2, 1)


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("case", ["fresh", "over a", "beside b"])
def test_the_cable_is_pulled_anywhere_sweep(tmp_path, case):
    sweep(tmp_path, case, 150, 2)


def sweep(tmp_path, case: str, cuts: int, seed: int) -> None:
    """Cut at places drawn from the seed, boot, look, install again, boot, look."""
    before, root = tmp_path / "before", tmp_path / "board"
    before.mkdir()
    (before / "boot.py").write_text("")
    old, new = small("one"), small("two")
    with switched_on(root) as board:  # what the board has, and how many bytes the installation takes
        if case != "fresh":
            with Board.connect(port_of(board)) as at:
                install(at, old)
        if case == "beside b":
            shutil.copytree(root / "a", root / "b")
            (root / "slot").write_text("b")
        shutil.rmtree(before)
        shutil.copytree(root, before)
        total = 10**7 - install_cut(board, new, 10**7)
        whole = files(root)
    starts = {"fresh": (">>> ", "application two"), "over a": ("application one", "application two", "no module named"), "beside b": ("application one", "application two")}[case]  # fmt: skip
    chance = random.Random(seed)
    for place in sorted(chance.sample(range(1, total), cuts)):
        shutil.rmtree(root)
        shutil.copytree(before, root)
        with switched_on(root) as board:
            with pytest.raises(UnreachedError):
                install_cut(board, new, place)
            said_at_start(board, *starts)
            with Board.connect(port_of(board)) as at:
                install(at, new)
            assert said_at_start(board, "application") == "application", f"cut after {place} of {total}"
        assert files(root) == whole, f"cut after {place} of {total}"


def test_only_what_differs_is_written(tmp_path):
    with switched_on(tmp_path / "board") as board:
        with Board.connect(port_of(board)) as at:
            first = install(at, small("one"))
            again = install(at, small("one"))
            other = small("one")._replace(slot={**small("one").slot, "pantau_node/part1.py": b"# other\n"})
            part = install(at, other)
        assert (first.written, first.kept) == (11, 0)  # six of the slot, ready, three of the launcher, slot
        assert (again.written, again.size) == (0, 0)
        assert part.written == 2  # the part, and `ready` which went before it
    assert json.loads((tmp_path / "board/a/ready").read_text()) == {"version": "one", "release": 0}


def test_a_layout_from_before_slots_goes_only_after_the_slot_is_ready():
    app = small("one")
    sizes = {"/pantau_boot.py": 9000, "/pantau_node/app.mpy": 3000, "/pantau_wire/frame.mpy": 2000, "/boot.py": 0,
             "/a/pantau_node/gone.mpy": 10, "/a/pantau_node/part1.py.new": 3, "/try": 2}  # fmt: skip
    todo = plan(app, 3, sizes, dict.fromkeys(hashed(app)), None)
    order = [path for path, _ in todo.write]
    assert order.index("/a/ready") > max(order.index("/a/" + name) for name in app.slot)
    assert order[-4:] == ["/pantau_boot.mpy", "/boot.py", "/main.py", "/slot"]
    assert todo.remove == ["/a/pantau_node/gone.mpy", "/a/pantau_node/part1.py.new"]
    assert todo.afterwards == ["/pantau_boot.py", "/pantau_node", "/pantau_wire", "/try"]
    assert dict(todo.write)["/a/ready"] == b'{"version":"one","release":3}'
    assert not todo.ready


def test_a_disk_that_is_too_small_is_told_before_anything_is_written(tmp_path):
    kind = Kind(table=tuple(row._replace(size=16 * 4096) if row.label == "vfs" else row for row in Kind().table))
    with switched_on(tmp_path / "board", kind) as board, Board.connect(port_of(board)) as at:
        with pytest.raises(RefusedError) as small_disk:
            install(at, small("one"))
        assert small_disk.value.key == "install.room"
        assert at.names() == ["/boot.py"]


def test_old_micropython_and_another_mpy_format_are_refused():
    facts = Facts(version=(1, 24, 1), machine="x", mpy=6 | 10 << 10)
    with pytest.raises(RefusedError, match=r"MicroPython 1\.24\.1; Pantau needs 1\.25"):
        architecture(facts)
    with pytest.raises(RefusedError, match="format 7"):
        architecture(Facts(version=(1, 30, 0), machine="x", mpy=7))
    assert architecture(Facts(version=(1, 25, 0), machine="x", mpy=6 | 3 << 8 | 10 << 10)) == "xtensawin"


def test_the_command_installs_the_real_application_and_it_runs(tmp_path, monkeypatch):
    monkeypatch.setattr("pantau.cli.node.install.application", lambda _arch, _moved: real())
    with switched_on(tmp_path / "board") as board:
        monkeypatch.setenv("PANTAU_BOARDS", f"{board.serial}={board.port}")
        done = CliRunner().invoke(pantau, ["node", "install", "-p", board.serial, "--json", "--no-reset"])
        assert done.exit_code == 0, done.output
        told = json.loads(done.stdout)
        assert told["serial"] == board.serial and told["written"] > 100 and told["version"] == real().version
        assert said_at_start(board, "identity", "Traceback") == "identity"
        again = CliRunner().invoke(pantau, ["node", "install", "--lang", "id"])
        assert "tidak ada yang ditulis" in again.stdout, again.output


def test_old_boards_full_and_missing_ones_have_exit_codes(tmp_path, monkeypatch):
    monkeypatch.delenv("PANTAU_BOARDS", raising=False)
    run = CliRunner().invoke
    assert run(pantau, ["node", "install", "-p", "/dev/none"]).exit_code == 4
    with switched_on(tmp_path / "board", Kind(version=(1, 24, 1))) as board:
        done = run(pantau, ["node", "install", "-p", board.port])
        assert (done.exit_code, "1.24.1" in done.output) == (5, True)
    monkeypatch.setattr(mpy, "PACKAGE", "no-such-compiler")
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with switched_on(tmp_path / "board") as board:
        done = run(pantau, ["node", "install", "-p", board.port])
        assert (done.exit_code, "pantau[field]" in done.output) == (3, True), done.output
