"""Which configuration is in force, and how a new one proves itself: on trial until a frame is acknowledged, else taken back.

Bodies are JSON objects in Slots, with generations; `committed` is a growing number: the generation up to which they have
proved themselves. One that is greater is on trial. Taking it back writes the body before it once more, as the generation
after it: so generations only grow, and two copies of one body tell that a trial failed. What is rare is in change.py.
"""

COMMITTED, TRIAL, REVERTED, DEFAULTS = 0, 1, 2, 3


class Trial:
    """slots: function that gives the Slots of the configuration; committed: Monotonic; build: config.build.

    generation: of the body in force; state: COMMITTED, TRIAL, REVERTED or DEFAULTS; problem: why it is not what was last
    wished, or None; wait_ms: uptime at which a trial has failed.
    """

    def __init__(self, slots, committed, build):
        self.slots = slots
        self.committed = committed
        self.build = build
        self.generation = 0
        self.state = DEFAULTS
        self.problem = None
        self.wait_ms = 0

    def load(self, rescue=None, crashed=False):
        """Return (body as dict, generation, state) to run with; call it once, at the start.

        rescue: the body of last resort or None; crashed: the boot before ended by a defect or the watchdog, which ends a trial.
        """
        from . import change

        return change.load(self, rescue, crashed), self.generation, self.state

    def apply(self, patch, generation, now_ms):
        """Take a JSON merge patch (RFC 7396) on the body in force; return (1 or 0, resulting values or why not).

        It is tried after a restart. Refused: a generation that is not greater, problems that were not there before.
        """
        from . import change

        return change.apply(self, patch, generation)

    def commit(self, generation):
        """Make it known that the configurations up to this generation have proved themselves; False if the flash refuses."""
        try:
            self.committed.advance(generation)
        except (OSError, MemoryError):
            return False  # it stays on trial, and the next acknowledgement tries again
        return True

    def on_ack(self, _now_ms):
        """A frame of this boot was acknowledged: what is on trial has proved itself."""
        if self.state == TRIAL and self.commit(self.generation):
            self.state = COMMITTED

    def due(self, now_ms):
        """Return whether to restart, because the trial has failed by this uptime and was taken back."""
        if self.state != TRIAL or now_ms < self.wait_ms:
            return False
        from . import change

        self.wait_ms += now_ms  # if the flash refuses
        return change.take_back(self)
