"""Updates on a littlefs with the real launcher and core: what the whole-node test cannot bring about. In-process, no VM."""

from __future__ import annotations

import contextlib
import functools
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from needs import missing
from pantau.fleet import bundle
from pantau_sim.powercut_rig import reach_firmware
from pantau_wire import bundle as wire

try:
    import littlefs  # noqa: F401
except ModuleNotFoundError:
    missing("littlefs", "littlefs-python")

reach_firmware()

from pantau_sim.powercut_update_rig import (  # noqa: E402
    BOARD,
    POWER_ON,
    Life,
    UpdateBridge,
    UpdateChip,
    as_modules,
    install,
    version,
)

Make = Callable[..., Life]


@functools.cache
def signer() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 3072)


def bundled(place: Path, mark: int = 2, **manifest: Any) -> bytes:
    """Return a bundle of the small application of the sweep."""
    version(place / str(mark), mark)
    given = {"version": "0.2.0", "release": mark, "board": [BOARD], **manifest}
    return bundle.sign(bundle.build(place / str(mark), **given), signer(), 0)


@pytest.fixture
def life(tmp_path: Path) -> Iterator[Make]:
    def make(data: bytes | None = None, sectors: int = 128) -> Life:
        chip = UpdateChip(sectors)
        install(chip, version(tmp_path / "old", 1), [bundle.modulus(signer().public_key()).hex()] * 2)
        return Life(chip, UpdateBridge(), data or bundled(tmp_path), 1, 0)

    with as_modules():
        yield make


def run(one: Life, until: str, most: int = 400) -> str:
    """Let time pass until the node says that; what it said."""
    for _ in range(most):
        one.turn()
        for said in one.bridge.said:  # what is live overtakes the backlog
            if said["detail"].startswith(until):
                return str(said["detail"])
    raise AssertionError(one.bridge.said)


def settled(one: Life) -> None:
    """Nothing of the records is lost, and nothing of the update is left but its verdict."""
    one.rig.node.flush()
    assert one.rig.drain(one.bridge, 1_760_000_000_000)
    assert sorted(one.bridge.delivered) == list(range(1, one.value + 1))
    assert {"update.bin", "try", "update.new"}.isdisjoint(one.chip.listing())


def test_a_disk_that_fills_in_the_middle_ends_the_update_and_no_record_is_lost(life: Make, tmp_path: Path) -> None:
    one = life()
    for _ in range(2):
        one.turn()
    with contextlib.suppress(OSError), one.chip.open("/junk", "wb") as file:
        while True:
            file.write(bytes(4096))
            file.flush()
    assert run(one, "refused") == "refused: the disk is full"
    one.chip.fs.remove("/junk")
    for _ in range(70):
        one.turn()
    settled(one)
    assert one.chip.whole("/a", version(tmp_path / "again", 1)) and "b" not in one.chip.listing()


def test_a_bundle_for_which_there_is_no_room_is_refused_at_its_first_chunk_or_by_its_head(life: Make) -> None:
    first = life()
    first.rig.node.on_message(first.bridge.down(12, {"id": 5, "offset": 0, "total": 1 << 24, "chunk": b"PNTB\x01"}))
    first.silent = True
    said = run(first, "refused")
    assert said.startswith("refused: needs 16777216 bytes of flash, ") and said.endswith(" are free")
    settled(first)
    tight = life(sectors=80)  # the outbox may still grow to 48 of them
    assert run(tight, "refused").startswith("refused: needs ")
    assert len(tight.bridge.said) == 1 and "b" not in tight.chip.listing()
    settled(tight)


def test_a_low_battery_takes_no_update(life: Make) -> None:
    one = life()
    one.app.battery_mv = lambda: 3400
    assert run(one, "refused") == "refused: battery at 3400 mV, needs 3500"
    settled(one)


