"""What the flash ring makes of a day's frames, told again and again until it overwrites: how long it holds, how it wears."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from pantau.bench.figures import ASSUMED, DERIVED, PUBLISHED, SET, Figure
from pantau_sim.flash import CALL_US, ERASE_US, PAGE, PROGRAM_US, READ_BYTES_PER_US, SECTOR, NorFlash
from pantau_sim.node import firmware_folder
from pantau_wire import frame
from pantau_wire import names as T

_CHIP = "Winbond W25Q128JV datasheet, rev. F"
FIGURES = {
    "ring_sectors": Figure(256, "", SET, "1 MiB of the chip; a board with more flash may give more"),
    "sector_bytes": Figure(SECTOR, "bytes", PUBLISHED, f"{_CHIP}: the smallest erase; esp32.Partition erases the same"),
    "page_bytes": Figure(PAGE, "bytes", PUBLISHED, f"{_CHIP}: the greatest program"),
    "erase_us": Figure(ERASE_US, "us", PUBLISHED, f"{_CHIP}, AC characteristics, typical; greatest 400 ms"),
    "program_us": Figure(PROGRAM_US, "us", PUBLISHED, f"{_CHIP}, AC characteristics, typical; greatest 3 ms"),
    "erase_cycles": Figure(100_000, "", PUBLISHED, f"{_CHIP}: least program-erase cycles of a sector"),
    "read_bytes_per_us": Figure(READ_BYTES_PER_US, "", DERIVED, "SPI of 40 MHz in DIO mode, 80 Mbit/s, as the stock image of ESP32_GENERIC reads"),
    "call_us": Figure(CALL_US, "us", ASSUMED, "the driver's overhead for a call; not measured on a chip"),
}  # fmt: skip
RING_SECTORS = int(FIGURES["ring_sectors"].value)
_DAY_S = 86400


def measure(frames: Sequence[bytes]) -> dict[str, Any]:
    """Return ring_days and erases_per_record of a ring of 1 MiB that nobody acknowledges."""
    for place in (firmware_folder(), firmware_folder().parent / "simulator" / "pantau_sim" / "shims" / "cpython"):
        if str(place) not in sys.path:
            sys.path.insert(0, str(place))
    from pantau_node.journal import Batch
    from pantau_node.ring import RingOutbox

    flash = NorFlash(RING_SECTORS)
    box = RingOutbox(flash)
    day = [(frame.decode(data), data) for data in frames]
    seq = records = 0
    full_at = held_s = 0
    while not full_at or records < 2 * full_at:
        for f, data in day:
            seq += 1
            if f.count:
                columns = [*sorted(set(f.columns) - {T.TIME_OFFSET}), T.TIME_OFFSET]
                box.open_batch(Batch(1, seq, f.clock, f.base_s, f.interval_s, f.profile, columns))
                for i in range(f.count):
                    box.record(_row(f, i))
            box.seal(1, seq, data, f.count, 0, f.count)
            records += f.count
            if not full_at and box.overwritten_records:
                full_at = records
                held_s = box.records() * f.interval_s if f.interval_s else box.records() * 60
    return {
        "ring_days": round(held_s / _DAY_S, 1),
        "erases_per_record": round(sum(flash.erases) / records, 5),
        "ring_bytes": RING_SECTORS * SECTOR,
    }


def _row(f: Any, i: int) -> dict[int, tuple[int | None, int]]:
    return {ident: (values[i], codes[i] if codes else 0) for ident, (values, codes) in f.columns.items()}
