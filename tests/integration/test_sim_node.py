"""Nodes in the real VM: file system, heap, clock, buses, resets. Stand-in firmware; the real one is run in test_sim_virtual."""

import asyncio
import time

import pytest

from pantau_sim import node as sim_node
from pantau_sim.clock import RealClock
from pantau_sim.node import SimNode
from pantau_sim.sensors import a02yyuw, replay, sht4x, tipping_bucket

pytestmark = pytest.mark.usefixtures("vm")


def truth(name, t_s):
    return {"water_distance": 2.0, "air_temperature": 25.0, "relative_humidity": 60.0, "rain_accumulated": t_s % 1e6}[
        name
    ]


def run(tmp_path, source, wiring=None, **options):
    """Run main.py to its end; (exit status, log, node)."""
    firmware = tmp_path / "firmware"
    firmware.mkdir()
    (firmware / "main.py").write_text(source)
    node = SimNode(tmp_path / "node", firmware, wiring, **options)

    async def go():
        await node.start()
        try:
            return await asyncio.wait_for(node.wait(), 30)
        finally:
            await node.stop()

    return asyncio.run(go()), node.log_path.read_text(), node


ESCAPES = """
import os, vfs
def tried(what):
    try:
        what()
        print("done")
    except OSError as error:
        print("refused", error.errno)
def write(path):
    def go():
        with open(path, "w") as f:
            f.write("x")
    return go
for path in ("evil1", "/evil2", "../evil3", "/../../evil4", "/.sim/firmware/../../../evil5", "/a/../../evil6"):
    tried(write(path))
tried(write("/.sim/firmware/evil7"))
tried(lambda: os.rename("/.sim/firmware/main.py", "/evil8"))
tried(lambda: os.remove("/.sim/firmware/main.py"))
os.mkdir("d"); os.chdir("/d")
tried(write("../../evil9"))
os.rename("/evil1", "../../moved")
print(sorted(os.listdir("/")))
"""


def test_a_node_cannot_write_outside_its_folder(tmp_path):
    status, log, _ = run(tmp_path, ESCAPES)
    assert status == 0, log
    said = log.splitlines()
    assert said[6] == "refused 30" and said[8] == "refused 30"
    assert said[7] == "refused 1"  # no rename across file systems
    outside = [p for p in tmp_path.rglob("*") if "evil" in p.name and p.parent != tmp_path / "node"]
    assert outside == []
    assert (tmp_path / "node" / "moved").is_file()
    assert (tmp_path / "firmware" / "main.py").is_file()
    found = {p.name for p in (tmp_path / "node").iterdir()}
    assert {"evil2", "evil3", "evil4", "evil9"} <= found


def test_the_heap_is_limited(tmp_path):
    source = "import gc; gc.collect(); print('free', gc.mem_free())\nx = bytearray(%d)\nprint('got it')\n"
    status, log, _ = run(tmp_path, source % 400000)
    assert status == 1 and "MemoryError" in log
    free = int(log.split()[1])
    assert 300000 < free < 345000  # 160 KiB, doubled for 64-bit objects; shims not counted
    (tmp_path / "again").mkdir()
    status, log, _ = run(tmp_path / "again", source % 400000, heap="500K")
    assert status == 0 and "got it" in log


def test_clock_and_rtc_are_an_esp32s(tmp_path):
    source = """
import time, machine
print(time.ticks_ms() < 1000, time.time(), time.gmtime()[:3], time.ticks_add((1 << 30) - 1, 2), time.ticks_diff(1, (1 << 30) - 1))
machine.RTC().datetime((2026, 11, 24, 1, 3, 4, 5, 0))
print(time.time(), time.gmtime(time.time())[:6], time.mktime((2026, 11, 24, 3, 4, 5, 0, 0)), machine.RTC().datetime()[:7])
print(machine.reset_cause(), machine.RTC().memory())
if machine.reset_cause() == 1:
    machine.RTC().memory(b"kept")
    machine.reset()
"""
    status, log, node = run(tmp_path, source)
    lines = log.splitlines()
    assert status == 0, log
    assert lines[0] == "True 0 (2000, 1, 1) 1 2"
    assert lines[1] == "848804645 (2026, 11, 24, 3, 4, 5) 848804645 (2026, 11, 24, 1, 3, 4, 5)"
    assert lines[2] == "1 b''"
    assert lines[3].startswith("True 8488046")  # the RTC runs on over a reset
    assert lines[5] == "2 b'kept'"
    assert node.boots == 2


