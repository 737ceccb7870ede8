"""`pantau bench clients`: which MQTT client should the bridge receive with? Measured, beside mosquitto_sub.

Each client is a process of its own that receives the same number of QoS 1 messages and acknowledges each; it stores nothing.
Twice: behind a Mosquitto of our own with the publishers of `pantau bench ingest`, where the broker is often the slower half,
and behind a plain socket that sends as fast as a window of 1,000 allows, which shows the ceiling of the client itself. The
clock runs from the first message let go to the last one received.
"""

from __future__ import annotations

import importlib.util
import resource
import statistics
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from pantau_sim.ingestbench import process, rig
from pantau_wire import topics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_REFERENCE = "mosquitto_sub"
_SINGLE, _SPREAD = "ours, 1 connection", f"ours, {topics.PARTITIONS} connections"  # as in receivers.py
_NODES = 1000
_PATIENCE_S = 60.0  # for the slowest client and the longest round
BEHIND = ("mosquitto", "socket")
_OPTIONAL = ("gmqtt", "aiomqtt")  # measured where somebody has installed them; we need neither


class One(NamedTuple):
    """What one client did in one round."""

    messages_per_s: float
    cpu_us: float  # for each message


def names() -> list[str]:
    """Return the clients that can be measured here, the reference first."""
    return [_REFERENCE, _SINGLE, _SPREAD, "paho", *(name for name in _OPTIONAL if name not in absent())]


def absent() -> list[str]:
    """Return the optional clients that are not installed."""
    return [name for name in _OPTIONAL if importlib.util.find_spec(name) is None]


def measure(messages: int, rounds: int, folder: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Return the report: for each sender and client the median of `rounds`. Raises rig.BenchError."""
    rig.need_mosquitto()
    for name in absent():
        say(f"{name} is not installed: left out")
    found: dict[str, dict[str, list[One]]] = {behind: {name: [] for name in names()} for behind in BEHIND}
    for number in range(1, rounds + 1):
        for behind, clients in found.items():
            for name, results in clients.items():
                with _sender(behind, name, messages, folder / f"{behind}-{name}-{number}") as (port, ready):
                    results.append(_received(name, port, messages, ready))
                say(f"round {number}: {behind:<9} {_row(name, results[-1])}")
    return {
        "messages": messages,
        "rounds": rounds,
        "absent": absent(),
        **{behind: _medians(clients) for behind, clients in found.items()},
    }


def table(report: dict[str, Any]) -> list[str]:
    """Return the medians for people."""
    lines = []
    for behind in BEHIND:
        lines.append(f"behind {'Mosquitto' if behind == 'mosquitto' else 'a bare socket'}:")
        lines += [
            f"  {_row(name, One(each['messages_per_s'], each['cpu_us_per_message']))}  {each['ratio']:>6.2f}"
            for name, each in report[behind].items()
        ]
    return lines


def _row(name: str, one: One) -> str:
    return f"{name:<21}{one.messages_per_s:>11,.0f} messages/s {one.cpu_us:>7.2f} us CPU"


def _medians(clients: dict[str, list[One]]) -> dict[str, dict[str, float]]:
    rate = {name: statistics.median(one.messages_per_s for one in results) for name, results in clients.items()}
    return {
        name: {
            "messages_per_s": round(rate[name]),
            "least": round(min(one.messages_per_s for one in results)),
            "most": round(max(one.messages_per_s for one in results)),
            "cpu_us_per_message": round(statistics.median(one.cpu_us for one in results), 2),
            "ratio": round(rate[name] / rate[_REFERENCE], 3),
        }
        for name, results in clients.items()
    }


@contextmanager
def _sender(
    behind: str, name: str, messages: int, folder: Path
) -> Iterator[tuple[int, Callable[[], subprocess.Popen[str]]]]:
    """Give (port, what waits until a client is subscribed there and returns the process to let go)."""
    connections = topics.PARTITIONS if name == _SPREAD else 1
    if behind == "mosquitto":
        with rig.broker(folder) as (port, log), rig.publishers(port, messages, _NODES) as publishers:

            def subscribed() -> subprocess.Popen[str]:
                process.until(
                    lambda: log.read_text().count("/+/up") >= connections, rig.PATIENCE_S, f"{name} did not subscribe"
                )
                return publishers

            yield port, subscribed
        return
    words = ("--connections", str(connections), "--messages", str(messages))
    with rig.worker("pantau_sim.ingestbench.fakebroker", *words) as fake:

        def taken_in() -> subprocess.Popen[str]:
            rig.hear(fake, "the fake broker")
            return fake

        yield int(rig.hear(fake, "the fake broker")["port"]), taken_in


def _received(name: str, port: int, messages: int, ready: Callable[[], subprocess.Popen[str]]) -> One:
    if name == _REFERENCE:
        return _reference(port, messages, ready)
    words = (name, "--port", str(port), "--messages", str(messages))
    with rig.worker("pantau_sim.ingestbench.receivers", *words) as receiver:
        rig.hear(receiver, name)
        started = rig.go(ready())
        cpu_us = rig.hear(receiver, name, _PATIENCE_S)["cpu_us"]
        return One(messages / (time.perf_counter() - started), cpu_us / messages)


def _reference(port: int, messages: int, ready: Callable[[], subprocess.Popen[str]]) -> One:
    words = ("-q", "1", "-N", "-C", str(messages), "-t", f"pantau/v1/{rig.CITY}/+/+/up")
    sub = subprocess.Popen(["mosquitto_sub", "-h", "127.0.0.1", "-p", str(port), *words], stdout=subprocess.DEVNULL)
    try:
        started = rig.go(ready())
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        sub.wait(_PATIENCE_S)
        seconds = time.perf_counter() - started
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
    except subprocess.TimeoutExpired:
        raise rig.BenchError("mosquitto_sub did not get all messages") from None
    finally:
        sub.kill()
        sub.wait()
    cpu_s = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    return One(messages / seconds, cpu_s * 1e6 / messages)
