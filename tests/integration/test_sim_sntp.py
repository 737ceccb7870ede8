"""Datagrams in virtual time, and what the node's SNTP client makes of servers of all kinds."""

import pytest

from pantau_sim import sntp
from pantau_sim.clock import VirtualClock
from pantau_sim.node import SimNode
from pantau_sim.virtual import Simulation

pytestmark = pytest.mark.usefixtures("vm")

START_S = 1767225600  # of the virtual clock

PLAIN = """
import socket, time
import asyncio
address = socket.getaddrinfo("echo", 7, 0, socket.SOCK_DGRAM)[0][-1]
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.setblocking(False)
sock.connect(address)
def ask(data, ms=100):
    start = time.ticks_ms()
    sock.send(data)
    while time.ticks_diff(time.ticks_ms(), start) < ms:
        try:
            return sock.recv(4), time.ticks_diff(time.ticks_ms(), start)
        except OSError as error:
            assert error.errno == 11, error
        time.sleep_ms(10)
print(ask(b"first"))
print(ask(b"two"))
time.sleep(2)
print(ask(b"link down"))
time.sleep(2)
print("after", ask(b"link up"))
sock.settimeout(1)
start = time.ticks_ms()
try:
    sock.recv(4)
except OSError as error:
    print(error.errno, time.ticks_diff(time.ticks_ms(), start))
sock.sendto(b"nobody", ("echo", 8))
sock.settimeout(None)
sock.send(b"wait")
print(sock.recv(100), sock.recv(100))
sock.close()
try:
    sock.send(b"x")
except OSError as error:
    print(error.errno)
"""

CLIENT = """
import asyncio, time
from pantau_node import clock as clocks
from pantau_node.links.sntp import SntpTask
clock = clocks.Clock(time.ticks_ms, 1700000000)
class Net:
    state = 2
took = []
task = SntpTask("ntp.city", clock, Net, took.append, lambda bits: 1 << bits - 1)
async def main():
    while True:
        wait_ms = await task.step()
        now = clock.utc_ms()
        off = None if now is None else now - clock.uptime_ms() - %d
        print(took, clock.quality, off, task.why, wait_ms)
        await asyncio.sleep(60)
asyncio.run(main())
"""


def test_datagrams_take_the_latency_and_are_lost_without_a_link(tmp_path):
    firmware = tmp_path / "firmware"
    firmware.mkdir()
    (firmware / "main.py").write_text(PLAIN)
    simulation = Simulation(VirtualClock(), latency_ms=15)
    node = SimNode(tmp_path / "node", firmware, clock=simulation.clock)
    simulation.add(node)
    heard = []

    def echo(data, now_us):
        heard.append(data)
        return [(5000, data), (8000, b"again")] if data == b"wait" else [(5000, data)]

    simulation.datagrams.serve("echo", 7, echo)
    start = simulation.clock.now_us()
    simulation.at(start + 1000000, lambda: simulation.set_link(node, up=False))
    simulation.at(start + 3000000, lambda: simulation.set_link(node, up=True))
    simulation.power_on(node)
    simulation.run(60)
    simulation.close()
    assert node.log_path.read_text().splitlines() == [
        "(b'firs', 40)",
        "(b'two', 40)",
        "None",
        "after (b'link', 40)",
        "110 1000",
        "b'wait' b'again'",
        "9",
    ]
    assert heard == [b"first", b"two", b"link up", b"wait"]
    assert simulation.datagrams.lost == 2


def test_a_datagram_for_the_boot_before_is_lost(tmp_path):
    firmware = tmp_path / "firmware"
    firmware.mkdir()
    (firmware / "main.py").write_text(
        "import machine, socket, time\n"
        "sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "sock.settimeout(5)\n"
        "sock.sendto(bytes((machine.reset_cause(),)), ('echo', 7))\n"
        "if machine.reset_cause() == 1:\n"
        "    machine.reset()\n"
        "print(sock.recv(9))\n"
    )
    simulation = Simulation(VirtualClock())
    node = SimNode(tmp_path / "node", firmware, clock=simulation.clock)
    simulation.add(node)
    simulation.datagrams.serve("echo", 7, lambda data, _now_us: [(0, data)])
    simulation.power_on(node)
    simulation.run(10)
    simulation.close()
    assert node.log_path.read_text() == "b'\\x02'\n"


def asked(tmp_path, mode, offset_ms=0, *, link=True):
    """What the client printed at each of its three attempts, and the server."""
    simulation = Simulation(VirtualClock())
    node = SimNode(tmp_path / "node", clock=simulation.clock, run="client.py")
    node.root.mkdir()
    (node.root / "client.py").write_text(CLIENT % (START_S * 1000))
    simulation.add(node)
    server = sntp.SntpServer(mode, offset_ms)
    simulation.datagrams.serve("ntp.city", sntp.PORT, server.answer)
    node.bus.link_up = link
    simulation.power_on(node)
    simulation.run(150)
    simulation.close()
    return [line.split(maxsplit=1) for line in node.log_path.read_text().splitlines() if line[0] == "["], server


def test_a_right_server_sets_the_clock(tmp_path):
    lines, server = asked(tmp_path, sntp.RIGHT)
    took, rest = lines[0]
    quality, off, why = rest.split()[:3]
    assert (took, quality, why) == ("['stepped']", "3", "None")
    assert abs(int(off)) <= 10  # the arrival is timed by steps of 10 ms
    assert len(lines) >= 2 and server.asked >= 6


def test_a_server_that_is_off_is_off_by_as_much(tmp_path):
    lines, _ = asked(tmp_path, sntp.RIGHT, 7000)
    assert abs(int(lines[0][1].split()[1]) - 7000) <= 10


@pytest.mark.parametrize(
    "mode, why",
    [
        (sntp.NONSENSE, "no answer to our question"),
        (sntp.KISS, "the server refuses us"),
        (sntp.SILENT, "no answer"),
        (sntp.UNSET, "the server has no time itself"),
        (sntp.STRANGER, "no answer to our question"),
        (sntp.TWISTED, "its times do not fit the round trip"),
    ],
)
def test_no_other_answer_moves_the_clock(tmp_path, mode, why):
    lines, server = asked(tmp_path, mode)
    assert len(lines) >= 2
    for took, rest in lines:
        assert took == "[]" and rest.startswith(f"0 None {why} ")
    if mode == sntp.KISS:
        assert server.asked == len(lines) and lines[0][1].endswith(" 86400000")  # it does not insist


def test_without_a_link_there_is_no_name_and_no_answer(tmp_path):
    lines, server = asked(tmp_path, sntp.RIGHT, link=False)
    assert lines and all(took == "[]" for took, _ in lines)
    assert server.asked == 0


def test_an_unknown_mode_is_refused():
    with pytest.raises(ValueError, match="right"):
        sntp.SntpServer("wrong")