def test_buses_reach_the_emulators(tmp_path):
    source = """
import asyncio, machine, time
uart = machine.UART(1, 9600, rxbuf=512)
i2c = machine.I2C(0)
print(i2c.scan())
stamps = []
pin = machine.Pin(25, machine.Pin.IN, machine.Pin.PULL_UP)
pin.irq(handler=lambda _pin: stamps.append(time.ticks_ms()), trigger=machine.Pin.IRQ_FALLING)
async def main():
    await asyncio.sleep_ms(1300)
    data = uart.read()
    print(len(data), data[-4:-2])
    i2c.writeto(0x44, b"\\xfd")
    try:
        i2c.readfrom(0x44, 6)
    except OSError as error:
        print("busy", error.errno)
    await asyncio.sleep_ms(9)
    print(len(i2c.readfrom(0x44, 6)))
    try:
        i2c.writeto(0x76, b"")
    except OSError as error:
        print("absent", error.errno)
    print(len(stamps), stamps == sorted(stamps), uart.any(), machine.UART(2, 9600).read())
asyncio.run(main())
"""
    wiring = {
        "uart": {1: a02yyuw.Emulator(truth, 1)},
        "i2c": {(0, 0x44): sht4x.Emulator(truth, 1)},
        "pulse": {25: tipping_bucket.Emulator(truth, 1, bounce=1)},
    }
    status, log, node = run(tmp_path, source, wiring)
    lines = log.splitlines()
    assert status == 0, log
    assert lines[0] == "[68]"
    assert int(lines[1].split()[0]) in range(46, 56)
    assert lines[2:5] == ["busy 19", "6", "absent 19"]
    tips, ordered, _any, nothing = lines[5].split()
    assert 6 <= int(tips) <= 16 and ordered == "True" and nothing == "None"
    assert node.bus.requests < 140


def test_a_recorded_stream_is_played_through_the_vm(tmp_path):
    source = """
import machine, time
uart = machine.UART(2, 9600)
time.sleep_ms(450)
print(uart.read().hex())
"""
    packets = [bytes.fromhex("424D001C0001"), bytes.fromhex("424D001C0002")]
    wiring = {"uart": {2: replay.Emulator(packets, "pms5003", period_ms=100)}}
    status, log, _ = run(tmp_path, source, wiring)
    assert status == 0 and log.startswith("424d001c0001424d001c0002424d001c0001"), log


def test_a_hung_node_is_reset_by_its_watchdog(tmp_path):
    source = """
import machine
print("cause", machine.reset_cause())
if machine.reset_cause() == 1:
    machine.WDT(timeout=300)
    while True:
        pass
"""
    status, log, node = run(tmp_path, source)
    assert (status, log) == (0, "cause 1\ncause 3\n")
    assert node.boots == 2


def test_stop_is_a_power_cut(tmp_path):
    firmware = tmp_path / "firmware"
    firmware.mkdir()
    (firmware / "main.py").write_text("import time\ntry:\n    time.sleep(60)\nfinally:\n    open('/bye', 'w')\n")
    node = SimNode(tmp_path / "node", firmware)

    async def go():
        before = time.time()
        await node.start()
        assert node.running
        assert abs(node.boot_utc_ms / 1000 - before) < 5
        await node.stop()

    asyncio.run(go())
    assert not node.running and node.returncode == -9
    assert not (tmp_path / "node" / "bye").exists()


def test_uptime_0_is_the_boot_however_long_the_compiler_takes(tmp_path, monkeypatch):
    """What a test knows of a node's sampling instants begins at boot_utc_ms: the node's own uptime must begin there too."""

    class Hurried(RealClock):
        def late(self, by_us):
            self._offset_us += by_us

    clock, compiled = Hurried(), sim_node.compiled

    def slow(*args, **options):
        clock.late(60_000_000)
        return compiled(*args, **options)

    monkeypatch.setattr(sim_node, "compiled", slow)
    (tmp_path / "firmware").mkdir()
    (tmp_path / "firmware" / "main.py").write_text("")
    node = SimNode(tmp_path / "node", tmp_path / "firmware", clock=clock)
    try:
        node.power_on()
        assert clock.now_us() // 1000 - node.boot_utc_ms < 60_000
    finally:
        node.kill()
        node.close()


def test_emulators_run_inside_the_vm_with_the_same_bytes(tmp_path):
    source = """
import hashlib
from pantau_sim.sensors import a02yyuw, bme280, ld2451, pms5003, pulse, replay, sht4x, tipping_bucket
class Truth:
    def __call__(self, name, t_s):
        return {"rain_accumulated": (t_s - 1767225600) / 50, "water_distance": 2.0, "particles_0_3": 900.0}.get(name, 20.0)
    def passes(self, t0_s, t1_s):
        return [p for p in ((1767225605.0, True, 40.0, 4.0, 2.0), (1767225607.0, False, 50.0, 3.0, 4.5)) if t0_s < p[0] <= t1_s]
T0 = 1767225600000000
digest = hashlib.sha256()
for module in (a02yyuw, ld2451, pms5003):
    sensor = module.Emulator(Truth(), 7)
    sensor.power_on(T0)
    for k in range(1, 40):
        digest.update(sensor.produce(T0 + k * 333333))
for module in (pulse, tipping_bucket):
    digest.update(repr(module.Emulator(Truth(), 7).edges(T0, T0 + 60000000)).encode())
for module, command in ((sht4x, b"\\xfd"), (bme280, b"\\xf2\\x01\\xf4\\x25")):
    sensor = module.Emulator(Truth(), 7)
    sensor.power_on(T0)
    print(sensor.write(T0 + 9000, command))
    sensor.write(T0 + 90000, b"\\xf7") if module is bme280 else None
    digest.update(sensor.read(T0 + 90000, 6))
print("".join(["%02x" % b for b in digest.digest()]))
"""
    status, log, _ = run(tmp_path, source, heap="400wK")
    assert status == 0, log
    said = []
    exec(source, {"print": lambda *words: said.append(" ".join(map(str, words)))})
    assert log.splitlines() == said
