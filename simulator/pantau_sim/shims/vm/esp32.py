# The ESP32's `esp32` for a node in the VM. A stock 4 MB image: no spare partition, so `find` finds only what the host wires.
HEAP_DATA, HEAP_EXEC = 4, 1
WAKEUP_ALL_LOW, WAKEUP_ANY_HIGH = 0, 1

# total, free, largest block, least free in bytes with Wi-Fi and one TLS socket (facts/firmware.md 4.9).
_HEAP = [(327680, 68564, 65536, 60000)]


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


class Partition:
    BOOT, RUNNING = 0, 1
    TYPE_APP, TYPE_DATA = 0, 1

    @classmethod
    def find(cls, type=1, subtype=255, label=None, block_size=None):
        return []

    @classmethod
    def mark_app_valid_cancel_rollback(cls):
        raise OSError(-261)  # ESP_ERR_NOT_SUPPORTED: the stock image has one application slot
