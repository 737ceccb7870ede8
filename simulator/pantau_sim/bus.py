"""The host's end of a node's buses, I/O-free: one request in, one reply out, on the node's own time.

Request from the VM: u16 body length, u8 operation, u64 uptime_us, body; reply: u16 length, body (little endian).
The operations are numbered in shims/vm/_simbus.py, the other end.
"""

import struct
from collections.abc import Callable
from typing import TypedDict

from pantau_sim.early import Early, reply
from pantau_sim.faults import Faults
from pantau_sim.sensors.base import I2cEmulator, PulseEmulator, UartEmulator

__all__ = ["Bus", "Faults", "Wiring"]

HEADER = struct.Struct("<HBQ")
_UART_INIT, _UART_READ, _UART_WRITE, _UART_ANY = 1, 2, 3, 4
_I2C_WRITE, _I2C_READ, _ADC_READ, _PIN_READ, _PIN_WRITE, _EDGES = 5, 6, 7, 8, 9, 10
_RTC_SET, _RTC_MEMORY, _WDT, _RESET, _LINK = 11, 12, 13, 14, 15
_UART_EARLY = 19  # 16 to 18 are the simulation's
_OK, _NACK, _HELD = b"\x00", b"\x01", b"\x02"  # the clock held for longer than the chip waits
_HARD = 2  # reset cause
_MAX_REPLY = 65000
_LATE_US = 15000000  # a node that asks later than this after its window has a full buffer; an air node asks each 8 s
_FIFO = 128  # bytes of hardware buffer behind the driver's rxbuf (ESP32 technical reference, UART)


class Wiring(TypedDict, total=False):
    """What is connected to a node: UARTs by number, I2C by (bus, address), pulses by board input, pins and ADC by GPIO."""

    uart: dict[int, UartEmulator]
    i2c: dict[tuple[int, int], I2cEmulator]
    pulse: dict[int, PulseEmulator]
    adc_uv: dict[int, Callable[[float], int]]


class _Uart:
    """One port: bytes that arrived and were not read; what does not fit is lost and counted, as on the chip."""

    def __init__(self, emulator: UartEmulator | None) -> None:
        self.emulator = emulator
        self.baud = 0
        self.inverted = False
        self.limit = 256 + _FIFO
        self.fifo = b""
        self.overflow = 0
        self.early = Early(emulator) if emulator else None

    def sync(self, t_us: int, held: int = 0) -> None:
        """Take in what has arrived; `held` bytes of the buffer are the node's already."""
        if self.emulator is None:
            return
        room = max(0, self.limit - len(self.fifo) - held)
        data = self.seen(self.emulator.produce(t_us, room))
        self.fifo += data[:room]
        self.overflow += max(0, len(data) - room)

    def seen(self, data: bytes) -> bytes:
        """What the port makes of the sensor's bytes."""
        if self.emulator and self.baud != self.emulator.BAUD:
            data = bytes(byte * 151 + 85 & 255 for byte in data)  # framed at another speed: garbage, but steady garbage
        if self.emulator and self.inverted != self.emulator.INVERTED:
            data = bytes(~byte & 255 for byte in data)
        return data


