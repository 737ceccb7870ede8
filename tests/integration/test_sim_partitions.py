"""What the host gives a node beside its file system: raw partitions, RTC memory, the watchdog, dips of the supply."""

import pytest

from pantau_sim.clock import VirtualClock
from pantau_sim.flash import SECTOR
from pantau_sim.node import SimNode
from pantau_sim.virtual import Simulation

pytestmark = pytest.mark.usefixtures("vm")

MINUTE = 60 * 1000000


def simulated(tmp_path, script, partitions=None):
    firmware = tmp_path / "firmware"
    firmware.mkdir()
    (firmware / "main.py").write_text(script)
    simulation = Simulation(VirtualClock())
    node = SimNode(tmp_path / "node", firmware, clock=simulation.clock, partitions=partitions)
    simulation.add(node)
    return simulation, node


def run(simulation, node, seconds=60.0):
    """The lines that the node printed."""
    simulation.power_on(node)
    try:
        simulation.run(seconds)
    finally:
        simulation.close()
    return node.log_path.read_text().splitlines()


NOR = """
from esp32 import Partition
print(Partition.find(Partition.TYPE_APP), Partition.find(Partition.TYPE_DATA, label="vfs"))
print([p.info() for p in Partition.find(Partition.TYPE_DATA)])
part, = Partition.find(Partition.TYPE_DATA, label="pantau_cfg")
def at(block, offset, size=4):
    out = bytearray(size)
    part.readblocks(block, out, offset)
    return bytes(out)
print(part.ioctl(4, 0), part.ioctl(5, 0), part.ioctl(3, 0), part.ioctl(9, 0), at(3, 4092))
part.writeblocks(1, b"\\xf0\\x0f" * 200, 250)     # over two borders of pages
print(at(1, 248), at(1, 648), at(1, 510, 3))
part.writeblocks(1, b"\\x3c\\x3c\\xff\\x00", 250)   # bits only fall
print(at(1, 250))
part.writeblocks(1, memoryview(bytes(range(256)) * 16))   # erases first
print(at(1, 250), at(0, 4092), at(2, 0))
whole = bytearray(8192)
part.readblocks(0, whole)
print(whole[:4096] == b"\\xff" * 4096, whole[4096:] == bytes(range(256)) * 16)
part.ioctl(6, 1)
print(at(1, 250))
for call in (lambda: part.ioctl(6, 4), lambda: at(3, 4094), lambda: at(5, 0), lambda: part.writeblocks(3, bytes(8), 4090),
             lambda: part.writeblocks(0, b"short")):
    try:
        call()
        print("no error")
    except OSError as error:
        print(error)
part.writeblocks(2, b"kept", 8)
import os
print([name for name in os.listdir("/") if not name.startswith(".sim")])
"""


def test_a_partition_is_nor_flash_with_the_interface_of_the_port(tmp_path):
    simulation, node = simulated(tmp_path, NOR, {"pantau_ring": 256, "pantau_id": 2, "pantau_cfg": 4})
    places = (("pantau_ring", 2097152, 1048576), ("pantau_id", 3145728, 8192), ("pantau_cfg", 3153920, 16384))
    infos = [f"(1, 64, {address}, {size}, '{label}', False)" for label, address, size in places]
    assert run(simulation, node) == [
        "[] []",
        f"[{', '.join(infos)}]",
        r"4 4096 0 None b'\xff\xff\xff\xff'",
        r"b'\xff\xff\xf0\x0f' b'\xf0\x0f\xff\xff' b'\xf0\x0f\xf0'",
        r"b'0\x0c\xf0\x00'",
        r"b'\xfa\xfb\xfc\xfd' b'\xff\xff\xff\xff' b'\xff\xff\xff\xff'",
        "True True",
        r"b'\xff\xff\xff\xff'",
        *["(-260, 'ESP_ERR_INVALID_SIZE')"] * 2,
        "(-258, 'ESP_ERR_INVALID_ARG')",
        *["(-260, 'ESP_ERR_INVALID_SIZE')"] * 2,
        "[]",
    ]
    flash = node.partitions.read("pantau_cfg")
    assert flash.snapshot() == b"\xff" * (2 * SECTOR + 8) + b"kept" + b"\xff" * (2 * SECTOR - 12)
    assert (tmp_path / "node.pantau_cfg.bin").stat().st_size == 4 * SECTOR


def test_the_stock_image_has_no_partition_to_spare(tmp_path):
    script = 'from esp32 import Partition\nprint(Partition.find(1, label="pantau_ring"), Partition.find(type=1))\n'
    simulation, node = simulated(tmp_path, script)
    assert run(simulation, node) == ["[] []"]
    assert not list(tmp_path.glob("*.bin"))


