"""What the rounds of all ingest benchmarks stand on: a broker of our own, a process of publishers, a bridge.

All run in our own session: Linux shares the processor among sessions before it looks at priorities.
"""

from __future__ import annotations

import json
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pantau_sim.ingestbench import process
from pantau_sim.load.files import write_bridge

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pantau_sim.load.frames import Fleet

CITY = "bench"
PATIENCE_S = 60.0
_CONNECTIONS, _WINDOW = 16, 200  # of the publishers
_BROKER = """listener {port} 127.0.0.1
allow_anonymous true
persistence false
max_inflight_messages 1000
max_queued_messages 10000000
set_tcp_nodelay true
log_type subscribe
log_type error
user root
"""


class BenchError(RuntimeError):
    """A part of the benchmark is missing or failed; the text says which."""


def need_mosquitto() -> None:
    """Raise BenchError when the broker or its subscriber is not installed."""
    for tool in ("mosquitto", "mosquitto_sub"):
        if shutil.which(tool) is None and not Path(f"/usr/sbin/{tool}").exists():
            raise BenchError(f"{tool} is not there: install the Debian packages mosquitto and mosquitto-clients")


def go(publishers: subprocess.Popen[str]) -> float:
    """Let publishers at their gate begin; return when that was (time.perf_counter)."""
    assert publishers.stdin is not None
    publishers.stdin.write("\n")
    publishers.stdin.flush()
    return time.perf_counter()


@contextmanager
def broker(folder: Path) -> Iterator[tuple[int, Path]]:
    """Give (port, log file) of a Mosquitto of our own."""
    folder.mkdir(parents=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    (folder / "mosquitto.conf").write_text(_BROKER.format(port=port))
    log = folder / "mosquitto.log"
    exe = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
    with log.open("wb") as out:
        running = subprocess.Popen([exe, "-c", str(folder / "mosquitto.conf")], stderr=out, stdout=out)
    try:
        process.until(lambda: process.listens(port), PATIENCE_S, f"mosquitto does not listen: see {log}")
        yield port, log
    finally:
        running.kill()
        running.wait()


@contextmanager
def publishers(port: int, frames: int, nodes: int) -> Iterator[subprocess.Popen[str]]:
    """Give the publisher process with its frames made and its connections standing, at its gate."""
    words = {
        "port": port,
        "connections": _CONNECTIONS,
        "window": _WINDOW,
        "city": CITY,
        "nodes": nodes,
        "frames": frames,
    }
    arguments = [word for name, value in words.items() for word in (f"--{name}", str(value))]
    with worker("pantau_sim.load.publisher", *arguments, "--gate") as running:
        if hear(running, "the publishers") != {"ready": True}:
            raise BenchError("the publishers did not start")
        yield running


@contextmanager
def worker(module: str, *words: str) -> Iterator[subprocess.Popen[str]]:
    """Give a process of ours that speaks JSON lines; it is killed at the end."""
    running = subprocess.Popen(
        [sys.executable, "-m", module, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield running
    finally:
        running.kill()
        running.communicate()


def hear(running: subprocess.Popen[str], who: str, patience_s: float = PATIENCE_S) -> dict[str, Any]:
    """Return the next line of a worker that says one at a time. Raises BenchError when it ends or says nothing."""
    assert running.stdout is not None
    if not select.select([running.stdout], [], [], patience_s)[0]:
        raise BenchError(f"{who}: not a word for {patience_s:.0f} s")
    line = running.stdout.readline()
    if not line:
        raise BenchError(f"{who}: the process ended; what it said is above")
    said: dict[str, Any] = json.loads(line)
    return said


@contextmanager
def bridge(
    port: int, fleet: Fleet, folder: Path, *, cluster: str = "", extra: str = ""
) -> Iterator[subprocess.Popen[bytes]]:
    """Give a bridge in `folder` with all its sessions standing; it is stopped in order when nothing was raised.

    `cluster` is TOML for its [cluster] table: then it has no second process; `extra` is TOML for further tables.
    """
    mqtt = f'host = "127.0.0.1"\nport = {port}\ntls = false\nlab_plain = true\n'
    extra = f"[web]\nenabled = false\n{extra}\n" + (f"[cluster]\n{cluster}\n" if cluster else "")
    config = write_bridge(folder, fleet, mqtt, extra=extra)
    log = folder / "bridge.log"
    with log.open("wb") as out:
        running = subprocess.Popen([sys.executable, "-m", "pantau", "bridge", "run", "-c", str(config)], stderr=out)
    try:
        signs = ("connected=64",) if cluster else ("connected=64", "city.ready")
        process.until(
            lambda: all(sign in log.read_text() for sign in signs), PATIENCE_S, f"the bridge did not start: see {log}"
        )
        yield running
        running.send_signal(signal.SIGTERM)
        running.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        raise BenchError(f"the bridge did not end: see {log}") from None
    finally:
        if running.poll() is None:
            running.kill()  # its second process ends when it sees that
            running.wait()
