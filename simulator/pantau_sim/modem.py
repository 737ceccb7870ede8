"""A cellular modem on a UART, byte by byte: 3GPP TS 27.007 and V.250 in the manner of a SIM7600, up to its data mode.

Written from the command set, not from the node's driver. It does not speak PPP: in data mode it sends one LCP request over
and over, keeps what it is sent, and listens for +++ between two seconds of silence.
"""

from __future__ import annotations

from collections.abc import Callable

from pantau_sim.sensors.base import UartEmulator

_S = 1000000
_ANSWER_US = 8000  # of a command that asks nobody else
_BOOT_US = 12 * _S  # SIM7600 hardware design: the UART is ready 11 to 13 s after the power key
_PRESS_ON_US, _PRESS_OFF_US = 500000, 2500000  # power key: least time to start, least time to stop
_GUARD_US = _S  # V.250 S12
_LCP = bytes.fromhex(
    "7eff7d23c0217d217d207d207d347d227d267d207d207d207d207d257d267d207d207d207d2e7d277d227d287d22b07c7e"
)
_LCP_US = 3 * _S
_LINE = 556  # characters of a command line; what is beyond is lost


class Modem(UartEmulator):
    """One modem with its SIM and its network.

    pin: of the SIM, "" for none; apn: what the network takes; stat: of the registration `registers_us` after the start or
    the PIN, 5 for roaming, 3 for denied; counter: "+CPINR", "+SPIC" or "" for a modem that does not tell the attempts left;
    needs_key: it stays off until press(). tries: PINs given; commands: as received; data: bytes of the data mode.
    """

    MODEL = "modem"
    BAUD = 115200
    AHEAD = False  # what it says follows from what others send

    def __init__(
        self,
        *,
        pin: str = "",
        apn: str = "internet",
        sim: bool = True,
        stat: int = 1,
        registers_us: int = 4 * _S,
        csq: int = 17,
        counter: str = "+SPIC",
        needs_key: bool = False,
        on: bool = True,
    ) -> None:
        super().__init__(_S)
        self.pin, self.apn, self.sim, self.stat, self.csq, self.counter = pin, apn, sim, stat, csq, counter
        self.registers_us = registers_us
        self.needs_key = needs_key
        self.silent = False  # hung: takes everything, says nothing
        self.attempts = 3
        self.tries: list[str] = []
        self.commands: list[str] = []
        self.data = b""
        self.in_data = False
        self.starts = 0
        self._on = on
        self._ready_us = self._search_us = 0
        self._out: list[tuple[int, bytes]] = []
        self._reset()

    def _reset(self) -> None:
        self._line = b""
        self._echo = True
        self._unlocked = not self.pin
        self._context = ""
        self._last_us = -_GUARD_US
        self._escape_us: int | None = None
        self.in_data = False
        self._lcp_us = 0

    # -- supply

    def power_on(self, t_us: int) -> None:
        """Supply comes up; a modem with a power key waits for it."""
        super().power_on(t_us)
        self._on = False
        if not self.needs_key:
            self._start(t_us)

    def _start(self, t_us: int) -> None:
        self._reset()
        self._on = True
        self.starts += 1
        self._ready_us = self._search_us = t_us + _BOOT_US
        self._out = [(self._ready_us, b"\x00\xff\r\nRDY\r\n")]
        self._out.append((self._ready_us + _S, b"\r\n+CPIN: " + self._sim_state().encode() + b"\r\n"))

    def power_off(self) -> None:
        """Supply goes, or it has been switched off."""
        self._on = False
        self._out = []

    def press(self, t_us: int, for_us: int) -> None:
        """The power key was held until t_us."""
        if not self._on and for_us >= _PRESS_ON_US:
            self._start(t_us)
        elif self._on and for_us >= _PRESS_OFF_US:
            self.silent = False
            self.power_off()

    # -- the line

    def packets(self, t_us: int) -> list[tuple[int, bytes]]:
        """What it has begun to send up to t_us."""
        if self._escape_us is not None and t_us >= self._escape_us + _GUARD_US:
            self.in_data = False
            self._say(self._escape_us + _GUARD_US - _ANSWER_US, "OK")
            self._escape_us = None
        while self.in_data and self._lcp_us <= t_us:
            self._out.append((self._lcp_us, _LCP))
            self._lcp_us += _LCP_US
        due = [item for item in self._out if item[0] <= t_us]
        self._out = [item for item in self._out if item[0] > t_us]
        return [] if self.silent or not self._on else sorted(due, key=lambda item: item[0])

    def urc(self, t_us: int, text: bytes) -> None:
        """Say something unasked at t_us."""
        self._out.append((t_us, text))

    def drop(self, t_us: int) -> None:
        """The network ends the call."""
        self.in_data = False
        self._say(t_us, "NO CARRIER")

    def _say(self, t_us: int, *lines: str) -> None:
        self._out.append((t_us + _ANSWER_US, "".join(f"\r\n{line}\r\n" for line in lines).encode()))

    def receive(self, t_us: int, data: bytes) -> None:
        """Bytes of the node."""
        if not self._on or self.silent or t_us < self._ready_us:
            return
        self._send(self.packets(t_us))  # an escape may have ended before
        if self.in_data:
            quiet = t_us - self._last_us >= _GUARD_US
            self._escape_us = t_us if data == b"+++" and quiet else None
            self._last_us = t_us
            self.data += data
            return
        self._last_us = t_us
        if self._echo:
            self._out.append((t_us, data))
        self._line = (self._line + data)[-_LINE:]
        while b"\r" in self._line:
            line, _, self._line = self._line.partition(b"\r")
            self._run(t_us, line.decode("latin-1").strip())

    def _run(self, t_us: int, line: str) -> None:
        at = line.upper().find("AT")  # V.250: what comes before the prefix is passed over
        if at < 0:
            return
        command = line[at:]
        self.commands.append(command)
        name, given, value = command[2:].partition("=")
        name = name.upper()
        if given and name in self._SET:
            self._SET[name](self, t_us, value.strip())
        elif not given and name in self._PLAIN:
            self._PLAIN[name](self, t_us)
        else:
            self._say(t_us, "ERROR")

    # -- commands

    def _ok(self, t_us: int, _value: str = "") -> None:
        self._say(t_us, "OK")

    def _echo_off(self, t_us: int) -> None:
        self._echo = False
        self._ok(t_us)

    def _echo_on(self, t_us: int) -> None:
        self._echo = True
        self._ok(t_us)

    def _sim_state(self) -> str:
        if not self.attempts:
            return "SIM PUK"
        return "READY" if self._unlocked else "SIM PIN"

    def _cpin(self, t_us: int) -> None:
        if not self.sim:
            self._say(t_us, "+CME ERROR: SIM not inserted")
        else:
            self._say(t_us, f"+CPIN: {self._sim_state()}", "OK")

    def _enter(self, t_us: int, value: str) -> None:
        pin = value.strip('"')
        if self._sim_state() != "SIM PIN":
            self._say(t_us, "+CME ERROR: operation not allowed")
            return
        self.tries.append(pin)
        if pin == self.pin:
            self.attempts = 3
            self._unlocked = True
            self._search_us = t_us
            self._say(t_us, "OK")
            self._say(t_us + 2 * _S, "+CPIN: READY")
        else:
            self.attempts -= 1
            self._say(t_us, "+CME ERROR: incorrect password")

    def _cpinr(self, t_us: int, _value: str) -> None:
        if self.counter == "+CPINR":
            self._say(t_us, f"+CPINR: SIM PIN,{self.attempts},3", "OK")
        else:
            self._say(t_us, "ERROR")

    def _spic(self, t_us: int) -> None:
        if self.counter == "+SPIC":
            self._say(t_us, f"+SPIC: {self.attempts},10,0,10", "OK")
        else:
            self._say(t_us, "ERROR")

    def _registration(self, t_us: int) -> int:
        if self._sim_state() != "READY" or not self.sim:
            return 0
        return self.stat if t_us >= self._search_us + self.registers_us else 2

    def _creg(self, t_us: int) -> None:
        self._say(t_us, f"+CREG: 0,{self._registration(t_us)}", "OK")

    def _cereg(self, t_us: int) -> None:
        self._say(t_us, f"+CEREG: 0,{self._registration(t_us)}", "OK")

    def _csq(self, t_us: int) -> None:
        self._say(t_us, f"+CSQ: {self.csq},99", "OK")

    def _cgdcont(self, t_us: int, value: str) -> None:
        fields = value.split(",")
        if len(fields) < 3 or fields[0] != "1" or fields[1] != '"IP"':
            self._say(t_us, "ERROR")
            return
        self._context = fields[2].strip('"')
        self._ok(t_us)

    def _dial(self, t_us: int) -> None:
        if self._registration(t_us) not in {1, 5}:
            self._say(t_us, "NO CARRIER")
        elif self._context != self.apn:
            self._say(t_us + 3 * _S, "NO CARRIER")  # the network thinks about it
        else:
            self._say(t_us + _S // 2, f"CONNECT {self.BAUD}")
            self.in_data = True
            self._last_us = t_us
            self._lcp_us = t_us + _S

    def _cfun(self, t_us: int, value: str) -> None:
        if value != "1,1":
            self._ok(t_us)
            return
        self._start(t_us)
        self._ok(t_us)

    _PLAIN: dict[str, Callable[[Modem, int], None]] = {  # noqa: RUF012  a table of methods
        "": _ok,
        "E0": _echo_off,
        "E1": _echo_on,
        "H": _ok,
        "+CPIN?": _cpin,
        "+SPIC": _spic,
        "+CREG?": _creg,
        "+CEREG?": _cereg,
        "+CSQ": _csq,
        "D*99#": _dial,
        "D*99***1#": _dial,
    }
    _SET: dict[str, Callable[[Modem, int, str], None]] = {  # noqa: RUF012
        "+CPIN": _enter,
        "+CPINR": _cpinr,
        "+CGDCONT": _cgdcont,
        "+CFUN": _cfun,
        "+CMEE": _ok,
        "+CREG": _ok,
        "+CEREG": _ok,
    }