def test_a_table_that_does_not_fit_is_refused(tmp_path):
    for table in ({"a/b": 1}, {"": 1}, {"x" * 17: 1}, {"pantau_id": 0}):
        with pytest.raises(ValueError, match="partition"):
            SimNode(tmp_path / "n", tmp_path, partitions=table)
    (tmp_path / "n.pantau_id.bin").write_bytes(b"short")
    node = SimNode(tmp_path / "n", tmp_path, partitions={"pantau_id": 2})
    with pytest.raises(ValueError, match="2 sectors"):
        node.partitions.make()
    with pytest.raises(KeyError, match="pantau_ring"):
        node.partitions.read("pantau_ring")


def test_what_the_host_flashes_is_there_at_the_start(tmp_path):
    script = "from esp32 import Partition\nbuf = bytearray(5)\nPartition.find(1, label='id')[0].readblocks(1, buf, 7)\nprint(buf)\n"
    simulation, node = simulated(tmp_path, script, {"id": 2})
    flash = node.partitions.read("id")
    flash.writeblocks(1, b"hello", 7)
    node.partitions.write("id", flash)
    assert run(simulation, node) == ["bytearray(b'hello')"]


# Each boot marks one more byte of flash and one more of RTC memory, then ends as the byte of its number says.
RESETS = """
import machine, time
from esp32 import Partition
part = Partition.find(1, label="marks")[0]
marks = bytearray(8)
part.readblocks(0, marks, 0)
boot = 8 - marks.count(b"\\xff")
part.writeblocks(0, b"\\x00", boot)
rtc = machine.RTC()
memory = rtc.memory()
rtc.memory(memory + bytes((65 + boot,)))
print(boot, machine.reset_cause(), memory.decode() or "-", rtc.datetime()[0])
if boot == 0:
    rtc.datetime((2026, 1, 1, 3, 0, 0, 0, 0))
    time.sleep(1)
    machine.reset()
elif boot == 1:
    machine.deepsleep(1000)
elif boot == 2:
    machine.soft_reset()
elif boot == 3:
    machine.WDT(timeout=2000)
time.sleep(100000)
"""


def test_rtc_memory_survives_resets_and_not_the_power_and_flash_survives_both(tmp_path):
    simulation, node = simulated(tmp_path, RESETS, {"marks": 1})
    start = simulation.clock.now_us()
    simulation.at(start + MINUTE, lambda: simulation.brown_out(node))
    simulation.at(start + 2 * MINUTE, lambda: simulation.brown_out(node, 30))
    simulation.at(start + 4 * MINUTE, lambda: simulation.power_off(node))
    simulation.at(start + 5 * MINUTE, lambda: simulation.power_on(node))
    assert run(simulation, node, 6 * 60) == [
        "0 1 - 2000",
        "1 2 A 2026",
        "2 4 AB 2026",
        "3 5 ABC 2026",
        "4 3 ABCD 2026",
        "5 1 - 2000",
        "6 1 - 2000",
        "7 1 - 2000",
    ]
    assert node.boots == 8


def test_rtc_memory_has_2048_bytes_and_there_is_no_other(tmp_path):
    script = """
import machine
rtc = machine.RTC()
rtc.memory(bytes(range(256)) * 8)
try:
    rtc.memory(bytes(2049))
except ValueError as error:
    print(error)
print(rtc.memory() == bytes(range(256)) * 8, hasattr(machine, "mem_backup"))
"""
    simulation, node = simulated(tmp_path, script)
    assert run(simulation, node) == ["buffer too long", "True False"]
    assert node.bus.rtc_memory == bytes(range(256)) * 8


def test_a_second_watchdog_sets_the_only_one_anew(tmp_path):
    script = """
import machine, time
if machine.reset_cause() == machine.WDT_RESET:
    print("bitten at", time.time() - 10000)
    time.sleep(100000)
machine.RTC().datetime((2000, 1, 1, 5, 2, 46, 40, 0))
first = machine.WDT(timeout=2000)
time.sleep(1)
second = machine.WDT(timeout=10000)
for _ in range(4):
    time.sleep(9)
    first.feed()
for timeout in (0, -1):
    try:
        machine.WDT(timeout=timeout)
    except ValueError as error:
        print(error)
time.sleep(11)
print("not bitten")
"""
    simulation, node = simulated(tmp_path, script)
    assert run(simulation, node) == ["WDT timeout too short"] * 2 + ["bitten at 47"]
