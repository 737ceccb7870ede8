"""Headless Chromium over its debugging pipe: enough to wait, look, click and take a picture. No driver to install."""

from __future__ import annotations

import base64
import json
import os
import select
import shlex
import subprocess
import time
from pathlib import Path
from typing import Any

_FLAGS = [
    "--headless",
    "--no-sandbox",  # tests run as root in CI's container, and only this project's own page is opened
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
]
_ANSWER_S = 30.0
_POLL_S = 0.05


class Chrome:
    """One page in one browser. Messages of the console and of the content policy gather in `said`."""

    def __init__(self, binary: str, profile: Path) -> None:
        """Start the browser; `profile` is a temporary folder of its own."""
        to_read, self._write = os.pipe()
        self._read, to_write = os.pipe()
        words = [binary, *_FLAGS, f"--user-data-dir={profile}", "about:blank"]
        # Chromium speaks on descriptors 3 and 4; the shell puts the pipe there, whatever their numbers here.
        line = f"exec {shlex.join(words)} 3<&{to_read} 4>&{to_write}"
        self._process = subprocess.Popen(
            ["bash", "-c", line], pass_fds=(to_read, to_write), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.close(to_read)
        os.close(to_write)
        self._buffer = b""
        self._number = 0
        self._session: str | None = None
        self.said: list[str] = []
        self.asked: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def close(self) -> None:
        """Stop the browser and wait for it."""
        os.close(self._write)
        self._process.terminate()
        self._process.wait(_ANSWER_S)
        os.close(self._read)

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Send one command and return its result. Raises RuntimeError with the browser's own words."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            if not select.select([self._read], [], [], _ANSWER_S)[0]:
                raise RuntimeError(f"Chromium said nothing for {_ANSWER_S:.0f} s")
            data = os.read(self._read, 1 << 20)
            if not data:
                raise RuntimeError("Chromium ended: run it by hand with the same flags to see why")
            self._buffer += data
        line, self._buffer = self._buffer.split(b"\0", 1)
        message = json.loads(line)
        params = message.get("params", {})
        if message.get("method") == "Log.entryAdded":
            self.said.append(params["entry"]["text"])
        elif message.get("method") == "Runtime.exceptionThrown":
            self.said.append(params["exceptionDetails"].get("exception", {}).get("description", "exception"))
        elif message.get("method") == "Network.requestWillBeSent":
            self.asked.append(params["request"]["url"])
        return message

    def open(self, url: str, width: int, height: int, *, phone: bool = False) -> None:
        """Show `url` in a window of that size, CSS pixels."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)
        self.call("Page.navigate", url=url)

    def run(self, script: str) -> Any:
        """Return the value of a JavaScript expression in the page."""
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise RuntimeError(result["exceptionDetails"]["exception"]["description"])
        return result["result"].get("value")

    def wait(self, script: str, timeout_s: float = 15.0) -> Any:
        """Return the expression's value as soon as it is true. Raises AssertionError after `timeout_s`."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            if value := self.run(script):
                return value
            select.select([], [], [], _POLL_S)
        raise AssertionError(f"still not true after {timeout_s} s: {script}; the page said {self.said}")

    def picture(self, path: Path, *, whole: bool = False) -> None:
        """Write a PNG of the window, or of the whole page."""
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))
