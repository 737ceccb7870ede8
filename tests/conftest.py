"""What every test may ask for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

import needs

# The short tier is the same on every run; `make long` looks further, with fresh examples each time.
settings.register_profile("short", derandomize=True, deadline=None, max_examples=100)
settings.register_profile("long", deadline=None, max_examples=5000)
settings.load_profile("short")


@pytest.fixture(scope="session")
def need() -> Callable[[str, str], str]:
    """`need(tool, package) -> path`: for tests that start a server; also `from needs import need`."""
    return needs.need


@pytest.fixture(scope="session")
def vm() -> Path:
    """The unix MicroPython: `pytestmark = pytest.mark.usefixtures("vm")` for a module that runs nodes."""
    return needs.need_vm()