def test_a_cancelled_update_begins_anew_and_another_bundle_waits_for_a_trial(life: Make, tmp_path: Path) -> None:
    one = life()
    for _ in range(4):
        one.turn()
    assert "update.bin" in one.chip.listing()
    one.rig.node.act("update", {"cancel": 1})
    one.turn()
    assert "update.bin" in one.chip.listing(), "another one's id"
    one.rig.node.act("update", {"cancel": one.ident})
    one.silent = True
    one.turn()
    settled(one)
    one.silent = False
    run(one, "trial")
    other = bundled(tmp_path, 3)
    one.rig.node.on_message(one.bridge.down(12, bundle.chunk(other, bundle.read(other).ident, 0)))
    one.turn()
    busy = [said for said in one.bridge.said if said["id"] != one.ident]
    assert [(said.get("ok", 0), said["detail"]) for said in busy] == [(0, f"busy: bundle {one.ident:08x} comes first")]
    assert run(one, "accepted") == "accepted: release 2"
    one.rig.node.act("update", {"cancel": one.ident})
    one.turn()
    assert "update" not in one.chip.listing()


def test_a_gap_is_answered_with_what_is_held_at_most_once_in_five_seconds(life: Make) -> None:
    one = life()
    one.silent = True

    def give(*places: int) -> list[int]:
        for at in places:
            one.rig.node.on_message(one.bridge.down(12, bundle.chunk(one.data, one.ident, at)))
        known = len(one.bridge.said)
        one.turn()
        assert {said["detail"] for said in one.bridge.said} <= {"receiving"}
        return [said.get("have", 0) for said in one.bridge.said[known:]]

    assert give(2400, 3200) == [0]
    assert give(0, 1600, 2400, 800, 800) == []
    for _ in range(5):
        one.turn()
    assert give(800, 3200, 800) == [1600]


def test_a_trial_that_nobody_acknowledges_is_over_in_time_and_the_old_one_reports(life: Make) -> None:
    one = life()
    run(one, "trial")
    while one.starts.name == "a":
        one.turn()
    one.rig.link(up=False)
    one.linked = False
    for _ in range(700):
        one.turn()
    assert one.starts.name == "a"
    one.linked = True
    one.rig.link(up=True)
    assert run(one, "rolled back") == "rolled back: no acknowledgement in 360 s"
    settled(one)


def test_a_bundle_that_cannot_be_unpacked_in_twenty_starts_is_given_up(life: Make) -> None:
    one = life()
    run(one, "verified")
    one.silent = True
    for _ in range(19):
        one.boot(POWER_ON)
        one.chip.loop.step(one.rig.now)
    one.boot(POWER_ON)
    assert run(one, "refused") == "refused: cut short 20 times"
    settled(one)


def test_flipped_bits_of_what_was_received_are_found_before_anything_is_touched(life: Make) -> None:
    one = life()
    original = one.chip.open
    flips = itertools.count()

    def flipped(path: str, mode: str) -> Any:
        file = original(path, mode)
        if path == "/update.bin" and mode == "rb" and len(one.data) <= one.chip.fs.stat(path).size and next(flips) == 1:
            return _Flipped(file)
        return file

    one.chip.open = flipped  # type: ignore[method-assign]
    assert run(one, "refused") == "refused: the payload is not what was signed"
    assert "b" not in one.chip.listing()


class _Flipped:
    """A file that gives one bit otherwise than it was written."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._file.close()

    def seek(self, at: int) -> None:
        self._file.seek(at)

    def read(self, size: int = -1) -> bytes:
        data = bytearray(self._file.read(size))
        if data:
            data[len(data) // 2] ^= 1
        return bytes(data)


def test_a_launcher_that_is_older_than_updates_takes_none(life: Make) -> None:
    one = life()
    one.starts.root = ""
    assert run(one, "refused") == "refused: the launcher is older than updates: install once by cable"


def test_keys_that_are_damaged_in_one_copy_are_read_from_the_other_and_none_sign_nothing(life: Make) -> None:
    one = life()
    one.chip.put("trust.b", b"torn")
    assert run(one, "accepted") == "accepted: release 2"
    two = life()
    two.chip.put("trust.a", b"torn")
    two.chip.put("trust.b", b"torn")
    assert run(two, "refused") == "refused: no key 0 is trusted here: provision it anew"


def test_the_words_of_a_result_are_the_states_of_a_health_frame() -> None:
    states = (wire.RECEIVING, wire.VERIFIED, wire.TRIAL, wire.ACCEPTED, wire.ROLLED_BACK, wire.REFUSED)
    assert [wire.WORDS[state] for state in states] == list(wire.WORDS[1:])
