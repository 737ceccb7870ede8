"""The serial port of a virtual board: a pseudo-terminal outside, two sockets of the VM inside, and the interrupt character between."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import signal
import socket
import termios
import threading
import time
import tty

_CHUNK = 4096
_NOBODY_S = 2.0  # who reads nothing for so long is not there: what was said is lost, as on a cable that nobody reads
_AGAIN_S = 0.1  # between two interrupts: the VM ends at one that finds another pending
_NONE = 255


class Console:
    """One pty for all boots of a board; plug() gives each boot its end. Its own thread carries the bytes until close()."""

    def __init__(self) -> None:
        self._master, self._slave = pty.openpty()
        # Held open and raw: else each client that leaves would take the settings along, and the terminal would echo.
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path = os.ttyname(self._slave)
        self._wake, self._woken = os.pipe()
        self._vm: socket.socket | None = None
        self._lock = threading.Lock()
        self._char = _NONE
        self._pid = 0
        self._sent_s = 0.0
        self._drained = threading.Event()
        self._ending = False
        self._thread = threading.Thread(target=self._carry, name="console", daemon=True)
        self._thread.start()

    def plug(self) -> socket.socket:
        """Return the VM's end for the next boot."""
        ours, theirs = socket.socketpair()
        with self._lock:
            self._char, self._pid = _NONE, 0
            self._vm = ours
            self._drained.clear()
        os.write(self._woken, b"p")
        return theirs

    def drain(self) -> None:
        """Wait until all that an ended VM has said is outside."""
        if self._vm is not None:
            self._drained.wait(_NOBODY_S * 2)

    def started(self, pid: int) -> None:
        """The VM of this boot runs as this process."""
        with self._lock:
            self._pid = pid

    def interrupt_char(self, char: int) -> None:
        """From now on this byte interrupts what runs and goes no further; 255: none does."""
        with self._lock:
            self._char = char

    def say(self, data: bytes) -> None:
        """Write to whoever listens outside; lost if nobody does."""
        end_s = time.monotonic() + _NOBODY_S
        while data and not self._ending:
            try:
                data = data[os.write(self._master, data) :]
                end_s = time.monotonic() + _NOBODY_S
            except BlockingIOError:
                if time.monotonic() > end_s:
                    termios.tcflush(self._slave, termios.TCIFLUSH)
                else:
                    select.select([], [self._master], [], 0.1)

    def close(self) -> None:
        """End the port; a client sees the cable go."""
        self._ending = True
        os.write(self._woken, b"e")
        self._thread.join()
        for fd in (self._master, self._slave, self._wake, self._woken):
            os.close(fd)
        if self._vm is not None:
            self._vm.close()

    def _carry(self) -> None:
        while not self._ending:
            vm = self._vm
            watched: list[int | socket.socket] = [self._master, self._wake]
            if vm is not None:
                watched.append(vm)
            ready = select.select(watched, [], [])[0]
            if self._wake in ready:
                os.read(self._wake, 16)
            if vm is not None and vm in ready:
                self._from_vm(vm)
            if self._master in ready:
                with contextlib.suppress(BlockingIOError):
                    self._to_vm(os.read(self._master, _CHUNK))

    def _from_vm(self, vm: socket.socket) -> None:
        try:
            data = vm.recv(_CHUNK)
        except ConnectionError:
            data = b""
        if data:
            self.say(data)
            return
        vm.close()
        with self._lock:
            if self._vm is vm:
                self._vm = None
        self._drained.set()

    def _to_vm(self, data: bytes) -> None:
        with self._lock:
            if self._char != _NONE and self._char in data:
                data = data.replace(bytes((self._char,)), b"")
                if self._pid and time.monotonic() - self._sent_s > _AGAIN_S:
                    self._sent_s = time.monotonic()
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(self._pid, signal.SIGINT)
            vm = self._vm
        if vm is not None and data:
            with contextlib.suppress(OSError):
                vm.sendall(data)
