"""An SNTP server (RFC 5905) as an actor in virtual time, honest or not: Simulation.datagrams.serve(host, PORT, server.answer)."""

import struct

PORT = 123
RIGHT, NONSENSE, KISS, SILENT, UNSET, STRANGER, TWISTED = (
    "right",  # the time plus offset_ms
    "nonsense",  # bytes that are no answer
    "kiss",  # a kiss of death, RATE
    "silent",  # no answer
    "unset",  # the alarm bits and stratum 16: it has no time itself
    "stranger",  # the right time, and not the question's cookie: somebody guesses
    "twisted",  # it left long before it came
)
MODES = (RIGHT, NONSENSE, KISS, SILENT, UNSET, STRANGER, TWISTED)
_EPOCH = 2208988800  # 1900 to 1970, s
_PACKET = 48
_HELD_US = 300  # in the server


class SntpServer:
    """Change `mode` and `offset_ms` at will; `asked` counts the questions."""

    def __init__(self, mode: str = RIGHT, offset_ms: int = 0) -> None:
        if mode not in MODES:
            raise ValueError(f"mode {mode!r} is not one of {', '.join(MODES)}")
        self.mode = mode
        self.offset_ms = offset_ms
        self.asked = 0

    def answer(self, data: bytes, now_us: int) -> list[tuple[int, bytes]]:
        """(us until it leaves, packet) pairs for a question that arrived at the Unix instant now_us."""
        self.asked += 1
        if self.mode == SILENT or len(data) < _PACKET or data[0] & 7 != 3:
            return []
        if self.mode == NONSENSE:
            return [(_HELD_US, bytes((k * 37 + self.asked) & 255 for k in range(_PACKET)))]
        here_us = now_us + self.offset_ms * 1000
        got, sent = _stamp(here_us), _stamp(here_us + (-5000000 if self.mode == TWISTED else _HELD_US))
        cookie = bytes(reversed(data[40:48])) if self.mode == STRANGER else data[40:48]
        first, stratum, name = 0x24, 2, b"\x0a\x00\x00\x01"  # no warning, version 4, server
        if self.mode == KISS:
            first, stratum, name = 0xE4, 0, b"RATE"
        elif self.mode == UNSET:
            first, stratum = 0xE4, 16
        head = struct.pack(">BBbbII4s", first, stratum, 6, -20, 655, 1311, name)  # delay 10 ms, dispersion 20 ms
        return [(_HELD_US, head + _stamp(here_us - 64000000) + cookie + got + sent)]


def _stamp(unix_us: int) -> bytes:
    seconds, us = divmod(unix_us, 1000000)
    return struct.pack(">II", (seconds + _EPOCH) & 0xFFFFFFFF, (us << 32) // 1000000)
