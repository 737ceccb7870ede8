"""What the node knows of itself: the fields of a health frame that come from below the core."""

from pantau_wire.bits import put_varint

_LONGEST = 64  # bytes of sensor_errors: eight sensors with two troubles each


def sensor_errors(drivers):
    """Return triples of varints (sensor index, reason id, count since boot) for every counter that is not zero."""
    out = bytearray()
    for index, driver in enumerate(drivers):
        for reason, count in driver.counters.errors() if driver else ():
            part = bytearray()
            put_varint(part, index)
            put_varint(part, reason)
            put_varint(part, count)
            if len(out) + len(part) <= _LONGEST:
                out.extend(part)
    return bytes(out)


class Health:
    """Collects the facts.

    board: reset_cause(), heap_free(); drivers: in the order of the configuration, None for one that could not be made;
    rssi: function returning dBm or None.
    """

    def __init__(self, board, drivers, rssi, version):
        self._board = board
        self._drivers = drivers
        self._rssi = rssi
        self._version = version
        self.heap_min = board.heap_free()

    def note(self):
        """Remember the low-water mark of the heap; call it where memory is tightest."""
        self.heap_min = min(self.heap_min, self._board.heap_free())

    def errors(self):
        """Return which sensor has which trouble; news when it changes. How often is not: a dead sensor counts for ever."""
        return [[reason for reason, _ in driver.counters.errors()] if driver else None for driver in self._drivers]

    def fields(self):
        """Return the fields as a dict for a health frame."""
        self.note()
        fields = {
            "reset_cause": self._board.reset_cause(),
            "heap_free": self._board.heap_free(),
            "heap_min": self.heap_min,
            "firmware": self._version,
        }
        rssi = self._rssi()
        if rssi is not None:
            fields["rssi"] = rssi
        errors = sensor_errors(self._drivers)
        if errors:
            fields["sensor_errors"] = errors
        return fields
