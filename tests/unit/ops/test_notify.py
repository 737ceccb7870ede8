"""The supervisor hears what happened, over real sockets; the watchdog is fed by progress alone."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import closing

import pytest

from pantau.ops.notify import Notifier, Watchdog, assignments, informed, watchdog_limit_s


def listener(address):
    made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    made.bind(address)
    made.settimeout(5)
    return closing(made)


def heard(sock):
    return dict(line.split("=", 1) for line in sock.recv(4096).decode().split("\n"))


@pytest.mark.parametrize("abstract", [False, True])
def test_each_message_arrives_as_systemd_reads_it(tmp_path, abstract):
    name = f"@pantau-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with listener(f"\0{name[1:]}" if abstract else name) as sock:
        to = Notifier(name)
        assert to.ready("64 sessions") and heard(sock) == {"READY": "1", "STATUS": "64 sessions"}
        assert to.status("two\nlines") and heard(sock) == {"STATUS": "two lines"}
        assert to.reloading() and set(heard(sock)) == {"RELOADING", "MONOTONIC_USEC"}
        assert to.alive() and heard(sock) == {"WATCHDOG": "1"}
        assert to.main_pid(7) and heard(sock) == {"MAINPID": "7"}
        assert to.more_time(1.5) and heard(sock) == {"EXTEND_TIMEOUT_USEC": "1500000"}
        assert to.stopping() and heard(sock) == {"STOPPING": "1"}


def test_no_supervisor_or_one_that_is_gone_harms_nothing(tmp_path, caplog):
    assert not Notifier(None).ready() and not Notifier("").supervised
    gone = Notifier(str(tmp_path / "gone"))
    assert [gone.alive(), gone.alive()] == [False, False]
    assert len(caplog.records) == 1  # once, not at each feed


def test_a_supervisor_that_does_not_read_never_blocks(tmp_path):
    with listener(str(tmp_path / "notify")):
        to = Notifier(str(tmp_path / "notify"))
        assert not all(to.status(f"{n}") for n in range(10_000))


def test_a_value_is_one_line_and_short():
    assert assignments(STATUS="a\nREADY=1" + "x" * 9000).count(b"\n") == 0
    assert len(assignments(STATUS="x" * 9000)) < 1000


@pytest.mark.parametrize(
    "environ,expected",
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "7"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "8"}, None),  # meant for our parent
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_only_who_is_watched_feeds(environ, expected):
    assert watchdog_limit_s(environ, 7) == expected


def test_the_watchdog_starves_when_any_part_stands_still():
    dog = Watchdog(20, ["commit", "city"], at=100)
    assert dog.due(100)
    dog.fed(100)
    assert not dog.due(104)  # fed a moment ago
    dog.progress("commit", 110)
    assert dog.due(120)  # city is at its limit, not beyond
    dog.fed(120)
    dog.progress("commit", 125)
    assert not dog.due(126) and dog.stalled(126) == ["city for 26 s"]
    dog.progress("city", 126)
    assert dog.due(126) and dog.stalled(126) == []
    dog.forget("commit")
    dog.progress("city", 500)
    assert dog.due(500)


def test_a_bridge_that_hangs_is_fed_no_longer_and_says_where(tmp_path):
    async def scene():
        dog = Watchdog(0.4, ["commit"], at=asyncio.get_running_loop().time())
        async with informed(Notifier(str(tmp_path / "n")), dog, lambda: "works"):
            seen = [await asyncio.to_thread(heard, sock)]
            while not any("stands still" in message.get("STATUS", "") for message in seen):
                seen.append(await asyncio.to_thread(heard, sock))
            dog.progress("commit", asyncio.get_running_loop().time())
            while seen[-1].get("STATUS") != "works":
                seen.append(await asyncio.to_thread(heard, sock))
        while "STOPPING" not in seen[-1]:
            seen.append(await asyncio.to_thread(heard, sock))
        return seen

    with listener(str(tmp_path / "n")) as sock:
        seen = asyncio.run(scene())
    assert seen[0] == {"READY": "1", "STATUS": "works"}
    stop = next(n for n, message in enumerate(seen) if "stands still: commit" in message.get("STATUS", ""))
    assert {"WATCHDOG": "1"} in seen[:stop] and {"WATCHDOG": "1"} in seen[stop:]
