"""What every test in the browser may ask for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from city_rig import City, serving
from page_rig import Eyes, chromium


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, started once for a module; a page is opened in a context of its own."""
    with chromium() as found:
        yield found


@pytest.fixture
def eyes(city: City, browser: Browser, tmp_path: Path) -> Iterator[Eyes]:
    """Somebody who looks at the module's own `city`, and to whom the page must not have complained."""
    with serving(city.app) as url:
        found = Eyes(browser, url, tmp_path)
        yield found
        assert found.complaints() == []
