"""The control room's page in Debian's Chromium: a person's eyes on a city (city_rig).

Pictures go to PANTAU_PICTURES, or to the test's folder.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from needs import need

_FLAGS = (
    "--no-sandbox",  # tests run as root in CI's container, and only this project's own page is opened
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Start the browser. One at a time in a process: Playwright's loop excludes asyncio.run while it is open."""
    binary = need("chromium", "chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=binary, args=list(_FLAGS))
        try:
            yield browser
        finally:
            browser.close()


class Eyes:
    """Opens pages as a person does, and remembers what they complained about and whom they asked."""

    def __init__(self, browser: Browser, url: str, folder: Path) -> None:
        self._browser, self.url = browser, url
        self.pictures = Path(os.environ.get("PANTAU_PICTURES", folder))
        self.said: list[str] = []
        self.asked: list[str] = []
        self._open: list[Any] = []

    def open(
        self,
        path: str = "",
        *,
        width: int = 1440,
        height: int = 900,
        phone: bool = False,
        script: str = "",
        **more: Any,
    ) -> Page:
        """Open a page in a context of its own: nothing is remembered from one to the next. `script` runs before the page's own."""
        options: dict[str, Any] = {"viewport": {"width": width, "height": height}, "locale": "en"} | more
        if phone:
            options |= {"is_mobile": True, "has_touch": True, "device_scale_factor": 2}
        context = self._browser.new_context(**options)
        context.set_default_timeout(10_000)
        self._open.append(context)
        page = context.new_page()
        page.on("console", lambda message: message.type in ("error", "warning") and self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("request", lambda request: self.asked.append(request.url))
        if script:
            page.add_init_script(script)
        page.goto(self.url + path)
        return page

    def picture(self, page: Page, name: str) -> None:
        """Keep what the page looks like."""
        self.pictures.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=self.pictures / f"{name}.png")

    def complaints(self) -> list[str]:
        """Return messages of the console and requests to other hosts since the last call, and close the pages."""
        for context in self._open:
            context.close()
        self._open.clear()
        strange = [url for url in self.asked if not url.startswith((self.url, "data:", "blob:"))]
        found, self.said[:], self.asked[:] = self.said + strange, [], []
        return found
