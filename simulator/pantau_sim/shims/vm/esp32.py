# The ESP32's `esp32` for a node in the VM. A stock 4 MB image has no spare partition, so `find` finds only what the host wires.
import _simbus

HEAP_DATA, HEAP_EXEC = 4, 1
WAKEUP_ALL_LOW, WAKEUP_ANY_HIGH = 0, 1

# total, free, largest block, least free in bytes with Wi-Fi and one TLS socket (facts/firmware.md 4.9).
_HEAP = [(327680, 68564, 65536, 60000)]
_SECTOR, _PAGE = 4096, 256
_INVALID_ARG, _INVALID_SIZE = (
    -258,
    -260,
)  # ESP_ERR_INVALID_ARG 0x102, ESP_ERR_INVALID_SIZE 0x104, as the port raises them
_EOPNOTSUPP = 95
_ERASED = b"\xff" * _PAGE


def idf_heap_info(_capabilities):
    return _HEAP


def mcu_temperature():
    return 45


def raw_temperature():
    return 113


def wake_on_ext0(_pin, _level):
    pass


def wake_on_ext1(_pins, _level):
    pass


# What the bootloader keeps, here as three bytes in `otadata`: partition to start, its state, the one before it.
_NEW, _PENDING, _VALID = 0, 1, 2
_VALIDATE_FAILED = -5379  # ESP_ERR_OTA_VALIDATE_FAILED 0x1503
_NOT_FOUND = -261  # ESP_ERR_NOT_FOUND 0x105
_IMAGE = 0xE9  # the first byte of an application image


def _ota():
    return [row[0] for row in _simbus.flash if row[0].startswith("ota_")]


def _kept(state=None):
    """Return [partition, state, the one before], or keep it."""
    part = Partition("otadata")
    if state is not None:
        part.ioctl(6, 0)
        part.writeblocks(0, bytes(state), 0)
        return state
    found = bytearray(3)
    part.readblocks(0, found)
    return [0, _VALID, 0] if found[0] == 0xFF else list(found)


def bootloader():
    """Choose what runs, once a boot: an image that is new is tried; one that was not marked as valid in its only boot is not."""
    if not _ota():
        return
    state = _kept()
    if state[1] == _PENDING:
        state = _kept([state[2], _VALID, state[2]])
    elif state[1] == _NEW:
        state = _kept([state[0], _PENDING, state[2]])
    _simbus.boot["running"] = state[0]


class Partition:
    """A partition in a file of the host: NOR, so a program only lets bits fall, and only an erase lifts them.

    Those called ota_0, ota_1 are for applications, and need one called otadata.
    """

    BOOT, RUNNING = 0, 1
    TYPE_APP, TYPE_DATA = 0, 1

    def __init__(self, label):
        if label in (self.BOOT, self.RUNNING):
            there = _ota()
            label = there[_kept()[0] if label == self.BOOT else _simbus.boot["running"]] if there else "factory"
        for name, sectors, address, subtype, file in _simbus.flash:
            if name == label:
                kind = self.TYPE_APP if name.startswith("ota_") else self.TYPE_DATA
                self._info = (kind, subtype, address, sectors * _SECTOR, name, False)
                self._size = sectors * _SECTOR
                self._file = file
                return
        raise OSError(2)

    @classmethod
    def find(cls, type=0, subtype=255, label=None, block_size=4096):
        if block_size != _SECTOR:
            raise NotImplementedError("only blocks of 4096 bytes are modelled")
        found = [cls(f[0]) for f in _simbus.flash if label in (None, f[0]) and subtype in (255, f[3])]
        return [part for part in found if part._info[0] == type]

    @classmethod
    def mark_app_valid_cancel_rollback(cls):
        if not _ota():
            raise OSError(_EOPNOTSUPP, "ESP_ERR_NOT_SUPPORTED")  # the stock image has one application slot
        state = _kept()
        _kept([state[0], _VALID, state[0]])

    def get_next_update(self):
        there = _ota()
        if len(there) < 2:
            raise OSError(_NOT_FOUND, "ESP_ERR_NOT_FOUND")
        return Partition(there[(there.index(self._info[4]) + 1) % len(there)])

    def set_boot(self):
        first = bytearray(1)
        self.readblocks(0, first)
        if first[0] != _IMAGE:
            raise OSError(_VALIDATE_FAILED, "ESP_ERR_OTA_VALIDATE_FAILED")
        _kept([_ota().index(self._info[4]), _NEW, _simbus.boot["running"]])

    def info(self):
        return self._info

    def ioctl(self, cmd, arg):
        if cmd == 4:
            return self._size // _SECTOR
        if cmd == 5:
            return _SECTOR
        if cmd == 6:
            self._erase(arg * _SECTOR, _SECTOR)
            return 0
        return 0 if 1 <= cmd <= 3 else None

    def readblocks(self, block, buf, offset=0):
        self._seek(block * _SECTOR + offset, len(buf))
        self._file.readinto(buf)

    def writeblocks(self, block, buf, offset=None):
        at = block * _SECTOR
        if offset is None:
            self._erase(at, len(buf))
        else:
            at += offset
        self._seek(at, len(buf))
        view = memoryview(buf)
        for start in range(0, len(buf), _PAGE):
            self._program(at + start, view[start : start + _PAGE])

    def _seek(self, at, size):
        if at < 0 or at > self._size:
            raise OSError(_INVALID_ARG, "ESP_ERR_INVALID_ARG")
        if at + size > self._size:
            raise OSError(_INVALID_SIZE, "ESP_ERR_INVALID_SIZE")
        self._file.seek(at)

    def _erase(self, at, size):
        self._seek(at, size)
        if size % _SECTOR:
            raise OSError(_INVALID_SIZE, "ESP_ERR_INVALID_SIZE")
        for _ in range(size // _PAGE):
            self._file.write(_ERASED)

    def _program(self, at, data):
        size = len(data)
        self._file.seek(at)
        old = self._file.read(size)
        if old != (_ERASED if size == _PAGE else _ERASED[:size]):
            data = bytes(old[k] & data[k] for k in range(size))
        self._file.seek(at)
        self._file.write(data)
