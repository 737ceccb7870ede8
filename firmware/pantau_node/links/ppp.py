"""Cellular: an AT dialogue (3GPP 27.007) on a UART up to CONNECT, then the chip's own PPP takes the UART over.

The dialogue is tested against an emulated modem (pantau_sim.modem). What follows the hand-over (LCP, the address, the
way back after a lost carrier) has only been tested with a stand-in for network.PPP: no modem, no PPP on a chip.

A SIM is locked after three wrong PINs. So a refused one is not given again before a restart, and not at all where the
modem says that one was refused before; a modem that cannot say so (neither +CPINR nor +SPIC) gets one a start: such a
SIM is better off without a PIN.
"""

import asyncio

from micropython import const

from . import Net

_POLL_MS = const(20)
_CHUNK = const(256)  # what 115200 baud bring in 20 ms
_LINE = const(128)  # characters of a line that are kept
_REPLY_MS = const(5000)
_AT_MS = const(500)
_QUIET_MS = const(3000)  # a modem that is on and listens answers within
_BOOT_MS = const(20000)  # from the power key to the first answer: SIM7600 12 s
_SIM_MS = const(20000)
_REGISTER_MS = const(60000)
_DIAL_MS = const(30000)
_ADDRESS_MS = const(30000)
_GUARD_MS = const(1100)  # silence around +++
_TERMINATE_MS = const(2000)  # for the terminate request of PPP
_SETTLE_MS = const(1000)  # some modems say CONNECT before they listen
_RESET_MS = const(3000)
_PRESS_MS = const(1000)
_LONG_MS = const(3000)  # switches a modem off that is on: SIM7600 2.5 s
_RXBUF = const(4096)  # a few packets of PPP while the interpreter is busy
_REFUSALS = ("NO CARRIER", "NO ANSWER", "NO DIALTONE", "BUSY")


def dbm(said):
    """Return the signal from the reply to +CSQ, dBm; None for 99, not known."""
    step = said.split(",")[0]
    return 2 * int(step) - 113 if step.isdigit() and int(step) < 32 else None


def status(said):
    """Return <stat> of +CREG "<n>,<stat>..." or of the unsolicited "<stat>..."."""
    fields = said.replace(" ", "").split(",")
    return fields[1] if len(fields) > 1 and fields[1].isdigit() else fields[0]


