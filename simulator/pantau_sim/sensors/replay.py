"""Plays recorded UART packets again, one each period, as the device that they were captured from."""

from .base import UartEmulator


class Emulator(UartEmulator):
    """`recorded` packets in order, from power-on; `loop` starts again at the end. `model` names the captured sensor."""

    def __init__(
        self, recorded: "list[bytes]", model: str, *, period_ms: int = 1000, baud: int = 9600, loop: bool = True
    ):
        super().__init__(period_ms * 1000)
        self.MODEL = model
        self.BAUD = baud
        self.played = 0  # packets sent so far
        self._recorded = recorded
        self._loop = loop

    def power_on(self, t_us: int) -> None:
        """Begin with the first packet one period later; a node's restart does not rewind a device that kept its power."""
        super().power_on(t_us)
        self._next_us = t_us + self._period_us
        self.played = 0

    def packets(self, t_us: int) -> "list[tuple[int, bytes]]":
        """The recorded packets that are due."""
        out = []
        while self._next_us <= t_us:
            if self._loop or self.played < len(self._recorded):
                out.append((self._next_us, self._recorded[self.played % len(self._recorded)]))
                self.played += 1
            self._next_us += self._period_us
        return out
