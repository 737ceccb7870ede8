"""What the node counts of itself between two health frames; facts.py makes their fields of it."""


class Health:
    """Collects the facts.

    board: reset_cause(), heap_free(), heap_largest(), battery_mv(); drivers: in the order of the configuration, None for
    one that could not be made; net: rssi() in dBm or None; starts: failures; causes: the link's.
    """

    def __init__(self, board, drivers, net, version, starts):
        self.board = board
        self.drivers = drivers
        self.net = net
        self.version = version
        self.starts = starts
        self.causes = {}
        self.safe = 0  # field safe_profile
        self.defect = ""
        self.late_ms = 0  # longest that the scheduler was late since the last health frame
        self.shed = 0
        self.heap_min = board.heap_free()

    def note(self):
        """Remember the low-water mark of the heap; call it where memory is tightest. Return the bytes free."""
        free = self.board.heap_free()
        self.heap_min = min(self.heap_min, free)
        return free

    def errors(self):
        """Return which sensor has which trouble; news when it changes. How often is not: a dead sensor counts for ever."""
        return [[reason for reason, _ in driver.counters.errors()] if driver else None for driver in self.drivers]

    def fields(self):
        """Return the fields as a dict for a health frame."""
        from .facts import collect

        return collect(self)
