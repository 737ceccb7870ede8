"""Real servers that sinks are held to, as child processes: tests and `pantau bench sinks` start them, and end them."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_PAUSE_S = 0.02
_STOP_S = 10.0


class Missing(RuntimeError):  # noqa: N818  a state of this machine
    """A server that is not installed here; `package` is what to install."""

    def __init__(self, what: str, package: str) -> None:
        super().__init__(f"{what} is not installed: install {package} (make servers)")
        self.what = what
        self.package = package


class Child:
    """A server that runs as our child process, or does not; whoever starts it sets `_process`."""

    _process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Return the process, None when it does not run."""
        return None if self._process is None else self._process.pid

    def stop(self) -> None:
        """End it in order."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power cut does."""
        self._end(signal.SIGKILL)

    def hang(self) -> None:
        """Let it keep its connections and answer nothing, until `resume`."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after `hang`."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        process.send_signal(signal.SIGCONT)  # one that hangs would not hear
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(_STOP_S)


def free_port() -> int:
    """Return a port of this machine on which nothing listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(at: int | str, process: subprocess.Popen[bytes], within_s: float = 30.0, log: Path | None = None) -> None:
    """Return once `process` listens on the port `at`, or answers the URL `at` with any status below 500.

    RuntimeError, with the end of `log`, when it ends before or takes longer.
    """
    deadline = time.monotonic() + within_s
    while not _answers(at):
        ended = process.poll()
        if ended is not None or time.monotonic() > deadline:
            what = f"ended with {ended}" if ended is not None else f"does not answer at {at} after {within_s:g} s"
            last = log.read_text(errors="replace")[-2000:] if log is not None and log.exists() else ""
            msg = f"{process.args!r} {what}\n{last}"
            raise RuntimeError(msg)
        time.sleep(_PAUSE_S)


def _answers(at: int | str) -> bool:
    try:
        if isinstance(at, int):
            socket.create_connection(("127.0.0.1", at), 1.0).close()
        else:
            urllib.request.urlopen(at, timeout=2.0).close()  # noqa: S310  our own server
    except urllib.error.HTTPError as error:
        return error.code < 500
    except OSError:
        return False
    return True
