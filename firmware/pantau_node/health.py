"""What the node knows of itself: the fields of a health frame that come from below the core."""

from pantau_wire.bits import put_varint

_LONGEST = 64  # bytes of sensor_errors: eight sensors with two troubles each


def pack(rows, longest=_LONGEST):
    """Return rows of numbers as varints one after the other, as many rows as fit into `longest` bytes."""
    out = bytearray()
    for row in rows:
        part = bytearray()
        for number in row:
            put_varint(part, number)
        if len(out) + len(part) <= longest:
            out.extend(part)
    return bytes(out)


def sensor_errors(drivers):
    """Return triples of varints (sensor index, reason id, count since boot) for every counter that is not zero."""
    rows = []
    for index, driver in enumerate(drivers):
        for reason, count in driver.counters.errors() if driver else ():
            rows.append((index, reason, count))
    return pack(rows)


class Health:
    """Collects the facts.

    board: reset_cause(), heap_free(), heap_largest(), battery_mv(); drivers: in the order of the configuration, None for
    one that could not be made; net: rssi() in dBm or None; starts: failures; link: causes, once there is one.
    """

    def __init__(self, board, drivers, net, version, starts):
        self._board = board
        self._drivers = drivers
        self._net = net
        self._version = version
        self._starts = starts
        self.link = None
        self.safe = 0  # field safe_profile
        self.defect = ""
        self.late_ms = 0  # longest that the scheduler was late since the last health frame
        self.shed = 0
        self.heap_min = board.heap_free()

    def note(self):
        """Remember the low-water mark of the heap; call it where memory is tightest. Return the bytes free."""
        free = self._board.heap_free()
        self.heap_min = min(self.heap_min, free)
        return free

    def errors(self):
        """Return which sensor has which trouble; news when it changes. How often is not: a dead sensor counts for ever."""
        return [[reason for reason, _ in driver.counters.errors()] if driver else None for driver in self._drivers]

    def fields(self):
        """Return the fields as a dict for a health frame."""
        board = self._board
        fields = {
            "reset_cause": board.reset_cause(),
            "heap_free": self.note(),
            "heap_min": self.heap_min,
            "heap_largest": board.heap_largest(),
            "firmware": self._version,
            "late_ms": self.late_ms,
        }
        self.late_ms = 0
        some = {
            "rssi": self._net.rssi(),
            "battery_mv": board.battery_mv(),
            "sensor_errors": sensor_errors(self._drivers),
            "reconnect_causes": pack(sorted(self.link.causes.items())) if self.link is not None else None,
            "last_exception": self.defect,
            "restarts": self._starts.failures,
            "safe_profile": self.safe,
            "shed": self.shed,
        }
        for name in some:
            if some[name]:
                fields[name] = some[name]
        return fields
