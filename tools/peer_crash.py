"""The same crash for Pantau and for a peer, side by side: kill -9 of the consumer in mid-stream, restart, count what it has.

    .venv/bin/python tools/peer_crash.py [--frames 6000 --rate 1500] [--repeat 3]

One Mosquitto, one publisher (QoS 1, never killed), one consumer with a persistent session at QoS 1. The consumer is killed
halfway, stays down for a second and is started again; when nothing more arrives, the distinct (node, seq) in its own file are
counted. The peer is mqttwarn 0.36.1 with its file target, unchanged but for what its configuration asks for, in a virtual
environment of its own. Whether a peer is quick enough is another question: give a rate above and one below its own.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import vms

sys.path[:0] = [str(vms.ROOT / room) for room in ("schemas", "host", "simulator")]

from array import array  # noqa: E402

from pantau.spool import SpoolReader  # noqa: E402
from pantau_sim.chaos.servers import Broker  # noqa: E402
from pantau_sim.load import files, frames, publisher  # noqa: E402
from pantau_wire import mqtt  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PEER = "mqttwarn==0.36.1"
_CITY = "tng"
_NODES = 100
_CONNECTIONS = 4
_WINDOW = 50
_DOWN_S = 1.0
_QUIET_S = 5.0  # without a new one, after which the consumer has all that it will ever have
_PATIENCE_S = 120.0
_WARM = "warm"
_TEXT = "{node} {seq} " + "." * 24  # some forty bytes that a text consumer takes


class Consumer(Protocol):
    """One system under test."""

    log: Path

    def listens(self, port: int) -> bool:
        """Return whether it has subscribed."""

    def command(self) -> list[str]:
        """Return the words that start it."""

    def packets(self, count: int) -> list[frames.Packets]:
        """Return what is published to it, per connection."""

    def stored(self) -> tuple[int, int]:
        """Return (distinct messages, messages) in what it wrote."""


class Pantau:
    """`pantau bridge run` and its spool."""

    def __init__(self, folder: Path, port: int) -> None:
        self._fleet = frames.Fleet(_CITY, _NODES, seed=1)
        where = f'host = "127.0.0.1"\nport = {port}\ntls = false\nlab_plain = true'
        self._config = files.write_bridge(folder, self._fleet, where)
        self._spool = folder / "data" / "spool.sqlite3"
        self.log = folder / "consumer.log"

    def listens(self, port: int) -> bool:
        """Look for the line that says so."""
        del port
        return "connected=64" in self.log.read_text()

    def command(self) -> list[str]:
        """Return the words that start it."""
        return [sys.executable, "-m", "pantau", "bridge", "run", "-c", str(self._config)]

    def packets(self, count: int) -> list[frames.Packets]:
        """Return real frames."""
        return frames.mqtt_packets(self._fleet, count, connections=_CONNECTIONS, base_s=int(time.time()) - 86_400)

    def stored(self) -> tuple[int, int]:
        """Count the frames of the log."""
        if not self._spool.exists():
            return 0, 0
        seen, rows, after = set(), 0, 0
        reader = SpoolReader(self._spool)
        try:
            while found := reader.read(after, 2000):
                after = found[-1].id
                rows += len(found)
                seen.update((frame.node, frame.boot, frame.seq) for frame in found)
        finally:
            reader.close()
        return len(seen), rows


class Mqttwarn:
    """The peer, with a line in a file for each message."""

    def __init__(self, folder: Path, port: int, venv: Path) -> None:
        folder.mkdir(parents=True)
        self._exe, self._config, self._out = venv / "bin" / "mqttwarn", folder / "mqttwarn.ini", folder / "messages.txt"
        self._config.write_text(
            f"[defaults]\nhostname = '127.0.0.1'\nport = {port}\nclientid = 'peer'\ncleansession = False\n"
            f"loglevel = ERROR\nlogfile = '{folder}/log'\nnum_workers = 1\nlaunch = file\n"
            f"[config:file]\nappend_newline = True\noverwrite = False\ntargets = {{'all': ['{self._out}']}}\n"
            "[messages]\ntopic = peer/+\nqos = 1\ntargets = file:all\n"
        )
        self.log = folder / "consumer.log"

    def listens(self, port: int) -> bool:
        """Send something that is not counted, and look for it."""
        sock = publisher.connect("127.0.0.1", port, "warm", None, None)
        sock.send(mqtt.publish("peer/warm", f"{_WARM} {'.' * 24}".encode(), 1, 1))
        time.sleep(0.3)
        sock.close()
        return any(line.startswith(_WARM) for line in self._lines())

    def command(self) -> list[str]:
        """Return the words that start it."""
        return [str(self._exe), f"--config-file={self._config}"]

    def packets(self, count: int) -> list[frames.Packets]:
        """Return text messages with node and seq in them."""
        out = [(bytearray(), array("Q")) for _ in range(_CONNECTIONS)]
        for number in range(count):
            data, ends = out[number % _CONNECTIONS]
            node, seq = number % _NODES, number // _NODES + 1
            text = _TEXT.format(node=node, seq=seq).encode()
            data += mqtt.publish(f"peer/{node}", text, 1, len(ends) % 65_535 + 1)
            ends.append(len(data))
        return [frames.Packets(bytes(data), ends) for data, ends in out]

    def stored(self) -> tuple[int, int]:
        """Count the lines."""
        whole = [line for line in self._lines() if line.endswith("." * 24) and not line.startswith(_WARM)]
        return len({tuple(line.split()[:2]) for line in whole}), len(whole)

    def _lines(self) -> list[str]:
        return self._out.read_text().splitlines() if self._out.exists() else []


class Outcome(NamedTuple):
    """Messages."""

    published: int
    stored: int
    lost: int
    twice: int


def crash(consumer: Consumer, port: int, count: int, rate: float) -> Outcome:
    """Run the script once; the broker runs."""
    with consumer.log.open("ab") as log:
        child = subprocess.Popen(consumer.command(), stdout=log, stderr=log)
        try:
            _until(lambda: consumer.listens(port))
            packets = consumer.packets(count)
            streams = [
                publisher.Stream(publisher.connect("127.0.0.1", port, f"p{n}", None, None), each, _WINDOW, coarse=False)
                for n, each in enumerate(packets)
            ]
            sending = threading.Thread(target=publisher.run, args=(streams, rate))
            sending.start()
            time.sleep(count / rate / 2)
            child.kill()
            child.wait()
            time.sleep(_DOWN_S)
            child = subprocess.Popen(consumer.command(), stdout=log, stderr=log)
            sending.join()
            distinct, rows = _settled(consumer.stored)
        finally:
            child.terminate()
            with suppress(subprocess.TimeoutExpired):
                child.wait(20)
            child.kill()
            child.wait()
    published = sum(stream.acked for stream in streams)
    for stream in streams:
        stream.sock.close()
    return Outcome(published, distinct, published - distinct, rows - distinct)


def _until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + _PATIENCE_S
    while not true():
        if time.monotonic() > end:
            raise SystemExit(f"the consumer does not subscribe within {_PATIENCE_S:g} s")
        time.sleep(0.1)


def _settled(look: Callable[[], tuple[int, int]]) -> tuple[int, int]:
    """Return what is there once nothing more comes."""
    found, since = look(), time.monotonic()
    while time.monotonic() - since < _QUIET_S:
        time.sleep(0.5)
        if (now := look()) != found:
            found, since = now, time.monotonic()
    return found


def peer_venv(folder: Path) -> Path:
    """Return a virtual environment with the peer in it, made if it is not there."""
    if not (folder / "bin" / "mqttwarn").exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([folder / "bin" / "pip", "install", "--quiet", PEER], check=True)
    return folder


async def _once(make: Callable[[Path, int], Consumer], count: int, rate: float) -> Outcome:
    with tempfile.TemporaryDirectory(prefix="peer-crash-") as name:
        broker = Broker(Path(name) / "broker")
        await broker.start()
        try:
            consumer = make(Path(name) / "consumer", broker.port)
            return await asyncio.to_thread(crash, consumer, broker.port, count, rate)
        finally:
            await broker.stop()


def main(words: Sequence[str] | None = None) -> int:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=6000)
    parser.add_argument("--rate", type=float, default=1500.0, help="messages a second")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--venv", type=Path, default=Path(tempfile.gettempdir()) / "pantau-peer-venv")
    args = parser.parse_args(words)
    venv = peer_venv(args.venv)
    makers: dict[str, Callable[[Path, int], Consumer]] = {
        PEER: lambda folder, port: Mqttwarn(folder, port, venv),
        "pantau": Pantau,
    }
    print(f"{args.frames} messages at {args.rate:g}/s, the consumer killed -9 halfway, {_DOWN_S:g} s down, restarted")
    print(f"{'consumer':>20} {'published':>10} {'stored':>8} {'lost':>7} {'stored twice':>13}")
    lost = 0
    for name, make in makers.items():
        for _ in range(args.repeat):
            found = asyncio.run(_once(make, args.frames, args.rate))
            share = 100 * found.lost / found.published
            print(
                f"{name:>20} {found.published:10} {found.stored:8} {found.lost:7} {found.twice:13}   {share:.2f} % lost"
            )
            lost += found.lost if name == "pantau" else 0
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
