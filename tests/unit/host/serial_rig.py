"""A serial cable: a pseudo-terminal below a stable name, and the node's end of it."""

from __future__ import annotations

import os
import tty

from pantau_wire import line
from unit.host import bridge_kit as kit


class Cable:
    """A port below a stable name, and the node's end of it."""

    def __init__(self, folder, name="node"):
        self.path = folder / name
        self.reader = line.Reader()
        self.end = -1

    def plug(self):
        self.end, other = os.openpty()
        tty.setraw(self.end)
        os.set_blocking(self.end, False)
        self.path.unlink(missing_ok=True)
        self.path.symlink_to(os.ttyname(other))
        self._other = other
        self.reader = line.Reader()

    def unplug(self):
        self.path.unlink(missing_ok=True)
        for handle in (self.end, self._other):
            os.close(handle)
        self.end = -1

    def send(self, data):
        os.write(self.end, data)

    def got(self):
        """Return the packets that came down since the last call."""
        try:
            self.reader.feed(os.read(self.end, 65_536))
        except BlockingIOError:
            return []
        return list(iter(self.reader.next, None))

    async def get(self, what):
        found = []

        def there():
            found.extend(packet for packet in self.got() if packet[0] == what)
            return found

        await kit.until(there)
        return found
