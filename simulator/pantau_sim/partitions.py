"""Raw flash partitions of a simulated node: one file per label beside the node's folder, which resets and power cuts leave alone.

The VM itself reads and programs the file (shims/vm/esp32.py): a round trip to the host for each page would make a node-day slow.
"""

from collections.abc import Mapping
from pathlib import Path

from pantau_sim.flash import SECTOR, NorFlash

SUBTYPE = 0x40  # of a data partition of one's own: ESP-IDF leaves 0x40..0xFE to applications
_FIRST = 0x200000  # where the stock 4 MB image has its file system, which such an image makes smaller
_LABEL = 16  # characters, esp_partition_t


class Partitions:
    """The partitions of the node in `root`: label -> sectors of 4 KiB. ValueError for a table that no chip could have."""

    def __init__(self, root: Path, sectors: Mapping[str, int]) -> None:
        for label, count in sectors.items():
            if not 0 < len(label) <= _LABEL or not label.isidentifier():
                raise ValueError(f"partition {label!r}: a label is a name of at most {_LABEL} characters")
            if count < 1:
                raise ValueError(f"partition {label}: {count} sectors, needs at least one")
        self.sectors = dict(sectors)
        self._root = root

    def path(self, label: str) -> Path:
        """The file that holds a partition; KeyError for one that the node does not have."""
        if label not in self.sectors:
            raise KeyError(f"node {self._root.name} has no partition {label}: name it in SimNode(partitions=...)")
        return self._root.parent / f"{self._root.name}.{label}.bin"

    def make(self) -> None:
        """Make what is missing, erased; ValueError where a file has another size than the table says."""
        for label, count in self.sectors.items():
            path = self.path(label)
            if not path.exists():
                path.write_bytes(b"\xff" * (count * SECTOR))
            elif path.stat().st_size != count * SECTOR:
                raise ValueError(f"{path} is not of {count} sectors of {SECTOR} bytes: remove it or correct the table")

    def table(self) -> list[tuple[str, int, int, int, str]]:
        """(label, sectors, address, subtype, file name) of each, in the order of the chip."""
        rows, address = [], _FIRST
        for label, count in self.sectors.items():
            rows.append((label, count, address, SUBTYPE, self.path(label).name))
            address += count * SECTOR
        return rows

    def read(self, label: str) -> NorFlash:
        """A copy of what a partition holds now, to look at or to change and `write`; erased if the node never ran."""
        path = self.path(label)
        return NorFlash(self.sectors[label], path.read_bytes() if path.exists() else None)

    def write(self, label: str, flash: NorFlash) -> None:
        """Put a content back, as a flasher does; only while the power is off. ValueError for one of another size."""
        if flash.sectors != self.sectors[label]:
            raise ValueError(f"partition {label} has {self.sectors[label]} sectors, not {flash.sectors}")
        self.path(label).write_bytes(flash.snapshot())
