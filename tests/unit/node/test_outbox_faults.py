"""The file outbox when the power goes or the flash refuses at any moment, on files of CPython."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from pantau_node import outbox
from pantau_node.journal import Batch
from pantau_node.outbox import FileOutbox

COLUMNS = [2, 3]


def busy_life(box: FileOutbox) -> set[tuple[int, int]]:
    """Seal, acknowledge and journal until the log was rewritten; return the frames that must be held."""
    held = set()
    for seq in range(1, 60):
        box.open_batch(Batch(1, seq, 0, seq * 60, 60, 1, COLUMNS))
        box.record({2: (seq, 0), 3: (0, 0)})
        box.seal(1, seq, bytes([seq]) * 400, 1, 0, 1)
        if seq % 7:
            box.ack(1, 0, 1 << (seq - 1))
        else:
            held.add((1, seq))
    return held


def frames(box: FileOutbox) -> dict[tuple[int, int], bytes | None]:
    return {entry[:2]: box.read(*entry[:2]) for entry in box.index.places()}


class PowerCut(BaseException):
    pass


@pytest.mark.parametrize("at", ["remove", "open", "flush", "rename", "after"])
def test_a_cut_within_a_rewrite_leaves_the_old_log_or_the_new_one(
    at: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "outbox.log")
    box = FileOutbox(path, 1 << 16)
    held = {}
    for seq in range(1, 12):
        box.seal(1, seq, bytes([seq]) * 300, 2, 0, 0)
        held[1, seq] = bytes([seq]) * 300
    box.open_batch(Batch(1, 12, 0, 60, 60, 1, COLUMNS))
    box.record({2: (77, 0)})

    class Files:
        remove, rename = staticmethod(os.remove), staticmethod(os.rename)

    def cut(*_args: Any) -> None:
        raise PowerCut

    def renamed(*args: str) -> None:
        Path(args[0]).rename(args[1])
        raise PowerCut

    if at in ("rename", "after"):
        monkeypatch.setattr(outbox, "os", Files)
        monkeypatch.setattr(Files, "rename", staticmethod(cut if at == "rename" else renamed))
        with pytest.raises(PowerCut):
            box._rewrite()
    else:
        (tmp_path / "outbox.log.new").write_bytes(b"" if at == "open" else b"\x01\x00\x04half a rewrite")
    monkeypatch.undo()
    box.close()
    box = FileOutbox(path, 1 << 16)
    assert frames(box) == held and box.batch is not None and box.batch.values[0] == [77]
    assert not (tmp_path / "outbox.log.new").exists()
    box.close()


def test_random_bits_after_the_end_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "outbox.log"
    box = FileOutbox(str(path), 4096)
    held = busy_life(box)
    box.close()
    whole = path.read_bytes()
    noise = bytes((i * 197 + i // 7) & 255 for i in range(3000))
    for size in (1, 2, 3, 50, 1031, 3000):
        path.write_bytes(whole + noise[:size])
        box = FileOutbox(str(path), 1 << 16)
        assert set(frames(box)) == held and box.skipped == size
        assert box.seal(2, 1, b"next", 0, 0, 0)
        box.close()
        box = FileOutbox(str(path), 1 << 16)
        assert frames(box)[2, 1] == b"next" and set(frames(box)) == held | {(2, 1)}
        box.close()


def test_damage_in_the_middle_costs_what_it_hits(tmp_path: Path) -> None:
    path = tmp_path / "outbox.log"
    box = FileOutbox(str(path), 1 << 16)
    for seq in range(1, 10):
        box.seal(1, seq, bytes([seq]) * 200, 2, 0, 0)
    place = box.index.place(1, 5)
    box.close()
    data = bytearray(path.read_bytes())
    data[place[0] + 20] ^= 4
    path.write_bytes(data)
    box = FileOutbox(str(path), 1 << 16)
    assert set(frames(box)) == {(1, seq) for seq in range(1, 10) if seq != 5}
    box.close()


class FullDisk:
    """Stands for the open file: writes fail while `full`."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.full = False

    def write(self, data: bytes) -> int:
        if self.full:
            self._file.write(bytes(data)[: len(data) // 2])
            raise OSError(errno.ENOSPC, "no space")
        return int(self._file.write(data))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def test_a_flash_that_refuses_for_a_while_costs_no_record(tmp_path: Path) -> None:
    path = tmp_path / "outbox.log"
    box = FileOutbox(str(path), 1 << 16)
    box.file = disk = FullDisk(box.file)
    box.open_batch(Batch(1, 1, 0, 60, 60, 1, COLUMNS))
    assert box.record({2: (1, 0)})
    disk.full = True
    assert not box.record({2: (2, 0)})
    assert not box.record({2: (3, 0)})
    disk.full = False
    assert box.record({2: (4, 0)})  # the whole batch is written anew
    assert box.errors == 2
    box.close()
    box = FileOutbox(str(path), 1 << 16)
    assert box.batch.values[0] == [1, 2, 3, 4]
    box.close()


def test_a_frame_that_the_flash_refuses_is_declared_lost(tmp_path: Path) -> None:
    box = FileOutbox(str(tmp_path / "outbox.log"), 1 << 16)
    box.file = disk = FullDisk(box.file)
    disk.full = True
    assert not box.seal(1, 1, b"frame", 15, 0, 0)
    assert (box.overwritten_frames, box.overwritten_records, box.index.live) == (1, 15, 0)
    box.close()


def test_a_rewrite_that_fails_keeps_the_old_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "outbox.log"
    box = FileOutbox(str(path), 4096)
    (tmp_path / "outbox.log.new").mkdir()  # opening it for writing fails
    held = busy_life(box)
    assert box.errors > 0 and set(frames(box)) == held
    (tmp_path / "outbox.log.new").rmdir()
    box.close()
    box = FileOutbox(str(path), 4096)
    assert set(frames(box)) == held
    box.close()
