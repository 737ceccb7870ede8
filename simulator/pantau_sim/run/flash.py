"""What a node's outbox still holds, read from a copy of its flash with the node's own code. Its power is off."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pantau_sim.powercut_rig import reach_firmware
from pantau_wire import frame

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pantau_sim.node import SimNode


@dataclass(slots=True)
class Held:
    """Frames by (boot, seq), batches that are no frame yet, and what the outbox declares overwritten; problems in words."""

    frames: dict[tuple[int, int], bytes] = field(default_factory=dict)
    batches: list[Any] = field(default_factory=list)
    frames_gone: int = 0
    records_gone: int = 0
    problems: list[str] = field(default_factory=list)


def held(node: SimNode, name: str, key: bytes) -> Held:
    """Read it. The ring and the file are both there only after a change from one to the other."""
    found = Held()
    for outbox in _outboxes(node):
        seen: set[tuple[int, int]] = set()

        def known(boot: int, seq: int, seen: set[tuple[int, int]] = seen) -> bool:
            return (boot, seq) in seen

        found.frames_gone += outbox.overwritten_frames
        found.records_gone += outbox.overwritten_records
        while (identity := outbox.index.pick(0, known)) is not None:
            seen.add(identity)
            data = outbox.read(*identity)
            if data is None or not frame.verify(data, name, key):
                found.problems.append(f"boot {identity[0]} seq {identity[1]}: in the outbox, and not readable there")
                continue
            found.frames[identity] = bytes(data)
        if len(seen) != outbox.index.live:
            found.problems.append(f"the outbox counts {outbox.index.live} frames and gives {len(seen)}")
        if outbox.batch is not None:
            found.batches.append(outbox.batch)
        outbox.close()
    return found


def _outboxes(node: SimNode) -> Iterator[Any]:
    """Yield the ring where the firmware uses it, the file where it has one."""
    reach_firmware()
    from pantau_node.outbox import FileOutbox
    from pantau_node.ring import RingOutbox

    if "pantau_ring" in node.partitions.sectors:
        flash = node.partitions.read("pantau_ring")
        if flash.snapshot().count(0xFF) != len(flash.data):
            yield RingOutbox(flash)
    log = node.root / "outbox.log"
    if log.exists():
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / log.name
            shutil.copyfile(log, copy)
            yield FileOutbox(str(copy), 1 << 30)