class Ppp(Net):
    """The modem of the board."""

    def __init__(self, name, board, conf, clock):
        super().__init__(name, board, conf, clock)
        self._modem = board.data("modem")
        self._uart = None
        self._rest = ""
        self._dialled = False
        self._refused = False
        self._dbm = None

    def rssi(self):
        """Return the signal when it was dialled: a modem that carries data is not asked."""
        return self._dbm if self.state == 2 else None

    async def _join(self):
        network, conf = self._board.network(), self._conf
        if not hasattr(network, "PPP"):
            raise OSError("this MicroPython has no network.PPP: install an image that has it, as the stock ESP32 one")
        if self._nic is None:
            self._uart = self._board.uart(self._modem["uart"], self._modem["baud"], _RXBUF)
            self._nic = network.PPP(self._uart)  # one for ever: the finaliser of an old one takes the UART from the new
        await self._wake()
        await self._ask("ATE0")
        await self._unlock()
        await self._register()
        self._dbm = dbm(await self._ask("AT+CSQ", "+CSQ:"))
        if conf.link_apn:
            await self._ask('AT+CGDCONT=1,"IP","%s"' % conf.link_apn)
        try:
            await self._ask("ATD*99#", ms=_DIAL_MS, want="CONNECT")
        except OSError as error:
            raise OSError("no data call, check link.apn: %s" % error)
        self._dialled = True
        await asyncio.sleep(_SETTLE_MS / 1000)
        self._hand_over()
        await self._arrive(_ADDRESS_MS)

    def _hand_over(self):
        ppp, uart = self._nic, self._uart
        if hasattr(ppp, "active"):
            ppp.active(True)
        ppp.connect()
        uart.irq(ppp.poll, uart.IRQ_RXIDLE)  # connect() does so the first time only

    # -- the dialogue

    def _lines(self):
        """Return the lines that have arrived, of printable characters."""
        data = self._uart.read(_CHUNK) or b""
        text = self._rest + "".join([chr(byte) for byte in data if byte == 10 or 32 <= byte < 127])
        lines = text.split("\n")
        self._rest = lines.pop()[-_LINE:]
        return lines

    async def _ask(self, command, prefix="+", ms=_REPLY_MS, want="OK"):
        """Return what the modem says after `prefix`, "" without; raises OSError if it refuses or is silent for ms."""
        name = command.split("=")[0]  # what follows may be the PIN
        self._lines()
        self._rest = ""
        self._uart.write((command + "\r").encode())
        end_ms = self._clock.uptime_ms() + ms
        said = ""
        while self._clock.uptime_ms() < end_ms:
            await asyncio.sleep(_POLL_MS / 1000)
            for line in self._lines():
                if line.startswith(want):
                    return said
                if line.startswith("ERROR") or line.startswith("+CME ERROR") or (want != "OK" and line in _REFUSALS):
                    raise OSError("%s: %s" % (name, line))
                if line.startswith(prefix):
                    said = line[len(prefix) :].strip()
        raise OSError("%s: no answer within %d ms" % (name, ms))

    async def _try(self, command, prefix="+"):
        """As _ask, but None for a refusal."""
        try:
            return await self._ask(command, prefix)
        except OSError:
            return None

    async def _alive(self, within_ms):
        end_ms = self._clock.uptime_ms() + within_ms
        while self._clock.uptime_ms() < end_ms:
            try:
                await self._ask("AT", ms=_AT_MS)
                return True
            except OSError:
                pass
        return False

    async def _wake(self):
        """Get the modem to listen to commands, whatever it does just now."""
        if self._dialled or self._off:
            await self._hang_up()
        if self._off:
            await self._try("AT+CFUN=1,1")  # resets it
            await asyncio.sleep(_RESET_MS / 1000)
        if await self._alive(_QUIET_MS):
            return
        await self._hang_up()  # the boot before left it with a call
        if await self._alive(_QUIET_MS):
            return
        await self._press(_LONG_MS if self._off else _PRESS_MS)
        if not await self._alive(_BOOT_MS):
            raise OSError("no modem answers on uart %d: check its supply and its wires" % self._modem["uart"])

    async def _press(self, ms):
        """Press the power key, where there is one: it toggles, so what was on and hung is started by the next attempt."""
        if "key" in self._modem:
            pin = self._board.pin(self._modem["key"])
            pin.init(pin.OUT, value=1)
            await asyncio.sleep(ms / 1000)
            pin.init(pin.OUT, value=0)

    async def _hang_up(self):
        if self._dialled:
            self._dialled = False
            self._nic.disconnect()
            await asyncio.sleep(_TERMINATE_MS / 1000)
            self._uart.irq(None, 0)  # the answers are ours again
        await asyncio.sleep(_GUARD_MS / 1000)
        self._uart.write(b"+++")
        await asyncio.sleep(_GUARD_MS / 1000)
        await self._try("ATH")

    async def _unlock(self):
        """Return once the SIM is ready."""
        end_ms = self._clock.uptime_ms() + _SIM_MS
        said = ""
        while self._clock.uptime_ms() < end_ms:
            try:
                said = await self._ask("AT+CPIN?", "+CPIN:")
            except OSError as error:
                said = str(error)
            if said == "READY":
                return
            if said == "SIM PUK":
                raise OSError("the SIM is locked: unlock it in a telephone with its PUK")
            if said == "SIM PIN":
                await self._enter(self._conf.link_pin)
            await asyncio.sleep(_AT_MS / 1000)
        raise OSError("no SIM is ready within %d s: %s" % (_SIM_MS // 1000, said))

    async def _enter(self, pin):
        """Give the PIN once."""
        if not pin:
            raise OSError("the SIM asks for its PIN: set link.pin, or switch it off in a telephone")
        if self._refused:
            raise OSError("the SIM refused link.pin, which is not tried again: correct it and restart the node")
        left = await self._left()
        if left is not None and left < 3:
            raise OSError("link.pin is not tried with %d attempts left: enter the PIN in a telephone, then here" % left)
        self._refused = True
        await self._ask('AT+CPIN="%s"' % pin)
        self._refused = False

    async def _left(self):
        """Return how many PINs the SIM takes yet, None if the modem does not know."""
        for query, prefix in (('AT+CPINR="SIM PIN"', "+CPINR:"), ("AT+SPIC", "+SPIC:")):
            for field in (await self._try(query, prefix) or "").split(","):
                if field.strip().isdigit():
                    return int(field)
        return None

    async def _register(self):
        """Return once a network has taken us, LTE or older."""
        end_ms = self._clock.uptime_ms() + _REGISTER_MS
        now = ""
        while self._clock.uptime_ms() < end_ms:
            for name in ("CEREG", "CREG"):
                now = status(await self._try("AT+%s?" % name, "+%s:" % name) or "")
                if now in ("1", "5"):  # home, roaming
                    return
            await asyncio.sleep(_AT_MS / 1000)
        why = "denied: check the SIM's contract" if now == "3" else "check antenna and coverage"
        raise OSError("no network within %d s, %s" % (_REGISTER_MS // 1000, why))


def make(board, conf, clock):
    """Return the Net; raises OSError where the board has no "modem"."""
    return Ppp("ppp", board, conf, clock)
