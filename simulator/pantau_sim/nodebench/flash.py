"""What the flash ring makes of a day's frames, told again and again until it overwrites: how long it holds, how it wears."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from pantau_sim.flash import SECTOR, NorFlash
from pantau_sim.node import firmware_folder
from pantau_wire import frame
from pantau_wire import names as T

RING_SECTORS = 256  # 1 MiB
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
