# The ESP32's `network` for a node in the VM: the link is the host's to cut; join times as measured (facts/firmware.md 4.9).
import _simbus

STA_IF, AP_IF = 0, 1
STAT_IDLE, STAT_CONNECTING, STAT_GOT_IP = 1000, 1001, 1010
STAT_NO_AP_FOUND, STAT_WRONG_PASSWORD, STAT_BEACON_TIMEOUT, STAT_ASSOC_FAIL, STAT_HANDSHAKE_TIMEOUT = (
    201,
    202,
    200,
    203,
    204,
)
PHY_LAN8720, PHY_IP101, PHY_RTL8201, PHY_DP83848 = 0, 1, 2, 3
_JOIN_US = 1300000


def _link():
    """(up, rssi_dbm) as the host has it now."""
    reply = _simbus.call(_simbus.LINK)
    return reply[0] == 1, reply[1] - 256 if reply[1] > 127 else reply[1]


class _Interface:
    _up_us = 0

    def __init__(self):
        self._active = False
        self._since_us = None

    def active(self, on=None):
        if on is not None:
            self._active = bool(on)
            if not on:
                self._since_us = None
        return self._active

    def connect(self, *_args, **_options):
        if not self._active:
            raise OSError("Wifi Not Started")
        self._since_us = _simbus.uptime_us()

    def disconnect(self):
        self._since_us = None

    def isconnected(self):
        return self.status() == STAT_GOT_IP

    def status(self, what=None):
        up, rssi = _link()
        if what == "rssi":
            return rssi
        if self._since_us is None:
            return STAT_IDLE
        if _simbus.uptime_us() - self._since_us < _JOIN_US:
            return STAT_CONNECTING
        return STAT_GOT_IP if up else STAT_NO_AP_FOUND

    def config(self, *names, **_options):
        if names and names[0] == "mac":
            return bytes(_simbus.boot["unique_id"])
        return None

    def ifconfig(self, _fields=None):
        if not self.isconnected():
            return ("0.0.0.0", "0.0.0.0", "0.0.0.0", "0.0.0.0")
        return ("127.0.0.1", "255.0.0.0", "127.0.0.1", "127.0.0.1")

    def ipconfig(self, name):
        return (self.ifconfig()[0], self.ifconfig()[1]) if name == "addr4" else None


class WLAN(_Interface):
    IF_STA, IF_AP = 0, 1
    PM_NONE, PM_PERFORMANCE, PM_POWERSAVE = 0, 1, 2
    _one = {}

    def __new__(cls, interface=STA_IF):
        # One driver per interface, as on the chip: a second WLAN(STA_IF) sees the same connection.
        if interface not in cls._one:
            one = super().__new__(cls)
            _Interface.__init__(one)
            cls._one[interface] = one
        return cls._one[interface]

    def __init__(self, interface=STA_IF):
        pass

    def scan(self):
        return []


class LAN(_Interface):
    _one = None

    def __new__(cls, *_args, **_options):
        # One MAC: a second LAN(...) is the first one.
        if cls._one is None:
            cls._one = super().__new__(cls)
            _Interface.__init__(cls._one)
        return cls._one

    def __init__(self, _id=0, *, mdc, mdio, phy_type, phy_addr, power=None, ref_clk=None, ref_clk_mode=-1):
        if not 0 <= phy_addr <= 31:
            raise ValueError("invalid phy address")

    def active(self, on=None):
        if on and self._active:
            raise OSError("ethernet enable failed")
        if on:
            self._since_us = _simbus.uptime_us()
        return super().active(on)


class PPP(_Interface):
    # What follows ATD*99#: an address after the time of a join while the host's link is up, whatever the UART carries.
    SEC_NONE, SEC_PAP, SEC_CHAP = 0, 1, 2

    def __init__(self, stream):
        super().__init__()
        self._stream = stream

    def connect(self, security=SEC_NONE, user=None, key=None):
        if self._since_us is not None:
            raise OSError(114)  # EALREADY
        self._active = True
        super().connect()

    def poll(self, _irq=None):
        return 0


def country(_code=None):
    return "ID"


def hostname(_name=None):
    return "pantau"