class Bus:
    """All buses of one node. `pulse_pins` maps a pulse input of the board to its GPIO."""

    def __init__(
        self, wiring: Wiring, faults: Faults, pulse_pins: dict[int, int], look_ahead_us: int = 1000000
    ) -> None:
        self.faults = faults
        self.boot_us = 0  # Unix us of uptime 0
        self.rtc_offset_us = 0  # what the RTC shows minus Unix time, in us since 2000
        self.rtc_memory = b""
        self.sleep_ppm = 0  # by how much the RTC and its timer are slow in deep sleep
        self.sleeps = True  # False: deep sleep is a reset at once, as on the emulated ESP32 (facts/firmware.md 4.9)
        self.link_up = True
        self.rssi_dbm = -61
        self.watchdog_us: int | None = None  # Unix us at which the watchdog bites
        self.reset: tuple[int, int] | None = None  # (cause, wake after ms) once the node has asked for it
        self.pins: dict[int, int] = {}
        self.requests = 0
        self.horizon_us: Callable[[], int] = lambda: 1 << 62  # Unix us at which what a UART sensor says may be changed
        self._wiring = wiring
        self._uarts = {n: _Uart(emulator) for n, emulator in wiring.get("uart", {}).items()}
        self._pulses = {pulse_pins.get(n, n): emulator for n, emulator in wiring.get("pulse", {}).items()}
        self._edges_from_us: dict[int, int] = {}
        self._look_ahead_us = look_ahead_us
        for uart in self._uarts.values():
            if uart.emulator:
                uart.emulator.fault = faults.uart(uart.emulator)
        self._handlers: dict[int, Callable[[int, bytes], bytes]] = {
            _UART_INIT: self._uart_init,
            _UART_READ: self._uart_read,
            _UART_WRITE: self._uart_write,
            _UART_ANY: self._uart_any,
            _UART_EARLY: self._uart_early,
            _I2C_WRITE: self._i2c_write,
            _I2C_READ: self._i2c_read,
            _ADC_READ: self._adc_read,
            _PIN_READ: self._pin_read,
            _PIN_WRITE: self._pin_write,
            _EDGES: self._edges,
            _RTC_SET: self._rtc_set,
            _RTC_MEMORY: self._rtc_keep,
            _WDT: self._watchdog,
            _RESET: self._ask_reset,
            _LINK: self._link,
        }

    def power_on(self, t_us: int) -> None:
        """The supply of node and sensors comes up."""
        for uart in self._uarts.values():
            if uart.emulator and uart.early:
                uart.early.take_back(t_us)
                uart.emulator.power_on(t_us)
        for device in self._wiring.get("i2c", {}).values():
            device.power_on(t_us)
        for pulse in self._wiring.get("pulse", {}).values():
            pulse.power_on(t_us)
        self.rtc_offset_us = -t_us  # 2000-01-01, and it runs on over every reset
        self.rtc_memory = b""

    def begin(self, boot_us: int) -> None:
        """The node's uptime 0 is at boot_us; sensors may have been on for longer."""
        self.boot_us = boot_us
        self.reset = None
        self.watchdog_us = None
        self._edges_from_us = {}

    def rtc_us(self) -> int:
        """What the RTC shows at uptime 0, in us since 2000-01-01."""
        return self.boot_us + self.rtc_offset_us

    def asleep_us(self, wake_ms: int) -> int:
        """How long a deep sleep of wake_ms by the chip's own timer really takes; the RTC is slow meanwhile."""
        drift_us = wake_ms * self.sleep_ppm // 1000
        self.rtc_offset_us -= drift_us
        return wake_ms * 1000 + drift_us

    def answer(self, op: int, handler: Callable[[int, bytes], bytes]) -> None:
        """Let (Unix us, body) -> reply answer an operation: those that are not of a bus."""
        self._handlers[op] = handler

    def handle(self, op: int, uptime_us: int, body: bytes) -> bytes:
        """Answer one request; ValueError for an operation that this bus does not know."""
        self.requests += 1
        handler = self._handlers.get(op)
        if handler is None:
            raise ValueError(f"unknown bus operation {op}: the shims and this host are of different versions")
        return handler(self.boot_us + uptime_us, body)[:_MAX_REPLY]

    def overflow(self) -> dict[int, int]:
        """Bytes lost per UART because the node read too late (beside the packets that were never made: `skipped`)."""
        return {n: uart.overflow for n, uart in self._uarts.items()}

    def _uart(self, n: int) -> _Uart:
        if n not in self._uarts:
            self._uarts[n] = _Uart(None)
        return self._uarts[n]

    def _uart_init(self, t_us: int, body: bytes) -> bytes:
        n, baud, rxbuf, inverted = struct.unpack("<BIHB", body)
        uart = self._uart(n)
        if uart.early:
            uart.early.take_back(t_us)
        uart.baud, uart.limit, uart.inverted = baud, rxbuf + _FIFO, bool(inverted)
        uart.sync(t_us)
        uart.fifo = b""
        return b""

    def _uart_read(self, t_us: int, body: bytes) -> bytes:
        n, size = struct.unpack("<BH", body)
        uart = self._uart(n)
        uart.sync(t_us)
        data, uart.fifo = uart.fifo[:size], uart.fifo[size:]
        return data

    def _uart_write(self, t_us: int, body: bytes) -> bytes:
        uart = self._uart(body[0])
        if uart.early:
            uart.early.take_back(t_us)
        if uart.emulator and uart.baud == uart.emulator.BAUD:
            uart.emulator.receive(t_us, body[1:])
        return b""

    def _uart_any(self, t_us: int, body: bytes) -> bytes:
        uart = self._uart(body[0])
        uart.sync(t_us)
        return struct.pack("<H", min(65535, len(uart.fifo)))

    def _uart_early(self, t_us: int, body: bytes) -> bytes:
        """What has arrived, and what will arrive over a window in which nothing but the node can change it.

        The node tells how much it has not read yet, and how many bytes it lost since it asked last.
        """
        n, held, lost = struct.unpack("<BHI", body)
        uart = self._uart(n)
        uart.overflow += lost
        emulator, early = uart.emulator, uart.early
        if emulator is None or early is None:
            return reply(t_us, t_us + self._look_ahead_us - self.boot_us, 1, b"", ([], [], b""))
        horizon_us = self.horizon_us() if self._look_ahead_us else 0
        calm = (
            horizon_us > t_us and emulator.AHEAD and self.faults.rests(emulator.MODEL, t_us) and not emulator.troubled()
        )
        there, coming, until_us = b"", None, t_us
        if not calm or not 0 <= t_us - early.handed_us < _LATE_US:
            early.take_back(min(t_us, early.handed_us))
            uart.sync(t_us, held)
            there, uart.fifo = uart.fifo, b""
            early.handed_us = t_us
        if calm:
            starts, ends, data = early.fetch(t_us, self._look_ahead_us, horizon_us)
            coming, until_us = (starts, ends, uart.seen(data)), early.handed_us
        byte_us = 10000000 // emulator.BAUD
        return reply(t_us, until_us - self.boot_us, byte_us, there, coming or ([], [], b""))

    def _device(self, t_us: int, bus: int, address: int) -> I2cEmulator | None:
        device = self._wiring.get("i2c", {}).get((bus, address))
        return None if device is None or self.faults.refuses(device.MODEL, t_us) else device

    def _i2c_write(self, t_us: int, body: bytes) -> bytes:
        device = self._device(t_us, body[0], body[1])
        if device and device.hit("clock_stretch"):
            return _HELD
        return _OK if device and device.write(t_us, body[2:]) else _NACK

    def _i2c_read(self, t_us: int, body: bytes) -> bytes:
        bus, address, size = struct.unpack_from("<BBH", body)
        device = self._device(t_us, bus, address)
        if device is None or (body[4:] and not device.write(t_us, body[4:])):
            return _NACK
        if device.hit("clock_stretch"):
            return _HELD
        data = device.read(t_us, size)
        return _NACK if data is None else _OK + self.faults.answer(device.MODEL, data)

    def _adc_read(self, t_us: int, body: bytes) -> bytes:
        source = self._wiring.get("adc_uv", {}).get(body[0])
        return struct.pack("<I", source(t_us / 1000000) if source else 0)

    def _pin_read(self, t_us: int, body: bytes) -> bytes:
        contact = self._pulses.get(body[0])
        return bytes([self.pins.get(body[0], 1) if contact is None else contact.level(t_us)])

    def _pin_write(self, _t_us: int, body: bytes) -> bytes:
        self.pins[body[0]] = body[1]
        return b""

    def _edges(self, t_us: int, body: bytes) -> bytes:
        """Edges of the listed pins up to the look-ahead, and the uptime up to which they are complete."""
        until_us = t_us + self._look_ahead_us
        found: list[tuple[int, int, int]] = []
        for pin in body:
            pulse = self._pulses.get(pin)
            if pulse is None:
                continue
            from_us = self._edges_from_us.get(pin, t_us)
            if from_us < until_us:
                for at, level in pulse.edges(from_us, until_us):
                    # A contact that closed for the boot before may open within this one, or while nobody was there to see it.
                    if at > from_us and not self.faults.edge_lost(pulse.MODEL, at):
                        found.append((at, pin, level))
                self._edges_from_us[pin] = until_us
        found.sort()
        out = struct.pack("<Q", until_us - self.boot_us)
        return out + b"".join(struct.pack("<QBB", at - self.boot_us, pin, level) for at, pin, level in found)

    def _rtc_set(self, t_us: int, body: bytes) -> bytes:
        self.rtc_offset_us = int(struct.unpack("<q", body)[0]) - t_us
        return b""

    def _rtc_keep(self, _t_us: int, body: bytes) -> bytes:
        self.rtc_memory = body
        return b""

    def _watchdog(self, t_us: int, body: bytes) -> bytes:
        self.watchdog_us = t_us + int(struct.unpack("<I", body)[0]) * 1000
        return b""

    def _ask_reset(self, _t_us: int, body: bytes) -> bytes:
        cause, wake_ms = struct.unpack("<BQ", body)
        self.reset = (cause, wake_ms) if self.sleeps or not wake_ms else (_HARD, 0)
        return b""

    def _link(self, _t_us: int, _body: bytes) -> bytes:
        return bytes([1 if self.link_up else 0, self.rssi_dbm & 255])
