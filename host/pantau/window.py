"""Which sequence numbers of one boot are stored: a watermark and a bitmap above it. Pure integers, bounded."""

from __future__ import annotations

from dataclasses import dataclass

SPAN = 4096  # bits above the watermark: 512 bytes in the worst case; a frame further ahead is known by its tag alone
_ACK_MAP = (1 << 64) - 1


@dataclass(slots=True)
class Window:
    """Every seq <= `through` is stored or was declared gone by the node; bit i of `bits` says the same of through+1+i.

    `gone` counts the seqs that the node declared gone and that never came; `top` is the highest seq that was stored, so
    that a frame above it is certainly new.
    """

    through: int = 0
    bits: int = 0
    gone: int = 0
    top: int = 0

    def copy(self) -> Window:
        """Return an independent window with the same content."""
        return Window(self.through, self.bits, self.gone, self.top)

    def has(self, seq: int) -> bool:
        """Return whether the bit of `seq` is set: it is stored or was declared gone."""
        return seq <= self.through or bool(self.bits >> (seq - self.through - 1) & 1)

    def add(self, seq: int) -> None:
        """Note that `seq` is stored. A seq at or below the watermark was declared gone and came after all."""
        ahead = seq - self.through - 1
        if seq > self.top:  # noqa: PLR1730  `max` costs as much as all the rest
            self.top = seq
        if not ahead and not self.bits:
            self.through = seq
        elif ahead < 0:
            self.gone = max(0, self.gone - 1)
        elif ahead < SPAN:
            self.bits |= 1 << ahead
            self._absorb()

    def advance(self, through: int) -> int:
        """Take the node's word that every seq <= `through` is acknowledged or gone; return how many never came."""
        step = through - self.through
        if step <= 0:
            return 0
        # The mask must not be built for a step of billions: beyond the bitmap there is nothing to count.
        inside = self.bits & ((1 << step) - 1) if step < self.bits.bit_length() else self.bits
        missing = step - inside.bit_count()
        self.bits >>= step
        self.through = through
        self.gone += missing
        self._absorb()
        return missing

    def ack_map(self) -> int:
        """Return the 64 bits above the watermark, as an ACK frame carries them."""
        return self.bits & _ACK_MAP

    def _absorb(self) -> None:
        """Raise the watermark over the run of set bits that follows it."""
        run = (~self.bits & (self.bits + 1)).bit_length() - 1
        self.through += run
        self.bits >>= run
