"""The UART of a VM that fetches windows ahead: what it reads, loses and is answered is what asking each time gives."""

import pytest

from pantau_sim.clock import VirtualClock
from pantau_sim.node import SimNode
from pantau_sim.sensors import ld2451
from pantau_sim.virtual import Simulation

pytestmark = pytest.mark.usefixtures("vm")

S = 1000000
SCRIPT = """
import hashlib, machine, time
uart = machine.UART(1, 115200, rxbuf=512)
said = hashlib.sha256()
part = bytearray(7)
total = 0
def enough(seconds):
    global total
    there = uart.any()
    for got in (uart.read(3), part[:uart.readinto(part) or 0], uart.read()):
        said.update(got or b"-")
        total += len(got or b"")
    assert uart.read() is None and not uart.any() and there <= 640
for k in range(200):
    time.sleep_us(1 + (k * 7919 % 997) * 3001)
    enough(k)
    if k == 60:
        uart.write(bytes.fromhex("FDFCFBFA0400FF00010004030201"))
        time.sleep_ms(50)
        enough(k)
        uart.write(bytes.fromhex("FDFCFBFA0200120004030201"))
        uart.write(bytes.fromhex("FDFCFBFA0200FE0004030201"))
    if k == 120:
        time.sleep(40)  # the buffer overflows
    if k == 160:
        uart.init(9600)
    if k == 170:
        uart.init(115200, invert=uart.INV_RX)
    if k == 180:
        uart.init(115200, invert=0)
print(total, said.digest().hex())
"""


class Road:
    def passes(self, t0_s, t1_s):
        return [(4.0 * k, k % 3 == 0, 20.0 + k % 30, 2.5, 4.5) for k in range(int(t0_s // 4) + 1, int(t1_s // 4) + 1)]


def run(tmp_path, name, *, early, action=None):
    folder = tmp_path / name / "firmware"
    folder.mkdir(parents=True)
    (folder / "main.py").write_text(SCRIPT)
    simulation = Simulation(VirtualClock())
    node = SimNode(
        tmp_path / name / "node", folder, {"uart": {1: ld2451.Emulator(Road(), 1)}}, clock=simulation.clock, seed=1
    )
    simulation.add(node)
    if not early:
        node.bus.horizon_us = lambda: 0
    if action:
        simulation.at(simulation.clock.now_us() + 30 * S, lambda: action(node))
    simulation.power_on(node)
    try:
        simulation.run(600)
    finally:
        simulation.close()
    return node.log_path.read_text(), node


def test_a_vm_that_fetches_ahead_reads_what_one_that_asks_each_time_reads(tmp_path):
    (said, early), (asked, late) = (run(tmp_path, name, early=name == "early") for name in ("early", "late"))
    assert said.split()[0].isdigit(), said
    assert said == asked and int(said.split()[0]) > 20000
    assert early.bus.overflow()[1] > 3000  # one that asks each time does not even make the packets it cannot take
    assert early.bus.requests < late.bus.requests / 5


def test_a_fault_that_is_planned_is_not_overtaken(tmp_path):
    plain, _ = run(tmp_path, "plain", early=True)
    said, node = run(tmp_path, "early", early=True, action=lambda node: node.faults.corrupt_next("ld2451", 40))
    assert said.split()[0] == plain.split()[0] and said != plain
    assert node.faults.injected["corrupt"] == 40
