"""link.kind "none": the network is somebody else's, as on a PC. And the way out that is none, with the reason."""

from . import LinkError


class NoNet:
    """Always up, or never where there is an error; no signal to report."""

    def __init__(self, error=None):
        self._error = error
        self.state = 0 if error else 2

    def rssi(self):
        """Nothing is measured."""

    cycle = rssi

    async def up(self):
        """Return at once; raises LinkError with the reason."""
        if self._error:
            raise LinkError("%s" % self._error)


def make(_board, _conf, _clock):
    """Return the Net."""
    return NoNet()
