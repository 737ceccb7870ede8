"""A serial port in front of a node in the VM: what is written there is typed, what the node says comes out of it."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import termios
import threading
import time
import tty
from typing import TYPE_CHECKING, Self

from pantau_sim.node import NodeError

if TYPE_CHECKING:
    from pantau_sim.node import SimNode

_LOOK_S = 0.01
_NOBODY_S = 0.5


class Wire:
    """`device` is the port's name. Bytes that nobody reads are lost, as on a cable."""

    def __init__(self, node: SimNode) -> None:
        self._node = node
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)  # held open, so that a client that leaves does not take the settings along
        os.set_blocking(self._master, False)
        self.device = os.ttyname(self._slave)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._carry, name="wire")
        self._thread.start()

    def _carry(self) -> None:
        at = 0
        while not self._ending.is_set():
            if select.select([self._master], [], [], _LOOK_S)[0]:
                with contextlib.suppress(NodeError, OSError, ValueError):  # between two boots nobody hears it
                    self._node.type(os.read(self._master, 4096))
            if self._node.log_path.exists():
                with self._node.log_path.open("rb") as log:
                    log.seek(at)
                    data = log.read()
                at += len(data)
                self._say(data)

    def _say(self, data: bytes) -> None:
        end = time.monotonic() + _NOBODY_S
        while data:
            try:
                data = data[os.write(self._master, data) :]
            except BlockingIOError:
                if time.monotonic() > end:
                    termios.tcflush(self._slave, termios.TCIFLUSH)
                    return
                time.sleep(_LOOK_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()
        os.close(self._master)
        os.close(self._slave)
