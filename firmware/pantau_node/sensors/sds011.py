"""Nova SDS011/018/021: particle mass, a packet of 10 bytes each second.

Packet: AA C0 | PM2.5 LE16, PM10 LE16 in tenths | device id | sum of the six | AB; AA C5 answers a command.
Command: AA B4 | code, 12 data bytes, device id or FF FF for any | their sum | AB.

Range: 0..999.9 ug/m3
Power: 5 V, 70 mA; asleep < 4 mA (unverified)
Source: Nova SDS011 control protocol V1.3; PyPMS captures; Sensor.Community
"""

from pantau_wire import _air as P

from .stream import Stream

BUS = "uart"
BAUD = 9600
RXBUF = 512  # 51 s
PROPERTIES = (P.PM2_5, P.PM10, P.PM2_5_SPREAD, P.PM_N)
WARM_UP_MS = 15000  # unverified
PERIOD_MS = 1000


def _length(head):
    return 10 if head[1] in (0xC0, 0xC5) else 0


def _verify(packet):
    if packet[9] != 0xAB:
        return "tail"
    return "" if sum(packet[2:8]) & 0xFF == packet[8] else "checksum"


def command(code, data, device=b"\xff\xff"):
    """Return the bytes of a command; its data begins with 0 to ask or 1 to set: 02 mode (0 reports), 06 sleep (1 works), 08 period."""
    body = bytes((code,)) + data + bytes(12 - len(data)) + device
    return b"\xaa\xb4" + body + bytes((sum(body) & 0xFF, 0xAB))


class Driver(Stream):
    """Rows: PM2.5, PM10, device id. device_id: of the latest packet; another one is a new sensor, which warms up."""

    PROPERTIES = PROPERTIES
    LIMITS = (9999, 9999)
    FINE = 0
    # Work, report by itself, without pause: a sleeping one hears the first alone and the others when it is called again.
    CALL = command(6, b"\x01\x01") + command(2, b"\x01\x00") + command(8, b"\x01\x00")
    FRAMES = ((b"\xaa",), 2, _length, _verify)

    def __init__(self, bus=None, model="sds011", warm_up_s=WARM_UP_MS // 1000, stuck_s=1800):
        super().__init__(bus, model, warm_up_s, stuck_s)
        self.device_id = None

    def parse(self, packet):
        row = packet[2] | packet[3] << 8, packet[4] | packet[5] << 8, packet[6] << 8 | packet[7]
        return row if packet[1] == 0xC0 else None

    def take(self, row):
        if row[2] != self.device_id:
            if self.device_id is not None:
                self._warm = False
                self._on.mark()
            self.device_id = row[2]
        return row[:2], False, row


Parser = Driver
