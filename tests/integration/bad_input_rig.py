"""A bridge that a test looks into from outside, and floods of messages."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from array import array
from pathlib import Path

from integration.bridge_env import PATIENCE_S, BridgeProcess
from pantau_sim.load.frames import Packets
from pantau_sim.load.publisher import Stream, connect, run
from pantau_wire import frame as wire
from pantau_wire import mqtt
from pantau_wire import names as T
from unit.host import bridge_kit as kit

YEAR_2000_S = 946_684_800
MIB = 1 << 20
# 3 records a frame x (distance, tips and what decoding derives from each); quality control adds more in its own time
ROWS_A_FRAME = 12
READ = "WHERE property IN ('water_distance', 'water_level', 'rain_tips', 'rain_amount')"


class Bridge(BridgeProcess):
    """A bridge that leaves no process behind, neither its own nor one that it started."""

    def __init__(self, folder: Path, port: int) -> None:
        super().__init__(folder, port)
        self.cities: list[int] = []

    def ready(self) -> Bridge:
        super().ready()
        self.city()
        return self

    def city(self) -> int:
        """Return the id of the second process that runs now."""
        found = [child for child in children(self.process.pid) if is_city(child)]
        assert len(found) == 1, found
        self.cities.append(found[0])
        return found[0]

    def kill_all(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.cities += children(self.process.pid)
            self.stop(signal.SIGKILL)
        for left in filter(is_city, self.cities):
            with contextlib.suppress(ProcessLookupError):
                os.kill(left, signal.SIGKILL)

    def hup(self) -> None:
        self.process.send_signal(signal.SIGHUP)

    def metric(self, name: str) -> float:
        """Return the sum over all labels."""
        found = [line.split() for line in self.get("/metrics").splitlines() if line.startswith(f"pantau_{name}")]
        return sum(float(value) for _, value in found)

    def until_delivered(self, frames: int) -> None:
        """Wait until city store and alerts have taken so many frames of the log."""
        end = time.monotonic() + PATIENCE_S
        query = "SELECT count(*) FROM cursors WHERE position >= {}"
        while self.rows(query.format(frames), "followers.sqlite3") != [(2,)]:
            assert time.monotonic() < end, self.rows("SELECT * FROM cursors", "followers.sqlite3")
            time.sleep(0.05)

    def refused(self) -> dict[str, int]:
        """Return the quarantine's reasons, with how often each was found."""
        return dict(self.rows("SELECT reason, sum(count) FROM quarantine GROUP BY reason"))

    def said(self) -> list[str]:
        """Return every line of the log so far."""
        while not self.lines.empty():
            self.log.append(self.lines.get())
        return self.log


def children(parent: int) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if int((folder / "stat").read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(int(folder.name))
    return found


def is_city(process: int) -> bool:
    """Return whether a second process of a bridge runs, and has not ended, under this id."""
    with contextlib.suppress(OSError):
        return b"pantau.city" in Path(f"/proc/{process}/cmdline").read_bytes()  # empty once it has ended
    return False


def peak_mib(process: int) -> float:
    """Return the most memory that a process ever had."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def records(seq: int, base_s: int, *, boot: int, clock: int = 3, alarm: bool = False, distance: int = 1500) -> bytes:
    """Return a frame of three readings, a second apart."""
    frame = wire.Frame(T.K_RECORDS)
    frame.boot, frame.seq, frame.clock, frame.base_s, frame.alarm = boot, seq, clock, base_s, alarm
    frame.count, frame.interval_s = 3, 1
    frame.columns = {T.WATER_DISTANCE: ([distance] * 3, None)}
    return bytes(wire.encode(frame, kit.NODE, kit.KEY))


def flood(port: int, messages: list[tuple[str, bytes]]) -> None:
    """Publish in this order over one connection, as fast as the broker takes it."""
    data, ends = bytearray(), array("Q")
    for number, (topic, payload) in enumerate(messages):
        data += mqtt.publish(topic, payload, qos=1, pid=number % 0xFFFF + 1)
        ends.append(len(data))
    with contextlib.closing(connect("127.0.0.1", port, "flood", None, None)) as sock:
        stream = Stream(sock, Packets(bytes(data), ends), 500, coarse=True)
        run([stream], None)
        assert stream.acked == len(messages)
